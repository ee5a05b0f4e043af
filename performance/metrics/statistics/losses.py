"""What probabilities cost: log loss, Brier score and calibration, in one scan."""

from dataclasses import dataclass

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.label_counts import Counted
from performance.metrics.inputs.sql import number, text, total
from performance.metrics.result import DAMAGED, UnprocessablePredictionsError
from performance.metrics.statistics.confusion import Estimate
from performance.metrics.statistics.means import Mean, sums

BINS = 15
SMALLEST = 2.0**-52  # as which a probability of 0 counts, so that its logarithm is finite


@dataclass(frozen=True, slots=True)
class Bin:
    """The examples whose predicted class was given a probability in one of `BINS` equal ranges, counted from 1."""

    number: int
    examples: int
    weight: float
    confidence: float
    correct: float


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses, and how far confidence is from being right, bin by bin."""

    log_loss: Estimate
    brier_score: Estimate
    bins: tuple[Bin, ...]

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance between the confidence in a bin and the share that is right.

        Guo et al. (2017), On calibration of modern neural networks, section 2, with 15 bins. It has no interval: where
        confidence is right, chance alone makes it greater than 0, and it has no slope there from which a variance could
        follow.
        """
        weight = sum(each.weight for each in self.bins)
        return sum(abs(each.confidence - each.correct) for each in self.bins) / weight


def measure(engine: Engine, layout: ColumnMapping, counted: Counted, positive: str | None) -> Losses:
    """Return the losses of scores that are probabilities."""
    found = engine.rows(f"""
        SELECT bin, count(*), sum(CAST(w AS DOUBLE)), sum(w * confidence), sum(CASE WHEN correct THEN w ELSE 0 END),
            {sums("loss", "w")}, {sums("brier", "w")}
        FROM (
            SELECT w, confidence, correct, brier,
                greatest(ceil(confidence * {BINS}), 1) AS bin,
                {logarithmic("truth")} AS loss
            FROM ({_probabilities(layout, positive)})
        )
        GROUP BY bin
        ORDER BY bin
    """)
    if not found:
        raise UnprocessablePredictionsError(DAMAGED)
    totals = [sum(column) for column in zip(*(row[5:] for row in found), strict=True)]
    log_loss, brier = (Mean(counted.weight, counted.squared_weight, *totals[at : at + 3]) for at in (0, 3))
    upper = 1.0 if positive is not None else 2.0
    bins = tuple(Bin(int(number), *rest[:4]) for number, *rest in found)
    return Losses(log_loss.estimate(0), brier.estimate(0, upper), bins)


def _probabilities(layout: ColumnMapping, positive: str | None) -> str:
    """Return, of each example, what its actual and its predicted class were given, and the squared distance."""
    truth, confidence = given(layout, layout.actual, positive), given(layout, layout.predicted, positive)
    if positive is not None:
        brier = f"(1 - {truth}) * (1 - {truth})"
    else:
        brier = f"{total([f'{score} * {score}' for score in layout.scores.values()])} - 2 * {truth} + 1"
    return f"""
        SELECT {layout.w} AS w, {truth} AS truth, {confidence} AS confidence, {brier} AS brier,
            {layout.actual} = {layout.predicted} AS correct
        FROM predictions WHERE {layout.predicted} IS NOT NULL
    """


def logarithmic(truth: str) -> str:
    """Return the logarithmic loss of what an example's class was given."""
    return f"-ln(greatest(least({truth}, {number(1 - SMALLEST)}), {number(SMALLEST)}))"


def given(layout: ColumnMapping, label: str, positive: str | None) -> str:
    """Return the probability that was given to a class, which is an expression as well; null where there is none."""
    if positive is not None:
        return f"CASE WHEN {label} = {text(positive)} THEN {layout.score} ELSE 1 - {layout.score} END"
    return f"CASE {label} {' '.join(f'WHEN {text(name)} THEN {score}' for name, score in layout.scores.items())} END"
