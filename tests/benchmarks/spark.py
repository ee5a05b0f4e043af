"""Binary classification on DuckDB and on Apache Spark, to show what Spark costs where it is not needed.

`uv run --group dev --group bench --extra spark python -m tests.benchmarks.spark`
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import duckdb
import psutil

from performance.metrics.engines.base import Engine
from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.engines.spark import Spark
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.tasks import classification

PREDICTIONS = """
    COPY (
        SELECT CAST(random() < score AS INTEGER) AS actual, CAST(score >= 0.5 AS INTEGER) AS predicted, score
        FROM (SELECT random() AS score FROM range({rows}))
    ) TO '{file}' (FORMAT parquet)
"""


def main() -> None:
    """Evaluate the same file on both in turn, and print the medians and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name), f"{name}/predictions.parquet"
        duckdb.sql("SELECT setseed(0.5)")
        duckdb.sql(PREDICTIONS.format(rows=options.rows, file=file))
        started = time.perf_counter()
        with Spark(f"local[{options.cores}]", folder=folder) as spark:
            print(f"Spark {spark.version} started in {time.perf_counter() - started:.1f} s")
            with DuckDB(folder=folder, threads=options.cores) as embedded:
                compare([embedded, spark], file, options.rounds)


def compare(engines: list[Engine], file: str, rounds: int) -> None:
    """Print what an evaluation costs on each engine, but for a first one that warms it up."""
    evaluations = {engine.name: evaluation(engine, file) for engine in engines}
    found = [evaluate() for evaluate in evaluations.values()]
    print(f"accuracy {[each['accuracy'] for each in found]}, roc_auc {[each['roc_auc'] for each in found]}")
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in evaluations}
    for _ in range(rounds):
        for name, evaluate in evaluations.items():
            before, cpu = time.perf_counter(), cpu_seconds()
            evaluate()
            spent[name].append((time.perf_counter() - before, cpu_seconds() - cpu))
    medians = {name: [median(column) for column in zip(*each, strict=True)] for name, each in spent.items()}
    for name, (wall, cpu) in medians.items():
        print(f"{name:8} {wall:7.2f} s, {cpu:7.2f} s of CPU")
    (wall, cpu), (spark_wall, spark_cpu) = medians.values()
    print(f"Spark takes {spark_wall / wall:.1f} times as long as DuckDB, and {spark_cpu / cpu:.1f} times its CPU time")


def evaluation(engine: Engine, file: str) -> Callable[[], dict[str, float | None]]:
    """Return how to evaluate the file on an engine."""
    engine.read_parquet([file])
    return lambda: dict(classification.evaluate(engine, Columns(), Options()).metrics)


def cpu_seconds() -> float:
    """Return what this process and those that it started have spent, Java among them."""
    own = psutil.Process()
    times = [process.cpu_times() for process in [own, *own.children(recursive=True)]]
    return float(sum(each.user + each.system for each in times))


if __name__ == "__main__":
    main()
