"""What a task type declares. Everything that differs between task types follows from these declarations.

Pure Python: nothing here knows of Django, of a database or of HTTP.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# How far past a bound the rounding of doubles may carry a perfect score: libraries give 1.0000000000000004 for 1.
ROUNDING = 1e-12


class Direction(StrEnum):
    """Which way a metric gets better."""

    HIGHER = "higher"
    LOWER = "lower"
    ZERO = "closer to zero"


@dataclass(frozen=True, slots=True)
class WorkedExample:
    """A metric computed by hand: the inputs, and the value that its definition gives for them."""

    given: Mapping[str, object]
    value: float


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One number that says how well a model does.

    `lower` and `upper` are inclusive bounds, `None` where there is none. `definition` is one sentence that gives
    the formula and the unit; `source` is where the definition was published. `depends_on_choices` says whether the
    value is another one when another class is taken for the positive one, or classes are averaged in another way, so
    that only values of equal choices compare.
    """

    name: str
    label: str
    direction: Direction
    definition: str
    source: str
    example: WorkedExample
    lower: float | None = None
    upper: float | None = None
    depends_on_choices: bool = False

    def goodness(self, value: float) -> float:
        """Return a number that is the higher the better the value is."""
        if self.direction is Direction.HIGHER:
            return value
        return -value if self.direction is Direction.LOWER else -abs(value)

    def fault(self, value: object) -> str | None:
        """Say why `value` cannot be a value of this metric, or `None` when it can."""
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
        """Return a value without `fault` as a float; one that rounding carried past a bound becomes the bound.

        Minus zero becomes zero: one database would keep its sign, and another not.
        """
        lower = -math.inf if self.lower is None else self.lower
        upper = math.inf if self.upper is None else self.upper
        return float(min(max(value, lower), upper)) + 0.0


class InvalidMetricsError(ValueError):
    """Metrics that their task type refuses. `faults` maps the name of each refused metric to the reason."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "; ".join(f"{name}: {reason}" for name, reason in self.faults.items())


@dataclass(frozen=True, slots=True, eq=False)
class TaskType:
    """A kind of problem that models solve, and the metrics of its performance summary, in the order they are shown.

    `further` metrics are not in the summary, but in the report. `by_class` names those that the report has of each
    class as well, or of what else an evaluation tells apart, such as steps ahead.

    `has_classes` says whether a prediction is one of a fixed set of classes, so that they can be confused, and
    `has_residuals` whether it is a number, which may be off by another.
    """

    name: str
    label: str
    description: str
    metrics: tuple[Metric, ...]
    further: tuple[Metric, ...] = ()
    by_class: tuple[str, ...] = ()
    has_classes: bool = False
    has_residuals: bool = False

    def __post_init__(self) -> None:
        names = [metric.name for metric in self.all_metrics]
        if len(set(names)) != len(names):
            raise ValueError(f"The task type {self.name!r} declares a metric twice.")
        if not set(self.by_class) <= set(names):
            raise ValueError(f"The task type {self.name!r} has a metric by class that it does not declare.")

    @property
    def all_metrics(self) -> tuple[Metric, ...]:
        """The metrics of the summary, then the further ones."""
        return self.metrics + self.further

    @property
    def has_curves(self) -> bool:
        """Whether there is something to draw: of how classes are told apart, or of how errors are distributed."""
        return self.has_classes or self.has_residuals

    def clean(self, values: Mapping[str, object], *, further: bool = False) -> dict[str, float]:
        """Return the recorded metrics as floats, in declared order; `None` means not recorded.

        With `further`, those are allowed as well. Raises `InvalidMetricsError`, naming every unknown, non-finite or
        out-of-bounds metric.
        """
        metrics = {metric.name: metric for metric in (self.all_metrics if further else self.metrics)}
        faults: dict[str, str] = {}
        for name, value in values.items():
            if name not in metrics:
                faults[name] = f"Not a metric of {self.name}; use one of {', '.join(metrics)}."
            elif value is not None and (fault := metrics[name].fault(value)):
                faults[name] = fault
        if faults:
            raise InvalidMetricsError(faults)
        return {
            name: metric.clean(value)  # type: ignore[arg-type]  # without fault, so a number
            for name, metric in metrics.items()
            if (value := values.get(name)) is not None
        }
