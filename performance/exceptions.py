"""What can go wrong when performance is read or recorded."""

from typing import Any

from models_registry.exceptions import RegistryError


class SnapshotNotFoundError(RegistryError):
    """The version has no snapshot of that split."""

    code = "snapshot_not_found"


class NotAvailableForTaskTypeError(RegistryError):
    """Models of this task type have nothing of the kind."""

    code = "not_available_for_task_type"


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


class KeptFileUnavailableError(Exception):
    """Predictions cannot be had from the storage, or not be put there. The message says why."""


class StorageUnavailableError(RegistryError):
    """No upload can be stored at present: the disk is full, or the storage cannot be reached."""

    code = "service_unavailable"


class TooManyEvaluationsError(RegistryError):
    """The organization has as many evaluations queued and running as it may."""

    code = "throttled"
    wait = 30
