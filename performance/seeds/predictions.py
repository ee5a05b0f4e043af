"""Snapshots of a seed document that come as predictions: evaluated when the document is loaded, as over HTTP."""

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models_registry.registry.models import Version
from performance.evaluations.services import store_evaluation
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.files import PredictionFiles
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks.evaluators import evaluate
from performance.seeds.document import SeedError
from performance.snapshots.prediction_store import store_predictions

AGREEMENT = 1e-9  # to which metrics that the document has as well must agree with those computed


def load_predictions(where: str, version: Version, file: Path, item: Mapping[str, Any], *, store: bool) -> None:
    """Store the snapshot of predictions, unless it is stored already.

    With `store`, the predictions are stored as well, so that they can be compared. Raises `SeedError` if they cannot be
    evaluated, or if the document has other metrics than they do.
    """
    source = PredictionFiles([str(file)])
    digest = _digest(where, file.name, source)
    stored = version.snapshots.filter(dataset_split=item["dataset_split"], evaluated_at=item["evaluated_at"])
    if stored.filter(detail__dataset_digest=digest).exists():
        return
    with TemporaryDirectory() as folder:
        evaluation, exported = _evaluate(where, version.model.task_type, file.name, source, Path(folder))
        _refuse_difference(where, evaluation, item.get("metrics") or {})
        store_evaluation(
            version=version,
            dataset_split=item["dataset_split"],
            evaluation=evaluation,
            engine=DuckDB,
            digest=digest,
            predictions_digest=store_predictions(exported if store else None),
            created_by="",
            evaluated_at=item["evaluated_at"],
        )


def _digest(where: str, name: str, source: PredictionFiles) -> str:
    try:
        return source.digest()
    except OSError as error:
        raise SeedError(f"{where}.predictions: {name} cannot be read: {error.strerror}") from None


def _evaluate(
    where: str, task_type: str, name: str, source: PredictionFiles, folder: Path
) -> tuple[Evaluation, Path | None]:
    """Return the evaluation of predictions, and the file in the folder to which they were exported."""
    with DuckDB(folder=folder) as engine:
        try:
            source.read_into(engine)
            evaluation = evaluate(engine, task_type, Columns(), Options())
            return evaluation, export_predictions(engine, task_type, Columns(), Options(), evaluation, folder)
        except UnprocessablePredictionsError as error:
            raise SeedError(f"{where}.predictions: {name}: {error}") from None


def _refuse_difference(where: str, evaluation: Evaluation, expected: Mapping[str, float]) -> None:
    for name, value in expected.items():
        found = evaluation.metrics[name]
        if found is None or not math.isclose(found, value, rel_tol=AGREEMENT, abs_tol=AGREEMENT):
            raise SeedError(f"{where}.metrics.{name}: is {value}, but the predictions come to {found}")
