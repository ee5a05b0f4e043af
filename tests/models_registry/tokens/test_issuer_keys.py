"""The keys of an issuer: fetched once, rotated, withdrawn, and not to be had."""

import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from models_registry.tokens.oidc import jwks
from tests.models_registry.tokens.exchanges import exchange, refused
from tests.models_registry.tokens.issuer import Issuer, publishing, send

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rule")]


def test_the_keys_are_fetched_once(issuer: Issuer) -> None:
    assert [exchange(issuer.token()).status_code for _ in range(3)] == [200, 200, 200]
    assert issuer.asked == 1


def test_a_rotated_key_is_fetched_when_a_token_names_it(issuer: Issuer) -> None:
    old = issuer.token()
    assert exchange(old).status_code == 200
    issuer.rotate("second")

    assert exchange(issuer.token()).status_code == 200


def test_unknown_key_ids_cause_one_more_fetch_and_no_others(issuer: Issuer) -> None:
    exchange(issuer.token())
    for kid in ("third", "fourth", "fifth"):
        assert refused(exchange(issuer.token(headers={"kid": kid}))) == (401, "invalid_token")

    assert issuer.asked == 2
    assert exchange(issuer.token()).status_code == 200


def test_the_keys_are_fetched_without_the_proxies_of_the_environment(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with publishing() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.jwks_url)

        assert exchange(issuer.token()).status_code == 200
        assert (issuer.asked, proxy.asked) == (1, 0)


def test_a_withdrawn_key_verifies_nothing_once_the_new_keys_are_fetched(issuer: Issuer) -> None:
    old = issuer.token()
    exchange(old)
    issuer.rotate("second")
    exchange(issuer.token())

    assert refused(exchange(old)) == (401, "invalid_token")


def garbage(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b"<html>")


def error(request: BaseHTTPRequestHandler) -> None:
    send(request, 500)


def without_keys(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b'{"keys": []}')


def strange_keys(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b'{"keys": [{"kty": "RSA", "kid": "first", "n": "A", "e": 5}]}')


def a_list(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b"[]")


def deep(request: BaseHTTPRequestHandler) -> None:
    send(request, 200, b"[" * 100_000)


def huge(request: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):  # nobody reads it to its end
        send(request, 200, b" " * (jwks.MAX_KEYS_BYTES + 1))


def hanging(request: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


def dripping(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    with suppress(OSError):
        for _ in range(400):
            request.wfile.write(b" ")
            time.sleep(0.05)


@pytest.mark.parametrize(
    "misbehaving",
    [garbage, error, without_keys, strange_keys, a_list, deep, huge, hanging, dripping],
    ids=lambda way: way.__name__,
)
def test_an_issuer_without_usable_keys_is_a_503_that_says_when_to_come_back(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, misbehaving: Any
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.5)
    issuer.answer = misbehaving

    started = time.monotonic()
    answer = exchange(issuer.token())

    assert refused(answer) == (503, "service_unavailable")
    assert int(answer["Retry-After"]) > 0
    assert time.monotonic() - started < 10  # without a limit, the slowest takes 20
    assert refused(exchange(issuer.token())) == (503, "service_unavailable")
    assert issuer.asked == 1, "after a failure it was asked again at once"


def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    with publishing() as other:
        issuer.answer = lambda request: send(request, 302, Location=other.jwks_url)

        assert refused(exchange(issuer.token())) == (503, "service_unavailable")
        assert other.asked == 0


def test_the_exchange_recovers_when_the_issuer_does(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "PAUSE_AFTER_FAILURE", 0)
    issuer.answer = error
    assert refused(exchange(issuer.token())) == (503, "service_unavailable")

    issuer.answer = issuer.publish
    assert exchange(issuer.token()).status_code == 200


def test_keys_are_not_fetched_from_a_host_that_is_not_allowed(issuer: Issuer, settings: Settings) -> None:
    settings.OIDC_ALLOWED_HOSTS = ["token.actions.githubusercontent.com"]

    assert refused(exchange(issuer.token())) == (503, "service_unavailable")
    assert issuer.asked == 0
