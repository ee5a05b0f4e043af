"""Reading the environment so that a wrong value stops the start with a message that names the variable."""

import os
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.core.cache import CacheHandler, InvalidCacheBackendError
from django.core.cache.backends.redis import RedisCache
from django.core.exceptions import ImproperlyConfigured

from models_registry.private_files import can_be_made, make_private_folder, tighten_database

MIN_KEY_BYTES = 32
MAKE_A_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(50))"'
DATABASE_SCHEMES = ("postgres", "postgresql", "sqlite")
ENV_FILE = Path(__file__).parent.parent / ".env"
LOCAL_MEMORY = "django.core.cache.backends.locmem.LocMemCache"


def read_env_file() -> None:
    """Put the variables of `.env`, if there is one, into the environment, where they are not set there."""
    environ.Env.read_env(ENV_FILE)


def read(name: str, *, default: str = "") -> str:
    """Return a variable's text, as it is: a key may begin with `$`, which django-environ takes for a reference."""
    return os.environ.get(name, default).strip()


def flag(name: str, *, default: bool) -> bool:
    """Return a boolean variable, which is `true` or `false` and nothing else."""
    text = read(name, default="true" if default else "false").lower()
    if text not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} is {text!r}; set it to true or false.")
    return text == "true"


def one_of(name: str, values: tuple[str, ...]) -> str:
    """Return a variable that is one of `values`, of which the first is the default."""
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
    """Return for how many days something is kept; 0 means for ever."""
    text = read(name, default=str(default))
    days = int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else -1
    if days != 0 and days < minimum:
        raise ImproperlyConfigured(
            f"{name} is {text!r}; set it to a whole number of days, at least {minimum}, or to 0 to keep all for ever."
        )
    return days


def engine(name: str) -> str:
    """Return the engine that evaluates: `duckdb`, or where Apache Spark is."""
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


def secret(name: str, *, debug: bool) -> str:
    """Return a key of 32 bytes or more. Only with DEBUG=true may it be missing."""
    text = read(name)
    if not text and debug:
        return f"{name} for local development only, not a secret"
    if len(text.encode()) < MIN_KEY_BYTES:
        fault = "is missing" if not text else f"has {len(text.encode())} bytes"
        raise ImproperlyConfigured(
            f"{name} {fault}; set it to at least {MIN_KEY_BYTES} random bytes, for example the output of: {MAKE_A_KEY}"
        )
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

    Without a default there may be none.
    """
    names = [host.lower() for host in hosts(name, default=default)] if default or read(name) else []
    for host in names:
        if not _HOST_NAME.fullmatch(host):
            raise ImproperlyConfigured(
                f"{name} holds {host!r}; set it to host names between commas, such as registry.example.com, "
                "without port or wildcard"
            )
    return names


def database(name: str, url: str) -> dict[str, Any]:
    """Return Django's settings for the database at `url`: PostgreSQL with a pool, or SQLite in WAL mode."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError:  # a bracket that is not closed
        scheme = ""
    if scheme not in DATABASE_SCHEMES:
        raise ImproperlyConfigured(
            f"{name} has the scheme {scheme!r}; set it to postgresql://user:password@host:5432/name "
            "or sqlite:////absolute/path.sqlite3"
        )
    try:
        parsed: dict[str, Any] = environ.Env.db_url_config(url)
    except (ValueError, environ.ImproperlyConfigured):
        parsed = {}
    if not parsed.get("NAME"):
        raise ImproperlyConfigured(
            f"{name} names no database; set it to a URL such as postgresql://user:password@host:5432/name"
        )
    return _sqlite(name, parsed) if scheme == "sqlite" else _postgresql(parsed)


