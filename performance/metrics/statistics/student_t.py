"""Compute quantiles of Student's t distribution."""

import math
from functools import lru_cache
from statistics import NormalDist

from performance.metrics.statistics.confidence import CONFIDENCE_LEVEL

_TAILS = 1 - CONFIDENCE_LEVEL  # the probability of both
_Z = NormalDist().inv_cdf(1 - _TAILS / 2)
_MANY = 1000  # degrees of freedom from which the expansion is exact to 1e-12
_TINY = 1e-300
_PRECISION = 1e-8  # of a step; the next one would be about its square
_LARGEST = 350.0  # logarithm of t, whose square still fits a double


@lru_cache(maxsize=1024)
def student_t_quantile(degrees: float) -> float:
    """Return the 97.5% quantile of Student's t distribution; infinite without degrees of freedom.

    The probability of both tails is the regularized incomplete beta function I_x(degrees / 2, 1 / 2) of
    x = degrees / (degrees + t²): Abramowitz & Stegun (1964), Handbook of Mathematical Functions, 26.7.1. For many
    degrees of freedom it is their expansion 26.7.5.
    """
    if degrees <= 0:
        return math.inf
    return _expansion(degrees) if degrees > _MANY else _solution(degrees)


def _expansion(degrees: float) -> float:
    terms = (
        (_Z**3 + _Z) / 4,
        (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96,
        (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384,
        (79 * _Z**9 + 776 * _Z**7 + 1482 * _Z**5 - 1920 * _Z**3 - 945 * _Z) / 92160,
    )
    return _Z + sum(term / degrees**power for power, term in enumerate(terms, 1))


def _solution(degrees: float) -> float:
    """Return the quantile by Newton's method for its logarithm; infinite if it exceeds a double.

    The logarithm of the tails is a concave function of that of t. So the first step leads beyond the quantile, and
    further ones approach it from there.
    """
    logarithm, step = math.log(_Z), 1.0
    density = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(math.pi * degrees) / 2
    while abs(step) > _PRECISION:
        if logarithm > _LARGEST:
            return math.inf
        t = math.exp(logarithm)
        tails = _both_tails(t, degrees)
        slope = 2 * math.exp(density - (degrees + 1) / 2 * math.log1p(t * t / degrees) + logarithm) / tails
        step = math.log(tails / _TAILS) / slope
        logarithm += step
    return math.exp(logarithm)


def _both_tails(t: float, degrees: float) -> float:
    """Return the probability that the absolute value exceeds `t`."""
    beyond = t * t / (degrees + t * t)
    if beyond < 1.5 / (degrees / 2 + 2.5):  # where the continued fraction converges quickly
        return 1 - _incomplete_beta(beyond, degrees / (degrees + t * t), 0.5, degrees / 2)
    return _incomplete_beta(degrees / (degrees + t * t), beyond, degrees / 2, 0.5)


def _incomplete_beta(x: float, complement: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b), where `complement` is 1 - x.

    The continued fraction https://dlmf.nist.gov/8.17.E22, evaluated by the algorithm of Thompson & Barnett (1986),
    Coulomb and Bessel functions of complex arguments and order, doi:10.1016/0021-9991(86)90046-X
    """
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(complement)
    value, above, below = 1.0, 1.0, 0.0
    for step in range(1, 1000):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        below = 1 / ((1 + term * below) or _TINY)
        above = (1 + term / above) or _TINY
        value *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return math.exp(logarithm) / a / value
