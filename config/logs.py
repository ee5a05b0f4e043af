"""The log: its format and levels, the same for the service and for granian, the server that runs it."""

import logging
import time
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from models_registry.audit.context import escape_controls

FORMATS = ("text", "json")
UNAVAILABLE = 503


current_id: ContextVar[str] = ContextVar("request_id", default="-")


def current_request_id() -> str:
    """Return the id of the current request."""
    return current_id.get()


class RequestIDFilter(logging.Filter):
    """Add the request id to log records, and keep each message on one line. A traceback follows on its own lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id()
        record.msg = escape_controls(record.getMessage())
        record.args = ()
        return True


class TextFormatter(logging.Formatter):
    """Begin each line with the time in UTC, as ISO 8601."""

    converter = time.gmtime  # type: ignore[assignment]  # as the documentation of `logging` says
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


class JSONFormatter(JsonFormatter, TextFormatter):
    """Make each line, a traceback included, one JSON object."""


class UnavailableFilter(logging.Filter):
    """Drop what Django logs for each 503: an outage has a line of its own, and the access log names the requests."""

    def filter(self, record: logging.LogRecord) -> bool:
        return getattr(record, "status_code", None) != UNAVAILABLE


def logging_config(form: str) -> dict[str, object]:
    """Return the configuration of Python's logging. `form` is one of `FORMATS`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": RequestIDFilter},
            "unavailable": {"()": UnavailableFilter},
        },
        "formatters": {
            "text": {
                "()": TextFormatter,
                "format": "{asctime} {levelname} {name} [{request_id}] {message}",
                "style": "{",
            },
            "json": {"()": JSONFormatter, "fmt": "{asctime}{levelname}{name}{request_id}{message}", "style": "{"},
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "filters": ["request_id"], "formatter": form}},
        "root": {"handlers": ["console"], "level": "INFO"},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # Refused requests are in the log of denials, or are errors of the caller.
            "django.request": {"level": "ERROR", "filters": ["unavailable"]},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "axes": {"level": "WARNING"},
            # They log each time where credentials and addresses were found.
            "botocore": {"level": "WARNING"},
            "aiobotocore": {"level": "WARNING"},
            "environ": {"level": "WARNING"},  # it names each missing `.env`
            "py4j": {"level": "WARNING"},  # the bridge to Apache Spark logs every connection
        },
    }
