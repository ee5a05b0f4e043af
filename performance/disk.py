"""A disk that is full: what it is known by."""

import errno

# No space, no quota, and no file of that size. Each passes, or an operator mends it.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_full(error: BaseException) -> bool:
    """Say whether an error, or what it was raised from, tells of a full disk."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in FULL:
            return True
        cause = cause.__cause__
    return False
