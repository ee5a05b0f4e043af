"""Serializers that refuse what they do not know."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

MAX_FAULTS = 20  # of one request that are told
TIMESTAMP = "%Y-%m-%dT%H:%M:%SZ"
FIRST_YEAR = 1970
MAX_NAME = 40  # characters of an unknown name that are told

_timestamp = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer to which an unknown or read-only field is an error."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated fields. Raises `ValidationError`, naming unknown fields as well."""
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        writable = {str(field.field_name) for field in self._writable_fields}
        names = islice((str(name) for name in data if name not in writable), MAX_FAULTS)
        unknown = {name[:MAX_NAME]: [unknown_field(writable)] for name in names}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **unknown}) from None  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


class BoundedListField(serializers.ListField):
    """A list that is too long is refused before its items are looked at, and after some faults no more are sought.

    The library's own field makes an error of each item first, of which a body has room for many.
    """

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(max_length=most, **options)
        self.most = most

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the items. Raises `ValidationError`."""
        if isinstance(data, list) and len(data) > self.most:
            raise serializers.ValidationError(f"Must have at most {self.most} items.", code="max_length")
        items: list[Any] = super().to_internal_value(data)
        return items

    def run_child_validation(self, data: Any) -> list[Any]:
        """Return the validated items. Raises `ValidationError`."""
        return list(_bounded(self.child, enumerate(data)).values())


class BoundedDictField(serializers.DictField):
    """An object with too many members is refused before these are looked at; after some faults no more are sought."""

    default_error_messages = {"too_many": "At most {most} members."}

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(**options)
        self.most = most

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the members. Raises `ValidationError`."""
        if isinstance(data, Mapping) and len(data) > self.most:
            self.fail("too_many", most=self.most)
        members: dict[str, Any] = super().to_internal_value(data)
        return members

    def run_child_validation(self, data: Any) -> dict[str, Any]:
        """Return the validated members. Raises `ValidationError`."""
        return _bounded(self.child, ((str(name), value) for name, value in data.items()))


def _bounded(child: Any, items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    valid: dict[Any, Any] = {}
    found: dict[Any, Any] = {}
    for name, value in items:
        try:
            valid[name] = child.run_validation(value)
        except serializers.ValidationError as error:
            found[name] = error.detail
            if len(found) == MAX_FAULTS:
                break
    if found:
        raise serializers.ValidationError(found)
    return valid


class TextField(serializers.CharField):
    """A text. The library's own field takes a number for one."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the text. Raises `ValidationError`."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """A boolean. The library's own field takes texts and numbers for one."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the boolean. Raises `ValidationError`."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class WholeNumberField(serializers.IntegerField):
    """An integer. The library's own field takes texts, fractions of zero and booleans for one."""

    def to_internal_value(self, data: Any) -> int:
        """Return the integer. Raises `ValidationError`."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class NumberField(serializers.FloatField):
    """A finite number. The library's own field takes texts, booleans and `NaN` for one."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises `ValidationError`."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data) + 0.0  # without minus zero, of which one database keeps the sign


class UTCDateTimeField(serializers.DateTimeField):
    """A moment in UTC, in whole seconds: `2026-03-13T14:22:10Z`."""

    default_error_messages = {"too_early": f"Must be in {FIRST_YEAR} or later."}

    def __init__(self, **options: Any) -> None:
        super().__init__(input_formats=[TIMESTAMP], **options)

    def to_internal_value(self, value: Any) -> datetime:
        """Return the moment. Raises `ValidationError`, also for YAML's own moments, which may lack a time zone."""
        if not isinstance(value, str):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        moment = super().to_internal_value(value)
        if not _timestamp.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        if moment.year < FIRST_YEAR:
            self.fail("too_early")
        return moment


class UTCSecondsField(serializers.DateTimeField):
    """A moment in UTC, in whole seconds (RFC 3339): `2026-03-13T14:22:10Z`."""

    def to_representation(self, value: datetime) -> str:
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def unknown_field(known: set[str]) -> ErrorDetail:
    """Return the error of a field that is not there to be set."""
    return ErrorDetail(f"Unknown field; use {', '.join(sorted(known))}.", code="unknown_field")


def list_errors(detail: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield `(path, code, message)` of every fault in a `ValidationError`'s detail, such as `versions.0.state`."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from list_errors(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from list_errors(inner, f"{path}.{index}".lstrip(".") if isinstance(inner, Mapping | list) else path)
    else:
        yield path, detail.code, str(detail)


MAX_TEXT = 10_000
_ONE_LINE = RegexValidator(r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z", "Must be one line of text.", "invalid")


class NameField(TextField):
    """A name: one line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=200, validators=[_ONE_LINE], **options)


class DescriptionField(TextField):
    """A text of any number of lines, which may be empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_TEXT, allow_blank=True, **options)


class TagsField(BoundedListField):
    """Up to fifty different words by which to find something again."""

    default_error_messages = {"repeated": "Each tag may be given once."}

    def __init__(self, **options: Any) -> None:
        super().__init__(child=TextField(max_length=100, validators=[_ONE_LINE]), most=50, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        """Return the tags. Raises `ValidationError`."""
        tags: list[str] = super().to_internal_value(data)
        if len(set(tags)) < len(tags):
            self.fail("repeated")
        return tags


class UsernameOf(serializers.CharField):
    """The name of a user who may have been deleted since."""

    def __init__(self, source: str) -> None:
        super().__init__(source=f"{source}.username", read_only=True, default=None, allow_null=True)
