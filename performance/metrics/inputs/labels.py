"""Normalise and sort labels. All labels are texts, whatever their column's type."""

import re
from collections.abc import Iterable, Sequence

BLANKS = " \t\r\n\u00a0"  # trimmed; the last is the no-break space
TRUTH_AS_NUMBERS = {"true": "1", "false": "0"}
NOT_A_NUMBER = ("NaN", "nan", "NAN")  # what is written for a missing value
MAX_EXACT = 2.0**53  # below this, a double holds every whole number

_BOOLEAN_LABELS = ("True", "TRUE", "False", "FALSE")
_integer = re.compile(r"-?[0-9]+")  # kept, with its leading zeros
_whole_number = re.compile(r"[+-]?[0-9]{1,18}[.]?0*")
_power = re.compile(r"[+-]?([0-9]{1,15}[.]?[0-9]{0,15}|[.][0-9]{1,15})[eE][+-]?[0-9]{1,2}")
_COUNTERPARTS = {"0": "1", "false": "true"}


def canonical_label(label: str) -> str:
    """Return the form of a label that does not depend on how it is written.

    Blanks around it are trimmed. It is `true` for `True`, and `1` for `1.0`, `1.`, `+1` and `1e0`.
    """
    text = label.strip(BLANKS)
    if text in _BOOLEAN_LABELS:
        return text.lower()
    if _integer.fullmatch(text):
        return text
    if _whole_number.fullmatch(text):
        return str(int(text.partition(".")[0]))
    if _power.fullmatch(text) and (number := float(text)).is_integer() and abs(number) < MAX_EXACT:
        return str(int(number))
    return text


def is_missing_label(label: str) -> bool:
    """Return whether a text stands for a missing label, as pandas writes one."""
    return label.strip(BLANKS) in NOT_A_NUMBER


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
