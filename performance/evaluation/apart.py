"""An evaluation in a process of its own, which hostile predictions can at worst bring to its end.

What it runs of SQL reaches no file but those in its folder, and no network. It has no secrets in its environment, and
is ended when it takes more memory, time or disk than it may.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer
from typing import Any

from performance.evaluation.columns import Columns, Options
from performance.evaluation.intervals import Interval
from performance.evaluation.result import (
    EXHAUSTED,
    Evaluation,
    Misclassified,
    Residual,
    UnprocessablePredictionsError,
)

ROOT = Path(__file__).resolve().parents[2]
CHILD = ("-m", "performance.evaluation.child")
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What an evaluation may take: rows and columns of the file, and MB of memory and seconds of its process."""

    rows: int = 50_000_000
    columns: int = 1000
    memory: int = 512
    seconds: int = 1800


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be evaluated: the one file of predictions in `folder`, which is the process's own to write in."""

    folder: Path
    file: str
    task_type: str
    columns: Columns
    options: Options
    limits: Limits = Limits()


class BrokenOffError(RuntimeError):
    """The process ended with an error of its own, which is on its standard error."""


def evaluate_apart(job: Job, on_progress: Callable[[float], None]) -> Evaluation:
    """Return what the predictions come to. Meanwhile `on_progress` is told, every second or so, how much is done.

    What it raises ends the evaluation. Raises `UnprocessablePredictionsError`, also where the process was ended for
    taking too much, and `BrokenOffError` where the fault is not the predictions'.
    """
    described = job.folder / "job.json"
    described.write_text(json.dumps(asdict(job), default=str))
    with subprocess.Popen(  # noqa: S603
        [sys.executable, *CHILD, str(described)],
        cwd=ROOT,
        env=_ENVIRONMENT,
        stdin=subprocess.PIPE,  # nothing is written to it: where it closes, the child knows that nobody waits for it
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        watchdog = Timer(job.limits.seconds, process.kill)
        watchdog.start()
        try:
            if (evaluation := _last_word(process.stdout or [], on_progress)) is not None:
                return evaluation
            if process.wait() > 0:
                raise BrokenOffError(f"The evaluation ended with status {process.returncode}.")
            raise UnprocessablePredictionsError(EXHAUSTED)  # by a signal: the kernel's, or the watchdog's
        finally:
            watchdog.cancel()
            process.kill()


def _last_word(lines: Iterable[str], on_progress: Callable[[float], None]) -> Evaluation | None:
    """Return the evaluation; `None` if there is none to come."""
    for message in map(json.loads, lines):
        if "progress" in message:
            on_progress(message["progress"])
        elif "fault" in message:
            raise UnprocessablePredictionsError(**message["fault"])
        else:
            return evaluation_of(message)
    return None


def evaluation_of(document: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation that `dataclasses.asdict` made a document of."""
    return Evaluation(
        **{
            **document,
            "confidence_intervals": {name: Interval(**each) for name, each in document["confidence_intervals"].items()},
            "misclassified": [Misclassified(**each) for each in document["misclassified"]],
            "residuals": [Residual(**each) for each in document["residuals"]],
        }
    )
