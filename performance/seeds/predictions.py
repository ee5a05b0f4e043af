"""Snapshots for which a seed document has predictions. They are computed as an upload over HTTP is."""

import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from models_registry.api.errors import InvalidBodyError
from models_registry.registry.models import Version
from performance.evaluations.services import check_options, store_evaluation, with_declared_class
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.files import PredictionFiles
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks.evaluators import evaluate
from performance.seeds.document import SeedError, SnapshotValues
from performance.snapshots.prediction_store import store_predictions

AGREEMENT = 1e-9  # the largest relative or absolute difference between a computed metric and the document's


def load_predictions(where: str, version: Version, file: Path, item: SnapshotValues, *, store: bool) -> None:
    """Evaluate predictions and store their snapshot, unless it is stored already.

    With `store`, the predictions are stored as well, so that they can be compared example by example. Raises
    `SeedError` if they cannot be evaluated, or if the computed metrics differ from the document's.
    """
    columns, options = item.get("columns", Columns()), with_declared_class(version.model, Options())
    _check_options(where, version.model.task_type, columns, options)
    source = PredictionFiles([str(file)])
    digest = _digest(where, file.name, source)
    stored = version.snapshots.filter(
        dataset_split=item["dataset_split"], dataset=item.get("dataset", ""), evaluated_at=item["evaluated_at"]
    )
    if stored.filter(detail__dataset_digest=digest).exists():
        return
    with TemporaryDirectory() as folder:
        evaluation, exported = _evaluate(
            f"{where}.predictions: {file.name}", version.model.task_type, source, columns, options, Path(folder)
        )
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
            dataset=item.get("dataset", ""),
        )


def _check_options(where: str, task_type: str, columns: Columns, options: Options) -> None:
    try:
        check_options(task_type, columns, options)
    except InvalidBodyError as error:
        raise SeedError(f"{where}.columns: {error.detail}") from None


def _digest(where: str, name: str, source: PredictionFiles) -> str:
    try:
        return source.digest()
    except OSError as error:
        raise SeedError(f"{where}.predictions: {name} cannot be read: {error.strerror}") from None


def _evaluate(
    where: str, task_type: str, source: PredictionFiles, columns: Columns, options: Options, folder: Path
) -> tuple[Evaluation, Path | None]:
    """Return the evaluation of the predictions, and the file of exported predictions in the folder."""
    with DuckDB(folder=folder) as engine:
        try:
            source.read_into(engine)
            evaluation = evaluate(engine, task_type, columns, options)
            return evaluation, export_predictions(engine, task_type, columns, options, evaluation, folder)
        except UnprocessablePredictionsError as error:
            raise SeedError(f"{where}: {error}") from None


def _refuse_difference(where: str, evaluation: Evaluation, expected: Mapping[str, float]) -> None:
    for name, value in expected.items():
        computed = evaluation.metrics[name]
        if computed is None or not math.isclose(computed, value, rel_tol=AGREEMENT, abs_tol=AGREEMENT):
            raise SeedError(f"{where}.metrics.{name}: is {value}, but the predictions come to {computed}")
