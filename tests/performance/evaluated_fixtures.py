"""Store what the command stores for predictions of the fixtures. A process evaluates each file once."""

import tempfile
from functools import cache
from pathlib import Path

from models_registry.registry.models import Version
from performance.evaluations.services import store_evaluation
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.files import PredictionFiles
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import Evaluation
from performance.metrics.tasks.evaluators import evaluate
from performance.snapshots.prediction_store import store_predictions
from tests.performance.metrics.tables import read_file

FIXTURES = Path(__file__).parents[2] / "fixtures" / "predictions"
_folder = tempfile.TemporaryDirectory(prefix="registry-tests-")


def store_test_split(version: Version, folder: str) -> None:
    """Store the evaluation of the version's test split, of which `folder` has the predictions."""
    evaluation, digest, exported = _evaluated(
        version.model.task_type, FIXTURES / folder / f"{version.version_id}-test.csv"
    )
    store_evaluation(
        version=version,
        dataset_split="test",
        evaluation=evaluation,
        engine=DuckDB,
        digest=digest,
        predictions_digest=store_predictions(exported),
        created_by="",
    )


@cache
def _evaluated(task_type: str, file: Path) -> tuple[Evaluation, str, Path]:
    """Return the evaluation of a file, its digest and the exported predictions, the same for all tests."""
    engine, folder = read_file(file), Path(tempfile.mkdtemp(dir=_folder.name))
    evaluation = evaluate(engine, task_type, Columns(), Options())
    exported = export_predictions(engine, task_type, Columns(), Options(), evaluation, folder)
    assert exported is not None
    return evaluation, PredictionFiles([str(file)]).digest(), exported
