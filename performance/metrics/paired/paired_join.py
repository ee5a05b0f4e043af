"""Join the examples that two versions predicted."""

from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.sql import identifier
from performance.metrics.statistics import residuals
from performance.metrics.statistics.intervals import Interval
from performance.metrics.statistics.means import Mean, means, sums

_SHARED = ("actual", "weight", "series", "scale", "cluster")
_OWN = ("predicted", "score", "truth", "brier", "roc_auc")

# Raise it when a paired method changes: stored intervals of other methods are computed again.
METHODS = 6

Intervals = dict[str, Interval | None]


@dataclass(frozen=True, slots=True)
class Choices:
    """The positive class, or the averaging over several classes, of both versions' metrics."""

    positive_class: str | None = None
    averaging: str | None = None


@dataclass(frozen=True, slots=True)
class PairedExamples:
    """The table `joined`, with a row for each example that both versions predicted.

    It has the values of the example and its weight `w`, the `columns` of the newer version, and those of the older
    version with the prefix `old_`. `identical` says whether all predictions are equal.
    """

    engine: Engine
    columns: frozenset[str]
    identical: bool

    def means(self, *expressions: str, relation: str = "joined") -> list[Mean]:
        """Return the weighted means of SQL expressions over the examples, or over another relation."""
        columns = ", ".join(sums(f"({expression})", "w") for expression in expressions)
        [[weight, squared_weight, *totals]] = self.engine.rows(f"SELECT sum(w), sum(w * w), {columns} FROM {relation}")
        return means(weight, squared_weight, totals)

    def is_constant(self, number: str) -> bool:
        """Return whether a number is the same in all examples."""
        [[differ]] = self.engine.rows(f"SELECT {residuals.differ(number)} FROM joined WHERE w > 0")
        return not differ


def join_examples(engine: Engine) -> PairedExamples | None:
    """Create the table of paired examples. Returns `None` unless both files have the same examples."""
    newer, older = (_columns(engine, name) for name in ("newer", "older"))
    shared = [name for name in _SHARED if name in newer]
    count = _count(engine)
    if shared != [name for name in _SHARED if name in older] or count is None:
        return None
    own = [name for name in _OWN if name in newer & older]
    differs = " OR ".join(f"newer.{identifier(name)} IS DISTINCT FROM older.{identifier(name)}" for name in shared)
    selected = [f"newer.{identifier(name)} AS {identifier(name)}" for name in [*shared, *own]] + [
        f"older.{name} AS old_{name}" for name in own
    ]
    engine.rows(f"""
        CREATE TABLE joined AS
        SELECT {", ".join(selected)}, {"newer.weight" if "weight" in shared else "CAST(1 AS DOUBLE)"} AS w,
            {differs} AS differs
        FROM newer JOIN older ON newer.example_id = older.example_id
    """)
    changed = " OR ".join(f"{name} IS DISTINCT FROM old_{name}" for name in own)
    [[rows, weight, differing, changes]] = engine.rows(f"""
        SELECT count(*), coalesce(sum(w), 0), count(*) FILTER (WHERE differs), count(*) FILTER (WHERE {changed})
        FROM joined
    """)
    if rows != count or differing or weight <= 0:
        return None
    return PairedExamples(engine, frozenset([*shared, *own]), identical=not changes)


def _columns(engine: Engine, name: str) -> set[str]:
    return {str(column) for column, *_ in engine.rows(f"DESCRIBE {name}")}


def _count(engine: Engine) -> int | None:
    """Return the number of examples of each file; `None` unless both numbers are equal and each id is unique.

    Duplicate ids might make the join as large as the square of the rows.
    """
    counts = [
        count
        for name in ("newer", "older")
        for count in engine.rows(f"SELECT count(*), count(DISTINCT example_id) FROM {name}")[0]
    ]
    return counts[0] if len(set(counts)) == 1 else None
