"""Compute log loss, Brier score and calibration in one scan."""

import math
from dataclasses import dataclass, replace

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.label_counts import LabelCounts
from performance.metrics.inputs.sql import number_literal, string_literal, sum_terms
from performance.metrics.result import DAMAGED, UnprocessablePredictionsError
from performance.metrics.statistics.cluster_sums import Influence, sums_by_group
from performance.metrics.statistics.clusters import GroupSums
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.intervals import normal
from performance.metrics.statistics.means import AUGMENTED_T, Mean, sums

BINS = 15
SURPRISE = -math.log(0.03)  # a bad example loses at least as much as one whose class was given 3%
BAD_EXAMPLES = 1.25  # with 1, up to 5.1% are beyond the truth if all predictions are equally sure; with this, 3.5%
MIN_SIZE = 2
FEW_EXAMPLES = "There are fewer than {0} examples, counted by their weight. {0} are enough."
_ROUNDING = 1e-9
EPSILON = 2.0**-52  # replaces a probability of 0, so that its logarithm is finite


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """The examples whose confidence is in one of `BINS` equal ranges, numbered from 1.

    Confidence is the probability of the predicted class. `confidence` and `correct` are sums of weights: times the
    confidence, and of the correctly predicted examples.
    """

    number: int
    examples: int
    weight: float
    confidence: float
    correct: float


