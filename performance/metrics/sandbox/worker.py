"""`python -m performance.metrics.sandbox.worker`: does one job, which it reads from its standard input.

The job is a line of JSON, `["evaluate", FILE]`, whose file describes it. Other kinds are `pair` and `overlap`. The
process may wait long for its job, and ends when its standard input closes. It writes lines of JSON: `{"progress": 0.5}`
meanwhile, then what is `done`, a `fault` of the predictions, or that the disk is `full`.
"""

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Mapping
from errno import ENOSPC
from math import ceil
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import Any

from performance.metrics.engines.duckdb import STATEMENTS_OF_PARTS, DuckDB
from performance.metrics.inputs.column_mapping import usual_scores
from performance.metrics.inputs.files import PredictionFiles
from performance.metrics.inputs.options import Columns
from performance.metrics.overlap import Overlap, count_overlap
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import EXHAUSTED, Evaluation, UnprocessablePredictionsError
from performance.metrics.sandbox.codec import from_json, to_json
from performance.metrics.sandbox.runner import Job, Limits, OverlapJob, PairJob
from performance.metrics.statistics.intervals import Interval
from performance.metrics.tasks.evaluators import evaluate

MB = 2**20
PROCESS_MEMORY = 2048  # MB of address space that the process needs besides DuckDB's memory
STATEMENTS = {"classification": 13, "regression": 15, "forecasting": 16, "ranking": 7}  # of an evaluation, roughly
STATEMENTS_OF_GROUPS = 2
STATEMENTS_OF_ATTRIBUTE = 2 + STATEMENTS_OF_PARTS  # whose values are evaluated
INTERVAL = 0.5  # seconds between two reports of progress
NICENESS = 10  # so that processes which answer requests come first

_out = Lock()


def main() -> None:
    """Do one job. An evaluation leaves the predictions to store in the job's folder."""
    os.nice(NICENESS)
    import duckdb  # noqa: F401  # takes as long as a small job, so before there is one

    if not (line := sys.stdin.readline()):
        return  # there will be no job
    work, description = json.loads(line)
    kind, do = _WORK[work]
    job = from_json(kind, json.loads(Path(description).read_text()))
    limit_resources(job.limits)
    Thread(target=_end_with_parent, args=[job.folder], daemon=True).start()
    try:
        _say({"done": do(job)})
    except UnprocessablePredictionsError as error:
        _say({"fault": {"reason": str(error), "column": error.column, "row": error.row}})
    except MemoryError:
        _say({"fault": {"reason": EXHAUSTED}})
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        _say({"full": str(error.strerror)})


def limit_resources(limits: Limits) -> None:
    """Have the kernel enforce the limits."""
    bounds = {
        resource.RLIMIT_AS: (limits.memory + PROCESS_MEMORY) * MB,
        resource.RLIMIT_FSIZE: limits.disk * MB,
        resource.RLIMIT_CPU: ceil(limits.seconds) * (os.cpu_count() or 1),
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))


def _end_with_parent(folder: Path) -> None:
    """End this process as soon as its parent has ended, and leave no file behind."""
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _evaluate(job: Job) -> Evaluation:
    with DuckDB(folder=job.folder, memory=_mb(job.limits.memory), disk=_mb(job.limits.disk), confined=True) as engine:
        expected = expected_statements(job.task_type, job.columns)
        _report_progress(lambda: (engine.statement_count - engine.excess - 1 + engine.progress()) / expected)
        PredictionFiles([str(job.folder / job.file)]).read_into(engine)
        _refuse_size(engine, job.columns, job.limits)
        evaluation = evaluate(engine, job.task_type, job.columns, job.options)
        export_predictions(engine, job.task_type, job.columns, job.options, evaluation, job.folder)
    return evaluation


def expected_statements(task_type: str, columns: Columns) -> int:
    """Return roughly how many SQL statements an evaluation takes. Its progress is a share of them."""
    of_groups = STATEMENTS_OF_GROUPS if columns.group else 0
    return STATEMENTS[task_type] + of_groups + STATEMENTS_OF_ATTRIBUTE * len(columns.slices)


def _pair(job: PairJob) -> dict[str, Interval]:
    from performance.metrics.paired.intervals import paired_intervals  # an evaluation would import it for nothing

    _report_progress(lambda: 0.0)  # only that the process is alive
    return paired_intervals(
        job.folder / job.newer,
        job.folder / job.older,
        job.task_type,
        job.choices,
        memory=_mb(job.limits.memory),
        disk=_mb(job.limits.disk),
    )


def _overlap(job: OverlapJob) -> Overlap:
    _report_progress(lambda: 0.0)  # only that the process is alive
    return count_overlap(
        [job.folder / name for name in job.evaluated],
        [job.folder / name for name in job.training],
        memory=_mb(job.limits.memory),
        disk=_mb(job.limits.disk),
    )


def _mb(number: int) -> str:
    return f"{number}MB"


def _refuse_size(engine: DuckDB, named: Columns, limits: Limits) -> None:
    """Raise `UnprocessablePredictionsError`, before any work, if a file exceeds the limits."""
    columns = engine.columns()
    if len(columns) > limits.columns:
        raise UnprocessablePredictionsError(f"There are {len(columns):,} columns; {limits.columns:,} are the most.")
    [(rows,)] = engine.rows("SELECT count(*) FROM predictions")
    if rows > limits.rows:
        raise UnprocessablePredictionsError(f"There are {rows:,} rows; {limits.rows:,} are the most.")
    of_classes = len(named.scores or usual_scores(engine.names))
    if of_classes > 1 and rows * of_classes > limits.scores:
        raise UnprocessablePredictionsError(
            f"There are {rows:,} rows with the scores of {of_classes:,} classes, {rows * of_classes:,} scores; "
            f"{limits.scores:,} are the most. Send a sample of the rows."
        )


def _report_progress(done: Callable[[], float]) -> None:
    """Write the fraction done every now and then, as long as the process lives."""

    def report() -> None:
        progress = 0.0
        while True:
            sleep(INTERVAL)
            progress = max(progress, min(done(), 0.99))
            _say({"progress": round(progress, 2)})

    Thread(target=report, daemon=True).start()


def _say(message: dict[str, object]) -> None:
    with _out:
        print(to_json(message), flush=True)


_WORK: Mapping[str, tuple[type, Callable[[Any], object]]] = {
    "evaluate": (Job, _evaluate),
    "pair": (PairJob, _pair),
    "overlap": (OverlapJob, _overlap),
}

if __name__ == "__main__":
    main()
    os._exit(0)  # tearing down the interpreter and DuckDB takes time, and DuckDB complains of it
