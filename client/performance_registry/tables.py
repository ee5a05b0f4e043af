"""Results as tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from performance_registry.records import Comparison, Performance, Snapshot
from performance_registry.text import escape_controls, format_interval, format_number
from performance_registry.verdicts import HEADINGS, Verdict

T = TypeVar("T")

_STYLES = {"passed": "green", "improved": "green", "failed": "red", "missing": "red", "regressed": "red"}
_WIDTH = 120  # of what is no terminal


def print_performance(found: Performance | Snapshot) -> None:
    """Print metrics with their intervals, if there are any."""
    intervals = _of_kind(dict, found.document.get("confidence_intervals"))
    rows = [(name, format_number(value), format_interval(intervals.get(name))) for name, value in found.metrics.items()]
    examples = "" if found.sample_count is None else f", {found.sample_count} examples"
    title = f"{found.version_id} of {found.model_id}, {found.dataset_split} split{examples}"
    if intervals:
        _print_table(title, ("metric", "value", "interval"), rows)
    else:
        _print_table(title, ("metric", "value"), [row[:2] for row in rows])
    for name, reason in _of_kind(dict, found.document.get("metrics_unavailable")).items():
        print_line(f"No {name}: {reason}")
    for warning in _of_kind(list, found.document.get("warnings")):
        print_line(f"Warning: {_of_kind(dict, warning).get('detail', '')}")


def print_verdict(verdict: Verdict) -> None:
    """Print a verdict, its rules, what was measured and the warnings."""
    if verdict.rules:
        _print_table(verdict.title, HEADINGS, [rule.cells() for rule in verdict.rules], state=1)
    else:
        print_line(verdict.title)
    for note in verdict.notes:
        print_line(note)


def print_comparison(comparison: Comparison) -> None:
    """Print two versions, metric by metric, and what limits the results."""
    _print_table(comparison.title, comparison.HEADINGS, comparison.rows(), state=-1)
    for note in comparison.notes:
        print_line(note)


def print_line(text: str, *, to_stderr: bool = False) -> None:
    """Print a text of the registry, in which nothing is markup."""
    _console(to_stderr).print(_plain(text), soft_wrap=True)


def _print_table(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], *, state: int | None = None
) -> None:
    """Print a table. `state` is the index of the column that says how to colour a row."""
    print_line(title)
    table = Table()
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(_plain, row), style=None if state is None else _STYLES.get(row[state]))
    _console().print(table)


def _of_kind(kind: type[T], value: object) -> T:
    """Return a value of an answer, or an empty one if it is of another kind."""
    return value if isinstance(value, kind) else kind()


def _plain(text: str) -> Text:
    return Text(escape_controls(text))


def _console(to_stderr: bool = False) -> Console:
    stream = sys.stderr if to_stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDTH, highlight=False)
