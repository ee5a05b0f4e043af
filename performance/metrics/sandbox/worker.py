"""`python -m performance.metrics.sandbox.worker WORK JOB`: does the job in a file: `evaluate` or `pair`.

Ends when its standard input closes. Answers in lines of JSON: `{"progress": 0.5}` as it goes on, then what is `done`,
or a `fault`, or that the disk is `full`.
"""

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from errno import ENOSPC
from math import ceil
from pathlib import Path
from threading import Lock, Thread
from time import sleep
from typing import Any

from performance.metrics.engines.duckdb import DuckDB
from performance.metrics.inputs.column_mapping import SCORE_PREFIX
from performance.metrics.inputs.files import PredictionFiles
from performance.metrics.inputs.options import Columns, Options
from performance.metrics.paired.intervals import paired_intervals
from performance.metrics.paired.paired_join import Choices
from performance.metrics.prediction_export import export_predictions
from performance.metrics.result import EXHAUSTED, UnprocessablePredictionsError
from performance.metrics.sandbox.runner import Job, Limits
from performance.metrics.tasks.evaluators import evaluate

MB = 2**20
BESIDE = 2048  # MB of addresses that the process takes beside what DuckDB says it does
STATEMENTS = 14  # that an evaluation is about to take, for its progress
INTERVAL = 0.5  # seconds between two words of progress
NICENESS = 10  # so that processes which answer requests come first

_out = Lock()


def main() -> None:
    """Do one job, and leave in its folder what is to be kept of predictions that were evaluated."""
    do, document = _WORK[sys.argv[1]], json.loads(Path(sys.argv[2]).read_text())
    os.nice(NICENESS)
    _limit(Limits(**document["limits"]))
    Thread(target=_end_with_parent, args=[Path(document["folder"])], daemon=True).start()
    try:
        _say({"done": do(document)})
    except UnprocessablePredictionsError as error:
        _say({"fault": {"reason": str(error), "column": error.column, "row": error.row}})
    except MemoryError:
        _say({"fault": {"reason": EXHAUSTED}})
    except OSError as error:
        if error.errno != ENOSPC:
            raise
        _say({"full": str(error.strerror)})


def _limit(limits: Limits) -> None:
    """Have the kernel refuse what goes beyond the limits."""
    bounds = {
        resource.RLIMIT_AS: (limits.memory + BESIDE) * MB,
        resource.RLIMIT_FSIZE: limits.disk * MB,
        resource.RLIMIT_CPU: ceil(limits.seconds) * (os.cpu_count() or 1),
        resource.RLIMIT_CORE: 0,
    }
    for kind, bound in bounds.items():
        resource.setrlimit(kind, (bound, bound))


def _end_with_parent(folder: Path) -> None:
    """End this process when the other one has ended, however it did, and leave no file behind."""
    sys.stdin.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _evaluate(document: Mapping[str, Any]) -> dict[str, Any]:
    job = Job(
        folder=Path(document["folder"]),
        file=document["file"],
        task_type=document["task_type"],
        columns=Columns(**document["columns"]),
        options=Options(**document["options"]),
        limits=Limits(**document["limits"]),
    )
    with DuckDB(folder=job.folder, memory=_mb(job.limits.memory), disk=_mb(job.limits.disk), confined=True) as engine:
        _tell_progress(lambda: (engine.statements - 1 + engine.progress()) / STATEMENTS)
        PredictionFiles([str(job.folder / job.file)]).read_into(engine)
        _refuse_size(engine, job.columns, job.limits)
        evaluation = evaluate(engine, job.task_type, job.columns, job.options)
        export_predictions(engine, job.task_type, job.columns, job.options, evaluation, job.folder)
    return evaluation.document()


def _pair(document: Mapping[str, Any]) -> dict[str, Any]:
    folder, limits = Path(document["folder"]), Limits(**document["limits"])
    _tell_progress(lambda: 0.0)  # only that it goes on
    found = paired_intervals(
        folder / document["newer"],
        folder / document["older"],
        document["task_type"],
        Choices(**document["choices"]),
        memory=_mb(limits.memory),
        disk=_mb(limits.disk),
    )
    return {name: asdict(interval) for name, interval in found.items()}


def _mb(number: int) -> str:
    return f"{number}MB"


def _refuse_size(engine: DuckDB, named: Columns, limits: Limits) -> None:
    """Refuse a file that takes more work than is allowed, before it begins. Raises `UnprocessablePredictionsError`."""
    columns = engine.columns()
    if len(columns) > limits.columns:
        raise UnprocessablePredictionsError(f"There are {len(columns):,} columns; {limits.columns:,} are the most.")
    [(rows,)] = engine.rows("SELECT count(*) FROM predictions")
    if rows > limits.rows:
        raise UnprocessablePredictionsError(f"There are {rows:,} rows; {limits.rows:,} are the most.")
    of_classes = len(named.scores) or sum(name.startswith(SCORE_PREFIX) for name in columns)
    if of_classes > 1 and rows * of_classes > limits.scores:
        raise UnprocessablePredictionsError(
            f"There are {rows:,} rows with the scores of {of_classes:,} classes, {rows * of_classes:,} scores; "
            f"{limits.scores:,} are the most. Send a sample of the rows."
        )


def _tell_progress(done: Callable[[], float]) -> None:
    """Say every now and then, as long as the process lives, how much is done."""

    def tell() -> None:
        told = 0.0
        while True:
            sleep(INTERVAL)
            told = max(told, min(done(), 0.99))
            _say({"progress": round(told, 2)})

    Thread(target=tell, daemon=True).start()


def _say(message: dict[str, Any]) -> None:
    with _out:
        print(json.dumps(message, default=asdict), flush=True)


_WORK: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"evaluate": _evaluate, "pair": _pair}

if __name__ == "__main__":
    main()
