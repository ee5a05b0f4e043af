"""Normalise and sort labels. All labels are texts, whatever their column's type."""

import re
from collections.abc import Iterable, Sequence

BOOLEAN_LABELS = ("True", "TRUE", "False", "FALSE")
WHOLE_NUMBER = "^-?[0-9]{1,18}[.]0+$"  # also used in SQL

_COUNTERPARTS = {"0": "1", "false": "true"}


def canonical_label(label: str) -> str:
    """Return the form of a label that does not depend on the file's format: `1` for `1.0`, and `true` for `True`."""
    if label in BOOLEAN_LABELS:
        return label.lower()
    return str(int(label.partition(".")[0])) if re.search(WHOLE_NUMBER, label) else label


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return the distinct labels in ascending order: as numbers if all are whole, else as texts by code point."""
    distinct = set(labels)
    whole = all(_is_whole(label) for label in distinct)
    return sorted(distinct, key=(lambda label: (int(label), label)) if whole else str)


def default_positive(labels: Sequence[str]) -> str:
    """Return the positive one of one or two labels: the greater.

    If `0` or `false` is the only label, it is the negative one, and its counterpart is positive.
    """
    greatest = labels[-1]
    return _COUNTERPARTS.get(greatest, greatest) if len(labels) == 1 else greatest


def determines_positive(labels: Sequence[str]) -> bool:
    """Return whether one or two labels determine the positive one: a lone `no` does not."""
    return len(labels) == 2 or labels[0] in {*_COUNTERPARTS, *_COUNTERPARTS.values()}


def _is_whole(label: str) -> bool:
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18
