"""Times as text."""

from datetime import UTC, datetime


def utc_text(time: datetime) -> str:
    """Return a time in UTC with whole seconds (RFC 3339), such as `2026-03-13T14:22:10Z`."""
    return f"{time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
