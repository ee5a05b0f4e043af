"""Validators of fields of versions."""

import re

from django.core.validators import RegexValidator

# The schemes of places where artefacts and code are stored. A browser must execute none of them, so never add
# `javascript:` or `data:`.
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
