"""Which task types can be evaluated here, and by what."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields

from performance.metrics.engines.base import Engine
from performance.metrics.inputs.options import MAX_COLUMN_NAME, Columns, Options
from performance.metrics.result import Evaluation, UnprocessablePredictionsError
from performance.metrics.tasks import classification, forecasting, ranking, regression

Evaluator = Callable[[Engine, Columns, Options], Evaluation]

EVALUATORS: Mapping[str, Evaluator] = {
    "classification": classification.evaluate,
    "regression": regression.evaluate,
    "forecasting": forecasting.evaluate,
    "ranking": ranking.evaluate,
}

_OPTIONS: Mapping[str, frozenset[str]] = {
    "classification": frozenset({"positive_class", "averaging", "threshold", "allow_missing"}),
    "regression": frozenset({"allow_missing"}),
    "forecasting": frozenset({"allow_missing"}),
    "ranking": frozenset({"k"}),
}


def foreign_options(task_type: str, options: Options) -> list[str]:
    """Return the names of the options that were chosen, and mean nothing for this task type."""
    chosen = [option.name for option in fields(options) if getattr(options, option.name) != option.default]
    return [name for name in chosen if name not in _OPTIONS[task_type]]


def evaluate(engine: Engine, task_type: str, columns: Columns, options: Options) -> Evaluation:
    """Return what the predictions of a model of this task type come to.

    Raises `UnprocessablePredictionsError`, also when a number of it is past what a double can hold.
    """
    _refuse_long_names(engine)
    try:
        evaluation = EVALUATORS[task_type](engine, columns, options)
        _refuse_infinite(evaluation)
    except OverflowError:
        raise UnprocessablePredictionsError(
            "The numbers are so large that what follows from them is past what a double can hold. Scale them down."
        ) from None
    return evaluation


def _refuse_long_names(engine: Engine) -> None:
    """Refuse a file whose columns have names that are too long to store. Raises `UnprocessablePredictionsError`."""
    for name in engine.columns():
        if len(name) > MAX_COLUMN_NAME:
            raise UnprocessablePredictionsError(
                f"The name of the column {name[:40]!r}… has {len(name):,} characters; {MAX_COLUMN_NAME} are the most.",
                column=name,
            )


def _refuse_infinite(evaluation: Evaluation) -> None:
    """Refuse what JSON has no numbers for. Raises `OverflowError`."""
    try:
        json.dumps(evaluation.document(), default=asdict, allow_nan=False)
    except ValueError as error:
        raise OverflowError from error
