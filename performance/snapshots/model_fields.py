"""Columns that hold numbers by name."""

import json

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression
from django.db.models.fields.json import KeyTransform

decode_floats = json.JSONDecoder(parse_int=float).decode  # every number of a JSON text as a float


class FloatsField(models.JSONField):
    """JSON in which every number is a float.

    PostgreSQL returns a large number as an integer, which is not quite the same: `10**23` is greater than 1e23.
    """

    def from_db_value(self, value: str | None, expression: Expression, connection: BaseDatabaseWrapper) -> object:
        """Return the document, or one value of it."""
        if value is None or isinstance(expression, KeyTransform):
            return super().from_db_value(value, expression, connection)
        return decode_floats(value)

    def deconstruct(self) -> tuple[str, str, list[object], dict[str, object]]:
        """Return what migrations know of the field: the column is like any other of JSON."""
        name, _, args, options = super().deconstruct()
        return name, "django.db.models.JSONField", [*args], {**options}
