"""Evaluate predictions by task type."""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.column_lookup import find_columns, named_columns
from performance.metrics.inputs.examples import examples_digest
from performance.metrics.inputs.options import MAX_COLUMN_NAME_LENGTH, Columns, Options
from performance.metrics.result import (
    MISSING_FRACTION_TO_WARN,
    Evaluation,
    EvaluationWarning,
    UnprocessablePredictionsError,
)
from performance.metrics.sandbox.codec import to_json
from performance.metrics.tasks import classification, forecasting, ranking, regression

Evaluator = Callable[[Engine, Columns, Options], Evaluation]

EVALUATORS: Mapping[str, Evaluator] = {
    "classification": classification.evaluate,
    "regression": regression.evaluate,
    "forecasting": forecasting.evaluate,
    "ranking": ranking.evaluate,
}

_APPLICABLE_OPTIONS: Mapping[str, frozenset[str]] = {
    "classification": frozenset({"positive_class", "averaging", "threshold", "allow_missing"}),
    "regression": frozenset({"allow_missing"}),
    "forecasting": frozenset({"allow_missing"}),
    "ranking": frozenset({"k"}),
}


def inapplicable_options(task_type: str, options: Options) -> list[str]:
    """Return the names of the chosen options that do not apply to this task type."""
    chosen = [option.name for option in fields(options) if getattr(options, option.name) != option.default]
    return [name for name in chosen if name not in _APPLICABLE_OPTIONS[task_type]]


def evaluate(engine: Engine, task_type: str, columns: Columns, options: Options) -> Evaluation:
    """Return the evaluation of a model's predictions for this task type.

    Raises `UnprocessablePredictionsError`, also if a result is too large for a double.
    """
    _check_column_names(engine)
    found = find_columns(engine, task_type, columns)
    try:
        evaluation = EVALUATORS[task_type](engine, found, options)
        evaluation = replace(
            evaluation,
            examples_digest=examples_digest(engine, task_type, found),
            evaluation_options=_options(engine, task_type, found, options, evaluation),
            warnings=[*evaluation.warnings, *_missing_warnings(evaluation.missing_fraction)],
        )
        _check_finite(evaluation)
    except OverflowError:
        raise UnprocessablePredictionsError(
            "The numbers are so large that what follows from them is past what a double can hold. Scale them down."
        ) from None
    return evaluation


def _options(
    engine: Engine, task_type: str, columns: Columns, options: Options, evaluation: Evaluation
) -> dict[str, object]:
    """Return everything that was asked for, or chosen without being asked for."""
    chosen = {"positive_class": evaluation.positive_class, "averaging": evaluation.averaging}
    every = {each.name: getattr(options, each.name) for each in fields(options)} | chosen
    applicable = {name: value for name, value in every.items() if name in _APPLICABLE_OPTIONS[task_type]}
    return {**applicable, "columns": named_columns(engine, task_type, columns, options)}


def _missing_warnings(fraction: float) -> list[EvaluationWarning]:
    if fraction < MISSING_FRACTION_TO_WARN:
        return []
    return [EvaluationWarning("missing_predictions", f"{fraction:.1%} of the rows have no prediction.")]


def _check_column_names(engine: Engine) -> None:
    """Check that column names can be stored. Raises `UnprocessablePredictionsError`."""
    for name in engine.columns():
        if "\0" in name:
            raise UnprocessablePredictionsError(
                f"The name of the column {name[:40]!r} contains a NUL character, which cannot be stored."
            )
        if len(name) > MAX_COLUMN_NAME_LENGTH:
            raise UnprocessablePredictionsError(
                f"The name of the column {name[:40]!r}… has {len(name):,} characters; "
                f"the limit is {MAX_COLUMN_NAME_LENGTH}.",
                column=name,
            )


def _check_finite(evaluation: Evaluation) -> None:
    """Check that JSON can represent all numbers. Raises `OverflowError`."""
    try:
        to_json(evaluation, allow_nan=False)
    except ValueError as error:
        raise OverflowError from error
