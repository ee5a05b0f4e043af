"""Forged access and refresh tokens are refused without access to the database, files or the network."""

import base64
import hmac
import json
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from models_registry.accounts.models import User
from models_registry.accounts.scopes import ALL_SCOPES
from models_registry.registry.models import RegisteredModel
from models_registry.tokens.services import open_token_family
from tests.api import refusal
from tests.conftest import PinnedQueries

SUMMARY = "/api/v1/models/mdl-7f3a19bc92/performance/summary"
REFRESH = "/api/v1/auth/token/refresh"
HS256 = {"alg": "HS256", "typ": "JWT"}
FOREIGN_KEY = "a key that this service has never seen, long enough for any algorithm here"

Claims = dict[str, Any]


def segment(part: Any) -> str:
    """Return a JWS segment of raw bytes, or of any other value as JSON."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign(claims: Any, header: Any = HS256, key: str = "", digest: str = "sha256") -> str:
    """Return a token, signed with the service's key by default. The header may claim something else."""
    signed = f"{segment(header)}.{segment(claims)}"
    own_key = str(settings.SIMPLE_JWT["SIGNING_KEY"])
    return f"{signed}.{segment(hmac.digest((key or own_key).encode(), signed.encode(), digest))}"


def without(claims: Claims, name: str) -> Claims:
    return {claim: value for claim, value in claims.items() if claim != name}


def other_kind(claims: Claims) -> Claims:
    return {**claims, "token_type": "access" if claims["token_type"] == "refresh" else "refresh"}


def now() -> int:
    return int(time.time())


WRONG_CLAIMS: dict[str, list[Any]] = {
    "exp": [None, "soon", "99999999999", float("inf"), float("nan"), 10**18, 10**400, -1, [], {}],
    "nbf": [None, "soon", float("inf"), 99999999999, [], {}],
    "iat": [None, "soon", float("inf"), 99999999999, [], {}],
    "aud": [None, "", "another-service", ["another-service"], 5, {"model-performance-registry": 1}],
    "iss": [None, "", "another-service", ["model-performance-registry"], 5],
    "jti": [None, "", "\0", "\ud800", 5, [], {}, "j" * 2000],
    "token_type": [None, "", "sliding", "ACCESS", 5, []],
    "user_id": [
        *(None, True, 1, 1.0, 1.5, float("inf"), -1, 2**63, 10**400, [], {}),
        *("", "0", "-1", "+1", "01", " 1", "1_0", "1.0", "\uff11", "x", "\0", "9223372036854775808", "9" * 400),
    ],
    "scope": [None, "", " ", "model:delete", "MODEL:READ", ["model:read"], {"model:read": 1}, 5, True],
    "sid": [None, "", "not-a-uuid", "0" * 31, 5, [], {}],
}

