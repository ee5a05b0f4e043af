"""Settings of ROC AUC and average precision."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from tests.benchmarks.coverage_grid.area_ends import average_precision_ends, roc_auc_ends
from tests.benchmarks.coverage_grid.ranked import Influences, Numbers, ranked_influences
from tests.benchmarks.coverage_grid.rivals import quantile_of_t
from tests.benchmarks.coverage_grid.tally import Ends, Tallies, Tally

SEED = 20260313
MANY = 300_000  # examples that stand for all there are
AT_A_TIME = 20_000  # examples that are drawn together, few enough for a processor's cache


@dataclass(frozen=True)
class Areas:
    """Normal scores of two classes: the true area, the numbers of examples, and whether there are ten levels."""

    area: float
    positives: int
    negatives: int
    ties: bool = False

    def __str__(self) -> str:
        return f"{self.area:g} · {self.positives}/{self.negatives}{' · ties' if self.ties else ''}"

    @property
    def size(self) -> int:
        """The number of examples."""
        return self.positives + self.negatives

    @property
    def apart(self) -> float:
        """How far apart the means of both classes are, in standard deviations."""
        return float(np.sqrt(2) * stats.norm.ppf(self.area))

    def positive(self, times: int) -> Any:
        """Return which examples of each sample are positive."""
        return np.tile(np.arange(self.size) < self.positives, (times, 1))

    def draw(self, random: np.random.Generator, times: int) -> Numbers:
        """Return the scores of many samples, one in each row, positives first."""
        return self.levels(random.normal(self.apart * self.positive(times), 1))

    def levels(self, scores: Numbers) -> Numbers:
        """Return the scores, or their levels if there are ten."""
        if not self.ties:
            return scores
        return np.asarray(np.clip(np.floor((scores + 1) / (self.apart + 2) * 8) + 1, 0, 9))

    @property
    def truth(self) -> dict[str, float]:
        """The true areas, from many examples."""
        times = MANY // self.size
        return true_areas(self.positive(times).ravel(), self.draw(np.random.default_rng(SEED), times).ravel())


def true_areas(positive: Any, scores: Numbers) -> dict[str, float]:
    """Return the areas of many examples."""
    return {
        "roc_auc": float(sk.roc_auc_score(positive, scores)),
        "average_precision": float(sk.average_precision_score(positive, scores)),
    }


SIZES = ((5, 95), (10, 90), (10, 490), (30, 30), (50, 50), (100, 900))
AREAS = [Areas(area, *sizes, ties) for ties in (False, True) for area in (0.8, 0.9, 0.97, 0.99) for sizes in SIZES]
HELD_OUT = [
    Areas(area, *sizes, ties)
    for ties in (False, True)
    for area in (0.7, 0.85, 0.95, 0.98)
    for sizes in ((8, 192), (20, 80), (25, 475), (15, 15), (200, 300))
]


class RareAreas(Areas):
    """Areas of rare positives, whose true average precision is integrated: few positives would be drawn."""

    @property
    def truth(self) -> dict[str, float]:
        """The true areas."""
        scores, share = np.linspace(-9, 14, 400_001), self.positives / self.size
        right, wrong = share * stats.norm.sf(scores - self.apart), (1 - share) * stats.norm.sf(scores)
        precision = right / (right + wrong)
        average = np.trapezoid(precision * stats.norm.pdf(scores - self.apart), scores)
        return {"roc_auc": self.area, "average_precision": float(average)}


RARE_POSITIVES: list[Areas] = [
    RareAreas(0.8, 10, 4990),
    RareAreas(0.9, 20, 1980),
    RareAreas(0.8, 100, 9900),
    RareAreas(0.9, 100, 9900),
    RareAreas(0.9, 100, 19900),
]


def areas(settings: list[Areas], samples: int) -> Tallies:
    """Yield the tallies of ROC AUC and average precision."""
    for setting in settings:
        found = {name: Tally(str(setting), name, setting.size, value) for name, value in setting.truth.items()}
        for positive, scores in _batches(setting, samples):
            both = ranked_influences(positive, scores)
            for (name, tally), influences, rivals in zip(found.items(), both, RIVALS, strict=True):
                tally.add_all(*area_ends(name, setting, influences))
                for rival, method in rivals.items():
                    tally.add_rival(rival, method(setting, influences))
        yield from found.values()


def _batches(setting: Areas, samples: int) -> Iterator[tuple[Any, Numbers]]:
    random, batch = np.random.default_rng(SEED + 1), max(1, AT_A_TIME // setting.size)
    for start in range(0, samples, batch):
        times = min(batch, samples - start)
        yield setting.positive(times), setting.draw(random, times)


def area_ends(name: str, setting: Areas, found: Influences, effects: Numbers | float = 1.0) -> Ends:
    """Return the ends of the product's intervals of `roc_auc` or `average_precision`."""
    ends = roc_auc_ends if name == "roc_auc" else average_precision_ends
    return ends(found.values, found.variances, (setting.positives, setting.negatives), effects)


def _on_log_odds(values: Numbers, margins: Numbers) -> Ends:
    """Return the ends on the scale of log odds; the whole range for 0 and 1, whose odds are not finite."""
    inside = (values > 0) & (values < 1)
    odds = stats.logistic.ppf(np.where(inside, values, 0.5))
    ends = stats.logistic.cdf(odds - margins), stats.logistic.cdf(odds + margins)
    return np.where(inside, ends[0], 0.0), np.where(inside, ends[1], 1.0)


def influences_on_log_odds(found: Influences, fewest: Numbers | float) -> Ends:
    """Return DeLong's interval, or that of other influences, on log odds.

    `fewest` is the number of examples of the class that has fewest.
    """
    spread = np.maximum(found.values * (1 - found.values), 1e-12)
    margins = quantile_of_t(fewest - 1) * np.sqrt(found.variances) / spread
    return _on_log_odds(found.values, margins)


def _logit_t(setting: Areas, found: Influences) -> Ends:
    return influences_on_log_odds(found, setting.positives)


def _logit_binomial(setting: Areas, found: Influences) -> Ends:
    """Return the interval of Boyd, Eng & Page (2013)."""
    spread = np.sqrt(np.maximum(setting.positives * found.values * (1 - found.values), 1e-12))
    return _on_log_odds(found.values, stats.norm.ppf(0.975) / spread)


RIVALS: tuple[Mapping[str, Callable[[Areas, Influences], Ends]], ...] = (
    {"DeLong's, on log odds": _logit_t},
    {"influences, on log odds": _logit_t, "binomial, on log odds": _logit_binomial},
)


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas": lambda samples: areas(AREAS, samples),
    "areas of rare positives": lambda samples: areas(RARE_POSITIVES, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas": lambda samples: areas(HELD_OUT, samples),
}
