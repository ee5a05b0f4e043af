"""Forecasting: predict the values to come of a time series."""

import math

from models_registry.task_types.base import Direction, Metric, TaskType, WorkedExample

# The forecast errors are 2, 3 and 0; the seasonal naive errors on the training series are 2, 4 and 1.
_EXAMPLE = {
    "training": [10.0, 14.0, 12.0, 18.0, 13.0],
    "season": 2,
    "actual": [20.0, 12.0, 16.0],
    "predicted": [18.0, 15.0, 16.0],
}

_HYNDMAN_KOEHLER = (
    "Hyndman & Koehler (2006), Another look at measures of forecast accuracy, doi:10.1016/j.ijforecast.2006.03.001"
)

TASK_TYPE = TaskType(
    name="forecasting",
    label="Forecasting",
    description="Predicts the values to come of a time series.",
    has_residuals=True,
    per_class_metrics=("mae", "rmse"),
    metrics=(
        Metric(
            name="mae",
            label="MAE",
            direction=Direction.LOWER,
            lower=0,
            is_error=True,
            at_most=("rmse",),
            definition="Mean of |actual - predicted| over the forecast horizon, in the series' unit, 0 or more.",
            source=_HYNDMAN_KOEHLER,
            example=WorkedExample(given=_EXAMPLE, value=5 / 3),
        ),
        Metric(
            name="rmse",
            label="RMSE",
            direction=Direction.LOWER,
            lower=0,
            is_error=True,
            definition=(
                "Square root of the mean of (actual - predicted)² over the forecast horizon, in the series' unit, "
                "0 or more."
            ),
            source=_HYNDMAN_KOEHLER,
            example=WorkedExample(given=_EXAMPLE, value=math.sqrt(13 / 3)),
        ),
        Metric(
            name="smape",
            label="sMAPE",
            direction=Direction.LOWER,
            lower=0,
            upper=2,
            definition=(
                "Mean of 2 |actual - predicted| / (|actual| + |predicted|) over the forecast horizon, a term being 0 "
                "where both values are 0, as a fraction from 0 to 2 where the M4 competition reports 0% to 200%."
            ),
            source=(
                "Makridakis, Spiliotis & Assimakopoulos (2020), The M4 Competition: 100,000 time series and 61 "
                "forecasting methods, doi:10.1016/j.ijforecast.2019.04.014"
            ),
            example=WorkedExample(given=_EXAMPLE, value=(2 * 2 / 38 + 2 * 3 / 27 + 2 * 0 / 32) / 3),
        ),
        Metric(
            name="mase",
            label="MASE",
            direction=Direction.LOWER,
            lower=0,
            definition=(
                "MAE of the forecast divided by the mean of |y(t) - y(t - m)| over the training series, m being the "
                "season's length (1 without a season), averaged over the series where there are several, without "
                "unit, 0 or more, and below 1 where the forecast beats the naive one."
            ),
            source=_HYNDMAN_KOEHLER,
            example=WorkedExample(given=_EXAMPLE, value=(5 / 3) / (7 / 3)),
        ),
    ),
    further=(
        Metric(
            name="wape",
            label="WAPE",
            direction=Direction.LOWER,
            lower=0,
            definition=(
                "Sum of |actual - predicted| divided by the sum of |actual|, a fraction, 0 or more and without upper "
                "limit."
            ),
            source="Kolassa & Schütz (2007), Advantages of the MAD/mean ratio over the MAPE, Foresight 6, 40-43",
            example=WorkedExample(given=_EXAMPLE, value=5 / 48),
        ),
    ),
)
