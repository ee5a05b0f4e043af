"""Serializer fields of the public identifiers."""

from typing import Unpack

from rest_framework import serializers

from models_registry.api.fields import TextFieldOptions
from models_registry.registry import ids


class ModelIdField(serializers.RegexField):
    """The id of a registered model."""

    default_error_messages = {"invalid": "This value does not match a model id, such as mdl-7f3a19bc92."}

    def __init__(self, **options: Unpack[TextFieldOptions]) -> None:
        super().__init__(rf"^{ids.MODEL_ID_PATTERN}\Z", **options)


class VersionIdField(serializers.RegexField):
    """The id of a version."""

    default_error_messages = {"invalid": "Must be a version id such as ver-00001."}

    def __init__(self, **options: Unpack[TextFieldOptions]) -> None:
        super().__init__(rf"^{ids.VERSION_ID_PATTERN}\Z", **options)
