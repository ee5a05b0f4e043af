"""Results as tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from performance_registry.records import Comparison, Performance
from performance_registry.text import escape_controls
from performance_registry.verdicts import HEADINGS, Verdict

_STYLES = {"passed": "green", "improved": "green", "failed": "red", "missing": "red", "regressed": "red"}
_WIDTH = 120  # of what is no terminal


def print_performance(found: Performance) -> None:
    """Print metrics with their intervals, if there are any, and the notes."""
    _print_table(found.title, found.headings, found.rows())
    for note in found.notes:
        print_line(note)


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


def _plain(text: str) -> Text:
    return Text(escape_controls(text))


def _console(to_stderr: bool = False) -> Console:
    stream = sys.stderr if to_stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else _WIDTH, highlight=False)
