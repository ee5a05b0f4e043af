"""`python -m performance.evaluation.child JOB`: evaluates the job in a file. Ends when its standard input closes.

Answers in lines of JSON: `{"progress": 0.5}` as it goes on, then the evaluation, or a `fault`.
"""

import json
import os
import resource
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import Any

from performance.evaluation.apart import Job, Limits
from performance.evaluation.columns import Columns, Options
from performance.evaluation.engine import DuckDB
from performance.evaluation.evaluators import evaluate
from performance.evaluation.keeping import keep
from performance.evaluation.result import EXHAUSTED, Evaluation, UnprocessablePredictionsError

MB = 2**20
BESIDE = 2048  # MB of addresses that the process takes beside what DuckDB says it does
ON_DISK = 16  # times its memory that it may spill
STATEMENTS = 14  # that an evaluation is about to take, for its progress
INTERVAL = 0.5  # seconds between two words of progress

_out = Lock()


def main() -> None:
    """Evaluate one job, and leave in its folder what is to be kept of the predictions."""
    job = _job(json.loads(Path(sys.argv[1]).read_text()))
    _limit(job.limits)
    Thread(target=_end_with_parent, args=[job.folder], daemon=True).start()
    try:
        _say(asdict(_evaluate(job)))
    except UnprocessablePredictionsError as error:
        _say({"fault": {"reason": str(error), "column": error.column, "row": error.row}})
    except MemoryError:
        _say({"fault": {"reason": EXHAUSTED}})


def _job(document: dict[str, Any]) -> Job:
    return Job(
        folder=Path(document["folder"]),
        file=document["file"],
        task_type=document["task_type"],
        columns=Columns(**document["columns"]),
        options=Options(**document["options"]),
        limits=Limits(**document["limits"]),
    )


def _limit(limits: Limits) -> None:
    """Have the kernel refuse what goes beyond the limits."""
    bounds = {
        resource.RLIMIT_AS: (limits.memory + BESIDE) * MB,
        resource.RLIMIT_FSIZE: limits.memory * ON_DISK * MB,
        resource.RLIMIT_CPU: limits.seconds * (os.cpu_count() or 1),
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))


def _end_with_parent(folder: Path) -> None:
    """End this process when the other one has ended, however it did, and leave no file behind."""
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _evaluate(job: Job) -> Evaluation:
    memory, disk = f"{job.limits.memory}MB", f"{job.limits.memory * ON_DISK}MB"
    with DuckDB(folder=job.folder, memory=memory, disk=disk, confined=True) as engine:
        Thread(target=_tell_progress, args=[engine], daemon=True).start()
        path = str(job.folder / job.file)
        (engine.read_csv if path.endswith(".csv") else engine.read_parquet)([path])
        _refuse_size(engine, job.limits)
        evaluation = evaluate(engine, job.task_type, job.columns, job.options)
        keep(engine, job.task_type, job.columns, job.options, evaluation, job.folder)
        return evaluation


def _refuse_size(engine: DuckDB, limits: Limits) -> None:
    """Refuse a file of more columns or rows than are allowed. Raises `UnprocessablePredictionsError`."""
    columns = len(engine.columns())
    if columns > limits.columns:
        raise UnprocessablePredictionsError(f"There are {columns:,} columns; {limits.columns:,} are the most.")
    [(rows,)] = engine.rows("SELECT count(*) FROM predictions")
    if rows > limits.rows:
        raise UnprocessablePredictionsError(f"There are {rows:,} rows; {limits.rows:,} are the most.")


def _tell_progress(engine: DuckDB) -> None:
    told = 0.0
    while True:
        sleep(INTERVAL)
        told = max(told, min((engine.statements - 1 + engine.progress()) / STATEMENTS, 0.99))
        _say({"progress": round(told, 2)})


def _say(message: dict[str, Any]) -> None:
    with _out:
        print(json.dumps(message), flush=True)


if __name__ == "__main__":
    main()
