"""Recognize errors that a full disk causes."""

import errno

# No space left, quota exceeded, file too large. An operator can make room, or space becomes free.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_disk_full(error: BaseException) -> bool:
    """Return whether a full disk caused the error, directly or as the cause of another error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL:
            return True
        cause = cause.__cause__
    return False
