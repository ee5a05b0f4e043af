"""The Python client of the Model Performance Registry.

`Registry` is the entry, `AsyncRegistry` the same for asynchronous code.
"""

from performance_registry.errors import (
    ConnectionFailedError,
    CredentialsError,
    EvaluationTimeoutError,
    GateFailedError,
    InvalidField,
    ProblemError,
    RegistryError,
)
from performance_registry.models import AsyncModel, Model
from performance_registry.records import Comparison, ImportResult, MetricComparison, Performance, Promotion, Snapshot
from performance_registry.registry import AsyncRegistry, Registry
from performance_registry.resources import GateDocument
from performance_registry.verdicts import Rule, Verdict
from performance_registry.versions import AsyncVersion, Version

__all__ = [
    "AsyncModel",
    "AsyncRegistry",
    "AsyncVersion",
    "Comparison",
    "ConnectionFailedError",
    "CredentialsError",
    "EvaluationTimeoutError",
    "GateDocument",
    "GateFailedError",
    "ImportResult",
    "InvalidField",
    "MetricComparison",
    "Model",
    "Performance",
    "ProblemError",
    "Promotion",
    "Registry",
    "RegistryError",
    "Rule",
    "Snapshot",
    "Verdict",
    "Version",
]
