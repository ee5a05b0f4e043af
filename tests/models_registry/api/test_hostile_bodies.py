"""Whatever body is sent, the answer is a problem document that says what is wrong with it; nothing of it is stored."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from models_registry.accounts.models import User
from models_registry.api.parsers import StrictJSONParser
from models_registry.audit.models import AuditEntry
from models_registry.registry.models import RegisteredModel
from tests.api import refusal
from tests.config.test_routes import REST_VIEWS
from tests.conftest import authenticated
from tests.hostile import CHARSETS, DOCUMENTS, MEDIA_TYPES, VALUES, Endless, environ_of, served
from tests.operations import WRITES, Operation, furnish

TOKEN = "/api/v1/auth/token"
LOGINS = {
    TOKEN: b'{"username": %b, "password": "x"}',
    f"{TOKEN}/refresh": b'{"refresh": %b}',
    f"{TOKEN}/revoke": b'{"refresh": %b}',
}
# Bodies in which nothing must be given.
OPTIONAL = {"description", "reason"}
# The routes that are sent every hostile body. The others, which have the same parser, are sent some of each kind.
THOROUGH = [TOKEN, "POST models", "PUT models/<str:model_id>/gate-policy"]
# Values that are wrong only in the place of a whole body.
NOT_INSIDE = {"repeated key at the top", "nothing"}


@dataclass
class Route:
    """A route that takes JSON: `with_value` returns its body with a value in the place of a text."""

    method: str
    path: str
    good: bytes
    with_value: Callable[[bytes], bytes]
    client: Client
    status: int
    needs_a_body: bool
    is_thorough: bool

    def send(self, body: bytes, content_type: str = "application/json", query: str = "", **extra: Any) -> Any:
        """Send a body."""
        return self.client.generic(self.method, self.path + query, body, content_type, **extra)

    def some(self, things: list[Any]) -> list[Any]:
        """Return all of them for a route that is tested thoroughly, otherwise one in four."""
        return things if self.is_thorough else things[::4]

    def environ(self, content_type: str, body: bytes = b"") -> dict[str, Any]:
        """Return the request as the server hands it to the application."""
        authorization = self.client.defaults.get("HTTP_AUTHORIZATION")
        headers = {"Authorization": str(authorization)} if authorization else {}
        return environ_of(self.method, self.path, content_type, body=body, headers=headers)


@pytest.fixture(params=[*LOGINS, *WRITES], ids=str)
def route(request: pytest.FixtureRequest, superuser: User, model: RegisteredModel) -> Route:
    """Each route that takes JSON, called by one who may do everything."""
    given: str | Operation = request.param
    if isinstance(given, str):
        body = LOGINS[given]
        return Route(
            "POST",
            given,
            body % b'"x"',
            lambda value: body % value,
            Client(),
            401,
            needs_a_body=True,
            is_thorough=given in THOROUGH,
        )
    target = furnish(model)
    return Route(
        given.method,
        given.path(target),
        given.data(target).encode(),
        lambda value: given.hostile(target, value),
        authenticated(superuser),
        given.status,
        needs_a_body=given.text not in OPTIONAL and given.method == "POST",
        is_thorough=str(given) in THOROUGH,
    )


# What every route does is checked on one set-up: first what stores nothing, then what is undone each time.
Check = Callable[[Route], None]
REFUSED: list[Check] = []
ACCEPTED: list[Check] = []


def refused(check: Check) -> Check:
    """Have every route refuse what the function sends, and store nothing."""
    REFUSED.append(check)
    return check


def accepted(check: Check) -> Check:
    """Have every route take what the function sends as the function says."""
    ACCEPTED.append(check)
    return check


@refused
def a_hostile_value_for_what_it_is(route: Route) -> None:
    one_for_each_reason = {reason: name for name, (_, reason) in VALUES.items()}
    for name in VALUES if route.is_thorough else one_for_each_reason.values():
        value, reason = VALUES[name]
        answer = route.send(route.with_value(value))

        assert refusal(answer) == (400, "invalid_body"), name
        assert reason in answer.json()["detail"], name


@refused
def a_hostile_document(route: Route) -> None:
    for name, made in route.some(list(DOCUMENTS.items())):
        if route.needs_a_body or name not in ("empty", "empty object"):
            assert refusal(route.send(made(route.good))) == (400, "invalid_body"), name


@refused
def thirty_two_levels_are_read(route: Route) -> None:
    answer = route.send(route.with_value(b"[" * 31 + b"]" * 31))

    assert refusal(answer) == (400, "invalid_body")
    assert [error["code"] for error in answer.json()["errors"]] in (["invalid"], ["invalid_choice"])


@refused
def a_value_of_another_kind(route: Route) -> None:
    for value in (b"1", b"true", b"null", b"[]", b"{}", b"1e308"):
        assert refusal(route.send(route.with_value(value))) == (400, "invalid_body"), value


@refused
def a_strange_key_as_unknown(route: Route) -> None:
    for name in ["", " ", "__proto__", "constructor", "a" * 10_000, "\u202e", "\U0001f4a3", "a.b[0]"]:
        answer = route.send(json.dumps({**json.loads(route.good), name: 1}).encode())

        assert refusal(answer) == (400, "invalid_body"), name
        assert [error["code"] for error in answer.json()["errors"]] == ["unknown_field"], name


@refused
def many_unknown_fields_not_all_of_which_are_named(route: Route) -> None:
    answer = route.send(json.dumps({f"{'x' * 60}{number}": 0 for number in range(10_000)}).encode())

    assert refusal(answer) == (400, "invalid_body")
    assert len(answer.json()["errors"]) <= 20
    assert len(answer.content) < 5000


@refused
def a_huge_text(route: Route) -> None:
    answer = route.send(route.with_value(b'"' + b"x" * 900_000 + b'"'))

    assert refusal(answer)[0] in (400, 401)
    assert len(answer.content) < 2000


@refused
def a_body_over_the_largest_size(route: Route) -> None:
    body = route.good.ljust(settings.MAX_BODY_BYTES + 1)

    assert refusal(route.send(body)) == (413, "payload_too_large")


@refused
def another_media_type(route: Route) -> None:
    for media_type in route.some(MEDIA_TYPES):
        assert refusal(route.send(route.good, media_type)) == (415, "unsupported_media_type"), media_type


@refused
def another_charset_than_utf_8(route: Route) -> None:
    for charset in route.some(CHARSETS):
        environ = route.environ(f"application/json; {charset}", route.with_value(b'"\xe9"'))
        assert served(environ) == (400, "invalid_body"), charset


@refused
def an_endless_body_which_is_not_read_past_the_limit(route: Route) -> None:
    for length in ({"CONTENT_LENGTH": str(10**12)}, {"HTTP_TRANSFER_ENCODING": "chunked"}):
        body = Endless()
        environ = {**route.environ("application/json"), "wsgi.input": body, **length}

        assert served(environ) == (413, "payload_too_large"), length
        assert body.given <= settings.MAX_BODY_BYTES + 1


@refused
def a_body_cut_off_by_its_own_content_length(route: Route) -> None:
    for length in ("1", "5"):
        extra: dict[str, Any] = {"wsgi.input": io.BytesIO(route.good), "CONTENT_LENGTH": length}
        answer = route.send(b"", **extra, CONTENT_TYPE="application/json")

        assert refusal(answer) == (400, "invalid_body"), length


@accepted
def a_valid_body(route: Route) -> None:
    assert route.send(route.good).status_code == route.status


@accepted
def an_invalid_content_length_as_an_empty_body(route: Route) -> None:
    for length in ("0", "", "-1", "many", "1e3", "\u0665"):
        extra: dict[str, Any] = {"wsgi.input": io.BytesIO(route.good), "CONTENT_LENGTH": length}

        with transaction.atomic():
            answer = route.send(b"", **extra, CONTENT_TYPE="application/json")
            transaction.set_rollback(True)

        assert answer.status_code in ((400,) if route.needs_a_body else (200, 201, 400)), length


@accepted
def a_body_of_the_largest_size(route: Route) -> None:
    assert route.send(route.good.ljust(settings.MAX_BODY_BYTES)).status_code == route.status


@accepted
def a_chunked_body(route: Route) -> None:
    environ = {**route.environ("application/json"), "HTTP_TRANSFER_ENCODING": "chunked"}

    assert served({**environ, "wsgi.input": io.BytesIO(route.good)})[0] == route.status


@accepted
def json_as_utf_8_whatever_charset_is_claimed(route: Route) -> None:
    environ = route.environ(f"application/json; {CHARSETS[0]}", route.good)

    assert served(environ)[0] == route.status


@refused
def a_hostile_query(route: Route) -> None:
    for query in ("%00", "%ff=1", "username=%00", "=", "&".join(f"p{n}=1" for n in range(5_000))):
        found = refusal(route.send(route.good, query=f"?{query}"))

        assert found in [(400, "invalid_parameter"), (400, "unknown_parameter")], query


def writes() -> int:
    """Return how many writes were recorded."""
    return int(AuditEntry.objects.exclude(action=AuditEntry.DENIED).count())


def test_every_body_is_refused_or_accepted_for_what_it_is(route: Route, subtests: pytest.Subtests) -> None:
    before = writes()
    for check in REFUSED:
        cache.clear()  # else answers were 429 in the end
        with subtests.test(check.__name__):
            check(route)
    assert writes() == before
    for check in ACCEPTED:
        with subtests.test(check.__name__), transaction.atomic():
            check(route)
            transaction.set_rollback(True)


def test_every_route_that_takes_json_has_the_same_parser() -> None:
    others = [path for path, view in REST_VIEWS.items() if list(view.parser_classes) != [StrictJSONParser]]

    assert {path.removeprefix("api/v1/") for path in others if path.startswith("api/v1/")} == {
        "auth/token/exchange",
        "evaluations/<str:evaluation_id>",
        "models/<str:model_id>/versions/<str:version_id>/evaluations",
        "organizations/<str:slug>/imports",
    }


# Where a body may hold JSON of the caller's own, which the database must be able to keep


@pytest.mark.parametrize("name", [name for name in VALUES if name not in NOT_INSIDE])
def test_a_hostile_value_deep_in_a_versions_parameters_is_refused(
    superuser: User, model: RegisteredModel, name: str
) -> None:
    value, reason = VALUES[name]
    client, path = authenticated(superuser), f"/api/v1/models/{model.pk}/versions"

    answer = client.generic("POST", path, b'{"parameters": {"a": [%b]}}' % value, "application/json")

    assert refusal(answer) == (400, "invalid_body")
    assert reason in answer.json()["detail"]
    assert model.versions.count() == 1


@pytest.mark.parametrize(
    "value",
    [
        b"-0.0",
        b"5e-324",
        b"9007199254740993",
        b"18446744073709551616",
        b'"\\u2028\\ufeff\\u202e"',
        b'"\\ud83d\\udca3"',
        b'{"": {"__proto__": [null, true, []]}}',
        b"[" * 29 + b"]" * 29,
    ],
)
def test_an_odd_value_in_a_versions_parameters_is_stored_unchanged(
    superuser: User, model: RegisteredModel, value: bytes
) -> None:
    client, path = authenticated(superuser), f"/api/v1/models/{model.pk}/versions"

    answer = client.generic("POST", path, b'{"parameters": {"a": %b}}' % value, "application/json")

    assert answer.status_code == 201, answer.content
    assert client.get(answer["Location"]).json()["parameters"] == {"a": json.loads(value)}
