"""Errors of models, versions and promotions."""

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
    """The version may not be promoted. `verdict` says why, rule by rule."""

    code = "gate_failed"

    def __init__(self, detail: str, verdict: dict[str, Any]) -> None:
        super().__init__(detail)
        self.verdict = verdict

    @property
    def members(self) -> dict[str, Any]:
        return {"verdict": self.verdict}
