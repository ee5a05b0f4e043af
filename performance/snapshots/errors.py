"""What can go wrong when performance is read or recorded."""

from models_registry.api.errors import RegistryError


class SnapshotNotFoundError(RegistryError):
    """The version has no snapshot of that split."""

    code = "snapshot_not_found"


class NotAvailableForTaskTypeError(RegistryError):
    """Models of this task type have nothing of the kind."""

    code = "not_available_for_task_type"


class KeptFileUnavailableError(Exception):
    """Predictions cannot be had from the storage, or not be put there. The message says why."""


class StorageUnavailableError(RegistryError):
    """No upload can be stored at present: the disk is full, or the storage cannot be reached."""

    code = "service_unavailable"
