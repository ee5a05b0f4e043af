"""What is wrong with the fields of some input. Pure Python."""

from collections.abc import Iterable

FieldError = tuple[str, str, str]  # the field, a code, and what is wrong


def error_texts(errors: Iterable[FieldError]) -> list[str]:
    """Return what is wrong with each field, as one text."""
    return [f"{field}: {detail}" if field else detail for field, _, detail in errors]
