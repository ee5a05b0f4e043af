"""Read where files are stored."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.env.readers import read
from models_registry.db.secret_files import create_private_folder


def storage(name: str, *, default: Path) -> dict[str, object]:
    """Return Django's settings for the storage at the URL in the variable: a folder or an S3 bucket."""
    url = read(name)
    if not url:
        return _folder(default)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        endpoint = urlsplit(options.get("endpoint_url", "https://host"))
    except ValueError:  # an unclosed bracket, or an option without a value
        parts, options, endpoint = urlsplit(""), {}, urlsplit("")
    if "@" in parts.netloc + endpoint.netloc:
        raise ImproperlyConfigured(
            f"{name} holds credentials; set it to s3://bucket/prefix, and AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "to them"
        )
    if parts.scheme == "file" and not (parts.netloc or parts.query) and parts.path.startswith("/"):
        return _created_folder(name, Path(unquote(parts.path)))
    is_known = set(options) <= _S3_OPTIONS and endpoint.scheme in {"http", "https"} and endpoint.netloc
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc) and is_known:
        return _s3(name, parts.netloc, parts.path.strip("/"), options)
    raise ImproperlyConfigured(
        f"{name} names no storage; set it to file:///absolute/folder or "
        "s3://bucket/prefix?endpoint_url=https://host&region_name=region, where the options are optional"
    )


def _created_folder(name: str, folder: Path) -> dict[str, object]:
    try:
        create_private_folder(folder)
    except (OSError, ValueError):
        raise ImproperlyConfigured(
            f"{name} names a folder that does not exist and cannot be created; set it to file:///absolute/folder"
        ) from None
    return _folder(folder)


def _folder(folder: Path) -> dict[str, object]:
    private = {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder, **private}}


def _s3(name: str, bucket: str, prefix: str, options: dict[str, str]) -> dict[str, object]:
    try:
        from botocore.config import Config
        from storages.backends import s3  # noqa: F401  # otherwise it would fail at the first use
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
            "max_memory_size": 2**20,  # by default, whole files are read into memory
            **options,
        },
    }


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_S3_OPTIONS = {"endpoint_url", "region_name"}