@dataclass(frozen=True, slots=True)
class Losses:
    """The mean losses of probabilities, the greatest Brier loss, and the calibration by bins.

    `greatest_log` is the greatest logarithmic loss that the predictions make possible: that of an example of the least
    probable of all classes. `heaviest` is the weight of an effective example of the class whose examples weigh most.
    """

    log: Mean
    brier: Mean
    greatest_log: float
    greatest_brier: float
    heaviest: float
    bins: tuple[CalibrationBin, ...]

    def log_loss(self, design_effect: float = 1.0) -> Estimate:
        """Return the mean logarithmic loss, in nats. `design_effect` examples are worth one."""
        mean, bad = self.log.with_design_effect(design_effect), max(SURPRISE, self.greatest_log)
        return loss_estimate(mean, bad, self.heaviest * design_effect)

    def brier_score(self, design_effect: float = 1.0) -> Estimate:
        """Return the mean squared distance of probabilities and truth, from 0 to 1, or to 2 for several classes."""
        mean, greatest = self.brier.with_design_effect(design_effect), self.greatest_brier
        return loss_estimate(mean, greatest, self.heaviest * design_effect, upper=greatest)

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of confidence and accuracy over the bins, from 0 to 1.

        Guo et al. (2017), On calibration of modern neural networks, section 2, with 15 bins. It has no interval: chance
        alone makes it greater than 0 for a calibrated model, and it has no derivative there for the delta method.
        """
        weight = sum(each.weight for each in self.bins)
        return sum(abs(each.confidence - each.correct) for each in self.bins) / weight


def measure_losses(engine: Engine, mapping: ColumnMapping, counts: LabelCounts, positive: str | None) -> Losses:
    """Return the losses of scores that are probabilities.

    `positive` is the positive class of two, `None` if there are more classes. Raises `UnprocessablePredictionsError`.
    """
    w = "w" if mapping.weight else None
    weight, confidence = ("sum(CAST(w AS DOUBLE))", "sum(w * confidence)") if w else ("count(*)", "sum(confidence)")
    rows = engine.rows(f"""
        SELECT bin, count(*), {weight}, {confidence}, sum(CASE WHEN correct THEN w ELSE 0 END),
            min(CASE WHEN w > 0 THEN least ELSE 1 END),
            {sums("loss", w)}, {sums("brier", w)}
        FROM (
            SELECT w, confidence, correct, brier, least,
                CAST(greatest(ceil(confidence * {BINS}), 1) AS TINYINT) AS bin,
                {log_loss_sql("truth")} AS loss
            FROM ({_probabilities(mapping, positive)})
        )
        GROUP BY bin
        ORDER BY bin
    """)
    if not rows:
        raise UnprocessablePredictionsError(DAMAGED)
    totals = [sum(column) for column in zip(*(row[6:] for row in rows), strict=True)]
    log_loss, brier = (Mean(counts.weight, counts.squared_weight, *totals[at : at + 3]) for at in (0, 3))
    bins = tuple(CalibrationBin(number, count, *map(float, rest[:3])) for number, count, *rest in rows)
    greatest_log = -math.log(max(min(row[5] for row in rows), EPSILON))
    return Losses(log_loss, brier, greatest_log, 1.0 if positive is not None else 2.0, counts.heaviest, bins)


def group_sums(
    engine: Engine, mapping: ColumnMapping, positive: str | None, found: Losses, group: str
) -> tuple[GroupSums, GroupSums]:
    """Return the sums by group of the influences on the log loss and on the Brier score. `group` is an expression."""
    influences = {
        name: Influence(f"{loss} - {number_literal(mean.value)}")
        for name, loss, mean in (("log", log_loss_sql("truth"), found.log), ("brier", "brier", found.brier))
    }
    examples = f"SELECT *, w * w AS squares FROM ({_probabilities(mapping, positive, group)}) WHERE w > 0"
    _, sums = sums_by_group(engine, influences, examples)
    return sums["log"], sums["brier"]


def loss_estimate(mean: Mean, bad: float, heaviest: float, *, upper: float = math.inf) -> Estimate:
    """Return a mean loss, with the interval of Student's t after adding `BAD_EXAMPLES` with a `bad` loss.

    A few bad losses dominate such a mean. A sample without one has a small mean and a small variance at once, so that
    Student's t alone excludes the truth too often. Agresti & Coull (1998), Approximate is better than "exact" for
    interval estimation of binomial proportions, doi:10.1080/00031305.1998.10480550, add examples to a proportion.
    What a bad example may cost is known from the predictions, even if all of them are right. It weighs as much as the
    `heaviest` do: if the examples of a rare class weigh more, they decide the mean.
    """
    if mean.size < MIN_SIZE - _ROUNDING:
        return Estimate(mean.value, reason=FEW_EXAMPLES.format(MIN_SIZE))
    wider = mean.with_examples(bad, times=BAD_EXAMPLES, unit=heaviest)
    interval = normal(wider.value, wider.variance, AUGMENTED_T, 0.0, upper, wider.size - 1)
    if interval is None:
        return Estimate(mean.value, reason=FEW_EXAMPLES.format(MIN_SIZE))
    return Estimate(mean.value, replace(interval, lower=min(interval.lower, mean.value)))


def _probabilities(mapping: ColumnMapping, positive: str | None, group: str | None = None) -> str:
    """Return the probabilities of each example's actual, predicted and least probable class, and the Brier loss.

    The inner query computes once what is long or has a term for each class: planning takes the square of the length.
    """
    g = f", {group} AS g" if group else ""
    if positive is not None:
        given = f"{mapping.score} AS score, {mapping.actual} AS actual, {mapping.predicted} AS predicted"
        named = ColumnMapping("actual", "predicted", score="score")
        truth, confidence = (predicted_probability(named, label, positive) for label in ("actual", "predicted"))
        least = "least(score, 1 - score)"
        brier = f"(1 - {truth}) * (1 - {truth})"
    else:
        unscaled = replace(mapping, total=None)
        given = f"""{predicted_probability(unscaled, mapping.actual, None)} AS truth_score,
            {predicted_probability(unscaled, mapping.predicted, None)} AS predicted_score,
            {mapping.total or number_literal(1.0)} AS total, {_sum_of_squares(mapping)} AS squares,
            least({", ".join([*mapping.scores.values(), "1"])}) AS least_score"""
        truth, confidence, least = (f"{each}_score / total" for each in ("truth", "predicted", "least"))
        brier = f"squares / (total * total) - 2 * {truth} + 1"
    return f"""
        SELECT w, {truth} AS truth, {confidence} AS confidence, {least} AS least, {brier} AS brier, correct
            {", g" if group else ""}
        FROM (
            SELECT {mapping.weight_or_one} AS w, {mapping.actual} = {mapping.predicted} AS correct, {given}{g}
            FROM predictions WHERE {mapping.predicted} IS NOT NULL
        )
    """


def log_loss_sql(truth: str) -> str:
    """Return the logarithmic loss, in nats, from the expression of the actual class's probability."""
    return f"-ln(greatest(least({truth}, {number_literal(1 - EPSILON)}), {number_literal(EPSILON)}))"


def predicted_probability(mapping: ColumnMapping, label: str, positive: str | None) -> str:
    """Return the probability of a class, whose label is an expression as well; null if the class has no score."""
    if positive is not None:
        return f"CASE WHEN {label} = {string_literal(positive)} THEN {mapping.score} ELSE 1 - {mapping.score} END"
    branches = " ".join(f"WHEN {string_literal(name)} THEN {score}" for name, score in mapping.scores.items())
    return f"(CASE {label} {branches} END)" + (f" / {mapping.total}" if mapping.total else "")


def class_brier_loss(mapping: ColumnMapping, truth: str) -> str:
    """Return the Brier loss of several classes, from 0 to 2. `truth` is the actual class's probability."""
    scale = f" / ({mapping.total} * {mapping.total})" if mapping.total else ""
    return f"{_sum_of_squares(mapping)}{scale} - 2 * {truth} + 1"


def _sum_of_squares(mapping: ColumnMapping) -> str:
    return f"({sum_terms([f'{score} * {score}' for score in mapping.scores.values()])})"