def _sqlite(name: str, parsed: dict[str, Any]) -> dict[str, Any]:
    if parsed["NAME"] != ":memory:":
        file = Path(parsed["NAME"])
        try:
            is_possible = can_be_made(file)
        except (OSError, ValueError):
            is_possible = False
        if not is_possible:
            raise ImproperlyConfigured(
                f"{name} names a file that is not there and cannot be made; set it to sqlite:////absolute/path.sqlite3"
            )
        tighten_database(file)
    options = {
        "transaction_mode": "IMMEDIATE",  # takes the write lock first, so that writers queue instead of failing
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    return {**parsed, "ENGINE": "config.sqlite3", "OPTIONS": options}


def _postgresql(parsed: dict[str, Any]) -> dict[str, Any]:
    timeouts = "-c statement_timeout=5000 -c lock_timeout=2000 -c idle_in_transaction_session_timeout=10000"
    if {"migrate", "demo"} & set(sys.argv[1:2]):  # may rewrite a large table, but must not queue for long behind a lock
        timeouts = "-c lock_timeout=10000"
    options = {
        **parsed.get("OPTIONS", {}),
        "pool": {"min_size": 2, "max_size": count("DATABASE_POOL_SIZE", default=16, minimum=2), "timeout": 2}
        | {"max_waiting": 50},
        "connect_timeout": 3,
        "server_side_binding": True,  # without it psycopg prepares no statement
        "prepare_threshold": 5,
        "options": timeouts,
    }
    return {**parsed, "ENGINE": "config.postgresql", "CONN_MAX_AGE": 0, "OPTIONS": options}


def cache(name: str, *, default: str) -> dict[str, Any]:
    """Return Django's settings for the cache at the URL in the variable, which can be used with what is installed."""
    try:
        parsed: dict[str, Any] = environ.Env.cache_url_config(read(name, default=default))
        if parsed["BACKEND"] == LOCAL_MEMORY:  # by default it forgets counts of requests beyond 300 callers
            parsed["OPTIONS"] = {"MAX_ENTRIES": 100_000, **parsed.get("OPTIONS", {})}
        _import_cache(parsed)
    except (KeyError, ValueError, environ.ImproperlyConfigured):
        raise ImproperlyConfigured(f"{name} names no known cache; set it to {default} or redis://host:6379/0") from None
    except (ImportError, InvalidCacheBackendError) as error:
        raise ImproperlyConfigured(
            f"{name} names a cache whose package is not installed ({error}); set it to {default}, "
            "or to redis://host:6379/0 with the package redis installed"
        ) from None
    return parsed


def _import_cache(parsed: dict[str, Any]) -> None:
    """Import what the cache needs, without connecting: Django would do so at the first request, and fail then."""
    backend = CacheHandler({"default": parsed})["default"]
    if isinstance(backend, RedisCache):
        backend._cache.get_client()


def storage(name: str, *, default: Path) -> dict[str, Any]:
    """Return Django's settings for the storage of files at the URL in the variable: a folder, or a bucket of S3."""
    url = read(name)
    if not url:
        return _folder(default)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        endpoint = urlsplit(options.get("endpoint_url", "https://host"))
    except ValueError:  # a bracket that is not closed, or an option without a value
        parts, options, endpoint = urlsplit(""), {}, urlsplit("")
    if "@" in parts.netloc + endpoint.netloc:
        raise ImproperlyConfigured(
            f"{name} holds credentials; set it to s3://bucket/prefix, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "to them"
        )
    if parts.scheme == "file" and not (parts.netloc or parts.query) and parts.path.startswith("/"):
        return _made_folder(name, Path(unquote(parts.path)))
    is_known = set(options) <= _S3_OPTIONS and endpoint.scheme in {"http", "https"} and endpoint.netloc
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and is_known:
        return _s3(name, parts.netloc, parts.path.strip("/"), options)
    raise ImproperlyConfigured(
        f"{name} names no storage; set it to file:///absolute/folder or "
        "s3://bucket/prefix?endpoint_url=https://host&region_name=region, of which the options may be left out"
    )


def _made_folder(name: str, folder: Path) -> dict[str, Any]:
    try:
        make_private_folder(folder)
    except (OSError, ValueError):
        raise ImproperlyConfigured(
            f"{name} names a folder that is not there and cannot be made; set it to file:///absolute/folder"
        ) from None
    return _folder(folder)


def _folder(folder: Path) -> dict[str, Any]:
    private = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder, **private}}


def _s3(name: str, bucket: str, prefix: str, options: dict[str, str]) -> dict[str, Any]:
    try:
        from botocore.config import Config
        from storages.backends import s3  # noqa: F401  # Django would import it at the first use, and fail then
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{name} names a bucket, but a package is not installed ({error}); install django-storages[s3], "
            "or set it to file:///absolute/folder"
        ) from None
    timeouts = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 2})
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "location": prefix,
            "client_config": timeouts,
            "max_memory_size": 2**20,  # by default a file is read into memory as a whole
            **options,
        },
    }


def jwt_keys(*, debug: bool) -> dict[str, str]:
    """Return simplejwt's algorithm and keys: from the key files where they are named, else from JWT_SIGNING_KEY.

    An RSA key gives RS256, a P-256 key ES256, and JWT_SIGNING_KEY HS256.
    """
    files = {name: read(name) for name in ("JWT_PRIVATE_KEY_FILE", "JWT_PUBLIC_KEY_FILE")}
    if not any(files.values()):
        return {"ALGORITHM": "HS256", "SIGNING_KEY": _signing_key(debug=debug)}
    private, public = (_key_file(name, path) for name, path in files.items())
    algorithm = _algorithm(private)
    _check_public_key(private, public)
    return {"ALGORITHM": algorithm, "SIGNING_KEY": private, "VERIFYING_KEY": public}


def _signing_key(*, debug: bool) -> str:
    key = secret("JWT_SIGNING_KEY", debug=debug)
    if key == read("SECRET_KEY"):
        raise ImproperlyConfigured(
            f"JWT_SIGNING_KEY is the same as SECRET_KEY; set it to another key, for example the output of: {MAKE_A_KEY}"
        )
    return key


def _key_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError):
        raise ImproperlyConfigured(f"{name} is {path!r}; set it to a readable PEM file.") from None


def _algorithm(private: str) -> str:
    try:
        key = load_pem_private_key(private.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if isinstance(key, RSAPrivateKey) and key.key_size >= 2048:
        return "RS256"
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return "ES256"
    raise ImproperlyConfigured(
        "JWT_PRIVATE_KEY_FILE holds no usable key; set it to a PEM file with an unencrypted RSA key of 2048 bits "
        "or more, or a P-256 key."
    )


def _check_public_key(private: str, public: str) -> None:
    own = load_pem_private_key(private.encode(), password=None).public_key()
    try:
        given = load_pem_public_key(public.encode())
    except ValueError:
        given = None
    if own != given:
        raise ImproperlyConfigured("JWT_PUBLIC_KEY_FILE must hold the public half of JWT_PRIVATE_KEY_FILE, as PEM.")


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_S3_OPTIONS = {"endpoint_url", "region_name"}
_ENGINE = re.compile(r"duckdb|local\[([1-9][0-9]{0,3}|\*)\]|spark://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_MAX_DIGITS = 5  # 99,999 days are 273 years
_PERIODS = ("second", "minute", "hour", "day")
