"""Compute log loss, Brier score and calibration in one scan."""

from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.label_counts import LabelCounts
from performance.metrics.inputs.sql import number_literal, string_literal, sum_terms
from performance.metrics.result import DAMAGED, UnprocessablePredictionsError
from performance.metrics.statistics.estimates import Estimate
from performance.metrics.statistics.means import Mean, sums

BINS = 15
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
    """The losses of probabilities, and the calibration by bins."""

    log_loss: Estimate
    brier_score: Estimate
    bins: tuple[CalibrationBin, ...]

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
    rows = engine.rows(f"""
        SELECT bin, count(*), sum(CAST(w AS DOUBLE)), sum(w * confidence), sum(CASE WHEN correct THEN w ELSE 0 END),
            {sums("loss", "w")}, {sums("brier", "w")}
        FROM (
            SELECT w, confidence, correct, brier,
                greatest(ceil(confidence * {BINS}), 1) AS bin,
                {log_loss_sql("truth")} AS loss
            FROM ({_probabilities(mapping, positive)})
        )
        GROUP BY bin
        ORDER BY bin
    """)
    if not rows:
        raise UnprocessablePredictionsError(DAMAGED)
    totals = [sum(column) for column in zip(*(row[5:] for row in rows), strict=True)]
    log_loss, brier = (Mean(counts.weight, counts.squared_weight, *totals[at : at + 3]) for at in (0, 3))
    upper = 1.0 if positive is not None else 2.0
    bins = tuple(CalibrationBin(int(number), *rest[:4]) for number, *rest in rows)
    return Losses(log_loss.estimate(0), brier.estimate(0, upper), bins)


def _probabilities(mapping: ColumnMapping, positive: str | None) -> str:
    """Return, for each example, the probabilities of its actual and its predicted class, and the Brier loss."""
    truth = predicted_probability(mapping, mapping.actual, positive)
    confidence = predicted_probability(mapping, mapping.predicted, positive)
    brier = f"(1 - {truth}) * (1 - {truth})" if positive is not None else class_brier_loss(mapping, truth)
    return f"""
        SELECT {mapping.weight_or_one} AS w, {truth} AS truth, {confidence} AS confidence, {brier} AS brier,
            {mapping.actual} = {mapping.predicted} AS correct
        FROM predictions WHERE {mapping.predicted} IS NOT NULL
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
    squares = f"({sum_terms([f'{score} * {score}' for score in mapping.scores.values()])})"
    return squares + (f" / ({mapping.total} * {mapping.total})" if mapping.total else "") + f" - 2 * {truth} + 1"
