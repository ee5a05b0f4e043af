"""Make intervals of reported standard errors, and tell which ones claim far more than their examples can say."""

from collections.abc import Mapping, Sequence

from models_registry.task_types.base import Metric
from performance.metrics.result import EvaluationWarning
from performance.metrics.statistics.areas import narrowest_area_interval
from performance.metrics.statistics.intervals import Interval, logit, normal, wilson
from performance.snapshots.contradictions import common_unit
from performance.snapshots.reported_matrices import SUPPORT

REPORTED_ERROR = "reported standard error"  # the method of an interval
MAX_ERROR = 1e150  # whose square is finite
NARROWEST = 0.25  # distance of an end from the value, as a share of that which follows from the examples
MAX_LISTED_NAMES = 20  # in a warning
_POOLED = {("recall", "weighted"), *((name, "micro") for name in ("precision", "recall", "f1_score"))}  # are accuracies


def least_interval(
    name: str, value: float, sample_count: int, averaging: object, of_class: Mapping[str, float], rounding: float
) -> Interval | None:
    """Return the narrowest interval that a metric of so many examples can have, `None` if that is unknown.

    A metric of one class has at most all examples; an average over classes may vary by nothing at all.

    Args:
        name: the name of the metric, as gates use it.
        value: its value.
        sample_count: the number of all examples.
        averaging: how the metrics of classes were averaged, `None` if that is unknown.
        of_class: the metrics of the class that it belongs to, if it belongs to one.
        rounding: by how much the value may have been rounded.
    """
    metric = name.rpartition(".")[2]
    if metric == "roc_auc":
        return narrowest_area_interval(value, sample_count, rounding)
    if (metric, averaging) in _POOLED and metric == name:
        return _of_share(value, sample_count)
    if metric == name and averaging != "binary":
        return None
    if metric in ("precision", "specificity"):
        return _of_share(value, sample_count)
    if metric == "recall":
        support = of_class.get(SUPPORT, sample_count)
        is_count = 1 <= support < sample_count and float(support).is_integer()
        return _of_share(value, support if is_count else sample_count)
    if metric == "f1_score":  # 2J / (1 + J) for a proportion J
        found = _of_share(value / (2 - value), sample_count)
        return found and found.transform(lambda share: 2 * share / (1 + share))
    return None


def _of_share(share: float, size: float) -> Interval | None:
    """Return the interval of a share by the normal distribution, which allows for errors of little weight."""
    return normal(share, share * (1 - share) / size, "normal", 0, 1) if 0 < share < 1 else wilson(share, size)


def is_wide_enough(metric: Metric, value: float, found: Interval, expected: Interval) -> bool:
    """Return whether a reported interval is wide enough beside the expected one, in itself and to both sides.

    An end that is as good or as bad as the metric can be is far enough from the value.
    """
    lower, upper = metric.bounds
    rounding = common_unit(value, found.lower, found.upper)  # by half of it, both the value and the end
    return (
        found.upper - found.lower >= NARROWEST * (expected.upper - expected.lower)
        and (found.lower <= lower or value - found.lower + rounding >= NARROWEST * (value - expected.lower))
        and (found.upper >= upper or found.upper - value + rounding >= NARROWEST * (expected.upper - value))
    )


def unchecked_warning(names: Sequence[str], sample_count: int | None) -> EvaluationWarning:
    """Return the warning that nothing says how wide the reported intervals of some metrics must be."""
    listed = ", ".join([*names[:MAX_LISTED_NAMES], *(["others"] if len(names) > MAX_LISTED_NAMES else [])])
    reason = "no sample count was reported" if sample_count is None else "a sample count says nothing about it"
    detail = f"Whether reported intervals are wide enough could not be checked, as {reason}: {listed}."
    return EvaluationWarning("unchecked_intervals", detail)


def interval_of_error(metric: Metric, value: float, error: float) -> Interval | None:
    """Return the interval of a standard error, `None` if that is not a positive number of a usable size.

    The interval of a fraction is computed on the scale of its log odds, that of any other value is the normal
    distribution's: Agresti (2013), Categorical Data Analysis, 3rd edition, sections 1.3 and 3.1.
    """
    variance = error * error
    if not 0 < error < MAX_ERROR or variance == 0:
        return None
    lower, upper = metric.bounds
    if (lower, upper) == (0, 1) and 0 < value < 1:
        return logit(value, variance, 0, REPORTED_ERROR)
    return normal(value, variance, REPORTED_ERROR, lower, upper)


def interval_error(metric: Metric, value: float, interval: Interval) -> str | None:
    """Return why an interval cannot be that of a value, `None` if it can."""
    for end in (interval.lower, interval.upper):
        if reason := metric.validation_error(end):
            return reason
    if not interval.lower <= value <= interval.upper:
        return f"Reaches from {interval.lower!r} to {interval.upper!r}, without the value {value!r}."
    if interval.lower == interval.upper:
        return "Has no width: no sample says that much. Report an interval with a width, or none."
    return None
