"""An evaluation or a comparison in a process of its own, which hostile predictions can at worst bring to its end.

What it runs of SQL reaches no file but those in its folder, and no network. It has no secrets in its environment, and
is ended when it takes more memory, time or disk than it may.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from errno import ENOSPC
from pathlib import Path
from threading import Event, Timer
from typing import Any

from performance.metrics.inputs.options import Columns, Options
from performance.metrics.paired.paired_join import Choices
from performance.metrics.result import EXHAUSTED, Evaluation, Misclassified, Residual, UnprocessablePredictionsError
from performance.metrics.statistics.intervals import Interval, stored_intervals

ROOT = Path(__file__).resolve().parents[3]
CHILD = ("-m", "performance.metrics.sandbox.worker")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}

# What others end a process by: an operator, or the kernel where something else takes the machine's memory.
_OF_OTHERS = {-signal.SIGHUP, -signal.SIGINT, -signal.SIGKILL, -signal.SIGTERM}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may take: MB of memory, `spill` times as many on disk, and seconds.

    And the rows and columns of a file that is evaluated, and its scores: rows × classes that have scores.
    """

    rows: int = 50_000_000
    columns: int = 1000
    scores: int = 100_000_000
    memory: int = 512
    spill: int = 16
    seconds: float = 1800

    @property
    def disk(self) -> int:
        """How many MB it may spill."""
        return self.memory * self.spill


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be evaluated: the one file of predictions in `folder`, which is the process's own to write in."""

    folder: Path
    file: str
    task_type: str
    columns: Columns
    options: Options
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class PairJob:
    """What is to be compared: two kept files in `folder`, which is the process's own to write in."""

    folder: Path
    newer: str
    older: str
    task_type: str
    choices: Choices
    limits: Limits = Limits()


class SandboxCrashed(RuntimeError):
    """The process ended with an error of its own, which is on its standard error, or was ended by others."""


def evaluate_in_sandbox(job: Job, on_progress: Callable[[float], object]) -> Evaluation:
    """Return what the predictions come to. Meanwhile `on_progress` is told, every second or so, how much is done.

    What it raises ends the evaluation. Raises `UnprocessablePredictionsError`, also where the process was ended for
    taking too much, `OSError` where the disk is full, and `BrokenOffError` where the fault is not the predictions'.
    """
    return evaluation_of(_done("evaluate", job, on_progress))


def pair_in_sandbox(job: PairJob, on_progress: Callable[[float], object]) -> dict[str, Interval]:
    """Return what `paired` finds in two kept files. `on_progress` and what is raised are as of `evaluate_apart`."""
    return stored_intervals(_done("pair", job, on_progress))


def _done(work: str, job: Job | PairJob, on_progress: Callable[[float], object]) -> Any:
    """Return what a process of its own says that a job comes to, as a document."""
    described = job.folder / "job.json"
    described.write_text(json.dumps(asdict(job), default=str))
    with subprocess.Popen(  # noqa: S603
        [sys.executable, *CHILD, work, str(described)],
        cwd=ROOT,
        env=_ENVIRONMENT,
        stdin=subprocess.PIPE,  # nothing is written to it: where it closes, the child knows that nobody waits for it
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        overdue = Event()

        def end() -> None:
            overdue.set()
            process.kill()

        watchdog = Timer(job.limits.seconds, end)
        watchdog.start()
        try:
            if (done := _last_word(process.stdout or [], on_progress)) is not None:
                return done
            status = process.wait()
            if overdue.is_set() or (status < 0 and status not in _OF_OTHERS):  # by the watchdog, or a limit
                raise UnprocessablePredictionsError(EXHAUSTED)
            raise SandboxCrashed(f"The process ended with status {status}.")
        finally:
            watchdog.cancel()
            process.kill()


def _last_word(lines: Iterable[str], on_progress: Callable[[float], object]) -> Any:
    """Return what was done; `None` if there is nothing to come."""
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


def evaluation_of(document: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation that `dataclasses.asdict` made a document of."""
    return Evaluation(
        **{
            **document,
            "confidence_intervals": stored_intervals(document["confidence_intervals"]),
            "misclassified": [Misclassified(**each) for each in document["misclassified"]],
            "residuals": [Residual(**each) for each in document["residuals"]],
        }
    )
