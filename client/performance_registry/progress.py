"""Show how far an evaluation is."""

from __future__ import annotations

import sys
from collections.abc import Callable

Progress = Callable[[str, float], object]
_WIDTH = 30


def progress_of(choice: bool | Progress | None) -> Progress:
    """Return what is called with the state of an evaluation and its progress from 0 to 1.

    By default it is a line on standard error, if that is a terminal.
    """
    if callable(choice):
        return choice
    shown = sys.stderr.isatty() if choice is None else choice
    return draw_line if shown else lambda state, share: None


def draw_line(state: str, share: float) -> None:
    """Draw the line anew. It stays when the evaluation has ended."""
    done = round(_WIDTH * share)
    ended = "\n" if state in ("succeeded", "failed") else ""
    sys.stderr.write(f"\r{state:<10} {'━' * done}{'╌' * (_WIDTH - done)} {share:4.0%}{ended}")
    sys.stderr.flush()
