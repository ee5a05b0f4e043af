"""`If-Match`: a change of what the caller has not seen is refused. `If-None-Match`: what the caller has is not sent."""

import pytest

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import Caller, refusal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "viewer")]
CHANGES = {
    "/organizations/acme": ({"name": "A"}, {"name": "B"}),
    "/organizations/acme/members/vera": ({"role": "editor"}, {"role": "admin"}),
    "/models/mdl-7f3a19bc92": ({"description": "A"}, {"description": "B"}),
    "/models/mdl-7f3a19bc92/versions/ver-001a1": ({"description": "A"}, {"description": "B"}),
}
READS = [
    *CHANGES,
    "/organizations",
    "/organizations/acme/members",
    "/models",
    "/models/mdl-7f3a19bc92/grants",
    "/models/mdl-7f3a19bc92/versions",
    "/models/mdl-7f3a19bc92/versions/ver-001a1/snapshots",
    "/models/mdl-7f3a19bc92/promotions",
    "/models/mdl-7f3a19bc92/performance/summary",
    "/models/mdl-7f3a19bc92/performance/report",
    "/models/mdl-7f3a19bc92/performance/history?metric=accuracy",
    "/models/mdl-7f3a19bc92/performance/compare",
]


@pytest.mark.parametrize("path", CHANGES)
def test_the_second_of_two_writers_with_the_same_state_is_refused(admin: User, path: str) -> None:
    ada, (first, second) = Caller(admin), CHANGES[path]
    etag = ada.get(path)["ETag"]

    changed = ada.patch(path, first, If_Match=etag)
    lost = ada.patch(path, second, If_Match=etag)

    assert changed.status_code == 200
    assert refusal(lost) == (412, "precondition_failed")
    assert ada.get(path).json() == changed.json()
    assert ada.patch(path, second, If_Match=changed["ETag"]).status_code == 200


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize(
    ("etag", "status"), [("*", 200), ('"x", {etag}', 200), ('"x"', 412), ("W/{etag}", 412), ("x", 412), ("", 412)]
)
def test_a_matching_if_match_allows_a_change(admin: User, path: str, etag: str, status: int) -> None:
    ada = Caller(admin)
    present = ada.get(path)["ETag"]

    assert ada.patch(path, CHANGES[path][0], If_Match=etag.format(etag=present)).status_code == status


def test_without_if_match_the_last_writer_wins(admin: User, model: RegisteredModel) -> None:
    ada = Caller(admin)

    assert ada.patch(f"/models/{model.pk}", {"description": "A"}).status_code == 200
    assert ada.patch(f"/models/{model.pk}", {"description": "B"}).json()["description"] == "B"


@pytest.mark.parametrize("path", ["/organizations/acme/members/vera", "/models/mdl-7f3a19bc92"])
def test_a_record_that_has_changed_is_not_deleted(admin: User, path: str) -> None:
    ada = Caller(admin)
    etag = ada.get(path)["ETag"]
    ada.patch(path, CHANGES[path][0])

    assert refusal(ada.delete(path, If_Match=etag)) == (412, "precondition_failed")
    assert ada.delete(path, If_Match=ada.get(path)["ETag"]).status_code == 204


def test_the_etag_of_a_new_record_allows_a_change(admin: User, model: RegisteredModel) -> None:
    created = Caller(admin).post(f"/models/{model.pk}/versions", {"parameters": {"zeta": 1, "a": 2}})

    changed = Caller(admin).patch(created["Location"], {"description": "x"}, If_Match=created["ETag"])

    assert changed.status_code == 200


def test_a_promotion_is_a_change_of_the_model(admin: User, model: RegisteredModel) -> None:
    ada = Caller(admin)
    etag = ada.get(f"/models/{model.pk}")["ETag"]
    ada.post(f"/models/{model.pk}/versions")

    assert refusal(ada.patch(f"/models/{model.pk}", {"description": "A"}, If_Match=etag))[0] == 412


@pytest.mark.parametrize("path", READS)
def test_an_unchanged_record_is_a_304(admin: User, path: str) -> None:
    ada = Caller(admin)
    first = ada.get(path)
    assert first.status_code == 200, first.content
    assert first["Cache-Control"] == "private, no-cache"
    is_table = "results" in first.json() or path.endswith(("report", "compare"))
    assert first["Vary"] == ("Authorization, Accept" if is_table else "Authorization")

    again = ada.get(path, If_None_Match=first["ETag"])

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert ada.get(path, If_None_Match='"another"').content == first.content
    assert refusal(ada.get(path, If_Match='"another"')) == (412, "precondition_failed")
