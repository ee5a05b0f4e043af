"""Settings of ROC AUC and average precision, of two and of several classes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn import metrics as sk

from performance.metrics.statistics import roc
from performance.metrics.statistics.estimates import Estimate
from tests.benchmarks.coverage_grid.ranked import Influences, Numbers, ranked_influences
from tests.benchmarks.coverage_grid.tally import Ends, Tallies, Tally

SEED = 20260313
MANY = 300_000  # examples that stand for all there are
AT_A_TIME = 500_000  # examples that are drawn together


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


def areas(settings: list[Areas], samples: int) -> Tallies:
    """Yield the tallies of ROC AUC and average precision."""
    for setting in settings:
        found = {name: Tally(str(setting), name, setting.size, value) for name, value in setting.truth.items()}
        for positive, scores in _batches(setting, samples):
            both = ranked_influences(positive, scores)
            for (name, tally), influences, rivals in zip(found.items(), both, RIVALS, strict=True):
                for value, variance in zip(influences.values, influences.variances, strict=True):
                    tally.add(area_estimate(name, setting, float(value), float(variance)).interval)
                for rival, method in rivals.items():
                    tally.add_rival(rival, method(setting, influences))
        yield from found.values()


def _batches(setting: Areas, samples: int) -> Iterator[tuple[Any, Numbers]]:
    random, batch = np.random.default_rng(SEED + 1), max(1, AT_A_TIME // setting.size)
    for start in range(0, samples, batch):
        times = min(batch, samples - start)
        yield setting.positive(times), setting.draw(random, times)


def area_estimate(name: str, setting: Areas, value: float, variance: float, design_effect: float = 1.0) -> Estimate:
    """Return the product's estimate of `roc_auc` or `average_precision`."""
    if name == "roc_auc":
        return roc.roc_auc_estimate(value, variance, (setting.positives, setting.negatives), design_effect)
    return roc.average_precision_estimate(value, variance, setting.positives, design_effect)


def _on_log_odds(values: Numbers, margins: Numbers) -> Ends:
    """Return the ends on the scale of log odds; the whole range for 0 and 1, whose odds are not finite."""
    inside = (values > 0) & (values < 1)
    odds = stats.logistic.ppf(np.where(inside, values, 0.5))
    ends = stats.logistic.cdf(odds - margins), stats.logistic.cdf(odds + margins)
    return np.where(inside, ends[0], 0.0), np.where(inside, ends[1], 1.0)


def _logit_t(setting: Areas, found: Influences) -> Ends:
    """Return DeLong's interval, or that of the influences, on log odds."""
    spread = np.maximum(found.values * (1 - found.values), 1e-12)
    margins = stats.t.ppf(0.975, setting.positives - 1) * np.sqrt(found.variances) / spread
    return _on_log_odds(found.values, margins)


def _logit_binomial(setting: Areas, found: Influences) -> Ends:
    """Return the interval of Boyd, Eng & Page (2013)."""
    spread = np.sqrt(np.maximum(setting.positives * found.values * (1 - found.values), 1e-12))
    return _on_log_odds(found.values, stats.norm.ppf(0.975) / spread)


RIVALS: tuple[Mapping[str, Callable[[Areas, Influences], Ends]], ...] = (
    {"DeLong's, on log odds": _logit_t},
    {"influences, on log odds": _logit_t, "binomial, on log odds": _logit_binomial},
)


# Several classes


@dataclass(frozen=True)
class SeveralAreas:
    """Scores of several classes of given shares; the score of the own class is `apart` higher."""

    size: int
    shares: tuple[float, ...]
    apart: float
    averaging: str

    def __str__(self) -> str:
        return f"{self.size:,} · {len(self.shares)} classes · {self.apart:g}"

    def draw(self, random: np.random.Generator, size: int) -> tuple[Any, Numbers]:
        """Return the actual classes, all of which occur, and the scores `[example][class]`."""
        actual = random.choice(len(self.shares), size, p=self.shares)
        while len(np.unique(actual)) < len(self.shares):
            actual = random.choice(len(self.shares), size, p=self.shares)
        return actual, random.normal(self.apart * np.eye(len(self.shares))[actual], 1)


SHARES = ((0.5, 0.3, 0.2), (0.6, 0.3, 0.1), (0.2, 0.2, 0.2, 0.15, 0.15, 0.1))
SEVERAL = [
    SeveralAreas(size, shares, apart, averaging)
    for averaging in ("macro", "weighted")
    for shares in SHARES
    for size in (100, 300)
    for apart in (1.0, 2.5)
]
SEVERAL_HELD_OUT = [
    SeveralAreas(150, (0.7, 0.2, 0.1), apart, averaging) for averaging in ("macro", "weighted") for apart in (0.5, 2.0)
]


def several(settings: list[SeveralAreas], samples: int) -> Tallies:
    """Yield the tallies of ROC AUC, averaged over the classes."""
    for setting in settings:
        random = np.random.default_rng(SEED)
        actual, scores = setting.draw(random, MANY)
        shares = np.bincount(actual) / MANY if setting.averaging == "weighted" else None
        truth = np.average([sk.roc_auc_score(actual == at, each) for at, each in enumerate(scores.T)], weights=shares)
        tally = Tally(str(setting), f"{setting.averaging} roc_auc", setting.size, float(truth))
        for _ in range(samples):
            tally.add(_mean_estimate(setting, *setting.draw(random, setting.size)).interval)
        yield tally


def _mean_estimate(setting: SeveralAreas, actual: Any, scores: Numbers) -> Estimate:
    counts = np.bincount(actual)
    areas = {}
    for at, count in enumerate(counts):
        found, _ = ranked_influences((actual == at)[None], scores[None, :, at])
        sizes = float(count), float(setting.size - count)
        areas[str(at)] = roc.roc_auc_estimate(float(found.values[0]), float(found.variances[0]), sizes)
    if setting.averaging == "macro":
        return roc.mean_area(areas, dict.fromkeys(areas, 1 / len(areas)))
    shares = {str(at): count / setting.size for at, count in enumerate(counts)}
    return roc.mean_area(areas, shares, float(setting.size))


FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas": lambda samples: areas(AREAS, samples),
    "areas of several classes": lambda samples: several(SEVERAL, samples),
}
HELD_OUT_FAMILIES: Mapping[str, Callable[[int], Tallies]] = {
    "areas": lambda samples: areas(HELD_OUT, samples),
    "areas of several classes": lambda samples: several(SEVERAL_HELD_OUT, samples),
}
