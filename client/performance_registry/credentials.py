"""Where the address of the registry and its access tokens come from.

The address is given, or stands in the variable `REGISTRY_URL`. The token is, in this order: one that is given; the
variable `REGISTRY_TOKEN`; one for which the identity of a CI job is exchanged; the one that `mpr login` has stored.
"""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from json import loads
from typing import Any, Protocol

import httpx

from performance_registry import logins
from performance_registry.errors import CredentialsError, read_answer, response_error
from performance_registry.requests import Caller, Operation, Pause, Request, bearer, send

URL = "REGISTRY_URL"
TOKEN = "REGISTRY_TOKEN"  # noqa: S105
AUDIENCE = "REGISTRY_AUDIENCE"
ID_TOKEN = "REGISTRY_ID_TOKEN"  # noqa: S105  # of GitLab's `id_tokens`, or of any other issuer
GITHUB_URL, GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"  # noqa: S105

_MARGIN = 20  # seconds before its end at which a token is renewed
_LOOK_AGAIN = 0.1  # seconds


class Credentials(Protocol):
    """A source of access tokens."""

    def token(self, refused: str | None = None) -> Operation[str]:
        """Return an access token; another one than the registry refused, if there is any."""


@dataclass(frozen=True)
class GivenToken:
    """A token that is given. It cannot be renewed."""

    value: str

    def token(self, refused: str | None = None) -> Operation[str]:
        """Return the token."""
        return self.value
        yield  # which makes this a generator


class JobIdentity:
    """The identity token of a CI job, exchanged for access tokens."""

    def __init__(self, url: str, environment: Mapping[str, str], patience: float) -> None:
        self._url = url
        self._environment = environment
        self._patience = patience
        self._access, self._ends = "", 0.0

    def token(self, refused: str | None = None) -> Operation[str]:
        """Return the access token, or exchange the job's identity for the next. Raises `ProblemError`."""
        if refused == self._access or time.monotonic() > self._ends - _MARGIN:
            answer = yield from self._exchange()
            self._access = str(answer["access_token"])
            self._ends = time.monotonic() + float(str(answer["expires_in"]))
        return self._access

    def _exchange(self) -> Operation[dict[str, Any]]:
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "subject_token": (yield from self._identity()),
        }
        request = Request("POST", f"{self._url}/api/v1/auth/token/exchange", form=form)
        return (yield from _document(request, self._patience))

    def _identity(self) -> Operation[str]:
        """Return the job's identity token. GitHub makes one for each request."""
        if self._environment.get(ID_TOKEN):
            return self._environment[ID_TOKEN]
        audience = self._environment.get(AUDIENCE, self._url)
        url = httpx.URL(self._environment[GITHUB_URL]).copy_merge_params({"audience": audience})
        request = Request("GET", str(url), headers=bearer(self._environment[GITHUB_TOKEN]))
        answer = yield from _document(request, self._patience)
        return str(answer["value"])


class StoredLogin:
    """The login that `mpr login` has stored."""

    def __init__(self, url: str, patience: float) -> None:
        self._url = url
        self._patience = patience

    def token(self, refused: str | None = None) -> Operation[str]:
        """Return the access token, or the next one. Raises `CredentialsError` if the login has ended."""
        login = self._login()
        if login.access != refused and time.time() < login.ends - _MARGIN:
            return login.access
        while not (lock := logins.try_lock()):
            yield Pause(_LOOK_AGAIN)
        with lock:  # as a refresh token that is used twice ends the login
            login = self._login()
            if login.access == refused or time.time() >= login.ends - _MARGIN:
                login = yield from self._refresh(login)
        return login.access

    def _login(self) -> logins.Login:
        login = logins.read(self._url)
        if login is None:
            raise CredentialsError(f"There is no login at {self._url}. Run `mpr login`, or set {TOKEN}.")
        return login

    def _refresh(self, login: logins.Login) -> Operation[logins.Login]:
        if not login.refresh:
            logins.remove(self._url)
            raise CredentialsError(
                f"The token for {self._url} has ended or was revoked. Run `mpr login --token` again."
            )
        url = f"{self._url}/api/v1/auth/token/refresh"
        request = Request("POST", url, body={"refresh": login.refresh}, is_repeatable=False)
        response = yield from send(request, self._patience)
        if response.status_code == 401:
            logins.remove(self._url)
            raise CredentialsError(f"The login at {self._url} has ended. Run `mpr login` again.")
        if not response.is_success:
            raise response_error(response)
        return store_login(self._url, read_answer(response))


