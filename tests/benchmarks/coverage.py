"""How often each metric's 95% interval holds the truth, over many samples, and how often a bootstrap's does.

uv run --group dev --group bench python -m tests.benchmarks.coverage

With `--grid`, it runs the families of settings in `coverage_grid` instead. An interval must hold the truth in 92% of
the samples (93% from 200 examples), and its unfavourable end may be beyond the truth in 4%. It may be 1.6 times as wide
as that of the narrowest textbook method that does the same in all settings of the metric and the family ("of
narrowest"). "Of any" compares with the narrowest that does so in the one setting, even if it fails in others. With
`--held-out`, it runs the settings that the methods were not chosen on.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn import metrics as sk

from performance.metrics.result import Evaluation
from performance.metrics.tasks import classification, forecasting, ranking, regression
from tests.benchmarks.coverage_grid import areas as areas_grid
from tests.benchmarks.coverage_grid import areas_of_classes as areas_of_classes_grid
from tests.benchmarks.coverage_grid import areas_of_classes_in_groups as areas_of_classes_in_groups_grid
from tests.benchmarks.coverage_grid import classification as classification_grid
from tests.benchmarks.coverage_grid import composites as composites_grid
from tests.benchmarks.coverage_grid import forecasting as forecasting_grid
from tests.benchmarks.coverage_grid import groups as groups_grid
from tests.benchmarks.coverage_grid import paired as paired_grid
from tests.benchmarks.coverage_grid import paired_classes as paired_classes_grid
from tests.benchmarks.coverage_grid import paired_group_averages as paired_group_averages_grid
from tests.benchmarks.coverage_grid import paired_group_means as paired_group_means_grid
from tests.benchmarks.coverage_grid import paired_groups as paired_groups_grid
from tests.benchmarks.coverage_grid import ranking as ranking_grid
from tests.benchmarks.coverage_grid import regression as regression_grid
from tests.benchmarks.coverage_grid import weights as weights_grid
from tests.benchmarks.coverage_grid.tally import Tallies, Tally, usable_rivals
from tests.performance.metrics.areas import SAMPLINGS
from tests.performance.metrics.areas import coverage as area_coverage
from tests.performance.metrics.differences import interval_coverage
from tests.performance.metrics.tables import Evaluate, evaluate_columns, values_by_interval_name

Columns = dict[str, Any]
Metric = Callable[[Columns], float]
MANY = 500_000  # examples, series or queries that stand for all there are
STEPS = 4  # of each series
ITEMS = 6  # of each query
DIFFERENCES = "differences"
AREAS = "areas"


def two_classes(random: np.random.Generator, size: int) -> Columns:
    """Return predictions of a class that three of ten are of."""
    actual = random.random(size) < 0.3
    score = 1 / (1 + np.exp(-1.3 * random.normal(np.where(actual, 1.2, 0.0), 1.0) + 1.4))
    return {"actual": actual.astype(int), "predicted": (score > 0.4).astype(int), "score": score}


def three_classes(random: np.random.Generator, size: int) -> Columns:
    """Return predictions of classes of unequal sizes."""
    actual = random.choice(3, size, p=[0.5, 0.3, 0.2])
    odds = np.exp(random.normal(0, 1, (size, 3)) + 1.2 * np.eye(3)[actual])
    scores = odds / odds.sum(axis=1, keepdims=True)
    by_label = {f"score_{label}": scores[:, label] for label in range(3)}
    return {"actual": actual, "predicted": scores.argmax(axis=1), **by_label}


def numbers(random: np.random.Generator, size: int) -> Columns:
    """Return predictions whose errors grow with the number, and lean to one side."""
    actual = random.normal(20, 4, size)
    return {"actual": actual, "predicted": actual + 0.3 + random.normal(0, 0.1, size) * actual}


def forecasts(random: np.random.Generator, size: int) -> Columns:
    """Return forecasts of series of different levels and of different difficulty; the errors of one are alike."""
    scale, difficulty = random.uniform(1, 3, (size, 1)), random.uniform(0.5, 1.5, (size, 1))
    actual = random.uniform(20, 60, (size, 1)) + random.normal(0, 3, (size, STEPS))
    predicted = actual + difficulty * scale * random.normal(0, 1, (size, STEPS))
    series = np.arange(size * STEPS) // STEPS
    return {
        "actual": actual.ravel(),
        "predicted": predicted.ravel(),
        "series_id": series,
        "scale": np.repeat(scale.ravel(), STEPS),
    }


def rankings(random: np.random.Generator, size: int) -> Columns:
    """Return items of queries, about half of them relevant, some more than others."""
    relevance = random.integers(0, 3, (size, ITEMS)) * (random.random((size, ITEMS)) < 0.5)
    score = relevance + random.normal(0, 1, (size, ITEMS))
    return {"query_id": np.arange(size * ITEMS) // ITEMS, "relevance": relevance.ravel(), "score": score.ravel()}


@dataclass(frozen=True)
class Setting:
    """Where samples come from, what evaluates them, and metrics that a bootstrap may compute."""

    draw: Callable[[np.random.Generator, int], Columns]
    evaluate: Evaluate
    options: Mapping[str, Any]
    bootstrapped: Mapping[str, Metric]


SETTINGS = {
    "two classes": Setting(
        two_classes,
        classification.evaluate,
        {},
        {
            "accuracy": lambda of: sk.accuracy_score(of["actual"], of["predicted"]),
            "f1_score": lambda of: sk.f1_score(of["actual"], of["predicted"]),
            "roc_auc": lambda of: sk.roc_auc_score(of["actual"], of["score"]),
            "average_precision": lambda of: sk.average_precision_score(of["actual"], of["score"]),
            "log_loss": lambda of: sk.log_loss(of["actual"], of["score"]),
        },
    ),
    "three classes, weighted": Setting(three_classes, classification.evaluate, {"averaging": "weighted"}, {}),
    "three classes, macro": Setting(three_classes, classification.evaluate, {"averaging": "macro"}, {}),
    "three classes, micro": Setting(three_classes, classification.evaluate, {"averaging": "micro"}, {}),
    "numbers": Setting(
        numbers,
        regression.evaluate,
        {},
        {
            "rmse": lambda of: sk.root_mean_squared_error(of["actual"], of["predicted"]),
            "r_squared": lambda of: sk.r2_score(of["actual"], of["predicted"]),
            "median_absolute_error": lambda of: sk.median_absolute_error(of["actual"], of["predicted"]),
        },
    ),
    "forecasts": Setting(forecasts, forecasting.evaluate, {}, {}),
    "rankings": Setting(rankings, ranking.evaluate, {"k": 3}, {}),
}


EVERYTHING = [*SETTINGS, DIFFERENCES, AREAS]
MODULES = (
    classification_grid,
    composites_grid,
    weights_grid,
    areas_grid,
    areas_of_classes_grid,
    areas_of_classes_in_groups_grid,
    groups_grid,
    paired_grid,
    paired_classes_grid,
    paired_groups_grid,
    paired_group_means_grid,
    paired_group_averages_grid,
    regression_grid,
    forecasting_grid,
    ranking_grid,
)
GRID = {name: family for module in MODULES for name, family in module.FAMILIES.items()}
HELD_OUT = {name: family for module in MODULES for name, family in module.HELD_OUT_FAMILIES.items()}


def evaluated(setting: Setting, columns: Columns) -> Evaluation:
    """Return the evaluation of columns."""
    with tempfile.TemporaryDirectory() as folder:
        return evaluate_columns(setting.evaluate, Path(folder), columns, **setting.options)


def coverage(setting: Setting, truth: Evaluation, random: np.random.Generator, size: int, runs: int) -> Counter[str]:
    """Return in how many of the runs each metric's interval holds the truth."""
    covered: Counter[str] = Counter()
    for _ in range(runs):
        for name, interval in evaluated(setting, setting.draw(random, size)).confidence_intervals.items():
            value = values_by_interval_name(truth)[name]
            covered[name] += value is not None and interval.lower <= value <= interval.upper
    return covered


