"""`manage.py evaluate MODEL VERSION FILE…`: compute metrics from predictions and store them."""

import argparse
import io
import json
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models_registry.api.errors import APIError
from models_registry.api.strict_json import parse_json
from models_registry.registry.models import Version
from performance.comparisons.tasks import compare_with_promoted
from performance.evaluations.overlap import measure_train_overlap
from performance.evaluations.serializers import NamedDataset
from performance.evaluations.services import check_options, store_evaluation, with_declared_class
from performance.management.lookup import find_model, find_version
from performance.metrics.engines.base import Engine
from performance.metrics.engines.selection import export_with, open_engine
from performance.metrics.engines.spark import UnavailableEngineError
from performance.metrics.inputs.files import PredictionFiles, PredictionFilesError, find_files
from performance.metrics.inputs.options import AVERAGINGS, MAX_K, Columns, Options, parse_columns
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks.evaluators import evaluate
from performance.snapshots.dataset_names import AMBIGUOUS, is_dataset_name
from performance.snapshots.models import DatasetSplit, MetricSnapshot
from performance.snapshots.prediction_store import store_predictions
from performance.snapshots.services import check_accepts_metrics

_CODES: Mapping[type[Exception], str] = {
    UnprocessablePredictionsError: "unprocessable_predictions",
    PredictionFilesError: "invalid_parameter",
    UnavailableEngineError: "service_unavailable",
    OperationalError: "service_unavailable",
    InterfaceError: "service_unavailable",
}
_ERRORS: tuple[type[Exception], ...] = (APIError, *_CODES)


class Command(BaseCommand):
    """Evaluates predictions in Parquet or CSV files. Several files are read as one."""

    help = (
        "Compute the metrics of a version from its predictions, with 95% confidence intervals, and store them as the "
        "version's newest snapshot of the split."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="such as mdl-7f3a19bc92")
        parser.add_argument("version", metavar="VERSION", help="such as ver-001a1")
        parser.add_argument(
            "files", nargs="+", metavar="FILE", help="a Parquet or CSV file, a pattern such as *.csv, or s3://…"
        )
        parser.add_argument("--split", choices=DatasetSplit.values, default=DatasetSplit.TEST.value)
        parser.add_argument(
            "--dataset",
            type=_dataset,
            default=NamedDataset(),
            metavar="NAME[@VERSION]",
            help="the dataset; by default the primary one",
        )
        parser.add_argument(
            "--columns",
            type=_columns,
            default=Columns(),
            help="""names of columns as JSON, such as '{"actual": "label"}'""",
        )
        parser.add_argument(
            "--threshold", type=_finite, help="predict the positive one of two classes if the score is at least this"
        )
        parser.add_argument(
            "--positive-class", help="the positive class of two; by default the model's, or the greater label"
        )
        parser.add_argument(
            "--averaging", choices=AVERAGINGS, help="by default binary for two labels, otherwise weighted"
        )
        parser.add_argument(
            "--k",
            type=int,
            choices=range(1, MAX_K + 1),
            metavar="K",
            default=10,
            help="the number of items of a ranking that count (10)",
        )
        parser.add_argument("--allow-missing", action="store_true", help="leave out rows without a prediction")
        parser.add_argument("--dry-run", action="store_true", help="store nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object, also for an error")

    def handle(self, *, model: str, version: str, split: str, dry_run: bool, **options: object) -> None:
        """Evaluate, store and print. If the evaluation is refused or fails, the exit status is 1."""
        try:
            found = find_version(find_model(model), version)
            evaluation, snapshot = _evaluate_and_store(found, split, dry_run, options)
        except _ERRORS as error:
            if options["json"]:
                self.stdout.write(json.dumps(_problem(error)))
            raise CommandError(str(error)) from None
        self.stdout.write((_as_json if options["json"] else _as_text)(evaluation, snapshot))


def _problem(error: Exception) -> dict[str, object]:
    """Return the error in the form of the API's problem documents."""
    if isinstance(error, APIError):
        problem: dict[str, object] = {"code": error.code, "detail": error.detail, **error.members}
    else:
        code = next(code for kind, code in _CODES.items() if isinstance(error, kind))
        where = {name: getattr(error, name, None) for name in ("column", "row")}
        problem = {"code": code, "detail": str(error), **where}
    return {name: value for name, value in problem.items() if value is not None}


def _evaluate_and_store(
    version: Version, split: str, dry_run: bool, options: Mapping[str, Any]
) -> tuple[Evaluation, MetricSnapshot | None]:
    """Evaluate the predictions and store a snapshot, unless it is a dry run. Return both.

    Raises one of `_ERRORS`.
    """
    sources, columns = find_files(options["files"]), options["columns"]
    chosen = Options(**{each.name: options[each.name] for each in fields(Options)})
    task_type = version.model.task_type
    with (
        tempfile.TemporaryDirectory() as folder,
        open_engine(settings.EVALUATION_ENGINE, folder=Path(folder), store=sources.store) as engine,
    ):
        if not dry_run:
            check_accepts_metrics(version, split)
        check_options(task_type, columns, chosen)
        chosen = with_declared_class(version.model, chosen)
        evaluation = _run_with_progress(engine, partial(_evaluate, engine, sources, task_type, columns, chosen))
        if dry_run:
            return evaluation, None
        write = partial(
            export_predictions,
            task_type=task_type,
            columns=columns,
            options=chosen,
            evaluation=evaluation,
            folder=Path(folder),
        )
        exported = export_with(engine, sources, write, evaluation, Path(folder))
        snapshot = _store(version, split, options["dataset"], evaluation, engine, sources.digest(), exported)
    compare_with_promoted(snapshot)
    return evaluation, snapshot


