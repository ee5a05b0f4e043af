"""Errors of models, versions and promotions."""

from collections.abc import Mapping

from models_registry.api.errors import APIError, ConflictError


class ModelNotFoundError(APIError):
    """There is no such model."""

    status_code = 404
    code = "model_not_found"
    title = "Model not found"
    default_detail = "There is no model mdl-0123456789. Check the id."


class ModelExistsError(ConflictError):
    """The organization has a model of that name. `existing` names it."""

    def __init__(self, detail: str = "", model_id: str | None = None) -> None:
        super().__init__(detail)
        self.model_id = model_id

    @property
    def members(self) -> dict[str, object]:
        return {"existing": {"model_id": self.model_id} if self.model_id else None}


class VersionNotFoundError(APIError):
    """The model has no such version."""

    status_code = 404
    code = "version_not_found"
    title = "Version not found"
    default_detail = "This model has no version ver-00009. Check the id."


class NoPromotedVersionError(APIError):
    """The model has completed versions, but none is promoted."""

    status_code = 404
    code = "no_promoted_version"
    title = "No promoted version"
    default_detail = (
        "No version of this model is promoted. Ask for one by name: its newest completed version is ver-00003."
    )


class NoTrainedVersionError(APIError):
    """The model has no completed version."""

    status_code = 422
    code = "no_trained_version"
    title = "No trained version"
    default_detail = "This model has no completed version yet. Ask again once its training has completed."


class VersionNotTrainedError(APIError):
    """The version is not completed."""

    status_code = 422
    code = "version_not_trained"
    title = "Version not trained"
    default_detail = "Version ver-00004 is training. Ask for a completed version."


class GateFailedError(APIError):
    """The gate refuses the version. `verdict` says why, rule by rule."""

    status_code = 409
    code = "gate_failed"
    title = "Gate failed"
    default_detail = "ver-00003 fails 1 of 2 rules. accuracy is 0.91; at least 0.93 is required. See `verdict`."

    def __init__(self, detail: str = "", verdict: Mapping[str, object] | None = None) -> None:
        super().__init__(detail)
        self.verdict = verdict

    @property
    def members(self) -> dict[str, object]:
        return {"verdict": self.verdict}
