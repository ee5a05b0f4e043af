"""The order of labels, which come as texts whatever they were."""

from collections.abc import Iterable, Sequence

_COUNTERPARTS = {"0": "1", "false": "true"}


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