def _store(
    version: Version,
    split: str,
    dataset: NamedDataset,
    evaluation: Evaluation,
    engine: Engine,
    digest: str,
    exported: Path | None,
) -> MetricSnapshot:
    """Store the snapshot of an evaluation, and its predictions if they were exported."""
    return store_evaluation(
        version=version,
        dataset_split=split,
        evaluation=evaluation,
        engine=engine,
        digest=digest,
        predictions_digest=store_predictions(exported),
        created_by="",
        dataset=dataset.name,
        dataset_version=dataset.version,
        train_overlap=measure_train_overlap(version, split, exported),
    )


def _columns(argument: str) -> Columns:
    """Return the column mapping in a JSON object. Raises `ArgumentTypeError`."""
    try:
        return parse_columns(parse_json(argument.encode(errors="surrogateescape")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not a valid JSON object of column names: {error}") from None


def _dataset(argument: str) -> NamedDataset:
    """Return the dataset. Raises `ArgumentTypeError`."""
    name, at, version = argument.partition("@")
    if not all(is_dataset_name(text) for text in ([name, version] if at else [name])):
        message = f"{argument} is not NAME or NAME@VERSION, of at most 100 characters each. {AMBIGUOUS}"
        raise argparse.ArgumentTypeError(message)
    return NamedDataset(name, version if at else None)


def _finite(argument: str) -> float:
    """Return a finite number. Raises `ArgumentTypeError`."""
    number = float(argument)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{argument} is not finite")
    return number


def _evaluate(
    engine: Engine, sources: PredictionFiles, task_type: str, columns: Columns, chosen: Options
) -> Evaluation:
    sources.read_into(engine)
    return evaluate(engine, task_type, columns, chosen)


def _run_with_progress(engine: Engine, work: Callable[[], Evaluation]) -> Evaluation:
    """Return the result of the work. Meanwhile show its progress on standard error, if that is a terminal."""
    bar = Progress(
        TextColumn("Step {task.fields[step]}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    )
    with ThreadPoolExecutor(max_workers=1) as pool, bar:
        task = bar.add_task("", total=1.0, step=1)
        evaluation = pool.submit(work)
        while not wait([evaluation], timeout=0.1).done:
            bar.update(task, completed=engine.progress(), step=engine.statement_count)
        bar.update(task, completed=1.0, visible=False)
        return evaluation.result()


def _as_json(evaluation: Evaluation, snapshot: MetricSnapshot | None) -> str:
    values = asdict(evaluation)
    for rows in ("misclassified", "residuals", "curves"):  # not metrics
        del values[rows]
    return json.dumps({"snapshot": snapshot and _identity(snapshot), **values}, indent=2)


def _identity(snapshot: MetricSnapshot) -> dict[str, str]:
    return {
        "id": str(snapshot.pk),
        "model_id": snapshot.version.model_id,
        "version_id": snapshot.version.version_id,
        "dataset_split": snapshot.dataset_split,
    }


def _as_text(evaluation: Evaluation, snapshot: MetricSnapshot | None) -> str:
    table = Table("metric", "value", "95% interval", title=f"{evaluation.sample_count:,} of {evaluation.rows:,} rows")
    for name, value in evaluation.metrics.items():
        interval = evaluation.confidence_intervals.get(name)
        range_text = f"{interval.lower:.4f} to {interval.upper:.4f}" if interval else ""
        table.add_row(name, "not defined" if value is None else f"{value:.4f}", range_text)
    output = io.StringIO()
    Console(file=output, width=100).print(table)
    stored = "{version_id} of {model_id} on {dataset_split}: snapshot {id}"
    lines = [
        *_notes(evaluation, snapshot),
        f"Stored for {stored.format(**_identity(snapshot))}." if snapshot else "Nothing was stored.",
    ]
    return output.getvalue() + "\n".join(lines)


def _notes(evaluation: Evaluation, snapshot: MetricSnapshot | None) -> Iterator[str]:
    """Yield why metrics have no value or no interval, and the warnings: a stored snapshot may have more of them."""
    yield from (f"No {name}: {reason}" for name, reason in evaluation.metrics_unavailable.items())
    without = evaluation.intervals_unavailable.items()
    yield from (f"No interval of {name}: {reason}" for name, reason in without if name in evaluation.metrics)
    warnings = snapshot.details.warnings if snapshot else map(asdict, evaluation.warnings)
    yield from (f"Warning: {warning['detail']}" for warning in warnings)
