"""What can go wrong when performance is read or recorded."""

from models_registry.exceptions import RegistryError


class SnapshotNotFoundError(RegistryError):
    """The version has no snapshot of that split."""

    code = "snapshot_not_found"
