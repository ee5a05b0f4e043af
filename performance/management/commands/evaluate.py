"""`manage.py evaluate MODEL VERSION FILE…`: compute metrics from predictions, and store them."""

import argparse
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import asdict
from glob import glob, has_magic
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from models_registry import ids
from models_registry.exceptions import ConflictError
from models_registry.models import RegisteredModel, Version
from models_registry.strict_json import parse_json
from performance.evaluation.columns import AVERAGINGS, Columns, Options, columns_of
from performance.evaluation.engine import Engine
from performance.evaluation.engines import open_engine
from performance.evaluation.evaluators import EVALUATORS, Evaluator
from performance.evaluation.result import Evaluation, UnprocessablePredictionsError
from performance.evaluation.spark import UnavailableEngineError
from performance.models import DatasetSplit
from performance.services import store_evaluation

KINDS = {".csv", ".parquet"}


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
            "files", nargs="+", metavar="FILE", help="a Parquet or CSV file, or a pattern such as *.csv"
        )
        parser.add_argument("--split", choices=DatasetSplit.values, default=DatasetSplit.TEST.value)
        parser.add_argument(
            "--columns", type=_columns, default=Columns(), help="""names of columns, such as '{"actual": "label"}'"""
        )
        parser.add_argument(
            "--threshold", type=float, help="predict the positive one of two classes from this score upwards"
        )
        parser.add_argument("--positive-class", help="of two labels; by default the greater one")
        parser.add_argument("--averaging", choices=AVERAGINGS, help="by default binary for two labels, else weighted")
        parser.add_argument("--k", type=int, default=10, help="after how many items a ranking is cut (10)")
        parser.add_argument("--allow-missing", action="store_true", help="leave rows without a prediction out")
        parser.add_argument("--dry-run", action="store_true", help="store nothing")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, model: str, version: str, files: list[str], split: str, dry_run: bool, **options: Any) -> None:
        """Evaluate, store and print. What cannot be evaluated ends the command with exit status 1."""
        found, paths = _version(model, version), _paths(files)
        evaluator = EVALUATORS.get(found.model.task_type)
        if evaluator is None:
            raise CommandError(
                f"A model of {found.model.task_type} cannot be evaluated here; report its metrics instead. "
                f"Evaluated are {', '.join(EVALUATORS)}."
            )
        chosen = Options(
            positive_class=options["positive_class"],
            averaging=options["averaging"],
            threshold=options["threshold"],
            allow_missing=options["allow_missing"],
            k=options["k"],
        )
        with tempfile.TemporaryDirectory() as folder, _engine(Path(folder)) as engine:
            try:
                evaluation = _watched(engine, lambda: _evaluate(engine, paths, evaluator, options["columns"], chosen))
                if not dry_run:
                    store_evaluation(
                        version=found,
                        dataset_split=split,
                        evaluation=evaluation,
                        engine=engine,
                        digest=_digest(paths),
                        created_by="",
                    )
            except (UnprocessablePredictionsError, ConflictError) as error:
                raise CommandError(str(error)) from None
        self.stdout.write(_as_json(evaluation) if options["json"] else _as_text(evaluation, stored=not dry_run))


def _engine(folder: Path) -> Engine:
    """Return the engine that the settings name. Raises `CommandError`."""
    try:
        return open_engine(settings.EVALUATION_ENGINE, folder=folder)
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


def _paths(files: Iterable[str]) -> list[Path]:
    """Return the files, patterns resolved. Raises `CommandError` for what is not there or of another kind."""
    paths = [Path(name) for file in files for name in (sorted(glob(file)) if has_magic(file) else [file])]
    if not paths:
        raise CommandError("The pattern matches no file.")
    for path in paths:
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
    kinds = {path.suffix.lower() for path in paths}
    if len(kinds) > 1 or not kinds <= KINDS:
        raise CommandError(f"All files must end in .parquet, or all in .csv; these end in {', '.join(sorted(kinds))}.")
    return paths


def _columns(argument: str) -> Columns:
    """Return the columns that a JSON object names. Raises `ArgumentTypeError`."""
    try:
        return columns_of(parse_json(argument.encode(errors="surrogateescape")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not the names of columns as JSON: {error}") from None


def _evaluate(engine: Engine, paths: list[Path], evaluator: Evaluator, columns: Columns, chosen: Options) -> Evaluation:
    read = engine.read_csv if paths[0].suffix.lower() == ".csv" else engine.read_parquet
    read([str(path) for path in paths])
    return evaluator(engine, columns, chosen)


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


def _digest(paths: list[Path]) -> str:
    """Return the SHA-256 of the files' bytes, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


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
