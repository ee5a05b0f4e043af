"""What can go wrong when performance is read or recorded."""

from models_registry.api.errors import (
    APIError,
    InvalidParameterError,
    NotFoundError,
    PreconditionFailedError,
    ServiceUnavailableError,
    UnknownParameterError,
)
from models_registry.registry.errors import (
    ModelNotFoundError,
    NoPromotedVersionError,
    NoTrainedVersionError,
    VersionNotFoundError,
    VersionNotTrainedError,
)


class SnapshotNotFoundError(APIError):
    """The version has no snapshot of that split and dataset."""

    status_code = 404
    code = "snapshot_not_found"
    title = "Snapshot not found"
    default_detail = (
        "ver-00003 has no metrics for the split train. Ask for another split, or evaluate it on this one first."
    )


class NotAvailableForTaskTypeError(APIError):
    """Models of this task type have nothing of the kind."""

    status_code = 404
    code = "not_available_for_task_type"
    title = "Not available for the task type"
    default_detail = "A model of regression has no classes that could be confused."


class StoredFileUnavailableError(Exception):
    """The storage cannot give or take a file of predictions. The message says why."""


class StorageUnavailableError(ServiceUnavailableError):
    """No upload can be stored now: the disk is full, or the storage cannot be reached."""


# What a read can answer with: of a completed version, of its newest snapshot, and of a detail that some snapshots have.
VERSION_ERRORS = (
    UnknownParameterError,
    InvalidParameterError,
    ModelNotFoundError,
    VersionNotFoundError,
    PreconditionFailedError,
    NoTrainedVersionError,
    VersionNotTrainedError,
)
SNAPSHOT_ERRORS = (*VERSION_ERRORS, NoPromotedVersionError, SnapshotNotFoundError)
DETAIL_ERRORS = (*SNAPSHOT_ERRORS, NotAvailableForTaskTypeError, NotFoundError)
