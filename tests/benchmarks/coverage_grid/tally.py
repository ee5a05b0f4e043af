"""Count how often intervals hold the truth."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics.intervals import Interval

MOST_FALSE_PASSES = 0.04
LEAST_COVER, LEAST_COVER_OF_MANY, MANY = 0.92, 0.93, 200


@dataclass
class Tally:
    """The intervals of one metric in one setting, over many samples.

    `size` is the number of examples, and `is_loss` whether the unfavourable end is the upper one.
    """

    setting: str
    metric: str
    size: int
    truth: float
    is_loss: bool = False
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    samples: int = 0

    def add(self, interval: Interval | None) -> None:
        """Count a sample with its interval."""
        self.samples += 1
        if interval is not None:
            self.lower.append(interval.lower)
            self.upper.append(interval.upper)

    def add_all(self, lower: npt.NDArray[np.float64], upper: npt.NDArray[np.float64]) -> None:
        """Count samples with intervals."""
        self.samples += len(lower)
        self.lower.extend(lower.tolist())
        self.upper.extend(upper.tolist())

    @property
    def cover(self) -> float:
        """The share of the intervals that hold the truth."""
        within = (np.array(self.lower) <= self.truth + TOLERANCE) & (self.truth - TOLERANCE <= np.array(self.upper))
        return float(within.mean()) if self.lower else 1.0

    @property
    def false_passes(self) -> float:
        """The share of the samples whose unfavourable end is beyond the truth."""
        if self.is_loss:
            return float((np.array(self.upper) < self.truth - TOLERANCE).sum() / self.samples)
        return float((np.array(self.lower) > self.truth + TOLERANCE).sum() / self.samples)

    @property
    def width(self) -> float:
        """The mean width of the intervals."""
        return float(np.mean(np.subtract(self.upper, self.lower))) if self.lower else float("nan")

    @property
    def meets_the_bar(self) -> bool:
        """Whether the intervals hold, unless the number of samples explains the difference."""
        least = LEAST_COVER_OF_MANY if self.size >= MANY else LEAST_COVER
        return self._may_be(self.cover, least) and self._may_be(1 - self.false_passes, 1 - MOST_FALSE_PASSES)

    def _may_be(self, share: float, least: float) -> bool:
        return share >= least or stats.binom.cdf(round(share * self.samples), self.samples, least) > 0.005


TOLERANCE = 1e-12
Tallies = Iterator[Tally]