FORGERIES: dict[str, Callable[[Claims], str]] = {
    # Unsigned, or signed with another key
    "alg none": lambda claims: f"{segment({'alg': 'none'})}.{segment(claims)}.",
    "alg NONE": lambda claims: f"{segment({'alg': 'NONE'})}.{segment(claims)}.",
    "alg none, but signed": lambda claims: sign(claims, {"alg": "none", "typ": "JWT"}),
    "no signature": lambda claims: sign(claims).rpartition(".")[0] + ".",
    "cut signature": lambda claims: sign(claims)[:-4],
    "signature of other claims": lambda claims: (
        f"{sign(claims).rpartition('.')[0]}.{sign({**claims, 'user_id': '999999'}).rpartition('.')[2]}"
    ),
    "foreign key": lambda claims: sign(claims, key=FOREIGN_KEY),
    "the other secret": lambda claims: sign(claims, key=settings.SECRET_KEY),
    # Signed with the service's key, but in another way
    "HS512": lambda claims: sign(claims, {"alg": "HS512", "typ": "JWT"}, digest="sha512"),
    "HS384": lambda claims: sign(claims, {"alg": "HS384", "typ": "JWT"}, digest="sha384"),
    "RS256 by HMAC": lambda claims: sign(claims, {"alg": "RS256", "typ": "JWT"}),
    "ES256 by HMAC": lambda claims: sign(claims, {"alg": "ES256", "typ": "JWT"}),
    "alg in lower case": lambda claims: sign(claims, {"alg": "hs256"}),
    "no alg": lambda claims: sign(claims, {"typ": "JWT"}),
    "alg a list": lambda claims: sign(claims, {"alg": ["HS256"]}),
    "alg null": lambda claims: sign(claims, {"alg": None}),
    # Headers with unsupported requirements
    "unknown crit": lambda claims: sign(claims, {**HS256, "crit": ["exp"], "exp": 1}),
    "empty crit": lambda claims: sign(claims, {**HS256, "crit": []}),
    "crit not a list": lambda claims: sign(claims, {**HS256, "crit": "exp"}),
    "b64 false": lambda claims: sign(claims, {**HS256, "b64": False, "crit": ["b64"]}),
    "kid not a text": lambda claims: sign(claims, {**HS256, "kid": {"path": "/etc/passwd"}}),
    # Malformed parts
    "header a list": lambda claims: sign(claims, ["HS256"]),
    "header not JSON": lambda claims: sign(claims, b"HS256"),
    "header not UTF-8": lambda claims: sign(claims, b"\xff\xfe"),
    "header nested deep": lambda claims: sign(claims, b"[" * 2000),
    "payload a list": lambda claims: sign([claims]),
    "payload a text": lambda claims: sign("claims"),
    "payload a number": lambda claims: sign(5),
    "payload null": lambda claims: sign(None),
    "payload empty": lambda claims: sign(b""),
    "payload an empty object": lambda claims: sign({}),
    "payload not UTF-8": lambda claims: sign(b'{"user_id": "\xff"}'),
    "payload nested deep": lambda claims: sign(b"[" * 2000),
    "one part": lambda claims: segment(claims),
    "two parts": lambda claims: f"{segment(HS256)}.{segment(claims)}",
    "four parts": lambda claims: f"{sign(claims)}.{segment(claims)}",
    "five parts": lambda claims: "a.b.c.d.e",
    "dots": lambda claims: "..",
    "JSON serialization": lambda claims: json.dumps({"payload": segment(claims), "signature": "x"}),
    "not base64": lambda claims: "!.!.!",
    "a blank inside": lambda claims: sign(claims).replace(".", " .", 1),
    "bytes that are not UTF-8": lambda claims: "\xff\xfe.\xff.\xff",
    "100 kB of claims": lambda claims: sign({**claims, "more": "x" * 100_000}),
    "100 kB of dots": lambda claims: "." * 100_000,
    # Another token's claims
    "the other kind": lambda claims: sign(other_kind(claims)),
    **{
        f"without {name}": lambda claims, name=name: sign(without(claims, name))  # type: ignore[misc]
        for name in ("exp", "aud", "iss", "jti", "token_type", "user_id", "hash_password")
    },
    **{
        f"{name} {value!r:.20}": lambda claims, name=name, value=value: sign({**claims, name: value})  # type: ignore[misc]
        for name, values in WRONG_CLAIMS.items()
        for value in values
    },
}


@pytest.fixture
def genuine(viewer: User, model: RegisteredModel) -> dict[str, Claims]:
    """Return the claims of a genuine access and refresh token of one login."""
    refresh = open_token_family(user=viewer, scope=ALL_SCOPES)
    return {kind: _claims(str(token)) for kind, token in (("access", refresh.access_token), ("refresh", refresh))}


def _claims(token: str) -> Claims:
    payload = token.split(".")[1]
    claims: Claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def read_summary(authorization: str) -> Any:
    return Client(headers={"Authorization": authorization}).get(SUMMARY)


def use(kind: str, token: str) -> Any:
    if kind == "access":
        return read_summary(f"Bearer {token}")
    return Client().post(REFRESH, {"refresh": token}, content_type="application/json")


def code_of_refusal(answer: Any) -> str:
    status, code = refusal(answer)
    assert status == 401, answer.content
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    return code


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_genuine_claims_signed_with_the_services_key_are_accepted(genuine: dict[str, Claims], kind: str) -> None:
    assert use(kind, sign(genuine[kind])).status_code == 200


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused_without_a_query(
    genuine: dict[str, Claims], pinned_queries: PinnedQueries, forgery: str
) -> None:
    for kind, claims in genuine.items():
        token = FORGERIES[forgery](claims)

        with pinned_queries("summary refused before the database is asked"):
            answer = use(kind, token)

        assert code_of_refusal(answer) in {"invalid_token", "token_expired"}, kind


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_an_expired_token_is_refused_as_expired(genuine: dict[str, Claims], kind: str) -> None:
    assert code_of_refusal(use(kind, sign({**genuine[kind], "exp": now() - 1}))) == "token_expired"


