"""Errors of evaluations."""

from typing import Any

from models_registry.api.errors import RegistryError


class PredictionsRefusedError(RegistryError):
    """Predictions that cannot be scored. `column` and `row`, from 1, say where, if that is known."""

    code = "unprocessable_predictions"

    def __init__(self, detail: str, *, column: str | None = None, row: int | None = None) -> None:
        super().__init__(detail)
        self.column = column
        self.row = row

    @property
    def members(self) -> dict[str, Any]:
        return {"column": self.column, "row": self.row}


class EvaluationBrokenOffError(RegistryError):
    """The evaluation was begun several times, and never came to an end."""

    code = "internal_error"


class TooManyEvaluationsError(RegistryError):
    """The organization has as many evaluations queued and running as it may."""

    code = "throttled"
    wait = 30
