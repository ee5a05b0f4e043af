"""The commands of `mpr`.

Exit status: 0 for success, 1 if the registry judged and refused (the gate failed, the predictions cannot be scored, the
file cannot be imported), 2 for everything else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from performance_registry.connections import Connection
from performance_registry.credentials import GivenToken, find_url, log_in, log_in_with_token, log_out
from performance_registry.errors import GateFailedError, ProblemError, RegistryError
from performance_registry.records import Promotion, Record
from performance_registry.registry import PATIENCE, TIMEOUT, Registry
from performance_registry.requests import Caller, Operation
from performance_registry.tables import print_comparison, print_line, print_performance, print_verdict

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they would show variables, tokens among them
    help="Ask a Model Performance Registry, and let its gate decide. REGISTRY_URL is its address, REGISTRY_TOKEN a "
    "token; instead of a token, the identity of a CI job or the login of `mpr login` counts.",
)
REFUSED, NOT_DONE = 1, 2  # exit statuses
REFUSALS = ("gate_failed", "unprocessable_predictions", "unprocessable_import")
T = TypeVar("T")
R = TypeVar("R", bound=Record)


class Split(str, Enum):
    """A split of the data."""

    train = "train"
    validation = "validation"
    test = "test"


class Format(str, Enum):
    """How a verdict is shown."""

    table = "table"
    json = "json"
    junit = "junit"
    markdown = "markdown"
    html = "html"


ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A name or an id: acme/churn, mdl-7f3a19bc92.")]
VersionId = Annotated[str, typer.Argument(metavar="VERSION", help="Such as ver-001a1.")]
VersionOption = Annotated[str | None, typer.Option("--version", help="Such as ver-001a1; by default the promoted one.")]
SplitOption = Annotated[Split, typer.Option("--split", help="The split of the data.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="The test set; by default the primary one.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. The history keeps it.")]
Override = Annotated[bool, typer.Option("--override", help="Overrule the gate, as an admin of the organization.")]
Column = Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel="Columns")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the registry's JSON.")]
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
    with _reporting(as_json):
        found = find_url(url)
        if token:
            _run(found, log_in_with_token(found, _secret("Token", password_stdin), PATIENCE))
            _print_answer({"url": found}, f"Stored the token for {found}.", as_json)
            return
        username = username or typer.prompt("Username")
        _run(found, log_in(found, username, _secret("Password", password_stdin), PATIENCE))
        _print_answer({"url": found, "username": username}, f"Logged in to {found} as {username}.", as_json)


def _secret(name: str, from_stdin: bool) -> str:
    """Return a secret that is read from the standard input, or asked for."""
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else str(typer.prompt(name, hide_input=True))


@app.command()
def logout(url: Url = None, as_json: AsJson = False) -> None:
    """End the stored login."""
    with _reporting(as_json):
        found = find_url(url)
        was_there = _run(found, log_out(found, PATIENCE))
        text = f"Logged out of {found}." if was_there else f"There was no login at {found}."
        _print_answer({"url": found, "logged_out": was_there}, text, as_json)


@app.command()
def summary(
    model: ModelName,
    version: VersionOption = None,
    split: SplitOption = Split.test,
    dataset: DatasetOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the summary metrics of a version."""
    with _registry(as_json) as registry:
        found = registry.model(model).summary(version, split=split.value, dataset=dataset)
        _show(found, print_performance, as_json)


@app.command()
def report(
    model: ModelName,
    version: VersionOption = None,
    split: SplitOption = Split.test,
    dataset: DatasetOption = None,
    as_json: AsJson = False,
) -> None:
    """Show all metrics of a version, with intervals."""
    with _registry(as_json) as registry:
        found = registry.model(model).report(version, split=split.value, dataset=dataset)
        _show(found, print_performance, as_json)


@app.command()
def compare(
    model: ModelName,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="By default the promoted one.")] = None,
    baseline: Annotated[str | None, typer.Argument(metavar="BASELINE", help="By default the promoted one.")] = None,
    split: SplitOption = Split.test,
    dataset: DatasetOption = None,
    as_json: AsJson = False,
) -> None:
    """Compare a version with a baseline."""
    with _registry(as_json) as registry:
        found = registry.model(model).compare(version, baseline, split=split.value, dataset=dataset)
        _show(found, print_comparison, as_json)


