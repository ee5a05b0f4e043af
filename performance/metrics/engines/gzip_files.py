"""Decompress files of predictions, so that an engine can read them several times, in parallel."""

import errno
import gzip
import shutil
import zlib
from pathlib import Path
from typing import BinaryIO

from performance.metrics.result import EXHAUSTED, UnprocessablePredictionsError

SUFFIX = ".gz"
CHUNK_SIZE = 2**20


def decompress(compressed: BinaryIO, to: Path) -> None:
    """Write the decompressed content to a file.

    Raises `UnprocessablePredictionsError` if the content is not gzip, or has more bytes than this process may write.
    """
    try:
        with gzip.GzipFile(fileobj=compressed) as content, to.open("wb") as file:
            shutil.copyfileobj(content, file, CHUNK_SIZE)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UnprocessablePredictionsError(
            "The file cannot be read: it is not a complete gzip file. Compress it again."
        ) from None
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise UnprocessablePredictionsError(EXHAUSTED) from None
