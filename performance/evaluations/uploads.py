"""Predictions that are uploaded: streamed to a file without a name, so that nothing is left of it in any event."""

import hashlib
import logging
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import PurePath
from tempfile import TemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http.multipartparser import MultiPartParser as Parser
from django.http.multipartparser import MultiPartParserError
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import DataAndFiles, MultiPartParser

from models_registry.api.errors import PayloadTooLargeError
from models_registry.api.fields import MAX_QUOTED_NAME, unknown_field
from performance.evaluations.errors import PredictionsRefusedError
from performance.snapshots.errors import StorageUnavailableError

FIELD = "file"
PARQUET, CSV = "parquet", "csv"
STORAGE_UNAVAILABLE = "The file cannot be stored at present. Send it again later."

log = logging.getLogger(__name__)

_COMPRESSED = (b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00")


class PredictionsFile(UploadedFile):  # type: ignore[type-arg]  # generic to the checker alone
    """An uploaded file of predictions, and the SHA-256 of its bytes."""

    def __init__(self, file: Any, *, digest: str, **about: Any) -> None:
        super().__init__(file, **about)
        self.digest = digest

    @cached_property
    def kind(self) -> str:
        """What its bytes say it is: `parquet` or `csv`. Raises `PredictionsRefusedError` if its name says otherwise."""
        self.seek(0)
        beginning = self.read(6)
        self.seek(0)
        if beginning.startswith(_COMPRESSED):
            raise PredictionsRefusedError(
                "The file is compressed as a whole. Send Parquet, which compresses itself, or CSV as it is."
            )
        kind = PARQUET if beginning.startswith(b"PAR1") else CSV
        named = PurePath(self.name or "").suffix.lower().removeprefix(".")
        if named in {PARQUET, CSV} and named != kind:
            raise PredictionsRefusedError(f"The file is named .{named}, and is none. Send what its name says.")
        return kind


class PredictionsHandler(FileUploadHandler):
    """Writes the one file that is expected to the disk, as far as it is not too large."""

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, boundary: Any, encoding: str | None = None
    ) -> None:
        """Refuse a body that says that it is too large. Raises `PayloadTooLargeError`."""
        if content_length > settings.MAX_UPLOAD_BYTES + settings.MAX_BODY_BYTES:
            raise _too_large()

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin with a file. Raises `ValidationError` for one that is not expected."""
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name != FIELD:
            raise ValidationError({field_name[:MAX_QUOTED_NAME]: [unknown_field({FIELD})]})
        if hasattr(self, "file"):
            raise ValidationError({FIELD: [_repeated()]})
        with _storing():
            self.file, self.digest = TemporaryFile(), hashlib.sha256()  # noqa: SIM115  # closed when the request is

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a piece of it. Raises `PayloadTooLargeError` or `StorageUnavailableError`."""
        if start + len(raw_data) > settings.MAX_UPLOAD_BYTES:
            raise _too_large()
        with _storing():
            self.file.write(raw_data)
        self.digest.update(raw_data)

    def file_complete(self, file_size: int) -> PredictionsFile:
        """Return the file. Raises `StorageUnavailableError`."""
        with _storing():
            self.file.flush()
        about = {"name": self.file_name, "content_type": self.content_type, "size": file_size}
        uploaded = PredictionsFile(self.file, digest=self.digest.hexdigest(), **about)
        weakref.finalize(uploaded, self.file.close)  # where nobody closes the request
        return uploaded

    def upload_interrupted(self) -> None:
        """Let go of a file of which no more comes."""
        if hasattr(self, "file"):
            with suppress(OSError):  # what was not yet written to a full disk
                self.file.close()


class PredictionsParser(MultiPartParser):
    """Parses a form with one file. Refuses a repeated field, of which the library's own parser takes the last."""

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles:  # type: ignore[type-arg]  # generic to the checker alone
        """Return fields and file. Raises `ParseError`, `ValidationError` or `PayloadTooLargeError`."""
        request: Any = (parser_context or {})["request"]._request
        handler = PredictionsHandler(request)
        with ExitStack() as failing:
            failing.callback(handler.upload_interrupted)
            fields, files = _parsed({**request.META, "CONTENT_TYPE": media_type}, stream, handler)
            if repeated := [
                name[:MAX_QUOTED_NAME] for name in fields if len(fields.getlist(name)) > 1 or name in files
            ]:
                raise ValidationError({name: [_repeated()] for name in repeated})
            failing.pop_all()
        return DataAndFiles(fields, files)


def _parsed(headers: dict[str, Any], stream: Any, handler: FileUploadHandler) -> tuple[MultiValueDict[str, Any], Any]:
    try:
        return Parser(headers, stream, [handler], "utf-8").parse()
    except (MultiPartParserError, TooManyFieldsSent, TooManyFilesSent, UnicodeError, ValueError):
        raise ParseError("The body is not a form that this service takes: multipart/form-data with one file.") from None
    except RequestDataTooBig:
        raise PayloadTooLargeError(
            f"The form's fields are over {settings.MAX_BODY_BYTES} bytes, without the file. Send less."
        ) from None


@contextmanager
def _storing() -> Iterator[None]:
    """Turn what the disk raises, as a full one does, into a `StorageUnavailableError`."""
    try:
        yield
    except OSError as error:
        log.error("An upload cannot be written to the disk: %s", error)
        raise StorageUnavailableError(STORAGE_UNAVAILABLE) from None


def _repeated() -> ErrorDetail:
    return ErrorDetail("Repeated field; send it once.", code="repeated_field")


def _too_large() -> PayloadTooLargeError:
    return PayloadTooLargeError(
        f"The file is over {settings.MAX_UPLOAD_BYTES} bytes. Send a sample, or let an operator evaluate it with "
        "the command `evaluate`."
    )
