"""How many examples a rule with confidence needs that failed for lack of them."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from performance.formatting import MIN_DIGITS
from performance.gates.measurement import Measurement, Member, format_number
from performance.metrics.statistics.sample_sizes import MAX_RATIO, round_up, round_up_ratio

_FEWEST_DIGITS = 3
_MOST_ROUNDED = 0.05  # of the distance to the threshold
_UNITS = {"group": "groups", "series": "series", "query": "queries"}  # what is drawn, by the column that names it
_CLUSTERS = ("groups", "series")


class NeededExamples(NamedTuple):
    """The number of examples that would do, `None` if it is unknown, and a sentence that says so after a blank."""

    sample_count: int | None = None
    text: str = ""


def needed_examples(
    measured: Measurement | None, ratio: float | None, condition: str, slowest: Member | None = None
) -> NeededExamples:
    """Return the number of examples of the whole test set, and what must be collected.

    If the examples are in groups or series, more of these are needed.

    Args:
        measured: the snapshot that was judged.
        ratio: how many times as many examples are needed; `None` if no number would do.
        condition: what must stay so that they do, as follows `if`.
        slowest: of several slices the one that needs this many times as many.
    """
    now = None if measured is None else measured.sample_count
    if measured is None or now is None or ratio is None:
        return NeededExamples()
    unit = _unit(measured)
    count = math.floor(now * ratio) + 1
    purpose = f"would be needed to pass if {condition}"
    if ratio > MAX_RATIO:
        text = f"No realistic number of {unit} would let it pass if {condition}"
    elif unit in _CLUSTERS:
        text = _clusters_text(unit, _cluster_count(measured), ratio, purpose)
    else:
        text = f"About {round_up(now * ratio):,} {unit} in all (now {now:,}) {purpose}"
        text += _share_of_slice(slowest, ratio) if slowest else ""
    return NeededExamples(count, f" {text}{_advice(slowest) if slowest else ''}.")


def value_condition(value: float, threshold: float) -> str:
    """Return the condition that a value stays, with so many digits that its distance to the threshold is right."""
    rounded = (_rounded(value, digits) for digits in range(_FEWEST_DIGITS, 18))
    most = _MOST_ROUNDED * abs(value - threshold)
    short = next((each for each in rounded if abs(each - value) <= most), value)
    # Reports round numbers to six digits, unless two of them would look equal.
    is_clear = short != _rounded(value, MIN_DIGITS)
    return f"the value stays {format_number(short if is_clear else value)}"


def _rounded(number: float, digits: int) -> float:
    return float(f"{number:.{digits}g}")


def _unit(measured: Measurement) -> str:
    """Return what was drawn independently: `groups`, `series`, `queries` or `examples`."""
    columns: object = measured.metrics.options.get("columns")
    named = columns if isinstance(columns, Mapping) else {}
    return next((unit for role, unit in _UNITS.items() if role in named), "examples")


def _cluster_count(measured: Measurement) -> float | None:
    """Return the effective number of groups or series, `None` if it is unknown."""
    # Of classes in groups, only the number of examples that tell as much is known.
    is_of_examples = "averaging" in measured.metrics.options
    return None if is_of_examples else measured.effective_sample_size


def _clusters_text(unit: str, size: float | None, ratio: float, purpose: str) -> str:
    same = f"more examples of the same {unit} hardly help"
    if size is None:
        return f"About {round_up_ratio(ratio)} times as many {unit} of the same size {purpose}; {same}"
    now = f"{size:,.0f}" if abs(size - round(size)) < 1e-6 else f"{size:,.1f}, effectively"
    return f"About {round_up(size * ratio):,} {unit} of the same size in all (now {now}) {purpose}; {same}"


def _share_of_slice(member: Member, ratio: float) -> str:
    now = member.sample_count
    return f", about {round_up(now * ratio):,} of them with {member.name} (now {now:,})"


def _advice(member: Member) -> str:
    """Say how to leave a slice out, unless it is the largest."""
    return f"; a `min_sample_count` above {member.sample_count:,} leaves {member.name} out" if member.is_small else ""
