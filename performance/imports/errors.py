"""Errors of imports."""

from collections.abc import Iterable

from models_registry.api.errors import InvalidInputError
from models_registry.api.field_errors import FieldError
from performance.imports.document import ReadError


class ImportRefusedError(InvalidInputError):
    """A file cannot be imported, so nothing of it is stored. `file` names it, and `errors` the places in it."""

    status_code = 422
    code = "unprocessable_import"
    title = "Unprocessable import"
    default_detail = "results.json cannot be imported: results.sciq.acc: Must be a finite number. Nothing is stored."

    def __init__(self, detail: str = "", errors: Iterable[FieldError] = (), *, file: str | None = None) -> None:
        super().__init__(detail, errors)
        self.file = file

    @property
    def members(self) -> dict[str, object]:
        return {"file": self.file, **super().members}


def refusal(file: str, places: Iterable[tuple[str, str]]) -> ImportRefusedError:
    """Return the error that says what is wrong with a file, by place."""
    errors = [(place or "document", "unprocessable", reason) for place, reason in places]
    place, _, reason = errors[0]
    return ImportRefusedError(
        f"{file} cannot be imported: {place}: {reason} Nothing of it is stored.", errors, file=file
    )


def read_refusal(file: str, error: ReadError) -> ImportRefusedError:
    """Return the error that says why a file cannot be read."""
    return refusal(file, [(error.place, error.reason)])
