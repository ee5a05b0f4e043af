"""Read the environment. A wrong value stops the start with a message that names the variable."""

import os
import re
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

ENV_FILE = Path(__file__).parents[2] / ".env"


def read_env_file() -> None:
    """Add the variables of `.env`, if it exists, to the environment, without overriding any."""
    environ.Env.read_env(ENV_FILE)


def read(name: str, *, default: str = "") -> str:
    """Return a variable's text unchanged: a key may begin with `$`, which django-environ treats as a reference."""
    return os.environ.get(name, default).strip()


def flag(name: str, *, default: bool) -> bool:
    """Return a boolean variable, which must be `true` or `false`."""
    text = read(name, default="true" if default else "false").lower()
    if text not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} is {text!r}; set it to true or false.")
    return text == "true"


def one_of(name: str, values: tuple[str, ...]) -> str:
    """Return a variable that must be one of `values`. The first is the default."""
    text = read(name, default=values[0])
    if text not in values:
        raise ImproperlyConfigured(f"{name} is {text!r}; set it to one of {', '.join(values)}.")
    return text


def count(name: str, *, default: int, minimum: int = 0) -> int:
    """Return a whole number."""
    text = read(name, default=str(default))
    if not (text.isascii() and text.isdigit() and int(text) >= minimum):
        raise ImproperlyConfigured(f"{name} is {text!r}; set it to a whole number of at least {minimum}.")
    return int(text)


def retention_days(name: str, *, default: int, minimum: int) -> int:
    """Return a number of days; 0 means forever."""
    text = read(name, default=str(default))
    days = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else -1
    if days != 0 and days < minimum:
        raise ImproperlyConfigured(
            f"{name} is {text!r}; set it to a whole number of days, at least {minimum}, or to 0 to keep all for ever."
        )
    return days


def engine(name: str) -> str:
    """Return the engine that evaluates: `duckdb`, or the master of Apache Spark."""
    text = read(name, default="duckdb")
    if not _ENGINE.fullmatch(text):
        raise ImproperlyConfigured(
            f"{name} is {text!r}; set it to duckdb, or to Apache Spark's local[2], local[*] or spark://host:7077"
        )
    return text


def rate(name: str, *, default: str) -> str:
    """Return a rate such as `6000/minute`."""
    text = read(name, default=default)
    number, _, period = text.partition("/")
    if not (number.isascii() and number.isdigit() and int(number) > 0 and period in _PERIODS):
        raise ImproperlyConfigured(f"{name} is {text!r}; set it to a number per period, such as {default}.")
    return text


def hosts(name: str, *, default: list[str]) -> list[str]:
    """Return a comma-separated list of host names."""
    names = [host.strip() for host in read(name, default=",".join(default)).split(",") if host.strip()]
    for host in names or [""]:
        if not host or "/" in host or " " in host:
            raise ImproperlyConfigured(
                f"{name} holds {host!r}; set it to host names between commas, such as registry.example.com"
            )
    return names


def exact_hosts(name: str, *, default: list[str]) -> list[str]:
    """Return a comma-separated list of host names in lower case, each without scheme, port or wildcard.

    The list may be empty if the default is.
    """
    names = [host.lower() for host in hosts(name, default=default)] if default or read(name) else []
    for host in names:
        if not _HOST_NAME.fullmatch(host):
            raise ImproperlyConfigured(
                f"{name} holds {host!r}; set it to host names between commas, such as registry.example.com, "
                "without port or wildcard"
            )
    return names


_ENGINE = re.compile(r"duckdb|local\[([1-9][0-9]{0,3}|\*)\]|spark://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_MAX_DIGITS = 5  # 99,999 days are 273 years
_PERIODS = ("second", "minute", "hour", "day")
