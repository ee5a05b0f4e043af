"""The commands of `mpr`.

Exit status: 0 for success, 1 if the registry judged and refused (the gate failed, the predictions cannot be scored, the
file cannot be imported), 2 for everything else.
"""

from __future__ import annotations

import json
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import performance_registry.export_commands  # adds its commands, as the next line does
import performance_registry.login_commands  # noqa: F401
from performance_registry.console import REFUSED, AsJson, ModelName, app, open_registry, print_answer, reporting, show
from performance_registry.errors import GateFailedError
from performance_registry.models import Model, VersionFields
from performance_registry.publishing import publishing
from performance_registry.records import Promotion
from performance_registry.tables import print_comparison, print_line, print_performance, print_verdict
from performance_registry.verdicts import Verdict

__all__ = ["app"]


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


VersionId = Annotated[str, typer.Argument(metavar="VERSION", help="Such as ver-001a1.")]
VersionOption = Annotated[str | None, typer.Option("--version", help="Such as ver-001a1; by default the promoted one.")]
SplitOption = Annotated[Split, typer.Option("--split", help="The split of the data.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="The dataset; by default the primary one.")]
Reason = Annotated[str, typer.Option("--reason", help="Why. The history keeps it.")]
Override = Annotated[bool, typer.Option("--override", help="Overrule the gate, as an admin of the organization.")]
Column = Annotated[str | None, typer.Option(metavar="COLUMN", rich_help_panel="Columns")]


@app.command()
def summary(
    model: ModelName,
    version: VersionOption = None,
    split: SplitOption = Split.test,
    dataset: DatasetOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the summary metrics of a version."""
    with open_registry(as_json) as registry:
        found = registry.model(model).summary(version, split=split.value, dataset=dataset)
        show(found, print_performance, as_json)


@app.command()
def report(
    model: ModelName,
    version: VersionOption = None,
    split: SplitOption = Split.test,
    dataset: DatasetOption = None,
    as_json: AsJson = False,
) -> None:
    """Show all metrics of a version, with intervals."""
    with open_registry(as_json) as registry:
        found = registry.model(model).report(version, split=split.value, dataset=dataset)
        show(found, print_performance, as_json)


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
    with open_registry(as_json) as registry:
        found = registry.model(model).compare(version, baseline, split=split.value, dataset=dataset)
        show(found, print_comparison, as_json)


@app.command()
def register(
    model: ModelName,
    task_type: Annotated[str | None, typer.Option(help="Register the model too, unless it exists.")] = None,
    source_uri: Annotated[str | None, typer.Option(metavar="URI", help="Where the model or its code is.")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    parameters: Annotated[Path | None, typer.Option(metavar="FILE", help="The parameters, in a JSON file.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="May be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Register a trained version of a model, and print its id."""
    given: dict[str, object] = {"source_uri": source_uri, "description": description, "tags": tags or None}
    with open_registry(as_json) as registry:
        given["parameters"] = _read_json(parameters)
        fields = cast("VersionFields", {name: value for name, value in given.items() if value is not None})
        version = registry.model(model, task_type=task_type, create=task_type is not None).create_version(**fields)
        version.complete()
        print_answer(version.document, version.id, as_json)


@app.command()
def evaluate(
    model: ModelName,
    version: VersionId,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parquet or CSV.", dir_okay=False, exists=True)],
    split: SplitOption = Split.test,
    dataset: Annotated[str | None, typer.Option(metavar="NAME[@VERSION]", help="The dataset.")] = None,
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
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Leave out rows without prediction.")] = False,
    as_json: AsJson = False,
) -> None:
    """Upload predictions, and show the metrics that the registry computes.

    For the test split the version is completed first. The exit status is 1 if the predictions cannot be scored.
    """
    columns: dict[str, Any] = {"actual": actual, "predicted": predicted, "score": score, "weight": weight}
    columns |= {"example_id": example_id, "scale": scale, "slices": slices or None, "attributes": attributes or None}
    columns |= {"group": group, "query": query, "relevance": relevance, "series": series, "horizon": horizon}
    name, at, dataset_version = (dataset or "").partition("@")
    with open_registry(as_json) as registry:
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
        show(snapshot, print_performance, as_json)


@app.command()
def gate(
    model: ModelName,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="By default the newest completed.")] = None,
    policy: Annotated[Path | None, typer.Option(metavar="FILE", help="Judge by the policy in this JSON file.")] = None,
    format: Annotated[Format, typer.Option(help="How the verdict is printed.")] = Format.table,
    comment: Annotated[bool, typer.Option("--comment", help="Comment on the pull or merge request.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Set the status of the commit.")] = False,
    as_json: AsJson = False,
) -> None:
    """Judge a version by its gate, and let the registry store the verdict.

    The exit status is 0 if the version passed or there is no policy, and 1 if it failed.
    It is 2 if it could not be judged, or if the comment or the status could not be published.
    The verdict is printed before it is published.
    """
    as_json = as_json or format is Format.json
    with open_registry(as_json) as registry, publishing(model, comment=comment, status=status) as publish:
        judged = registry.model(model)
        given = _read_json(policy)
        verdict = _enforce(judged, version, given)
        render = partial(judged.gate_document, version_id=verdict.version_id, policy=given)
        refuses = not verdict.allows
        if as_json or format is Format.table:
            show(verdict, print_verdict, as_json)
        else:
            document = render(format.value)
            print(document.text.rstrip())
            refuses = refuses or document.refuses
        with reporting(as_json=False):  # the verdict is printed already
            publish(verdict, partial(render, "markdown"))
        raise typer.Exit(REFUSED if refuses else 0)


def _enforce(model: Model, version: str | None, policy: dict[str, object] | None) -> Verdict:
    """Return the verdict, whatever it is."""
    try:
        return model.gate(version, policy=policy, enforce=True)
    except GateFailedError as error:
        return error.verdict


@app.command()
def promote(
    model: ModelName, version: VersionId, reason: Reason, override: Override = False, as_json: AsJson = False
) -> None:
    """Promote a version. The exit status is 1 if its gate refuses."""
    with open_registry(as_json) as registry:
        promoted = registry.model(model).version(version).promote(reason, override=override)
        show(promoted, _print_promotion, as_json)


@app.command()
def rollback(model: ModelName, reason: Reason, override: Override = False, as_json: AsJson = False) -> None:
    """Promote the previously promoted version again."""
    with open_registry(as_json) as registry:
        show(registry.model(model).rollback(reason, override=override), _print_promotion, as_json)


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
    with open_registry(as_json) as registry:
        for file in files:
            result = registry.import_file(
                organization, format, file, model=model, task_type=task_type, split=split.value, dry_run=dry_run
            )
            show(result, lambda result: print_line(str(result)), as_json)


def _read_json(file: Path | None) -> dict[str, object] | None:
    """Return the JSON object in a file, or `None` without a file. Raises `ValueError`."""
    if file is None:
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} has no JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{file} has no JSON object.")
    return found


def _print_promotion(promotion: Promotion) -> None:
    print_line(str(promotion))


def _pairs(texts: list[str] | None) -> dict[str, str] | None:
    """Return `LABEL=COLUMN` pairs as a mapping. Raises `BadParameter`."""
    pairs = [text.rpartition("=") for text in texts or ()]
    if any(not separator or not column for _, separator, column in pairs):
        raise typer.BadParameter("Must be LABEL=COLUMN.", param_hint="--scores")
    return {label: column for label, _, column in pairs} or None
