"""Validators of the fields of models and versions."""

import re

from django.core.validators import RegexValidator

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
