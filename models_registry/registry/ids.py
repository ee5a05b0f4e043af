"""The public ids of registered models and their versions. Pure Python."""

import re
import secrets

MODEL_ID_PATTERN = r"mdl-[0-9a-f]{10}"
VERSION_ID_PATTERN = r"ver-[0-9a-f]{5,}"
MAX_VERSION_NUMBER = 2**31 - 1

_model_id = re.compile(MODEL_ID_PATTERN)
_version_id = re.compile(VERSION_ID_PATTERN)


def new_model_id() -> str:
    """Return a random model id."""
    return f"mdl-{secrets.token_hex(5)}"


def is_model_id(text: str) -> bool:
    """Return whether the text has the form of a model id."""
    return _model_id.fullmatch(text) is not None


def is_version_id(text: str) -> bool:
    """Return whether the text has the form of a version id."""
    return _version_id.fullmatch(text) is not None


def version_id(number: int) -> str:
    """Return the id of the version with this number: `ver-00001` for 1, `ver-001a1` for 417."""
    return f"ver-{number:05x}"


def version_number(text: str) -> int:
    """Return the number of the version with this well-formed id.

    Returns 0, which no version has, for an id that cannot exist: `ver-00000`, superfluous zeros, or too large a number.
    """
    number = int(text.removeprefix("ver-"), 16)
    return number if number <= MAX_VERSION_NUMBER and version_id(number) == text else 0
