"""Errors of models, versions and promotions."""

from collections.abc import Callable
from typing import Any

from models_registry.api.errors import RegistryError


class ModelNotFoundError(RegistryError):
    """There is no such registered model."""

    code = "model_not_found"


class VersionNotFoundError(RegistryError):
    """The model has no such version."""

    code = "version_not_found"


class NoPromotedVersionError(RegistryError):
    """The model has completed versions, but none is promoted."""

    code = "no_promoted_version"


class NoTrainedVersionError(RegistryError):
    """The model has no completed version."""

    code = "no_trained_version"


class VersionNotTrainedError(RegistryError):
    """The version is not completed."""

    code = "version_not_trained"


class GateFailedError(RegistryError):
    """The version may not be promoted. `verdict` says why, rule by rule.

    `keep` stores the verdict in the name of a user. It is to be called once the refused promotion has been undone, as
    it would be undone with it.
    """

    code = "gate_failed"

    def __init__(self, detail: str, verdict: dict[str, Any], keep: Callable[[Any], object] = lambda user: None) -> None:
        super().__init__(detail)
        self.verdict = verdict
        self.keep = keep

    @property
    def members(self) -> dict[str, Any]:
        return {"verdict": self.verdict}
