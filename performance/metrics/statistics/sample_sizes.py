"""Say in texts how many examples would do. Such numbers follow from a sample, so only their first digits are known."""

import math

MAX_RATIO = 1000.0  # times as many examples as there are: more are not realistic
_ROUNDING = 1e-6


def round_up(number: float) -> int:
    """Return the next whole number of at most two significant digits."""
    step = int(10 ** max(math.floor(math.log10(max(number, 1))) - 1, 0))
    return math.ceil(number / step - _ROUNDING) * step


def round_up_ratio(ratio: float) -> str:
    """Return the text of the next number of two significant digits, from 1."""
    return f"{math.ceil(ratio * 10 - _ROUNDING) / 10:g}" if ratio < 10 else f"{round_up(ratio):,}"
