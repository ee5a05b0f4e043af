"""The order of labels, which come as texts whatever they were."""

import re
from collections.abc import Iterable, Sequence

TRUTHS = ("True", "TRUE", "False", "FALSE")
WHOLE = "^-?[0-9]{1,18}[.]0+$"  # as SQL has it too

_COUNTERPARTS = {"0": "1", "false": "true"}


def in_one_form(label: str) -> str:
    """Return a label as it is written wherever it came from: `1.0` as `1`, and `True` as `true`."""
    if label in TRUTHS:
        return label.lower()
    return str(int(label.partition(".")[0])) if re.search(WHOLE, label) else label


def in_order(labels: Iterable[str]) -> list[str]:
    """Return labels from the least to the greatest: as numbers where all are whole, else as texts, by code point."""
    distinct = set(labels)
    whole = all(_is_whole(label) for label in distinct)
    return sorted(distinct, key=(lambda label: (int(label), label)) if whole else str)


def positive_of(labels: Sequence[str]) -> str:
    """Return the positive one of one or two labels: the greater.

    A lone `0` or `false` is the negative one of two, of which the other did not come up.
    """
    greatest = labels[-1]
    return _COUNTERPARTS.get(greatest, greatest) if len(labels) == 1 else greatest


def tells_positive(labels: Sequence[str]) -> bool:
    """Say whether one or two labels tell which is the positive one: a lone `no` does not."""
    return len(labels) == 2 or labels[0] in {*_COUNTERPARTS, *_COUNTERPARTS.values()}


def _is_whole(label: str) -> bool:
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18
