"""What can go wrong when performance is read or recorded."""

from models_registry.exceptions import RegistryError


class SnapshotNotFoundError(RegistryError):
    """The version has no snapshot of that split."""

    code = "snapshot_not_found"


class NotAvailableForTaskTypeError(RegistryError):
    """Models of this task type have nothing of the kind."""

    code = "not_available_for_task_type"


class KeptFileUnavailableError(Exception):
    """What is kept of predictions cannot be had from the storage, or not be put there. The message says why."""
