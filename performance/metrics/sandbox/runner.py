"""An evaluation or a comparison in a process of its own: hostile predictions can at worst end that process.

Its SQL reaches only the files in its folder, and no network. The process has no secrets in its environment, and is
ended if it exceeds its limits of memory, time or disk.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from threading import Event, Lock, Timer

from performance.metrics.inputs.options import Columns, Options
from performance.metrics.overlap import Overlap
from performance.metrics.paired.paired_join import Choices
from performance.metrics.result import EXHAUSTED, Evaluation, UnprocessablePredictionsError
from performance.metrics.sandbox.codec import from_json, to_json
from performance.metrics.statistics.intervals import Interval

ROOT = Path(__file__).resolve().parents[3]
CHILD = ("-m", "performance.metrics.sandbox.worker")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

# Signals of an operator, or of the kernel when other processes take the machine's memory.
_FROM_OUTSIDE = {-signal.SIGHUP, -signal.SIGINT, -signal.SIGKILL, -signal.SIGTERM}

_spares: list[subprocess.Popen[str]] = []  # at most one
_lock = Lock()


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a process: MB of memory, `spill` times as many on disk, and seconds.

    `rows`, `columns` and `scores` (rows × classes with scores) limit the file to evaluate.
    """

    rows: int = 50_000_000
    columns: int = 1000
    scores: int = 100_000_000
    memory: int = 512
    spill: int = 16
    seconds: float = 1800

    @property
    def disk(self) -> int:
        """The MB on disk."""
        return self.memory * self.spill


@dataclass(frozen=True, slots=True)
class Job:
    """An evaluation of the one file of predictions in `folder`, in which the process may write."""

    folder: Path
    file: str
    task_type: str
    columns: Columns
    options: Options
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class PairJob:
    """A comparison of two exported files in `folder`, in which the process may write."""

    folder: Path
    newer: str
    older: str
    task_type: str
    choices: Choices
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class OverlapJob:
    """A count of the examples that exported files in `folder` share, in which the process may write."""

    folder: Path
    evaluated: list[str]
    training: list[str]
    limits: Limits = Limits()


class SandboxCrashed(RuntimeError):
    """The process failed, with the reason on its standard error, or was ended from outside."""


def evaluate_in_sandbox(job: Job, on_progress: Callable[[float], object]) -> Evaluation:
    """Return the evaluation of predictions. `on_progress` is called with the fraction done, every second or so.

    An exception of `on_progress` ends the evaluation. Raises `UnprocessablePredictionsError`, also if the process
    exceeded its limits, `OSError` if the disk is full, and `SandboxCrashed` if the predictions are not at fault.
    """
    evaluation: Evaluation = from_json(Evaluation, _run("evaluate", job, on_progress))
    return evaluation


def pair_in_sandbox(job: PairJob, on_progress: Callable[[float], object]) -> dict[str, Interval]:
    """Return the intervals of the differences, by metric. `on_progress` and errors are as in `evaluate_in_sandbox`."""
    intervals: dict[str, Interval] = from_json(dict[str, Interval], _run("pair", job, on_progress))
    return intervals


def count_overlap_in_sandbox(job: OverlapJob, on_progress: Callable[[float], object]) -> Overlap:
    """Return how many examples both kinds of files share. `on_progress` and errors are as in `evaluate_in_sandbox`."""
    overlap: Overlap = from_json(Overlap, _run("overlap", job, on_progress))
    return overlap


def start_spare() -> None:
    """Have a process wait for the next job from now on, as its start takes as long as a small job."""
    with _lock:
        if not _spares:
            _spares.append(_start())


def end_spare() -> None:
    """End the process that waits for a job. From now on, each job starts its own."""
    with _lock:
        while _spares:
            _discard(_spares.pop())


def _run(work: str, job: Job | PairJob | OverlapJob, on_progress: Callable[[float], object]) -> object:
    """Do a job in a process of its own, and return the document of its result."""
    with _take_process() as process:
        overdue = Event()

        def end() -> None:
            overdue.set()
            process.kill()

        watchdog = Timer(job.limits.seconds, end)
        watchdog.start()
        try:
            description = job.folder / "job.json"
            description.write_text(to_json(job))
            _send(process, [work, str(description)])  # from now on, it deletes the folder if this process ends
            if (result := _result(process.stdout or [], on_progress)) is not None:
                return result
            status = process.wait()
            if overdue.is_set() or (status < 0 and status not in _FROM_OUTSIDE):  # by the watchdog, or a limit
                raise UnprocessablePredictionsError(EXHAUSTED)
            raise SandboxCrashed(f"The process ended with status {status}.")
        finally:
            watchdog.cancel()
            process.kill()


def _take_process() -> subprocess.Popen[str]:
    """Return a process for a job: the one that waits, in whose place another is started, or else a new one."""
    with _lock:
        if not _spares:
            return _start()
        spare = _spares.pop()
        _spares.append(_start())
    if spare.poll() is None:
        return spare
    _discard(spare)  # it was ended while it waited
    return _start()


def _start() -> subprocess.Popen[str]:
    """Start a process. It reads its job from its standard input, and ends when that closes."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *CHILD],
        cwd=ROOT,
        env=_ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in a terminal is for this process, whose end ends that one
    )


def _discard(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def _send(process: subprocess.Popen[str], message: list[str]) -> None:
    """Write a line to the standard input of a process, unless the process has ended."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            os.write(process.stdin.fileno(), f"{json.dumps(message)}\n".encode())


def _result(lines: Iterable[str], on_progress: Callable[[float], object]) -> object:
    """Return the document of the result; `None` if the process ended without one."""
    for message in map(json.loads, lines):
        if "progress" in message:
            on_progress(message["progress"])
        elif "full" in message:
            raise OSError(ENOSPC, message["full"])
        elif "fault" in message:
            raise UnprocessablePredictionsError(**message["fault"])
        else:
            return message["done"]
    return None
