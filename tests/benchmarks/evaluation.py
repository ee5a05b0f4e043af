"""What evaluating binary classification costs: this engine's complete report, beside scikit-learn, a scan and a sort.

uv run --group dev --group bench python -m tests.benchmarks.evaluation --rows 10000000
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.tasks import classification
from tests.serving import ROOT

MEMORY = "512MB"
THREADS = 2
# Half of the scores are low and half are high, nearly all distinct, and as likely right as they say.
PREDICTIONS = """
    SELECT {label}(chance < score) AS actual, {label}(score >= 0.5) AS predicted, score
    FROM (
        SELECT power(hash(row, 1) / 18446744073709551616.0, if(hash(row, 2) % 2 = 0, 3, 0.5)) AS score,
            hash(row, 3) / 18446744073709551616.0 AS chance
        FROM range({rows}) AS rows(row)
    )
"""


def report(file: str) -> None:
    """Compute all that `evaluate` stores: metrics, intervals, curves, and the examples that are furthest off."""
    with tempfile.TemporaryDirectory() as folder, DuckDB(folder=Path(folder), memory=MEMORY, threads=THREADS) as engine:
        engine.read_parquet([file])
        classification.evaluate(engine, Columns(), Options())


def scikit_learn(file: str) -> None:
    """Compute the six summary metrics."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from sklearn import metrics as sk

    table = pq.read_table(file)
    # As booleans: texts would cost it several times as much.
    positive = pc.max(table["actual"])
    actual, predicted = (pc.equal(table[name], positive).to_numpy() for name in ("actual", "predicted"))
    score = table["score"].to_numpy()
    for metric in (sk.accuracy_score, sk.precision_score, sk.recall_score, sk.f1_score):
        metric(actual, predicted)
    sk.roc_auc_score(actual, score)
    sk.log_loss(actual, score)


def scan(file: str) -> None:
    """Read the three columns: the floor."""
    _run(f"SELECT sum(score) FILTER (WHERE actual = predicted) FROM '{file}'")


def sort(file: str) -> None:
    """Sort the scores, as an exact area under the ROC curve needs."""
    _run(f"SELECT count(*) FROM (SELECT score FROM '{file}' ORDER BY score OFFSET 1)")


def _run(statement: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config: dict[str, Any] = {"threads": THREADS, "memory_limit": MEMORY, "temp_directory": folder}
        connection = duckdb.connect(config={**config, "preserve_insertion_order": False})
        connection.execute(statement).fetchall()


TASKS: dict[str, Callable[[str], None]] = {
    "report": report,
    "scikit-learn": scikit_learn,
    "scan": scan,
    "sort": sort,
}


def write(file: Path, rows: int, labels: str) -> None:
    """Write predictions piece by piece, the same each time."""
    label = {"text": "if(#, 'yes', 'no')", "integer": "CAST(# AS TINYINT)"}[labels]
    with duckdb.connect(config={"memory_limit": MEMORY, "preserve_insertion_order": False}) as connection:
        connection.execute(f"CREATE MACRO label(is_positive) AS {label.replace('#', 'is_positive')}")
        made = PREDICTIONS.format(rows=rows, label="label")
        connection.execute(f"COPY ({made}) TO '{file}' (FORMAT parquet)")


def measure(task: str, file: Path) -> dict[str, float]:
    """Return the seconds of wall time and CPU time that a task takes in a process of its own, and its most memory."""
    command = [sys.executable, "-m", "tests.benchmarks.evaluation", "--task", task, "--file", str(file)]
    ended = subprocess.run(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return measured


def perform(task: str, file: str) -> None:
    """Print what `measure` returns of a task, which begins once this process has started."""
    wall, cpu = time.perf_counter(), time.process_time()
    TASKS[task](file)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "memory": most}))


def main() -> None:
    """Print the table, and the ratios that matter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--labels", choices=["text", "integer"], default="text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--task", choices=TASKS, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        perform(options.task, options.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.parquet"
        write(file, options.rows, options.labels)
        rounds = [{task: measure(task, file) for task in options.only} for _ in range(options.rounds)]
    show(rounds, options.only)


def show(rounds: list[dict[str, dict[str, float]]], tasks: list[str]) -> None:
    """Print the medians of all rounds, and the medians of the ratios of each."""
    console = Console(highlight=False)
    table = Table("", "wall, s", "CPU, s", "most memory, MiB")
    for task in tasks:
        middle = {name: median(each[task][name] for each in rounds) for name in ("wall", "cpu", "memory")}
        table.add_row(task, f"{middle['wall']:.2f}", f"{middle['cpu']:.2f}", f"{middle['memory']:.0f}")
    console.print(table)
    if tasks == list(TASKS):
        for name in ("wall", "cpu"):
            faster = median(each["scikit-learn"][name] / each["report"][name] for each in rounds)
            least = median(each["report"][name] / (each["scan"][name] + each["sort"][name]) for each in rounds)
            console.print(
                f"{name}: scikit-learn takes {faster:.1f} times the report, which takes {least:.1f} times scan and sort"
            )


if __name__ == "__main__":
    main()
