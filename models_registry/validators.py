"""What the database takes of fields that need more than a type, as validators."""

import re
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from models_registry.scopes import Scope
from models_registry.trust import check_patterns, check_url

# Where artefacts and code are kept. A browser runs none of these: `javascript:` and `data:` must never be here.
SOURCE_SCHEMES = (
    "https",
    "http",
    "s3",
    "gs",
    "az",
    "abfs",
    "abfss",
    "hdfs",
    "dbfs",
    "file",
    "ssh",
    "git+https",
    "git+ssh",
    "hf",
    "oci",
    "models",
    "runs",
)

validate_source_uri = RegexValidator(
    re.compile(rf"^(?:{'|'.join(map(re.escape, SOURCE_SCHEMES))}):[!-~]+\Z"),
    f"Must be a URI of one of the schemes {', '.join(SOURCE_SCHEMES)}, such as s3://bucket/model.",
    "invalid",
)


def validate_provider_url(url: str) -> None:
    """Take only a URL of a host that the operator allows. Raises `ValidationError`."""
    try:
        check_url(url, settings.OIDC_ALLOWED_HOSTS)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_patterns(patterns: Any) -> None:
    """Take only claims with their patterns, at least one of them exact. Raises `ValidationError`."""
    try:
        check_patterns(patterns)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def validate_scopes(names: Any) -> None:
    """Take only a list of one or more scopes. Raises `ValidationError`."""
    known = list(Scope)
    if not isinstance(names, list) or not names or not all(name in known for name in names):
        raise ValidationError(f"It must be a list of one or more of {', '.join(known)}.")