def bootstrap(
    setting: Setting, truth: Evaluation, random: np.random.Generator, size: int, runs: int, resamples: int
) -> Counter[str]:
    """Return in how many of the runs the middle 95% of the resamples' values hold the truth."""
    covered: Counter[str] = Counter()
    for _ in range(runs):
        columns = setting.draw(random, size)
        picks = [random.integers(0, size, size) for _ in range(resamples)]
        for name, metric in setting.bootstrapped.items():
            found = [metric({key: column[pick] for key, column in columns.items()}) for pick in picks]
            lower, upper = np.quantile(found, [0.025, 0.975])
            value = values_by_interval_name(truth)[name]
            covered[name] += value is not None and bool(lower <= value <= upper)
    return covered


def show_differences(size: int, runs: int) -> None:
    """Print how often the paired intervals hold the true difference of two versions."""
    table = Table("metric", "interval, %", title=f"differences of two classes' metrics, {size} examples at a time")
    with tempfile.TemporaryDirectory() as folder:
        for name, share in interval_coverage(Path(folder), samples=runs, size=size).items():
            table.add_row(name, f"{100 * share:.1f}")
    Console(highlight=False).print(table)


def show_areas(runs: int) -> None:
    """Print how often the intervals of areas hold the true value, for samples of other sizes and balances."""
    table = Table("sampling", "metric", "interval, %", title="areas of two classes")
    for sampling in SAMPLINGS:
        for name, share in area_coverage(sampling, samples=runs, population=1_000_000).items():
            table.add_row(str(sampling), name, f"{100 * share:.1f}")
    Console(highlight=False).print(table)


