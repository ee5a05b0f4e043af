"""The commands that store a login and end it."""

from __future__ import annotations

import sys
from typing import Annotated, TypeVar

import typer

from performance_registry.connections import Connection
from performance_registry.console import AsJson, app, print_answer, reporting
from performance_registry.credentials import GivenToken, find_url, log_in, log_in_with_token, log_out
from performance_registry.registry import PATIENCE, TIMEOUT
from performance_registry.requests import Caller, Operation

T = TypeVar("T")
Url = Annotated[str | None, typer.Argument(metavar="URL", help="The address; by default REGISTRY_URL.")]


@app.command()
def login(
    url: Url = None,
    username: Annotated[str, typer.Option(help="The user.")] = "",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Do not ask for it.")] = False,
    token: Annotated[bool, typer.Option("--token", help="Ask for a token instead of a user and a password.")] = False,
    as_json: AsJson = False,
) -> None:
    """Log in, and store the login in a file that only you can read."""
    with reporting(as_json):
        found = find_url(url)
        if token:
            _run(found, log_in_with_token(found, _secret("Token", password_stdin), PATIENCE))
            print_answer({"url": found}, f"Stored the token for {found}.", as_json)
            return
        username = username or typer.prompt("Username")
        _run(found, log_in(found, username, _secret("Password", password_stdin), PATIENCE))
        print_answer({"url": found, "username": username}, f"Logged in to {found} as {username}.", as_json)


def _secret(name: str, from_stdin: bool) -> str:
    """Return a secret that is read from the standard input, or asked for."""
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else str(typer.prompt(name, hide_input=True))


@app.command()
def logout(url: Url = None, as_json: AsJson = False) -> None:
    """End the stored login."""
    with reporting(as_json):
        found = find_url(url)
        was_there = _run(found, log_out(found, PATIENCE))
        text = f"Logged out of {found}." if was_there else f"There was no login at {found}."
        print_answer({"url": found, "logged_out": was_there}, text, as_json)


def _run(url: str, operation: Operation[T]) -> T:
    """Return the result of an operation that needs no token."""
    connection = Connection(Caller(url, GivenToken(""), PATIENCE), timeout=TIMEOUT)
    try:
        return connection.run(operation)
    finally:
        connection.close()
