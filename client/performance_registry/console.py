"""What the commands of `mpr` share: how they reach the registry, what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer

from performance_registry.errors import ProblemError, RegistryError
from performance_registry.records import Record
from performance_registry.registry import Registry
from performance_registry.tables import print_line

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would show variables, tokens among them
    help="Ask a Model Performance Registry, and let its gate decide. REGISTRY_URL is its address, REGISTRY_TOKEN a "
    "token; instead of a token, the identity of a CI job or the login of `mpr login` counts.",
)
REFUSED, NOT_DONE = 1, 2  # exit statuses
REFUSALS = ("gate_failed", "unprocessable_predictions", "unprocessable_import")
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A name or an id: acme/churn, mdl-7f3a19bc92.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the registry's JSON.")]
R = TypeVar("R", bound=Record)


@contextmanager
def open_registry(as_json: bool) -> Iterator[Registry]:
    """Give the registry of the environment or of the stored login."""
    with reporting(as_json), Registry() as registry:
        yield registry


@contextmanager
def reporting(as_json: bool) -> Iterator[None]:
    """Report an error on standard error, or as a JSON document if that is wanted, and exit with its status."""
    try:
        yield
    except (RegistryError, OSError, ValueError) as error:
        is_refusal = isinstance(error, ProblemError) and error.code in REFUSALS
        if as_json:
            print_json(error.document if isinstance(error, ProblemError) else {"detail": str(error)})
        else:
            print_line(str(error), to_stderr=True)
        raise typer.Exit(REFUSED if is_refusal else NOT_DONE) from None


def show(record: R, show: Callable[[R], None], as_json: bool) -> None:
    """Print a record: its JSON, or what `show` prints."""
    if as_json:
        print_json(record.document)
    else:
        show(record)


def print_answer(document: object, text: str, as_json: bool) -> None:
    """Print a document as JSON, or a text."""
    if as_json:
        print_json(document)
    else:
        print_line(text)


def print_json(document: object) -> None:
    """Print a document as JSON."""
    print(json.dumps(document, indent=2))
