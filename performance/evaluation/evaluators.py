"""Which task types can be evaluated here, and by what."""

from collections.abc import Callable, Mapping

from performance.evaluation import classification, forecasting, ranking, regression
from performance.evaluation.columns import Columns, Options
from performance.evaluation.engine import Engine
from performance.evaluation.result import Evaluation

Evaluator = Callable[[Engine, Columns, Options], Evaluation]

EVALUATORS: Mapping[str, Evaluator] = {
    "classification": classification.evaluate,
    "regression": regression.evaluate,
    "forecasting": forecasting.evaluate,
    "ranking": ranking.evaluate,
}
