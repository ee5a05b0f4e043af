"""Regression: predict a number."""

import math

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample

_EXAMPLE = {"actual": [3.0, -0.5, 2.0, 7.0], "predicted": [2.5, 0.0, 2.0, 8.0]}

TASK_TYPE = TaskType(
    name="regression",
    label="Regression",
    description="Predicts a number.",
    has_residuals=True,
    metrics=(
        Metric(
            name="rmse",
            label="RMSE",
            direction=Direction.LOWER,
            lower=0,
            is_error=True,
            at_most=("max_error",),
            definition="Square root of the mean of (actual - predicted)², in the target's unit, 0 or more.",
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#mean-squared-error",
            example=WorkedExample(given=_EXAMPLE, value=math.sqrt(1.5 / 4)),
        ),
        Metric(
            name="mae",
            label="MAE",
            direction=Direction.LOWER,
            lower=0,
            is_error=True,
            at_most=("rmse", "max_error"),
            definition="Mean of |actual - predicted|, in the target's unit, 0 or more.",
            source=(
                "Willmott & Matsuura (2005), Advantages of the mean absolute error (MAE) over the root mean square "
                "error (RMSE) in assessing average model performance, doi:10.3354/cr030079"
            ),
            example=WorkedExample(given=_EXAMPLE, value=2 / 4),
        ),
        Metric(
            name="r_squared",
            label="R²",
            direction=Direction.HIGHER,
            upper=1,
            at_most=("explained_variance",),
            definition=(
                "1 - (sum of (actual - predicted)²) / (sum of (actual - mean actual)²), without unit, at most 1, and "
                "negative for a model worse than always predicting the mean."
            ),
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#r2-score",
            example=WorkedExample(given=_EXAMPLE, value=1 - 1.5 / 29.1875),
        ),
        Metric(
            name="mape",
            label="MAPE",
            direction=Direction.LOWER,
            lower=0,
            definition=(
                "Mean of |actual - predicted| / max(|actual|, 2⁻⁵²), a fraction of the actual value, 0 or more and "
                "without upper limit, so that 0.1 means 10%."
            ),
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#mean-absolute-percentage-error",
            example=WorkedExample(given=_EXAMPLE, value=(0.5 / 3 + 0.5 / 0.5 + 0 / 2 + 1 / 7) / 4),
        ),
    ),
    further=(
        Metric(
            name="median_absolute_error",
            label="Median absolute error",
            direction=Direction.LOWER,
            lower=0,
            at_most=("max_error",),
            definition="Median of |actual - predicted|, in the target's unit, 0 or more.",
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#median-absolute-error",
            example=WorkedExample(given=_EXAMPLE, value=0.5),
        ),
        Metric(
            name="max_error",
            label="Largest error",
            direction=Direction.LOWER,
            lower=0,
            is_error=True,
            has_interval=False,
            definition="Largest |actual - predicted|, in the target's unit, 0 or more.",
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#max-error",
            example=WorkedExample(given=_EXAMPLE, value=1.0),
        ),
        Metric(
            name="explained_variance",
            label="Explained variance",
            direction=Direction.HIGHER,
            upper=1,
            definition=(
                "1 - (variance of actual - predicted) / (variance of actual), without unit, at most 1, which is R² but "
                "for a constant error."
            ),
            source="https://scikit-learn.org/stable/modules/model_evaluation.html#explained-variance-score",
            example=WorkedExample(given=_EXAMPLE, value=1 - (1.5 / 4 - 0.25**2) / (29.1875 / 4)),
        ),
        Metric(
            name="bias",
            label="Bias",
            direction=Direction.ZERO,
            at_most=("mae", "rmse", "max_error"),
            definition="Mean of predicted - actual, in the target's unit, above 0 where too much is predicted.",
            source="Hyndman & Athanasopoulos (2021), Forecasting: principles and practice, 3rd edition, section 5.8",
            example=WorkedExample(given=_EXAMPLE, value=0.25),
        ),
    ),
)
