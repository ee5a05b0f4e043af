"""Choose the classes, the positive one, and the columns that hold their scores and predictions."""

from collections.abc import Sequence
from dataclasses import replace

from performance.metrics.engines.base import Engine
from performance.metrics.inputs import column_mapping, label_counts
from performance.metrics.inputs.column_mapping import ColumnMapping
from performance.metrics.inputs.labels import canonical_label, default_positive, determines_positive, sort_labels
from performance.metrics.inputs.options import AVERAGINGS, BINARY, Columns, Options
from performance.metrics.inputs.sql import number_literal, string_literal
from performance.metrics.result import UnprocessablePredictionsError

NO_SCORE = "A threshold needs the score of the positive class."


def map_columns(engine: Engine, columns: Columns, options: Options) -> ColumnMapping:
    """Return the expressions of each example's values. With a threshold, the prediction follows from the score.

    Raises `UnprocessablePredictionsError`.
    """
    mapping = column_mapping.map_columns(engine, columns, with_prediction=options.threshold is None)
    if options.threshold is None:
        return mapping
    return _apply_threshold(engine, mapping, options.threshold, options)


def scored_classes(engine: Engine, mapping: ColumnMapping, columns: Columns, labels: Sequence[str]) -> list[str]:
    """Return the classes in ascending order: those that occur, and those that only have scores.

    A column of scores is that of a class that does not occur if it is named so or if all scores sum to 1. Otherwise, it
    only looks like a score.
    """
    of_labels = set(mapping.scores) & set(labels)
    if columns.scores or len(of_labels) == len(mapping.scores) or label_counts.scores_sum_to_one(engine, mapping):
        return sort_labels([*labels, *mapping.scores])
    return sort_labels(labels)


def select_scores(mapping: ColumnMapping, options: Options, classes: Sequence[str]) -> ColumnMapping:
    """Return the mapping with only the scores that count.

    With two classes it is that of the positive class, with more those of all classes. If there is only one class and no
    `positive_class`, nobody knows whether the class is the positive one, so the column `score` is ignored; a column
    that is named after the class counts. Raises `UnprocessablePredictionsError`.
    """
    positive = choose_positive(classes, options)
    scores = {label: score for label, score in mapping.scores.items() if label in classes}
    if positive is None:
        return replace(mapping, score=None, scores=scores)
    if mapping.score is not None and (options.positive_class is not None or determines_positive(classes)):
        return replace(mapping, scores={})
    return replace(mapping, score=mapping.scores.get(positive), scores=scores)


def _apply_threshold(engine: Engine, mapping: ColumnMapping, threshold: float, options: Options) -> ColumnMapping:
    """Return the mapping with the predicted class that follows from the score.

    It is the positive one if the score is at least the threshold. Raises `UnprocessablePredictionsError`.
    """
    if mapping.score is None and not mapping.scores:
        raise UnprocessablePredictionsError(NO_SCORE)
    actual = f"SELECT DISTINCT {mapping.actual} AS label FROM predictions"
    labels = sort_labels(
        label for [label] in engine.rows(f"SELECT label FROM ({actual}) WHERE label IS NOT NULL LIMIT 3")
    )
    if len(labels) != 2:
        raise UnprocessablePredictionsError("A threshold needs examples of exactly two classes.")
    positive = _valid_positive(labels, options)
    score = mapping.score or mapping.scores.get(positive)
    if score is None:
        raise UnprocessablePredictionsError(NO_SCORE)
    [negative] = set(labels) - {positive}
    above = f"{score} >= {number_literal(threshold)}"
    return replace(
        mapping, predicted=f"CASE WHEN {above} THEN {string_literal(positive)} ELSE {string_literal(negative)} END"
    )


def choose_averaging(classes: Sequence[str], options: Options) -> str:
    """Return how the metrics of several classes are averaged. Raises `UnprocessablePredictionsError`."""
    two = len(classes) <= 2
    averaging = options.averaging or (BINARY if two else "weighted")
    if averaging not in AVERAGINGS:
        raise UnprocessablePredictionsError(f"The averaging must be one of {', '.join(AVERAGINGS)}, not {averaging!r}.")
    if averaging == BINARY and not two:
        raise _several_classes_error(classes, options.positive_class)
    return averaging


def _several_classes_error(classes: Sequence[str], positive: str | None) -> UnprocessablePredictionsError:
    found = f"There are {len(classes):,} classes, {label_counts.listed(classes)}"
    if positive is None:
        return UnprocessablePredictionsError(f"{found}, so no single one is positive: choose another averaging.")
    return UnprocessablePredictionsError(
        f"{found}, so {canonical_label(positive)!r} cannot be the positive one of two. Leave out the rows, predictions "
        "and columns of scores of other classes, or evaluate a model that declares no positive class, with another "
        "averaging."
    )


def choose_positive(labels: Sequence[str], options: Options) -> str | None:
    """Return the positive one of one or two labels, whatever the averaging; `None` for more labels.

    Raises `UnprocessablePredictionsError` if the one that was asked for does not occur.
    """
    return _valid_positive(labels, options) if len(labels) <= 2 else None


def _valid_positive(labels: Sequence[str], options: Options) -> str:
    if options.positive_class is None:
        return default_positive(labels)
    positive = canonical_label(options.positive_class)
    if len(labels) == 2 and positive not in labels:
        raise UnprocessablePredictionsError(
            f"There is no label {positive!r} to be the positive class; the labels are {', '.join(labels)}."
        )
    return positive