def show_grid(title: str, tallies: Tallies) -> list[Tally]:
    """Print a table of a family's settings, and return their tallies."""
    columns = ("setting", "metric", "truth", "given, %", "cover, %", "false passes, %", "width")
    table, found = Table(*columns, "of narrowest", "of any", "", title=title), list(tallies)
    usable = usable_rivals(found)
    for tally in found:
        shares = (f"{100 * share:.1f}" for share in (tally.given, tally.cover, tally.false_passes))
        ratios = tally.width_ratio(usable[tally.metric]), tally.width_ratio(tally.rivals)
        holds = "" if tally.meets_the_bar(usable[tally.metric]) else "fails"
        table.add_row(
            tally.setting,
            tally.metric,
            f"{tally.truth:.4f}",
            *shares,
            f"{tally.width:.4f}",
            *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios),
            holds,
        )
    Console(highlight=False).print(table)
    return found


def show_worst(family: str, tallies: list[Tally]) -> None:
    """Print a line of Markdown for each metric of a family, with its worst settings and the rivals that hold in all."""
    for metric, usable in usable_rivals(tallies).items():
        those = [tally for tally in tallies if tally.metric == metric]
        given = [tally for tally in those if tally.is_given.any()]
        cells = (
            family,
            metric.replace("_", " "),
            str(len(those)),
            f"{100 * min(tally.given for tally in those):.0f}",
            f"{100 * min((tally.cover for tally in given), default=1):.1f}",
            f"{100 * max(tally.false_passes for tally in those):.1f}",
            _greatest(tally.width_ratio(usable) for tally in given),
            _greatest(tally.width_ratio(tally.rivals) for tally in given),
            ", ".join(sorted(usable)),
        )
        print(f"| {' | '.join(cells)} |", flush=True)


def _greatest(ratios: Iterable[float | None]) -> str:
    known = [ratio for ratio in ratios if ratio is not None]
    return f"{max(known):.2f}" if known else ""


def main() -> None:
    """Print a table of each setting, one of the differences of two versions, and one of areas; or those of the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=200, help="examples, series or queries of a sample")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--bootstraps", type=int, default=200, help="runs of the bootstrap")
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=EVERYTHING, default=EVERYTHING)
    parser.add_argument("--grid", nargs="+", choices=GRID, default=[])
    parser.add_argument("--held-out", action="store_true", help="run the grid's held-out settings")
    parser.add_argument("--samples", type=int, default=4000, help="samples of each setting of the grid")
    options = parser.parse_args()
    for family in options.grid:
        families = HELD_OUT if options.held_out else GRID
        show_worst(family, show_grid(family, families[family](options.samples)))
    if options.grid:
        return
    if DIFFERENCES in options.only:
        show_differences(options.size, options.runs)
    if AREAS in options.only:
        show_areas(options.runs)
    for title in (title for title in options.only if title in SETTINGS):
        setting, random = SETTINGS[title], np.random.default_rng(20260313)
        truth = evaluated(setting, setting.draw(random, MANY))
        covered = coverage(setting, truth, random, options.size, options.runs)
        resampled = bootstrap(setting, truth, random, options.size, options.bootstraps, options.resamples)
        table = Table("metric", "truth", "interval, %", "bootstrap, %", title=f"{title}, {options.size} at a time")
        for name, value in values_by_interval_name(truth).items():
            ours = f"{100 * covered[name] / options.runs:.1f}" if name in covered else "none"
            theirs = f"{100 * resampled[name] / options.bootstraps:.1f}" if name in resampled else ""
            table.add_row(name, "not defined" if value is None else f"{value:.4f}", ours, theirs)
        Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
