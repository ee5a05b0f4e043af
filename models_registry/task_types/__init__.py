"""The registry of task types: one module each in this package, discovered at import."""

import importlib
import pkgutil

from models_registry.task_types.base import Direction, InvalidMetricsError, Metric, TaskType, WorkedExample

__all__ = [
    "Direction",
    "DuplicateTaskTypeError",
    "InvalidMetricsError",
    "Metric",
    "TaskType",
    "UnknownTaskTypeError",
    "WorkedExample",
    "all_task_types",
    "choices",
    "get",
    "register",
    "unregister",
]


class DuplicateTaskTypeError(ValueError):
    """Two modules declare a task type of the same name."""


class UnknownTaskTypeError(LookupError):
    """No module declares a task type of that name."""


_task_types: dict[str, TaskType] = {}


def register(task_type: TaskType) -> None:
    """Make a task type known. Raises `DuplicateTaskTypeError` when its name is taken."""
    if task_type.name in _task_types:
        raise DuplicateTaskTypeError(f"The task type {task_type.name!r} is declared twice.")
    _task_types[task_type.name] = task_type


def unregister(name: str) -> None:
    """Forget a task type. Raises `UnknownTaskTypeError` when there is none of that name."""
    get(name)
    del _task_types[name]


def get(name: str) -> TaskType:
    """Return the task type of that name. Raises `UnknownTaskTypeError` when there is none."""
    try:
        return _task_types[name]
    except KeyError:
        known = ", ".join(_task_types)
        raise UnknownTaskTypeError(f"There is no task type {name!r}; use one of {known}.") from None


def all_task_types() -> tuple[TaskType, ...]:
    """Return every task type, in order of name."""
    return tuple(_task_types[name] for name in sorted(_task_types))


def choices() -> list[tuple[str, str]]:
    """Return `(name, label)` of every task type, as a Django field takes its choices."""
    return [(task_type.name, task_type.label) for task_type in all_task_types()]


for _module in pkgutil.iter_modules(__path__):
    if _module.name != "base":
        register(importlib.import_module(f"{__name__}.{_module.name}").TASK_TYPE)
