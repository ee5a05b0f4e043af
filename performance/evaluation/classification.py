"""Classification: two classes or more, with scores or without."""

from collections.abc import Mapping
from dataclasses import replace

from performance.evaluation import counting, examples, layout, losses, ranks
from performance.evaluation.columns import AVERAGINGS, Columns, Options
from performance.evaluation.confusion import ConfusionMatrix, Estimate
from performance.evaluation.counting import Counted
from performance.evaluation.engine import Engine
from performance.evaluation.labels import in_order, positive_of
from performance.evaluation.layout import Layout
from performance.evaluation.ranks import Contest, Sums
from performance.evaluation.result import DAMAGED, Evaluation, UnprocessablePredictionsError
from performance.evaluation.statements import number, text

AVERAGED = ("precision", "recall", "f1_score", "specificity")


def evaluate(engine: Engine, columns: Columns, options: Options) -> Evaluation:
    """Return what the predictions come to. Raises `UnprocessablePredictionsError`."""
    found = laid_out(engine, columns, options)
    counted = counting.count(engine, found, allow_missing=options.allow_missing)
    averaging = _averaging(counted, options)
    positive = _positive(counted, options) if averaging == "binary" else None
    matrix = counted.matrix()
    areas = _areas(engine, found, counted, positive)
    estimates = {
        "accuracy": matrix.accuracy,
        **{name: _one(matrix, name, averaging, positive) for name in AVERAGED},
        "balanced_accuracy": matrix.balanced_accuracy,
        "matthews_correlation": matrix.matthews_correlation,
        "cohen_kappa": matrix.cohen_kappa,
        "roc_auc": _roc_auc(counted, areas, averaging, positive),
        "average_precision": _average_precision(areas, positive),
        **_losses(engine, found, counted, positive),
    }
    return Evaluation(
        rows=counted.rows,
        sample_count=counted.examples,
        metrics={name: estimate.value for name, estimate in estimates.items()},
        confidence_intervals={name: each.interval for name, each in estimates.items() if each.interval is not None},
        per_class={label: _per_class(matrix, label, areas) for label in counted.labels},
        confusion_matrix={"labels": list(counted.labels), "counts": counted.counts},
        positive_class=positive,
        averaging=averaging,
        misclassified_count=counted.wrong,
        misclassified=examples.misclassified(
            engine, columns, found, are_probabilities=counted.are_probabilities, positive=positive
        ),
    )


def laid_out(engine: Engine, columns: Columns, options: Options) -> Layout:
    """Return where the parts of each example are, the prediction as the threshold decides it if there is one.

    Raises `UnprocessablePredictionsError`.
    """
    found = layout.find(engine, columns, with_prediction=options.threshold is None)
    if options.threshold is None:
        return found
    return _decided(engine, found, options.threshold, options.positive_class)


def _decided(engine: Engine, found: Layout, threshold: float, positive_class: str | None) -> Layout:
    """Return the layout with the class that follows from the score: the positive one from the threshold upwards."""
    if found.score is None:
        raise UnprocessablePredictionsError("A threshold needs one score, of the positive class.")
    actual = f"SELECT DISTINCT {found.actual} AS label FROM predictions"
    labels = in_order(label for [label] in engine.rows(f"SELECT label FROM ({actual}) WHERE label IS NOT NULL LIMIT 3"))
    if len(labels) != 2:
        raise UnprocessablePredictionsError("A threshold needs examples of two classes, and of no more.")
    positive = positive_class or positive_of(labels)
    if positive not in labels:
        raise UnprocessablePredictionsError(f"There is no label {positive!r}, which is to be positive.")
    [negative] = set(labels) - {positive}
    above = f"{found.score} >= {number(threshold)}"
    return replace(found, predicted=f"CASE WHEN {above} THEN {text(positive)} ELSE {text(negative)} END")


