"""Evaluate the examples of each value of an attribute by themselves.

One scan counts the values of an attribute, and one writes the rows sorted by value. Each slice is then evaluated from
its own rows, by the same functions as all rows: its metrics and intervals are those of an evaluation of it alone,
whatever the methods. An attribute thus takes about as long as an evaluation without it, and no more memory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

from models_registry import task_types
from performance.metrics.engines.base import Engine
from performance.metrics.inputs import column_mapping
from performance.metrics.inputs.column_mapping import require_columns
from performance.metrics.inputs.sql import string_literal
from performance.metrics.result import EvaluationWarning, Slice, UnprocessablePredictionsError
from performance.metrics.statistics.alternatives import name_alternatives
from performance.metrics.statistics.estimates import (
    Estimate,
    known_intervals,
    unavailable_intervals,
    unavailable_metrics,
)

MAX_VALUES = 50  # of an attribute; all others count together
MAX_VALUE_LENGTH = 1000  # characters; longer values are cut, as attributes of examples are
MAX_SLICE_LABELS = 6_000  # slices × labels of an evaluation: each takes 10 to 20 ms, however few the rows are
MAX_UNSCORED = 5  # values of an attribute without an example that become slices, so that a gate sees them
MAX_QUOTED_LENGTH = 40  # characters of each in a warning
UNSCORED = "None of its rows has a prediction and a weight above 0."
MISSING = "(missing)"  # the value of examples that have none: null, NaN or blank


@dataclass(frozen=True, slots=True)
class Sample:
    """The number of scored examples with a weight above 0, and the estimates of their metrics, by name."""

    examples: int
    estimates: Mapping[str, Estimate]


class Slices(NamedTuple):
    """The slices of all attributes, and warnings of those without an example."""

    slices: list[Slice]
    warnings: list[EvaluationWarning]


@dataclass(frozen=True, slots=True)
class Values:
    """The most frequent values of an attribute, the most frequent first, and whether there are others."""

    attribute: str
    sql: str
    frequent: Sequence[str]
    has_others: bool

    @property
    def names(self) -> list[str | None]:
        """The value of each slice; `None` for all others."""
        return [*self.frequent, *([None] if self.has_others else [])]


def evaluate_slices(
    engine: Engine,
    attributes: Sequence[str],
    task_type: str,
    measure: Callable[[Engine], Sample],
    *,
    where: str = "TRUE",
    count: str = "count(*)",
    labels: int = 1,
    has_unscored: bool = False,
) -> Slices:
    """Return the slices of each attribute, by how many examples they have; all values past `MAX_VALUES` come last.

    Values without an example have slices without metrics, and there is a warning. Raises
    `UnprocessablePredictionsError`.

    Args:
        engine: holds the predictions.
        attributes: the columns whose values are evaluated.
        task_type: its summary metrics are those of the slices.
        measure: returns the estimates of an engine's predictions.
        where: the SQL condition of the rows that are scored.
        count: the SQL aggregate that counts examples.
        labels: the number of classes, which every slice may have.
        has_unscored: whether there are rows that are no examples.
    """
    require_columns(engine.columns(), attributes)
    found = [_values(engine, attribute, count, where) for attribute in dict.fromkeys(attributes)]
    _check_cost(found, labels)
    names = [metric.name for metric in task_types.get(task_type).metrics]
    result = Slices([], [])
    for values in found:
        result.slices.extend(_slices(engine, values, measure, where, names))
        if has_unscored:
            _add_unscored(result, values.attribute, _unscored_values(engine, values, count, where), names)
    return result


def value_sql(engine: Engine, attribute: str) -> str:
    """Return the SQL expression of an attribute's value as a text."""
    value = column_mapping.value_sql(attribute, engine.columns())
    return f"substr(coalesce({value}, {string_literal(MISSING)}), 1, {MAX_VALUE_LENGTH})"


