"""Whatever path, query and headers are sent, the answer is a problem document, and never a failure of ours."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.test import Client

from models_registry.accounts.models import User
from models_registry.registry.models import RegisteredModel
from tests.api import refusal
from tests.conftest import authenticated
from tests.hostile import CHARSETS, environ_of, served
from tests.operations import OPERATIONS, Operation, furnish

TOKEN = "/api/v1/auth/token"
CREDENTIALS = {"username": "x", "password": "x"}
MODEL = "mdl-7f3a19bc92"


@pytest.mark.parametrize(
    ("query", "status"),
    [("dataset_split=%74est", 200), ("%2B2AA-=1", 400), (r"\ud800=1", 400), ("dataset_split=%ff", 400)],
)
def test_a_query_is_utf_8_whatever_charset_is_claimed(reading: dict[str, str], query: str, status: int) -> None:
    path = f"/api/v1/models/{MODEL}/performance/summary?{query}"
    for charset in CHARSETS:
        environ = environ_of("GET", path, f"text/plain; {charset}", headers=reading)

        assert served(environ)[0] == status, charset


# The summary's path and query


@pytest.fixture
def reading(viewer: User, model: RegisteredModel, as_user: Callable[[User], Client]) -> dict[str, str]:
    """Return the headers of one who may read the model."""
    return {"Authorization": as_user(viewer).defaults["HTTP_AUTHORIZATION"]}


@pytest.mark.parametrize(
    "model_id",
    [
        "%00",
        f"{MODEL}%00",
        "mdl-7f3a19bc9%00",
        "%ff",
        "%ed%a0%80",
        "%c0%80",
        "%",
        "%zz",
        f"{MODEL}%0a",
        f"%20{MODEL}",
        MODEL.upper(),
        "mdl-" + quote("\uff17f3a19bc92"),
        "mdl-" + quote("\u0667" * 10),
        "m" * 10_000,
        "mdl-" + "f" * 10_000,
        quote("\U0001f4a3" * 1_000),
        "'%20OR%20'1'='1",
        "{0.__class__}",
        "%25s",
        "%s",
        "..%2f..%2fetc%2fpasswd",
        "..",
        "%2e%2e",
    ],
)
def test_a_hostile_model_id_is_not_found(reading: dict[str, str], model_id: str) -> None:
    answer = Client(headers=reading).get(f"/api/v1/models/{model_id}/performance/summary")

    assert refusal(answer) in [(404, "model_not_found"), (404, "not_found")]
    assert len(answer.json()["detail"]) < 300


BAD_PARAMETER = (400, "invalid_parameter")
UNKNOWN_PARAMETER = (400, "unknown_parameter")
NO_VERSION = (404, "version_not_found")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("dataset_split=%00", BAD_PARAMETER),
        ("dataset_split=test%00", BAD_PARAMETER),
        ("dataset_split=%ff", BAD_PARAMETER),
        ("dataset_split=%ed%a0%80", BAD_PARAMETER),
        ("dataset=%ff", BAD_PARAMETER),
        ("dataset_split=", BAD_PARAMETER),
        ("dataset_split", BAD_PARAMETER),
        ("dataset_split=%20test", BAD_PARAMETER),
        ("dataset_split=TEST", BAD_PARAMETER),
        ("dataset_split=" + quote("\uff54est"), BAD_PARAMETER),
        ("dataset_split=" + "t" * 10_000, BAD_PARAMETER),
        ("dataset_split=test&dataset_split=test", BAD_PARAMETER),
        ("dataset_split=test&dataset_split=nosuch", BAD_PARAMETER),
        ("version_id=", BAD_PARAMETER),
        ("version_id=ver-001a1%00", BAD_PARAMETER),
        ("version_id=ver-001a1%0a", BAD_PARAMETER),
        ("version_id=%20ver-001a1", BAD_PARAMETER),
        ("version_id=ver-001A1", BAD_PARAMETER),
        ("version_id=ver-1a1", BAD_PARAMETER),
        ("version_id=ver-" + quote("\uff10\uff10\uff11a1"), BAD_PARAMETER),
        ("version_id=ver-" + quote("\u0660\u0660\u0661\u0661\u0661"), BAD_PARAMETER),
        ("version_id=ver-0_1a1", BAD_PARAMETER),
        ("version_id=%ff", BAD_PARAMETER),
        ("version_id=ver-001a1&version_id=ver-001a1", BAD_PARAMETER),
        ("version_id=ver-00000", NO_VERSION),
        ("version_id=ver-0001a1", NO_VERSION),
        ("version_id=ver-7fffffff", NO_VERSION),
        ("version_id=ver-80000000", NO_VERSION),
        ("version_id=ver-ffffffffffffffffffff", NO_VERSION),
        ("version_id=ver-" + "f" * 10_000, NO_VERSION),
        ("version_id=ver-" + "0" * 10_000, NO_VERSION),
        ("datasetsplit=validation", UNKNOWN_PARAMETER),
        ("Dataset_split=test", UNKNOWN_PARAMETER),
        ("dataset_split[]=test", UNKNOWN_PARAMETER),
        ("dataset_split%00=test", UNKNOWN_PARAMETER),
        ("%ff=1", UNKNOWN_PARAMETER),
        ("%ed%a0%80=1", UNKNOWN_PARAMETER),
        ("=1", UNKNOWN_PARAMETER),
        ("format=json", UNKNOWN_PARAMETER),
        ("x" * 10_000, UNKNOWN_PARAMETER),
        ("dataset_split=test;version_id=ver-001a1", BAD_PARAMETER),
        ("&".join(f"p{number}=1" for number in range(900)), UNKNOWN_PARAMETER),
        ("&".join(f"p{number}=1" for number in range(5_000)), BAD_PARAMETER),
    ],
)
def test_a_hostile_query_is_refused(reading: dict[str, str], query: str, expected: tuple[int, str]) -> None:
    assert refusal(Client(headers=reading).get(f"/api/v1/models/{MODEL}/performance/summary?{query}")) == expected


# Headers


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("User-Agent", "\xff" * 10_000),
        ("X-Forwarded-For", "x" * 10_000),
        ("X-Request-ID", "\r\nSet-Cookie: a=b"),
        ("Accept", "*/*" + ", */*" * 1_000),
        ("Cookie", "sessionid=%00; csrftoken=\xff"),
        ("If-None-Match", '"' * 10_000),
        ("Host", "testserver:0"),
    ],
)
def test_a_hostile_header_changes_nothing(reading: dict[str, str], header: str, value: str) -> None:
    answer = Client(headers={**reading, header: value}).get(f"/api/v1/models/{MODEL}/performance/summary")
    failure = Client(headers={header: value}).post(TOKEN, CREDENTIALS, content_type="application/json")

    assert answer.status_code == 200
    assert refusal(failure) == (401, "not_authenticated")


def test_a_session_cookie_that_holds_nul_is_refused(db: None) -> None:
    client = Client(headers={"Cookie": r'sessionid="\000\000abcdefghijkl"'})

    assert client.get("/admin/").status_code == 400


@pytest.mark.parametrize("host", ["evil.example", "", "a b", "\xff", "testserver:port", "[::1", "x" * 10_000])
def test_another_host_is_refused(client: Client, host: str) -> None:
    assert refusal(client.get("/healthz", headers={"Host": host})) == (400, "invalid_parameter")


# Every route, by one who may do everything

HOSTILE_PARTS = [
    "%00",
    "x%00",
    "%ff",
    "%ed%a0%80",
    "%0a",
    "%20",
    "x" * 10_000,
    quote("\u0661" * 5),
    quote("\U0001f4a3" * 300),
    "9" * 400,
    "-1",
    "'%20OR%20'1'='1",
    "%2e%2e",
    "..%2f..%2fetc%2fpasswd",
    "{0.__class__}",
    "%25s",
]


def parts_of_paths() -> Iterator[tuple[Operation, str, list[str]]]:
    """Yield each parameter of each operation's path, with what to send there.

    Everything is sent in the place of the record that a route is of. The operations of a route look that up in the same
    way, and so do routes with the records above it: these are sent one part in four.
    """
    routes: set[str] = set()
    for operation in OPERATIONS:
        *above, own = re.findall("<str:(.+?)>", operation.route) or [None]
        for name in (each for each in (*above, own) if each):
            is_new = name == own and operation.route not in routes
            yield operation, name, HOSTILE_PARTS if is_new else HOSTILE_PARTS[::4]
        routes.add(operation.route)


@pytest.mark.once
def test_a_hostile_part_of_the_path_is_not_found(
    superuser: User, model: RegisteredModel, subtests: pytest.Subtests
) -> None:
    client, target = authenticated(superuser), furnish(model)
    given = vars(target)
    for operation, name, parts in parts_of_paths():
        cache.clear()  # else answers were 429 in the end
        with subtests.test(f"{operation}: {name}"):
            for part in parts:
                path = operation.path(type(target)(**{**given, name: part}))
                answer = client.generic(operation.method, path, operation.data(target), operation.content_type)

                assert refusal(answer)[0] in (400, 404), path
                assert len(answer.json()["detail"]) < 300


HOSTILE_QUERIES = ["%00", "%00=%00", "%ff=1", "=", "=1", "x=%ed%a0%80", "&".join(f"p{n}=1" for n in range(5_000))]


def test_a_hostile_query_is_refused_by_every_route(
    superuser: User, model: RegisteredModel, subtests: pytest.Subtests
) -> None:
    client, target = authenticated(superuser), furnish(model)
    for operation in OPERATIONS:
        cache.clear()  # else answers were 429 in the end
        with subtests.test(str(operation)):
            for query in HOSTILE_QUERIES:
                path = operation.path(target)
                path += f"{'&' if '?' in path else '?'}{query}"
                answer = client.generic(operation.method, path, operation.data(target), operation.content_type)

                assert refusal(answer) in [BAD_PARAMETER, UNKNOWN_PARAMETER], query