def _averaging(counted: Counted, options: Options) -> str:
    two = len(counted.labels) <= 2
    averaging = options.averaging or ("binary" if two else "weighted")
    if averaging not in AVERAGINGS:
        raise UnprocessablePredictionsError(f"The averaging must be one of {', '.join(AVERAGINGS)}, not {averaging!r}.")
    if averaging == "binary" and not two:
        raise UnprocessablePredictionsError(
            f"There are {len(counted.labels)} labels, which have no one positive class: choose another averaging."
        )
    return averaging


def _positive(counted: Counted, options: Options) -> str:
    positive = options.positive_class or positive_of(list(counted.labels))
    if options.positive_class is not None and len(counted.labels) == 2 and positive not in counted.labels:
        raise UnprocessablePredictionsError(
            f"There is no label {positive!r}, which is to be positive; there are {', '.join(counted.labels)}."
        )
    return positive


def _one(matrix: ConfusionMatrix, name: str, averaging: str, positive: str | None) -> Estimate:
    if positive is None:
        return matrix.averaged(name, averaging)
    if positive not in matrix.labels:  # the only label is the negative one
        return Estimate(0.0) if name != "specificity" else Estimate(1.0, matrix.accuracy.interval)
    estimate: Estimate = getattr(matrix, name)(positive)
    return estimate


def _areas(engine: Engine, found: Layout, counted: Counted, positive: str | None) -> Mapping[str, tuple[Contest, Sums]]:
    """Return, of each label that has scores, the contest against the rest: where there is any rest, and any of it."""
    scores = found.scores if positive is None else {positive: found.score or found.scores.get(positive)}
    contests = [
        Contest(label, score, counted.weight_of(label), counted.weight - counted.weight_of(label))
        for label, score in scores.items()
        if score is not None
    ]
    open_ones = [contest for contest in contests if contest.positives > 0 and contest.negatives > 0]
    if not open_ones:
        return {}
    rows = engine.rows(
        ranks.areas(open_ones, actual=found.actual, weight=found.weight, where=f"{found.predicted} IS NOT NULL")
    )
    if len(rows) < len(open_ones) or any(None in row for row in rows):
        raise UnprocessablePredictionsError(DAMAGED)
    by_label = {contest.label: contest for contest in open_ones}
    return {label: (by_label[label], Sums(*values)) for label, *values in rows}


def _roc_auc(
    counted: Counted, areas: Mapping[str, tuple[Contest, Sums]], averaging: str, positive: str | None
) -> Estimate:
    if positive is not None:
        return areas[positive][1].roc_auc(areas[positive][0]) if positive in areas else Estimate(None)
    if set(areas) < set(counted.labels):
        return Estimate(None)
    values = {label: sums.roc_auc(contest).value or 0.0 for label, (contest, sums) in areas.items()}
    if averaging == "macro":
        return Estimate(sum(values.values()) / len(values))
    return Estimate(sum(value * counted.weight_of(label) for label, value in values.items()) / counted.weight)


def _average_precision(areas: Mapping[str, tuple[Contest, Sums]], positive: str | None) -> Estimate:
    if positive is None or positive not in areas:
        return Estimate(None)
    contest, sums = areas[positive]
    return Estimate(sums.average_precision(contest))


def _losses(engine: Engine, found: Layout, counted: Counted, positive: str | None) -> dict[str, Estimate]:
    whole = found.score is not None if positive is not None else set(counted.labels) <= set(found.scores)
    if not whole or not counted.are_probabilities:
        return dict.fromkeys(("log_loss", "brier_score", "expected_calibration_error"), Estimate(None))
    measured = losses.measure(engine, found, counted, positive)
    return {
        "log_loss": measured.log_loss,
        "brier_score": measured.brier_score,
        "expected_calibration_error": Estimate(measured.expected_calibration_error),
    }


def _per_class(matrix: ConfusionMatrix, label: str, areas: Mapping[str, tuple[Contest, Sums]]) -> dict[str, float]:
    values = {name: getattr(matrix, name)(label).value for name in ("precision", "recall", "f1_score")}
    if label in areas:
        contest, sums = areas[label]
        values["roc_auc"] = sums.roc_auc(contest).value
    return {**values, "support": matrix.support(label)}
