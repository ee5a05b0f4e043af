"""Count how often intervals hold the truth."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics.intervals import Interval

MOST_FALSE_PASSES = 0.04
LEAST_COVER, LEAST_COVER_OF_MANY, MANY = 0.92, 0.93, 200
TOLERANCE = 1e-12

Numbers = npt.NDArray[np.float64]
Ends = tuple[Numbers, Numbers]


@dataclass
class Tally:
    """The intervals of one metric in one setting, over many samples.

    `size` is the number of examples, and `is_loss` whether the unfavourable end is the upper one. `rivals` are the
    intervals that other methods give for the same samples.
    """

    setting: str
    metric: str
    size: int
    truth: float
    is_loss: bool = False
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    samples: int = 0
    rivals: dict[str, "Tally"] = field(default_factory=dict)

    def add(self, interval: Interval | None, times: int = 1) -> None:
        """Count a sample with its interval, or several alike."""
        self.samples += times
        if interval is not None:
            self.lower.extend([interval.lower] * times)
            self.upper.extend([interval.upper] * times)

    def add_all(self, lower: Numbers, upper: Numbers) -> None:
        """Count samples with intervals."""
        self.samples += len(lower)
        self.lower.extend(lower.tolist())
        self.upper.extend(upper.tolist())

    def add_rival(self, name: str, ends: Ends) -> None:
        """Count the ends of the intervals that another method gives."""
        rival = Tally(self.setting, self.metric, self.size, self.truth, self.is_loss)
        self.rivals.setdefault(name, rival).add_all(*ends)

    @property
    def given(self) -> float:
        """The share of the samples that have an interval."""
        return len(self.lower) / self.samples if self.samples else 0.0

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
    def width_ratio(self) -> float | None:
        """The width as a multiple of that of the narrowest rival that meets the bar; `None` if none does."""
        widths = [rival.width for rival in self.rivals.values() if rival.meets_the_bar and rival.width > 0]
        return self.width / min(widths) if widths else None

    @property
    def meets_the_bar(self) -> bool:
        """Whether the intervals hold, unless the number of samples explains the difference."""
        least = LEAST_COVER_OF_MANY if self.size >= MANY else LEAST_COVER
        of_given = self._may_be(self.cover, least, len(self.lower))
        return of_given and self._may_be(1 - self.false_passes, 1 - MOST_FALSE_PASSES, self.samples)

    @staticmethod
    def _may_be(share: float, least: float, samples: int) -> bool:
        return share >= least or stats.binom.cdf(round(share * samples), samples, least) > 0.005


Tallies = Iterator[Tally]
