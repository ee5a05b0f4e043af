"""Format numbers for people. JSON keeps all digits."""

import math
import re
from collections.abc import Sequence


def format_short(value: float) -> str:
    """Return a number with three decimals, or with three significant digits if it is very small or large."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1e6 else f"{value:.3g}"


MIN_DIGITS = 6
_decimal = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?e[+-]?\d+|(?<![\w.])-?\d+\.\d+")


def format_six_digits(number: float, digits: int = MIN_DIGITS) -> str:
    """Return a finite number with at most `digits` significant digits.

    Whole numbers, mostly counts, keep all digits.
    """
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.{digits}g}"


def format_consistently(texts: Sequence[str]) -> list[str]:
    """Round the decimals in texts to six digits, or to more if different numbers would look equal.

    So a value that just misses a bound does not look equal to it.
    """
    decimals = {float(found) for text in texts for found in _decimal.findall(text)}
    digits = next(
        digits for digits in range(MIN_DIGITS, 18) if len({f"{each:.{digits}g}" for each in decimals}) == len(decimals)
    )
    return [_decimal.sub(lambda found: _rounded(found[0], digits), text) for text in texts]


def _rounded(decimal: str, digits: int) -> str:
    number = float(decimal)
    return format_six_digits(number, digits) if math.isfinite(number) else decimal
