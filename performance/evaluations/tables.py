"""Show the worst examples of a snapshot as tables."""

from collections.abc import Iterable

from performance.evaluations.models import MisclassifiedExample, ResidualExample, WorstExample
from performance.formatting import format_short, format_six_digits
from performance.snapshots.tables import Table


def example_table(title: str, examples: Iterable[MisclassifiedExample]) -> Table:
    """Return the table of wrong predictions."""
    headers = ("Example", "Actual", "Predicted", "Confidence", "Attributes")
    rows = [
        [
            _name(each),
            each.actual,
            each.predicted,
            "" if each.confidence is None else format_short(each.confidence),
            _attributes(each),
        ]
        for each in examples
    ]
    return Table(title, headers, rows, prose=True)


def residual_table(title: str, examples: Iterable[ResidualExample]) -> Table:
    """Return the table of the largest errors."""
    headers = ("Example", "Actual", "Predicted", "Predicted - actual", "Attributes")
    rows = [
        [_name(each), *map(format_six_digits, (each.actual, each.predicted, each.residual)), _attributes(each)]
        for each in examples
    ]
    return Table(title, headers, rows, prose=True)


def _name(example: WorstExample) -> str:
    return f"#{example.rank}" if example.example_id is None else example.example_id


def _attributes(example: WorstExample) -> str:
    return " · ".join(f"{name}: {'' if value is None else value}" for name, value in example.named_attributes.items())