@app.command()
def evaluate(
    model: ModelName,
    version: VersionId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parquet or CSV.", dir_okay=False, exists=True)],
    split: SplitOption = Split.test,
    dataset: Annotated[str | None, typer.Option(metavar="NAME[@VERSION]", help="The test set.")] = None,
    actual: Column = None,
    predicted: Column = None,
    score: Column = None,
    scores: Annotated[
        list[str] | None, typer.Option(metavar="LABEL=COLUMN", rich_help_panel="Columns", help="Once for each class.")
    ] = None,
    weight: Column = None,
    example_id: Column = None,
    group: Column = None,
    query: Column = None,
    relevance: Column = None,
    series: Column = None,
    horizon: Column = None,
    scale: Column = None,
    slices: Annotated[
        list[str] | None, typer.Option("--slice", metavar="COLUMN", rich_help_panel="Columns", help="May be repeated.")
    ] = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option("--attribute", metavar="COLUMN", rich_help_panel="Columns", help="May be repeated."),
    ] = None,
    positive_class: Annotated[str | None, typer.Option(metavar="LABEL", help="The positive class of two.")] = None,
    averaging: Annotated[str | None, typer.Option(help="binary, macro, weighted or micro.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Predict the positive class from this score on.")] = None,
    k: Annotated[int | None, typer.Option("--k", help="How many items of a ranking count.")] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Count rows without prediction.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload predictions, and show the metrics that the registry computes.

    For the test split the version is completed first. The exit status is 1 if the predictions cannot be scored.
    """
    columns: dict[str, Any] = {"actual": actual, "predicted": predicted, "score": score, "weight": weight}
    columns |= {"example_id": example_id, "scale": scale, "slices": slices or None, "attributes": attributes or None}
    columns |= {"group": group, "query": query, "relevance": relevance, "series": series, "horizon": horizon}
    name, at, dataset_version = (dataset or "").partition("@")
    with _registry(as_json) as registry:
        snapshot = (
            registry.model(model)
            .version(version)
            .evaluate(
                file,
                split=split.value,
                **columns,
                scores=_pairs(scores),
                dataset=name or None,
                dataset_version=dataset_version if at else None,
                positive_class=positive_class,
                averaging=averaging,
                threshold=threshold,
                k=k,
                allow_missing=allow_missing,
            )
        )
        _show(snapshot, print_performance, as_json)


@app.command()
def gate(
    model: ModelName,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="By default the newest completed.")] = None,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge by the policy in this JSON file.")] = None,
    format: Annotated[Format, typer.Option(help="How the verdict is printed.")] = Format.table,
    as_json: AsJson = False,
) -> None:
    """Judge a version by its gate, and let the registry store the verdict.

    The exit status is 0 if the version passed or there is no policy, 1 if it failed, 2 if it could not be judged.
    """
    as_json = as_json or format is Format.json
    with _registry(as_json) as registry:
        given = None if policy is None else json.loads(policy.read_text(encoding="utf-8"))
        judged = registry.model(model)
        if not as_json and format is not Format.table:
            document = judged.gate_document(format.value, version, policy=given)
            print(document.text.rstrip())
            raise typer.Exit(REFUSED if document.refuses else 0)
        try:
            verdict, status = judged.gate(version, policy=given, enforce=True), 0
        except GateFailedError as error:
            verdict, status = error.verdict, REFUSED
        _show(verdict, print_verdict, as_json)
        raise typer.Exit(status)


@app.command()
def promote(
    model: ModelName, version: VersionId, reason: Reason, override: Override = False, as_json: AsJson = False
) -> None:
    """Promote a version. The exit status is 1 if its gate refuses."""
    with _registry(as_json) as registry:
        promoted = registry.model(model).version(version).promote(reason, override=override)
        _show(promoted, _print_promotion, as_json)


@app.command()
def rollback(model: ModelName, reason: Reason, override: Override = False, as_json: AsJson = False) -> None:
    """Promote the previously promoted version again."""
    with _registry(as_json) as registry:
        _show(registry.model(model).rollback(reason, override=override), _print_promotion, as_json)


@app.command("import")
def import_files(
    format: Annotated[str, typer.Argument(metavar="FORMAT", help="Such as lm-eval, sklearn-report or csv.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", dir_okay=False, exists=True)],
    organization: Annotated[str, typer.Option(metavar="SLUG", help="The owner of the models.")],
    model: Annotated[str | None, typer.Option(help="The model's name, if a file does not say one.")] = None,
    task_type: Annotated[str | None, typer.Option(help="The task type of new models.")] = None,
    split: SplitOption = Split.test,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import files that another tool wrote, each completely or not at all.

    The exit status is 1 if a file cannot be imported. The files before it are imported.
    """
    with _registry(as_json) as registry:
        for file in files:
            result = registry.import_file(
                organization, format, file, model=model, task_type=task_type, split=split.value, dry_run=dry_run
            )
            _show(result, lambda result: print_line(str(result)), as_json)


@contextmanager
def _registry(as_json: bool) -> Iterator[Registry]:
    with _reporting(as_json), Registry() as registry:
        yield registry


@contextmanager
def _reporting(as_json: bool) -> Iterator[None]:
    """Report an error, as a problem document if JSON is wanted, and exit with its status."""
    try:
        yield
    except (RegistryError, OSError, ValueError) as error:
        is_refusal = isinstance(error, ProblemError) and error.code in REFUSALS
        if as_json:
            document = error.document if isinstance(error, ProblemError) else {"detail": str(error)}
            _print_json(document)
        else:
            print_line(str(error), to_stderr=True)
        raise typer.Exit(REFUSED if is_refusal else NOT_DONE) from None


def _run(url: str, operation: Operation[T]) -> T:
    """Return the result of an operation that needs no token."""
    connection = Connection(Caller(url, GivenToken(""), PATIENCE), timeout=TIMEOUT)
    try:
        return connection.run(operation)
    finally:
        connection.close()


def _show(record: R, show: Callable[[R], None], as_json: bool) -> None:
    if as_json:
        _print_json(record.document)
    else:
        show(record)


def _print_answer(document: Any, text: str, as_json: bool) -> None:
    if as_json:
        _print_json(document)
    else:
        print_line(text)


def _print_json(document: Any) -> None:
    print(json.dumps(document, indent=2))


def _print_promotion(promotion: Promotion) -> None:
    print_line(str(promotion))


def _pairs(texts: list[str] | None) -> dict[str, str] | None:
    """Return `LABEL=COLUMN` pairs as a mapping. Raises `BadParameter`."""
    pairs = [text.rpartition("=") for text in texts or ()]
    if any(not separator or not column for _, separator, column in pairs):
        raise typer.BadParameter("Must be LABEL=COLUMN.", param_hint="--scores")
    return {label: column for label, _, column in pairs} or None