def _values(engine: Engine, attribute: str, count: str, where: str) -> Values:
    """Return the most frequent values. Raises `UnprocessablePredictionsError` for one that cannot be stored."""
    sql = value_sql(engine, attribute)
    rows = engine.rows(f"""
        SELECT {sql}, {count} FROM predictions WHERE {where}
        GROUP BY {sql} HAVING {count} > 0 ORDER BY 2 DESC, 1 LIMIT {MAX_VALUES + 1}
    """)
    frequent = [value for value, _ in rows[:MAX_VALUES]]
    _check_storable(attribute, frequent)
    return Values(attribute, sql, frequent, has_others=len(rows) > MAX_VALUES)


def _unscored_values(engine: Engine, values: Values, count: str, where: str) -> list[tuple[str, int]]:
    """Return the values without an example, and their numbers of rows, the most frequent first: one more than listed.

    Raises `UnprocessablePredictionsError` for one that cannot be stored.
    """
    rows = engine.rows(f"""
        SELECT {values.sql}, count(*) FROM predictions
        GROUP BY {values.sql} HAVING coalesce({count} FILTER (WHERE {where}), 0) = 0
        ORDER BY 2 DESC, 1 LIMIT {MAX_UNSCORED + 1}
    """)
    _check_storable(values.attribute, [value for value, _ in rows])
    return [(value, number) for value, number in rows]


def _add_unscored(found: Slices, attribute: str, unscored: Sequence[tuple[str, int]], metrics: Sequence[str]) -> None:
    """Add the slices of values without an example, and a warning: a bad slice could hide so."""
    if not unscored:
        return
    listed = unscored[:MAX_UNSCORED]
    reasons = dict.fromkeys(metrics, UNSCORED)
    found.slices.extend(Slice(attribute, value, 0, dict.fromkeys(metrics), {}, reasons) for value, _ in listed)
    quoted = ", ".join(f"{value[:MAX_QUOTED_LENGTH]!r} ({number:,})" for value, number in listed)
    detail = (
        f"The column {attribute!r} has values that nothing is known of, as none of their rows has a prediction and a "
        f"weight above 0. They are, with their numbers of rows: {quoted}{' and others' if unscored != listed else ''}."
    )
    found.warnings.append(EvaluationWarning("unscored_slices", detail))


def _check_storable(attribute: str, values: Sequence[str]) -> None:
    """Check that values can be stored. Raises `UnprocessablePredictionsError`."""
    if any("\0" in value for value in values):
        raise UnprocessablePredictionsError(
            f"A value of the column {attribute!r} contains a NUL character, which cannot be stored.", column=attribute
        )


def _check_cost(found: Sequence[Values], labels: int) -> None:
    """Check that the slices are few enough for their labels. Raises `UnprocessablePredictionsError`."""
    slices = sum(len(values.names) for values in found)
    if slices * labels > MAX_SLICE_LABELS:
        raise UnprocessablePredictionsError(
            f"There are {slices:,} slices with up to {labels:,} labels each, {slices * labels:,} together; "
            f"{MAX_SLICE_LABELS:,} are the most. Name fewer columns in `slices`."
        )


def _slices(
    engine: Engine, values: Values, measure: Callable[[Engine], Sample], where: str, metrics: Sequence[str]
) -> Iterator[Slice]:
    """Yield the slices of an attribute."""
    with closing(engine.partitions(f"CASE WHEN {where} THEN {values.sql} END", values.names)) as parts:
        for value, part in zip(values.names, parts, strict=True):
            sample = measure(part)
            estimates = name_alternatives({name: sample.estimates[name] for name in metrics})
            yield Slice(
                attribute=values.attribute,
                value=value,
                sample_count=sample.examples,
                metrics={name: each.value for name, each in estimates.items()},
                confidence_intervals=known_intervals(estimates),
                intervals_unavailable={**unavailable_intervals(estimates), **unavailable_metrics(estimates)},
            )
