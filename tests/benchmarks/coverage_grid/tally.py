"""Count how often intervals hold the truth."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import stats

from performance.metrics.statistics.intervals import Interval

MOST_FALSE_PASSES = 0.04
LEAST_COVER, LEAST_COVER_OF_MANY, MANY = 0.92, 0.93, 200
WIDEST = 1.6  # as a multiple of the narrowest rival that holds
RARELY = 0.01
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
        """Count samples with their intervals. Those without one have NaN."""
        self.samples += len(lower)
        given = np.isfinite(lower) & np.isfinite(upper)
        self.lower.extend(lower[given].tolist())
        self.upper.extend(upper[given].tolist())

    def add_rivals(self, rivals: Mapping[str, Ends]) -> None:
        """Count the intervals of other methods, by name."""
        for name, ends in rivals.items():
            self.add_rival(name, ends)

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
        """The width as a multiple of that of the narrowest rival that holds and is not rare; `None` if none is."""
        widths = [rival.width for rival in self.rivals.values() if rival.holds and not rival.is_rare]
        widths = [width for width in widths if width > 0]
        return self.width / min(widths) if widths and not self.is_rare else None

    @property
    def is_rare(self) -> bool:
        """Whether so few samples have an interval that the setting counts as one without."""
        return self.given < RARELY

    @property
    def holds(self) -> bool:
        """Whether the intervals hold the truth, unless the number of samples explains the difference."""
        least = LEAST_COVER_OF_MANY if self.size >= MANY else LEAST_COVER
        of_given = self.is_rare or self._may_be(self.cover, least, len(self.lower))
        return of_given and self._may_be(1 - self.false_passes, 1 - MOST_FALSE_PASSES, self.samples)

    @property
    def meets_the_bar(self) -> bool:
        """Whether the intervals hold, and are not much wider than those of the narrowest rival that does."""
        return self.holds and (self.width_ratio or 0.0) <= WIDEST

    @staticmethod
    def _may_be(share: float, least: float, samples: int) -> bool:
        return share >= least or stats.binom.cdf(round(share * samples), samples, least) > 0.005


Tallies = Iterator[Tally]
