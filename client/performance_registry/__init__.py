"""The Python client of the Model Performance Registry.

`Registry` is the entry, `AsyncRegistry` the same for asynchronous code.
"""

from performance_registry.errors import (
    CodeHostError,
    ConnectionFailedError,
    CredentialsError,
    EvaluationTimeoutError,
    GateFailedError,
    InvalidField,
    ProblemError,
    RegistryError,
)
from performance_registry.mlflow_server import MLflowError
from performance_registry.models import AsyncModel, Model
from performance_registry.records import (
    Comparison,
    Export,
    ImportResult,
    MetricComparison,
    Performance,
    Promotion,
    Snapshot,
)
from performance_registry.registry import AsyncRegistry, Registry
from performance_registry.resources import GateDocument
from performance_registry.verdicts import Measurement, Rule, Verdict
from performance_registry.versions import AsyncVersion, Version

__all__ = [
    "AsyncModel",
    "AsyncRegistry",
    "AsyncVersion",
    "CodeHostError",
    "Comparison",
    "ConnectionFailedError",
    "CredentialsError",
    "EvaluationTimeoutError",
    "Export",
    "GateDocument",
    "GateFailedError",
    "ImportResult",
    "InvalidField",
    "MLflowError",
    "Measurement",
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
