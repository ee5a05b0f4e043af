"""Fields of request bodies that name datasets."""

from typing import Unpack

from models_registry.api.fields import NAME_VALIDATORS, FieldOptions, StrictCharField
from performance.metrics.result import MAX_DATASET_NAME


class DatasetNameField(StrictCharField):
    """The name of a dataset or of a version of it: see `dataset_names`. Spaces around it are trimmed."""

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(max_length=MAX_DATASET_NAME, validators=NAME_VALIDATORS, **options)