def log_in(url: str, username: str, password: str, patience: float) -> Operation[logins.Login]:
    """Log in, and store the login. Raises `ProblemError`."""
    request = Request("POST", f"{url}/api/v1/auth/token", body={"username": username, "password": password})
    return store_login(url, (yield from _document(request, patience)))


def log_in_with_token(url: str, token: str, patience: float) -> Operation[logins.Login]:
    """Store a token that was made in the registry, if the registry accepts it. Raises `ProblemError`."""
    token = token.strip()
    models = Request("GET", f"{url}/api/v1/models", params={"page_size": 1}, headers=bearer(token))
    response = yield from send(models, patience)
    if response.status_code not in {200, 403}:  # it may have scopes for other routes
        raise response_error(response)
    login = logins.Login(token, refresh="", ends=float("inf"))  # the registry says when it has ended
    logins.write(url, login)
    return login


def log_out(url: str, patience: float) -> Operation[bool]:
    """Forget the stored login, and return whether there was one. Ends it, unless it is a token.

    Raises `ProblemError`.
    """
    login = logins.read(url)
    if login is not None and login.refresh:
        request = Request("POST", f"{url}/api/v1/auth/token/revoke", body={"refresh": login.refresh})
        response = yield from send(request, patience)
        if not response.is_success and response.status_code != 401:  # it has ended already
            raise response_error(response)
    if login is not None:
        logins.remove(url)
    return login is not None


def store_login(url: str, pair: Mapping[str, str]) -> logins.Login:
    """Store a pair of tokens, and return it."""
    access, refresh = str(pair["access"]), str(pair["refresh"])
    login = logins.Login(access, refresh, time.time() + _lifetime(access))
    logins.write(url, login)
    return login


def new_caller(url: str | None, token: str | None, patience: float) -> Caller:
    """Return what calls a registry. Raises `CredentialsError` if there is no address or no token."""
    found = find_url(url)
    return Caller(found, find_credentials(found, token, patience), patience)


def find_url(url: str | None) -> str:
    """Return the address of the registry: that of the only login, if no other is given.

    Raises `CredentialsError` if there is none.
    """
    stored = logins.urls()
    found = (url or os.environ.get(URL) or (stored[0] if len(stored) == 1 else "")).rstrip("/")
    if not found:
        raise CredentialsError(f"There is no address of the registry. Give it, or set {URL}.")
    if "@" in found.rpartition("://")[2].partition("/")[0]:
        raise CredentialsError("The address of the registry must contain no login.")
    if not _is_address(found):
        raise CredentialsError(f"{found!r} is no address of a registry, such as https://registry.example.com.")
    return found


def find_credentials(url: str, token: str | None, patience: float) -> Credentials:
    """Return the credentials for a registry. Raises `CredentialsError` if there are none."""
    given = (token or os.environ.get(TOKEN, "")).strip()
    if given:
        return GivenToken(given)
    if os.environ.get(ID_TOKEN) or (os.environ.get(GITHUB_URL) and os.environ.get(GITHUB_TOKEN)):
        return JobIdentity(url, os.environ, patience)
    if logins.read(url):
        return StoredLogin(url, patience)
    raise CredentialsError(
        f"There is no token for {url}. Set {TOKEN}; or run `mpr login`; or, in CI, let the job have an identity token: "
        f"`permissions: id-token: write` on GitHub, `id_tokens: {ID_TOKEN}` on GitLab."
    )


def _is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host) and not url.query and not url.fragment


def _document(request: Request, patience: float) -> Operation[dict[str, Any]]:
    response = yield from send(request, patience)
    if not response.is_success:
        raise response_error(response)
    return read_answer(response)


def _lifetime(token: str) -> float:
    """Return for how many seconds a token is valid from when it was made, or 0 if it does not say so."""
    try:
        payload = token.split(".")[1]
        claims = loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims["exp"] - claims["iat"])
    except (ValueError, KeyError, IndexError, TypeError):
        return 0
