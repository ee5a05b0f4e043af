"""The verdict as JUnit, Markdown or HTML, requested by name or by media type."""

from datetime import timedelta

import pytest
from django.utils import timezone
from junitparser import JUnitXml

from models_registry.accounts.models import User
from tests.api import Caller, refusal
from tests.performance.gates.gate_example import FAILS, GATE, PASSES, SetPolicy

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("candidate")]


@pytest.mark.parametrize(
    ("form", "media_type", "begins"),
    [
        ("junit", "application/xml", "<?xml"),
        ("markdown", "text/markdown", "### Gate: ver-001a2 of mdl-7f3a19bc92 failed"),
        ("html", "text/html", "<!DOCTYPE html>"),
    ],
)
def test_format_is_requested_by_name_or_media_type(
    viewer: User, set_policy: SetPolicy, form: str, media_type: str, begins: str
) -> None:
    set_policy(FAILS)
    vera = Caller(viewer)

    for answer in (
        vera.get(GATE, {"format": form}),
        vera.get(GATE, Accept=media_type),
        vera.get(GATE, {"format": form}, Accept="application/json"),
        vera.post(f"{GATE}?format={form}", FAILS),
    ):
        assert answer.status_code == 200
        assert answer["Content-Type"] == f"{media_type}; charset=utf-8"
        assert answer.content.decode().startswith(begins)
        assert "accuracy" in answer.content.decode()
        assert answer["Cache-Control"] == "private, no-cache"
        assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_browser_gets_a_page(ada: Caller, set_policy: SetPolicy) -> None:
    set_policy(PASSES)
    accepted = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert ada.get(GATE, Accept=accepted)["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("accepted", ["text/plain", "image/png, text/html;q=0", "application/json"])
def test_format_by_name_ignores_the_accept_header(viewer: User, set_policy: SetPolicy, accepted: str) -> None:
    set_policy(PASSES)

    answer = Caller(viewer).get(GATE, {"format": "junit"}, Accept=accepted)

    assert (answer.status_code, answer["Content-Type"]) == (200, "application/xml; charset=utf-8")


def test_format_by_name_has_the_media_type_that_is_accepted(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(PASSES)

    answer = Caller(viewer).get(GATE, {"format": "junit"}, Accept="text/xml")

    assert answer["Content-Type"] == "text/xml; charset=utf-8"


def test_json_may_be_requested_by_name(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(PASSES)

    assert Caller(viewer).get(GATE, {"format": "json"}, Accept="text/html").json()["status"] == "passed"


@pytest.mark.parametrize("accepted", ["", " "])
def test_empty_accept_header_gets_json(viewer: User, set_policy: SetPolicy, accepted: str) -> None:
    set_policy(PASSES)

    assert Caller(viewer).get(GATE, Accept=accepted).json()["status"] == "passed"


@pytest.mark.parametrize(
    ("accepted", "media_type"),
    [
        ("text/html;q=0.1, application/json", "application/json"),
        ("application/json;q=0.5, text/html", "text/html"),
        ("application/json;q=0.5,text/markdown;q=0.7,text/html;q=0.6", "text/markdown"),
        ("text/html;q=0.8, */*;q=0.9", "application/json"),
        ("text/*;q=0.5, text/xml", "text/xml"),
        ("*/*, application/json;q=0", "text/html"),
        ("text/html, application/json;q=1.000", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("text/xml", "text/xml"),
        ("text/xml, application/xml", "application/xml"),
        ("TEXT/XML;Q=0.5", "text/xml"),
        ("text/html;q=much, application/json;q=0.9", "text/html"),
    ],
)
def test_most_wanted_media_type_is_chosen(viewer: User, set_policy: SetPolicy, accepted: str, media_type: str) -> None:
    set_policy(PASSES)

    assert Caller(viewer).get(GATE, Accept=accepted)["Content-Type"].partition(";")[0] == media_type


@pytest.mark.parametrize("accepted", ["application/json;q=0", "*/*;q=0", "image/png, text/html;q=0.000", ";q=1"])
def test_unwanted_media_types_are_not_acceptable(viewer: User, accepted: str) -> None:
    assert refusal(Caller(viewer).get(GATE, Accept=accepted)) == (406, "not_acceptable")


@pytest.mark.parametrize("form", ["json", "junit", "markdown", "html"])
def test_etag_of_each_format_does_not_depend_on_the_time(
    viewer: User, set_policy: SetPolicy, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(PASSES)
    vera, query = Caller(viewer), {"format": form}
    first = vera.get(GATE, query)
    later = timezone.now() + timedelta(days=1)
    monkeypatch.setattr("performance.gates.selectors.timezone.now", lambda: later)

    again = vera.get(GATE, query, If_None_Match=first["ETag"])

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Vary"] == first["Vary"] == "Authorization, Accept"
    assert vera.get(GATE, query, If_Match=first["ETag"]).status_code == 200
    assert refusal(vera.get(GATE, query, If_Match='"x"')) == (412, "precondition_failed")
    set_policy(FAILS)
    assert vera.get(GATE, query, If_None_Match=first["ETag"]).status_code == 200


def test_each_format_has_its_own_etag(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(PASSES)
    vera = Caller(viewer)

    assert len({vera.get(GATE, {"format": form})["ETag"] for form in ("json", "junit", "markdown", "html")}) == 4


def test_enforced_junit_of_a_failed_gate_is_a_conflict(viewer: User, set_policy: SetPolicy) -> None:
    set_policy(FAILS)

    answer = Caller(viewer).get(GATE, {"format": "junit", "enforce": "true"})

    assert answer.status_code == 409
    [suite] = JUnitXml.fromstring(answer.content)
    assert (suite.tests, suite.failures) == (2, 1)
