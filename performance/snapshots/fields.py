"""Fields of request bodies that name datasets."""

from typing import Unpack

from django.core.exceptions import ValidationError

from models_registry.api.fields import NAME_VALIDATORS, FieldOptions, StrictCharField
from models_registry.api.visible_text import is_unambiguous
from performance.metrics.result import MAX_DATASET_NAME
from performance.snapshots.dataset_names import AMBIGUOUS


def validate_unambiguous(text: str) -> None:
    """Refuse a text that another one looks like. Raises `ValidationError`."""
    if not is_unambiguous(text):
        raise ValidationError(AMBIGUOUS, "invalid")


class DatasetNameField(StrictCharField):
    """The name of a dataset or of a version of it: see `dataset_names`. Spaces around it are trimmed."""

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(max_length=MAX_DATASET_NAME, validators=(*NAME_VALIDATORS, validate_unambiguous), **options)
