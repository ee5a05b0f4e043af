"""Count how often intervals hold the truth."""

from collections.abc import Collection, Iterator, Mapping, Sequence
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
    """The intervals of one metric in one setting, over many samples. Those without an interval have NaN.

    `size` is the number of examples, and `is_loss` whether the unfavourable end is the upper one. `rivals` are the
    intervals that other methods give for the same samples, in the same order.
    """

    setting: str
    metric: str
    size: int
    truth: float
    is_loss: bool = False
    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    rivals: dict[str, "Tally"] = field(default_factory=dict)

    def add(self, interval: Interval | None, times: int = 1) -> None:
        """Count a sample with its interval, or several alike."""
        lower, upper = (interval.lower, interval.upper) if interval else (np.nan, np.nan)
        self.lower.extend([lower] * times)
        self.upper.extend([upper] * times)

    def add_all(self, lower: Numbers, upper: Numbers) -> None:
        """Count samples with their intervals."""
        self.lower.extend(lower.tolist())
        self.upper.extend(upper.tolist())

    def add_rivals(self, rivals: Mapping[str, Ends]) -> None:
        """Count the intervals of other methods, by name."""
        for name, ends in rivals.items():
            self.add_rival(name, ends)

    def add_rival(self, name: str, ends: Ends) -> None:
        """Count the ends of the intervals that another method gives."""
        rival = Tally(self.setting, self.metric, self.size, self.truth, self.is_loss)
        self.rivals.setdefault(name, rival).add_all(*ends)

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(self.lower)

    @property
    def is_given(self) -> npt.NDArray[np.bool_]:
        """Which samples have an interval."""
        return np.isfinite(self.lower) & np.isfinite(self.upper)

    @property
    def given(self) -> float:
        """The share of the samples that have an interval."""
        return float(self.is_given.mean()) if self.samples else 0.0

    @property
    def cover(self) -> float:
        """The share of the intervals that hold the truth."""
        is_given = self.is_given
        within = (np.array(self.lower) <= self.truth + TOLERANCE) & (self.truth - TOLERANCE <= np.array(self.upper))
        return float(within[is_given].mean()) if is_given.any() else 1.0

    @property
    def false_passes(self) -> float:
        """The share of the samples whose unfavourable end is beyond the truth."""
        beyond = np.array(self.upper) < self.truth - TOLERANCE
        if not self.is_loss:
            beyond = np.array(self.lower) > self.truth + TOLERANCE
        return float((beyond & self.is_given).mean()) if self.samples else 0.0

    @property
    def width(self) -> float:
        """The mean width of the intervals."""
        is_given = self.is_given
        return float(np.subtract(self.upper, self.lower)[is_given].mean()) if is_given.any() else float("nan")

    def where(self, is_asked: npt.NDArray[np.bool_]) -> "Tally":
        """Return the same method's intervals of some samples, and none of the others."""
        ends = (np.where(is_asked, each, np.nan).tolist() for each in (self.lower, self.upper))
        return Tally(self.setting, self.metric, self.size, self.truth, self.is_loss, *ends)

    @property
    def width_ratios(self) -> dict[str, float]:
        """The width as a multiple of that of each rival that holds and is not rare, by the rival's name.

        A rival is asked only where this method gives an interval, so both are compared on the same samples.
        """
        found = {}
        for name, rival in self.rivals.items():
            asked = rival.where(self.is_given)
            if asked.holds and not asked.is_rare and asked.width > 0:
                found[name] = self.where(asked.is_given).width / asked.width
        return found

    def width_ratio(self, usable: Collection[str]) -> float | None:
        """Return the width as a multiple of that of the narrowest of the usable rivals; `None` if none is."""
        return max((ratio for name, ratio in self.width_ratios.items() if name in usable), default=None)

    @property
    def is_rare(self) -> bool:
        """Whether so few samples have an interval that the setting counts as one without."""
        return self.given < RARELY

    @property
    def holds(self) -> bool:
        """Whether the intervals hold the truth, unless the number of samples explains the difference."""
        least = LEAST_COVER_OF_MANY if self.size >= MANY else LEAST_COVER
        of_given = self.is_rare or self._may_be(self.cover, least, int(self.is_given.sum()))
        return of_given and self._may_be(1 - self.false_passes, 1 - MOST_FALSE_PASSES, self.samples)

    def meets_the_bar(self, usable: Collection[str]) -> bool:
        """Return whether the intervals hold, and are not much wider than those of the narrowest usable rival."""
        return self.holds and (self.width_ratio(usable) or 0.0) <= WIDEST

    @staticmethod
    def _may_be(share: float, least: float, samples: int) -> bool:
        return share >= least or stats.binom.cdf(round(share * samples), samples, least) > 0.005


Tallies = Iterator[Tally]


def usable_rivals(tallies: Sequence[Tally]) -> dict[str, set[str]]:
    """Return the names of the rivals that hold in all settings of a metric, by metric.

    Nobody knows in which setting a sample was drawn, so a rival that fails in some is of no use in the others. Settings
    in which hardly any sample has an interval do not count: there, any method may refuse one likewise.
    """
    found = {}
    for metric in dict.fromkeys(tally.metric for tally in tallies):
        those = [tally for tally in tallies if tally.metric == metric and not tally.is_rare]
        found[metric] = set.intersection(*(set(tally.width_ratios) for tally in those)) if those else set()
    return found
