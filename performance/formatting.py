"""Numbers as people read them. JSON keeps all digits."""

import math
import re
from collections.abc import Sequence


def format_short(value: float) -> str:
    """Return a number with three places, or three digits where places would not do."""
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1e6 else f"{value:.3g}"


DIGITS = 6
_decimal = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?e[+-]?\d+|(?<![\w.])-?\d+\.\d+")


def format_six_digits(number: float, digits: int = DIGITS) -> str:
    """Return a finite number with `digits` significant ones at most; a whole one whole, as it mostly is a count."""
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.{digits}g}"


def format_consistently(texts: Sequence[str]) -> list[str]:
    """Return texts with their decimals rounded to six digits, or to as many more as tell different ones apart.

    So a value that just misses a bound does not look as if it kept it.
    """
    decimals = {float(found) for text in texts for found in _decimal.findall(text)}
    digits = next(
        digits for digits in range(DIGITS, 18) if len({f"{each:.{digits}g}" for each in decimals}) == len(decimals)
    )
    return [_decimal.sub(lambda found: _rounded(found[0], digits), text) for text in texts]


def _rounded(decimal: str, digits: int) -> str:
    number = float(decimal)
    return format_six_digits(number, digits) if math.isfinite(number) else decimal
