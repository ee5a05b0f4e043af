"""Uploads of predictions. They are streamed to an unnamed temporary file, which vanishes with its process."""

import hashlib
import logging
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import PurePath
from tempfile import TemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser as Parser
from django.http.multipartparser import MultiPartParserError
from django.utils.datastructures import MultiValueDict
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import DataAndFiles, MultiPartParser

from models_registry.api.errors import PayloadTooLargeError
from models_registry.api.fields import MAX_QUOTED_NAME, UNREADABLE, unknown_field
from performance.evaluations.errors import PredictionsRefusedError
from performance.snapshots.errors import StorageUnavailableError

FIELD = "file"
FORMATS = PARQUET, CSV, COMPRESSED_CSV = "parquet", "csv", "csv.gz"
GZIP_SIGNATURE = b"\x1f\x8b"
STORAGE_UNAVAILABLE = "The file cannot be stored at the moment. Send it again later."

log = logging.getLogger(__name__)

_COMPRESSION_SIGNATURES = (b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00")


class PredictionsFile(UploadedFile):  # type: ignore[type-arg]  # generic for the type checker only
    """An uploaded file of predictions, with the SHA-256 of its bytes."""

    def __init__(self, file: IO[bytes], *, digest: str, **attributes: Any) -> None:
        super().__init__(file, **attributes)
        self.digest = digest

    def find_format(self, declared: str | None) -> str:
        """Return the content's format, one of `FORMATS`.

        Raises `PredictionsRefusedError` if `declared`, or else the file's name, says otherwise.
        """
        found = self._content_format()
        claim = declared or _named_format(self.name or "")
        if found == COMPRESSED_CSV and not claim:
            raise PredictionsRefusedError(
                "The file is compressed by gzip. Name it .csv.gz, or send `format` with `csv.gz`."
            )
        if claim and claim != found:
            source = "`format`" if declared else "The file's name"
            raise PredictionsRefusedError(
                f"{source} says {claim}, but the content is {found}. Send a file that matches."
            )
        return found

    def _content_format(self) -> str:
        self.seek(0)
        start = self.read(6)
        self.seek(0)
        if start.startswith(_COMPRESSION_SIGNATURES):
            raise PredictionsRefusedError(
                "The file is compressed as a whole. Send Parquet, which is compressed inside, or CSV, which may be "
                "compressed by gzip."
            )
        if start.startswith(GZIP_SIGNATURE):
            return COMPRESSED_CSV
        return PARQUET if start.startswith(b"PAR1") else CSV


def _named_format(name: str) -> str | None:
    """Return the format that a file's name says, if it says one."""
    path = PurePath(name.lower())
    extensions = path.suffixes[-2:] if path.suffix == ".gz" else [path.suffix]
    extension = "".join(extensions).removeprefix(".")
    return extension if extension in FORMATS else None


class PredictionsHandler(FileUploadHandler):
    """Writes the one expected file to the disk, up to the largest size allowed.

    A file that is larger is refused with `advice`.
    """

    def __init__(self, request: HttpRequest, *, max_bytes: int, advice: str) -> None:
        super().__init__(request)
        self.max_bytes = max_bytes
        self.advice = advice

    def handle_raw_input(
        self,
        input_data: IO[bytes],
        META: dict[str, str],
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> None:
        """Raise `PayloadTooLargeError` if the body's declared length is too large."""
        if content_length > self.max_bytes + settings.MAX_BODY_BYTES:
            raise self._too_large()

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        """Open a temporary file. Raises `ValidationError` for an unexpected file."""
        super().new_file(field_name, file_name, *args, **kwargs)
        if field_name != FIELD:
            raise ValidationError({field_name[:MAX_QUOTED_NAME]: [unknown_field({FIELD})]})
        if hasattr(self, "file"):
            raise ValidationError({FIELD: [_repeated()]})
        with _disk_errors():
            self.file, self.digest = TemporaryFile(), hashlib.sha256()  # noqa: SIM115  # closed with the request

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a chunk. Raises `PayloadTooLargeError` or `StorageUnavailableError`."""
        if start + len(raw_data) > self.max_bytes:
            raise self._too_large()
        with _disk_errors():
            self.file.write(raw_data)
        self.digest.update(raw_data)

    def file_complete(self, file_size: int) -> PredictionsFile:
        """Return the whole file. Raises `StorageUnavailableError`."""
        with _disk_errors():
            self.file.flush()
        attributes = {"name": self.file_name, "content_type": self.content_type, "size": file_size}
        uploaded = PredictionsFile(self.file, digest=self.digest.hexdigest(), **attributes)
        weakref.finalize(uploaded, self.file.close)  # in case nobody closes the request
        return uploaded

    def upload_interrupted(self) -> None:
        """Close an incomplete file."""
        if hasattr(self, "file"):
            with suppress(OSError):  # a full disk cannot take the buffered rest
                self.file.close()

    def _too_large(self) -> PayloadTooLargeError:
        return PayloadTooLargeError(f"The file is over {self.max_bytes} bytes. {self.advice}")


class PredictionsParser(MultiPartParser):
    """Parses a form with one file. Refuses repeated fields; DRF's own parser would use the last value."""

    advice = "Send a sample, or let an operator evaluate it with the command `evaluate`."  # if the file is too large

    @property
    def max_bytes(self) -> int:
        """The largest size of the file."""
        return int(settings.MAX_UPLOAD_BYTES)

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles:  # type: ignore[type-arg]  # generic for the type checker only
        """Return the fields and the file. Raises `ParseError`, `ValidationError` or `PayloadTooLargeError`."""
        request: HttpRequest = (parser_context or {})["request"]._request
        handler = PredictionsHandler(request, max_bytes=self.max_bytes, advice=self.advice)
        with ExitStack() as on_error:
            on_error.callback(handler.upload_interrupted)
            fields, files = _parse({**request.META, "CONTENT_TYPE": media_type}, stream, handler)
            if repeated := [
                name[:MAX_QUOTED_NAME] for name in fields if len(fields.getlist(name)) > 1 or name in files
            ]:
                raise ValidationError({name: [_repeated()] for name in repeated})
            if unreadable := [
                name[:MAX_QUOTED_NAME] for name, value in fields.items() if UNREADABLE in f"{name}{value}"
            ]:
                raise ValidationError({name: [ErrorDetail("Must be UTF-8.", code="invalid")] for name in unreadable})
            on_error.pop_all()
        return DataAndFiles(fields, files)


def _parse(
    headers: Mapping[str, object], stream: Any, handler: FileUploadHandler
) -> tuple[QueryDict, MultiValueDict[str, Any]]:
    try:
        return Parser(headers, stream, [handler], "utf-8").parse()
    except (MultiPartParserError, TooManyFieldsSent, TooManyFilesSent, UnicodeError, ValueError):
        raise ParseError(
            "The body is not a form that this service accepts: send multipart/form-data with one file."
        ) from None
    except RequestDataTooBig:
        raise PayloadTooLargeError(
            f"The form's fields without the file are over {settings.MAX_BODY_BYTES} bytes. Send less."
        ) from None


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn errors of the disk, such as a full one, into a `StorageUnavailableError`."""
    try:
        yield
    except OSError as error:
        log.error("An upload cannot be written to the disk: %s", error)
        raise StorageUnavailableError(STORAGE_UNAVAILABLE) from None


def _repeated() -> ErrorDetail:
    return ErrorDetail("Repeated field; send it once.", code="repeated_field")
