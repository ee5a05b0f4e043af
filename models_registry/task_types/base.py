"""Declare task types and their metrics. All differences between task types follow from these declarations.

Pure Python: this module knows neither Django nor databases nor HTTP.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# How far rounding may move a perfect score beyond a bound: libraries return 1.0000000000000004 for 1.
ROUNDING = 1e-12


class Direction(StrEnum):
    """The direction in which a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"
    ZERO = "closer to zero"


@dataclass(frozen=True, slots=True)
class WorkedExample:
    """A metric computed by hand: the inputs, and the value that the definition gives for them."""

    given: Mapping[str, object]
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A number that measures how well a model performs.

    `lower` and `upper` are inclusive bounds, or `None`. `definition` is one sentence with the formula and the unit;
    `source` says where the definition was published. `depends_on` names the options of an evaluation that the value
    depends on, such as `k`: only values with equal options are comparable. `is_proportion` says whether the value is
    the share of all examples for which something holds. `has_interval` says whether an evaluation can compute its
    confidence interval. `at_most` names other metrics of the task type that it never exceeds for the same examples; of
    a metric that is best at 0, the magnitude does not. `is_error` says whether it is a size of the errors, in the
    target's unit, that is 0 if and only if each prediction is exact.
    """

    name: str
    label: str
    direction: Direction
    definition: str
    source: str
    example: WorkedExample
    lower: float | None = None
    upper: float | None = None
    depends_on: tuple[str, ...] = ()
    is_proportion: bool = False
    has_interval: bool = True
    at_most: tuple[str, ...] = ()
    is_error: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value, infinite where there is none."""
        return -math.inf if self.lower is None else self.lower, math.inf if self.upper is None else self.upper

    def goodness(self, value: float) -> float:
        """Return a number that is higher for better values."""
        if self.direction is Direction.HIGHER:
            return value
        return -value if self.direction is Direction.LOWER else -abs(value)

    def validation_error(self, value: object) -> str | None:
        """Return why `value` cannot be a value of this metric, or `None` if it is valid."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "Must be a number."
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            return "Must be a finite number."
        if self.lower is not None and number < self.lower - ROUNDING:
            return f"Must be at least {self.lower:g}, not {value!r}."
        if self.upper is not None and number > self.upper + ROUNDING:
            return f"Must be at most {self.upper:g}, not {value!r}."
        return None

    def clean(self, value: float) -> float:
        """Return a valid value as a float within the bounds, which rounding may have exceeded.

        Minus zero becomes zero: not all databases keep its sign.
        """
        lower, upper = self.bounds
        return float(min(max(value, lower), upper)) + 0.0


class InvalidMetricsError(ValueError):
    """The task type refuses these metrics. `errors` maps the name of each refused metric to the reason."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(errors)
        self.errors = errors

    def __str__(self) -> str:
        return "; ".join(f"{name}: {reason}" for name, reason in self.errors.items())


@dataclass(frozen=True, slots=True, eq=False)
class TaskType:
    """A kind of problem that models solve, with the metrics of its performance summary in display order.

    `further` metrics are in the report, but not in the summary. `per_class_metrics` names the metrics that the report
    also has for each class, or for each other group such as a number of steps ahead.

    `has_classes` says whether a prediction is one of a fixed set of classes, so that there is a confusion matrix.
    `has_residuals` says whether it is a number, so that there are residuals.
    """

    name: str
    label: str
    description: str
    metrics: tuple[Metric, ...]
    further: tuple[Metric, ...] = ()
    per_class_metrics: tuple[str, ...] = ()
    has_classes: bool = False
    has_residuals: bool = False

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.all_metrics]
        if len(set(names)) != len(names):
            raise ValueError(f"The task type {self.name!r} declares a metric twice.")
        if not set(self.per_class_metrics) <= set(names):
            raise ValueError(f"The task type {self.name!r} has a per-class metric that it does not declare.")

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The metrics of the summary, followed by the further ones."""
        return self.metrics + self.further

    @property
    def has_curves(self) -> bool:
        """Whether there are curves to draw."""
        return self.has_classes or self.has_residuals

    def clean(self, values: Mapping[str, object], *, further: bool = False) -> dict[str, float]:
        """Return the recorded metrics as floats, in declared order; `None` means not recorded.

        With `further`, these metrics are allowed too. Raises `InvalidMetricsError` with every metric that is unknown,
        not finite or out of bounds.
        """
        metrics = {metric.name: metric for metric in (self.all_metrics if further else self.metrics)}
        errors: dict[str, str] = {}
        for name, value in values.items():
            if name not in metrics:
                errors[name] = f"Not a metric of {self.name}; use one of {', '.join(metrics)}."
            elif value is not None and (reason := metrics[name].validation_error(value)):
                errors[name] = reason
        if errors:
            raise InvalidMetricsError(errors)
        return {
            name: metric.clean(value)  # type: ignore[arg-type]  # valid, so a number
            for name, metric in metrics.items()
            if (value := values.get(name)) is not None
        }
