"""`manage.py evaluate MODEL VERSION FILE…`: compute metrics from predictions, and store them."""

import argparse
import io
import json
import math
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models_registry import ids
from models_registry.exceptions import RegistryError
from models_registry.models import RegisteredModel, Version
from models_registry.strict_json import parse_json
from performance.evaluation.columns import AVERAGINGS, MAX_K, Columns, Options, columns_of
from performance.evaluation.engine import DuckDB, Engine
from performance.evaluation.engines import open_engine
from performance.evaluation.evaluators import evaluate
from performance.evaluation.keeping import keep
from performance.evaluation.result import Evaluation, UnprocessablePredictionsError
from performance.evaluation.sources import SourceError, Sources, find
from performance.evaluation.spark import UnavailableEngineError
from performance.models import DatasetSplit
from performance.services import (
    compare_with_promoted,
    keep_predictions,
    refuse_evaluation,
    refuse_other_labels,
    refuse_unevaluated,
    store_evaluation,
)


class Command(BaseCommand):
    """Evaluates predictions in Parquet or CSV files, which are read as one."""

    help = (
        "Compute the metrics of a version from its predictions, with 95% confidence intervals, and store them as its "
        "newest snapshot of the split."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("model", metavar="MODEL", help="such as mdl-7f3a19bc92")
        parser.add_argument("version", metavar="VERSION", help="such as ver-001a1")
        parser.add_argument(
            "files", nargs="+", metavar="FILE", help="a Parquet or CSV file, a pattern such as *.csv, or s3://…"
        )
        parser.add_argument("--split", choices=DatasetSplit.values, default=DatasetSplit.TEST.value)
        parser.add_argument(
            "--columns", type=_columns, default=Columns(), help="""names of columns, such as '{"actual": "label"}'"""
        )
        parser.add_argument(
            "--threshold", type=_finite, help="predict the positive one of two classes from this score upwards"
        )
        parser.add_argument("--positive-class", help="of two labels; by default the greater one")
        parser.add_argument("--averaging", choices=AVERAGINGS, help="by default binary for two labels, else weighted")
        parser.add_argument(
            "--k",
            type=int,
            choices=range(1, MAX_K + 1),
            metavar="K",
            default=10,
            help="after how many items a ranking is cut (10)",
        )
        parser.add_argument("--allow-missing", action="store_true", help="leave rows without a prediction out")
        parser.add_argument("--dry-run", action="store_true", help="store nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, model: str, version: str, files: list[str], split: str, dry_run: bool, **options: Any) -> None:
        """Evaluate, store and print. What cannot be evaluated ends the command with exit status 1."""
        found, sources = _version(model, version), _sources(files)
        chosen = Options(
            positive_class=options["positive_class"],
            averaging=options["averaging"],
            threshold=options["threshold"],
            allow_missing=options["allow_missing"],
            k=options["k"],
        )
        columns: Columns = options["columns"]
        with tempfile.TemporaryDirectory() as folder, _engine(Path(folder), sources) as engine:
            try:
                if dry_run:
                    refuse_unevaluated(found.model.task_type, columns, chosen)
                else:
                    refuse_evaluation(found, split, columns, chosen)
                work = partial(_evaluate, engine, sources, found.model.task_type, columns, chosen)
                evaluation = _watched(engine, work)
                refuse_other_labels(version=found, dataset_split=split, evaluation=evaluation, columns=columns)
                if not dry_run:
                    kept = _kept(engine, found.model.task_type, columns, chosen, evaluation, Path(folder))
                    snapshot = store_evaluation(
                        version=found,
                        dataset_split=split,
                        evaluation=evaluation,
                        engine=engine,
                        digest=sources.digest(),
                        predictions_digest=keep_predictions(version=found, dataset_split=split, file=kept),
                        created_by="",
                    )
                    compare_with_promoted(snapshot)
            except (UnprocessablePredictionsError, RegistryError) as error:
                raise CommandError(str(error)) from None
        self.stdout.write(_as_json(evaluation) if options["json"] else _as_text(evaluation, stored=not dry_run))


def _engine(folder: Path, sources: Sources) -> Engine:
    """Return the engine that the settings name. Raises `CommandError`."""
    try:
        return open_engine(settings.EVALUATION_ENGINE, folder=folder, store=sources.store)
    except UnavailableEngineError as error:
        raise CommandError(str(error)) from None


def _version(model_id: str, version_id: str) -> Version:
    model = RegisteredModel.objects.filter(pk=model_id).first() if ids.is_model_id(model_id) else None
    if model is None:
        raise CommandError(f"There is no model {model_id}.")
    number = ids.version_number(version_id) if ids.is_version_id(version_id) else 0
    version: Version | None = model.versions.filter(number=number).first()
    if version is None:
        raise CommandError(f"{model.pk} has no version {version_id}.")
    version.model = model
    return version


def _columns(argument: str) -> Columns:
    """Return the columns that a JSON object names. Raises `ArgumentTypeError`."""
    try:
        return columns_of(parse_json(argument.encode(errors="surrogateescape")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not the names of columns as JSON: {error}") from None


def _finite(argument: str) -> float:
    """Return a finite number. Raises `ArgumentTypeError`."""
    number = float(argument)
    if not math.isfinite(number):
        raise argparse.ArgumentTypeError(f"{argument} is not finite")
    return number


def _sources(files: list[str]) -> Sources:
    try:
        return find(files)
    except SourceError as error:
        raise CommandError(str(error)) from None


def _evaluate(engine: Engine, sources: Sources, task_type: str, columns: Columns, chosen: Options) -> Evaluation:
    (engine.read_csv if sources.are_csv else engine.read_parquet)(sources.names)
    return evaluate(engine, task_type, columns, chosen)


def _kept(engine: Engine, *of: Any) -> Path | None:
    """Return the file with what is kept of the predictions: none where they are too many for one machine."""
    return keep(engine, *of) if isinstance(engine, DuckDB) else None


def _watched(engine: Engine, work: Callable[[], Evaluation]) -> Evaluation:
    """Return what the work comes to; meanwhile a bar on standard error, if that is a terminal, shows how far it is."""
    bar = Progress(
        TextColumn("Step {task.fields[step]}"), BarColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    )
    with ThreadPoolExecutor(max_workers=1) as pool, bar:
        task = bar.add_task("", total=1.0, step=1)
        evaluation = pool.submit(work)
        while not wait([evaluation], timeout=0.1).done:
            bar.update(task, completed=engine.progress(), step=engine.statements)
        bar.update(task, completed=1.0, visible=False)
        return evaluation.result()


def _as_json(evaluation: Evaluation) -> str:
    shown = asdict(evaluation)
    for rows in ("misclassified", "residuals", "curves"):  # which are no metrics
        del shown[rows]
    return json.dumps(shown, indent=2)


def _as_text(evaluation: Evaluation, *, stored: bool) -> str:
    table = Table("metric", "value", "95% interval", title=f"{evaluation.sample_count:,} of {evaluation.rows:,} rows")
    for name, value in evaluation.metrics.items():
        interval = evaluation.confidence_intervals.get(name)
        told = f"{interval.lower:.4f} to {interval.upper:.4f}" if interval else ""
        table.add_row(name, "not defined" if value is None else f"{value:.4f}", told)
    printed = io.StringIO()
    Console(file=printed, width=100).print(table)
    return f"{printed.getvalue()}{'Stored.' if stored else 'Nothing was stored.'}"
