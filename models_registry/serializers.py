"""Serializers that refuse what they do not know."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer to which an unknown or read-only field is an error."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields. Raises `ValidationError`, naming unknown fields as well."""
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        writable = {field.field_name for field in self._writable_fields}
        unknown = {str(name): [unknown_field(writable)] for name in data if name not in writable}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **unknown}) from None  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


def unknown_field(known: set[str]) -> ErrorDetail:
    """Return the error of a field that is not there to be set."""
    return ErrorDetail(f"Unknown field; use {', '.join(sorted(known))}.", code="unknown_field")
