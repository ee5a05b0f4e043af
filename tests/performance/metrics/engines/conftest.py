"""Apache Spark on this machine, and DuckDB beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.engines.spark import Spark
from performance.metrics.inputs.options import Columns
from tests.performance.metrics.engines.agreement import Compare, assert_close, outcome, written
from tests.performance.metrics.tables import Evaluate

# Spark's plans are for many rows. For a few, it spends nearly all its time on compiling Java that runs once.
FOR_FEW_ROWS = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
}


@pytest.fixture(scope="package")
def spark(spark_is_there: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spark]:
    """Spark on this machine, shared by all tests, as it takes seconds to start.

    `test_evaluate_on_spark.py` has the settings of the service.
    """
    from pyspark.sql import SparkSession

    with Spark("local[2]", folder=tmp_path_factory.mktemp("spark")) as engine:
        for name, value in FOR_FEW_ROWS.items():
            SparkSession.active().conf.set(name, value)
        yield engine


@pytest.fixture
def compare(spark: Spark, tmp_path: Path) -> Compare:
    """Return a function that evaluates files or columns on both engines, and checks that they agree."""

    def on_both(
        evaluate: Evaluate, given: Any, columns: Columns | None = None, *, intervals: float = 1e-12, **options: Any
    ) -> dict[str, Any]:
        files = given if isinstance(given, list) else [written(tmp_path / "predictions.parquet", given)]
        found = outcome(spark, evaluate, files, columns, options)
        with DuckDB(folder=tmp_path) as duckdb:
            expected = outcome(duckdb, evaluate, files, columns, options)
        assert_close(found.pop("confidence_intervals", {}), expected.pop("confidence_intervals", {}), within=intervals)
        assert_close(found, expected)
        return found

    return on_both