def test_a_verified_token_is_refused_once_it_expires(genuine: dict[str, Claims]) -> None:
    token = sign({**genuine["access"], "exp": now() + 2})
    assert use("access", token).status_code == 200

    time.sleep(2)

    assert code_of_refusal(use("access", token)) == "token_expired"


def test_a_refresh_token_of_no_login_is_refused_without_a_query(
    genuine: dict[str, Claims], pinned_queries: PinnedQueries
) -> None:
    with pinned_queries("summary refused before the database is asked"):
        assert code_of_refusal(use("refresh", sign(without(genuine["refresh"], "sid")))) == "invalid_token"


# Headers that name a key to fetch

_seen: list[str] | None = None


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    # Python 3.13 looks for the source of code that has none, under such a name.
    is_source = event == "open" and str(arguments[0]) == "<unknown>"
    if _seen is not None and not is_source and (event == "open" or event.startswith(("socket.", "urllib."))):
        _seen.append(f"{event} {arguments!r:.200}")


sys.addaudithook(_record)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record every opened file and every attempted connection."""
    global _seen
    seen: list[str] = []
    _seen = seen
    try:
        yield seen
    finally:
        _seen = None


def test_the_recorder_of_this_module_sees_files_and_connections() -> None:
    with recorded() as seen, open(__file__), socket.socket() as client:
        client.connect_ex(("127.0.0.1", 9))

    assert {entry.split()[0] for entry in seen} >= {"open", "socket.connect"}


@pytest.mark.parametrize("kind", ["access", "refresh"])
@pytest.mark.parametrize("key", ["", FOREIGN_KEY])
@pytest.mark.parametrize(
    "header",
    [
        {"kid": "/etc/passwd"},
        {"kid": "../../../../dev/null"},
        {"kid": "x' UNION SELECT 'key"},
        {"jku": "http://127.0.0.1:9/keys.json"},
        {"x5u": "http://127.0.0.1:9/cert.pem"},
        {"x5u": "file:///etc/passwd"},
        {"jwk": {"kty": "oct", "k": segment(FOREIGN_KEY.encode())}},
        {"x5c": ["MIIB"]},
    ],
)
def test_a_header_that_names_a_key_makes_the_service_fetch_nothing(
    genuine: dict[str, Claims], header: dict[str, Any], key: str, kind: str
) -> None:
    use(kind, sign({}))  # whatever is imported at the first request is imported now

    with recorded() as seen:
        answer = use(kind, sign(genuine[kind], {**HS256, **header}, key=key))

    assert seen == []
    if key:
        assert code_of_refusal(answer) == "invalid_token"


# The Authorization header


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer", "bEaReR", "Bearer "])
def test_the_case_of_the_scheme_does_not_matter(genuine: dict[str, Claims], scheme: str) -> None:
    assert read_summary(f"{scheme} {sign(genuine['access'])}").status_code == 200


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "not_authenticated"),
        ("Basic dmVyYTpwYXNzd29yZA==", "not_authenticated"),
        ("Digest username=vera", "not_authenticated"),
        ("Token abc", "not_authenticated"),
        ("Bearertoken", "not_authenticated"),
        ("Bearer", "invalid_token"),
        ("Bearer ", "invalid_token"),
        ("Bearer null", "invalid_token"),
        ("Bearer \xff\xfe", "invalid_token"),
    ],
)
def test_a_header_without_a_good_bearer_token_is_refused_without_a_query(
    model: RegisteredModel, pinned_queries: PinnedQueries, authorization: str, code: str
) -> None:
    with pinned_queries("summary refused before the database is asked"):
        answer = read_summary(authorization)

    assert code_of_refusal(answer) == code


def test_a_token_in_the_query_is_ignored(genuine: dict[str, Claims]) -> None:
    assert code_of_refusal(Client().get(f"{SUMMARY}?access={sign(genuine['access'])}")) == "not_authenticated"
