"""Register task types: each module in this package declares one, and is discovered at import."""

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
    """Two modules declare task types with the same name."""


class UnknownTaskTypeError(LookupError):
    """There is no task type with this name."""


_task_types: dict[str, TaskType] = {}


def register(task_type: TaskType) -> None:
    """Register a task type. Raises `DuplicateTaskTypeError` if the name is already registered."""
    if task_type.name in _task_types:
        raise DuplicateTaskTypeError(f"The task type {task_type.name!r} is declared twice.")
    _task_types[task_type.name] = task_type


def unregister(name: str) -> None:
    """Remove a task type. Raises `UnknownTaskTypeError` if there is none with this name."""
    get(name)
    del _task_types[name]


def get(name: str) -> TaskType:
    """Return the task type with this name. Raises `UnknownTaskTypeError` if there is none."""
    try:
        return _task_types[name]
    except KeyError:
        known = ", ".join(_task_types)
        raise UnknownTaskTypeError(f"There is no task type {name!r}; use one of {known}.") from None


def all_task_types() -> tuple[TaskType, ...]:
    """Return all task types, sorted by name."""
    return tuple(_task_types[name] for name in sorted(_task_types))


def choices() -> list[tuple[str, str]]:
    """Return `(name, label)` of every task type, as the `choices` of a Django field."""
    return [(task_type.name, task_type.label) for task_type in all_task_types()]


for _module in pkgutil.iter_modules(__path__):
    if _module.name != "base":
        register(importlib.import_module(f"{__name__}.{_module.name}").TASK_TYPE)
