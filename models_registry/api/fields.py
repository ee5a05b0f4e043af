"""A strict serializer, and fields without DRF's lenient conversions."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, Unpack

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail
from rest_framework.utils.serializer_helpers import BindingDict

from models_registry.api.times import utc_text
from models_registry.api.visible_text import NAME_CHARACTER, is_visible

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MAX_ERRORS = 20  # errors that one response lists
TIMESTAMP = "%Y-%m-%dT%H:%M:%SZ"
FIRST_YEAR = 1970
MAX_QUOTED_NAME = 40  # characters of an unknown name that an error quotes
UNREADABLE = "\ufffd"  # which the server and Django put in the place of bytes that are not UTF-8

Key = TypeVar("Key", int, str)
AnyField: TypeAlias = "serializers.Field[Any, Any, Any, Any]"
ErrorTree: TypeAlias = "ErrorDetail | list[ErrorTree] | dict[str, ErrorTree]"  # the detail of a `ValidationError`

_UNNAMED_CHOICES = serializers.ChoiceField.default_error_messages["invalid_choice"]
_number = re.compile(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?")
_timestamp = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class FieldOptions(TypedDict, total=False):
    """The options of DRF's fields that ours pass on."""

    read_only: bool
    required: bool
    allow_null: bool
    default: None
    source: str
    help_text: str


class TextFieldOptions(FieldOptions, total=False):
    """The options of DRF's text fields that ours pass on."""

    trim_whitespace: bool
    error_messages: "dict[str, StrOrPromise]"


class DictFieldOptions(FieldOptions, total=False):
    """The options of DRF's dict fields that ours pass on."""

    child: AnyField


class ListFieldOptions(DictFieldOptions, total=False):
    """The options of DRF's list fields that ours pass on."""

    min_length: int
    validators: Sequence[Callable[[list[str]], None]]


class SharedFieldsMixin(serializers.Serializer[Any]):
    """A serializer whose instances share their fields. DRF copies them for each, which takes longer than their work.

    It is for fields that depend on neither the record nor the context.
    """

    @cached_property
    def fields(self) -> BindingDict:
        """The fields of the class."""
        return _shared_fields(type(self))


@cache
def _shared_fields(serializer_class: type[SharedFieldsMixin]) -> BindingDict:
    fields: BindingDict = super(SharedFieldsMixin, serializer_class()).fields
    return fields


class NamedChoicesSerializer(serializers.Serializer[Any]):
    """A serializer whose errors name the choices of a field."""

    def get_fields(self) -> dict[str, AnyField]:
        """Return the fields, those with choices with a message that names them."""
        fields = super().get_fields()
        for field in fields.values():
            _name_choices(field)
        return fields


class StrictSerializer(NamedChoicesSerializer):
    """A serializer that refuses unknown and read-only fields. Its errors name the choices of a field."""

    @cached_property
    def writable(self) -> set[str]:
        """The names of the fields that may be given."""
        return {str(field.field_name) for field in self._writable_fields}

    def to_internal_value(self, data: object) -> Any:
        """Return the validated fields. Raises `ValidationError`, which also names unknown fields."""
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        names = islice((str(name) for name in data if name not in self.writable), MAX_ERRORS)
        unknown = {name[:MAX_QUOTED_NAME]: [unknown_field(self.writable)] for name in names}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **unknown}) from None  # type: ignore[dict-item]
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


def _name_choices(field: AnyField) -> None:
    """Let the error for another value name the choices, unless the field has a message of its own."""
    if isinstance(field, serializers.ListField | serializers.DictField):
        _name_choices(field.child)
    elif isinstance(field, serializers.ChoiceField) and field.error_messages["invalid_choice"] == _UNNAMED_CHOICES:
        field.error_messages["invalid_choice"] = f"Must be one of {', '.join(map(str, field.choices))}."


class BoundedListField(serializers.ListField):
    """A list that checks its length before its items, and stops after `MAX_ERRORS` invalid items.

    DRF's field first creates an error for each item, and a request body can have very many items.
    """

    def __init__(self, *, max_length: int, **options: Unpack[ListFieldOptions]) -> None:
        super().__init__(max_length=max_length, **options)
        self.max_length: int = max_length

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the items. Raises `ValidationError`."""
        if isinstance(data, list) and len(data) > self.max_length:
            raise serializers.ValidationError(f"Must have at most {self.max_length} items.", code="max_length")
        items: list[Any] = super().to_internal_value(data)
        return items

    def run_child_validation(self, data: Iterable[object]) -> list[object]:
        """Return the validated items. Raises `ValidationError`."""
        return list(_validate_items(self.child, enumerate(data)).values())


class BoundedDictField(serializers.DictField):
    """An object that checks its size before its members, and stops after `MAX_ERRORS` invalid members."""

    default_error_messages = {"too_many": "At most {max_length} members."}

    def __init__(self, *, max_length: int, **options: Unpack[DictFieldOptions]) -> None:
        super().__init__(**options)
        self.max_length = max_length

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the members. Raises `ValidationError`."""
        if isinstance(data, Mapping) and len(data) > self.max_length:
            self.fail("too_many", max_length=self.max_length)
        members: dict[str, Any] = super().to_internal_value(data)
        return members

    def run_child_validation(self, data: Mapping[str, object]) -> dict[str, object]:
        """Return the validated members. Raises `ValidationError`."""
        return _validate_items(self.child, ((str(name), value) for name, value in data.items()))


def _validate_items(child: AnyField, items: Iterable[tuple[Key, object]]) -> dict[Key, object]:
    valid: dict[Key, object] = {}
    errors: dict[Any, ErrorTree] = {}
    for key, value in items:
        try:
            valid[key] = child.run_validation(value)
        except serializers.ValidationError as error:
            errors[key] = error.detail
            if len(errors) == MAX_ERRORS:
                break
    if errors:
        raise serializers.ValidationError(errors)
    return valid


class StrictCharField(serializers.CharField):
    """A string. DRF's field also accepts numbers."""

    def to_internal_value(self, data: object) -> str:
        """Return the string. Raises `ValidationError`."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """A boolean. DRF's field also accepts strings and numbers."""

    def to_internal_value(self, data: object) -> bool:
        """Return the boolean. Raises `ValidationError`."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictIntegerField(serializers.IntegerField):
    """An integer. DRF's field also accepts strings, booleans and floats such as 1.0."""

    def to_internal_value(self, data: object) -> int:
        """Return the integer. Raises `ValidationError`."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class StrictFloatField(serializers.FloatField):
    """A finite number. DRF's field also accepts strings, booleans and `NaN`."""

    def to_internal_value(self, data: object) -> float:
        """Return the number. Raises `ValidationError`."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return (
            super().to_internal_value(data) + 0.0
        )  # turns -0.0 into 0.0: the databases differ in whether they keep the sign


class TextIntegerField(serializers.IntegerField):
    """An integer in a query or a form. DRF's field also accepts underscores and digits of other scripts."""

    def to_internal_value(self, data: object) -> int:
        """Return the integer. Raises `ValidationError`."""
        if not _number.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(str(data))


class TextFloatField(serializers.FloatField):
    """A finite number in a query or a form. DRF's field also accepts `nan`, underscores and digits of other scripts."""

    def to_internal_value(self, data: object) -> float:
        """Return the number. Raises `ValidationError`."""
        value = super().to_internal_value(str(data))
        if not _number.fullmatch(str(data)) or not isfinite(value):
            self.fail("invalid")
        return value


class UTCDateTimeField(serializers.DateTimeField):
    """A time in UTC with whole seconds (RFC 3339), such as `2026-03-13T14:22:10Z`."""

    default_error_messages = {"too_early": f"Must be in {FIRST_YEAR} or later."}

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(input_formats=[TIMESTAMP], **options)

    def to_internal_value(self, value: object) -> datetime:
        """Return the time. Raises `ValidationError`, also for timestamps of YAML, which may have no time zone."""
        if not isinstance(value, str):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        time = super().to_internal_value(value)
        if not _timestamp.fullmatch(value):
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        if time.year < FIRST_YEAR:
            self.fail("too_early")
        return time

    def to_representation(self, value: datetime) -> str:
        """Return the time as text."""
        return utc_text(value)


def unknown_field(known: set[str]) -> ErrorDetail:
    """Return the error for an unknown or read-only field."""
    return ErrorDetail(f"Unknown field; use {', '.join(sorted(known))}.", code="unknown_field")


def list_errors(detail: ErrorTree, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the path (such as `versions.0.state`), code and message of each error in a `ValidationError`'s detail."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from list_errors(inner, path if name == "non_field_errors" else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from list_errors(inner, f"{path}.{index}".lstrip(".") if isinstance(inner, Mapping | list) else path)
    else:
        yield path, detail.code or "invalid", str(detail)


MAX_TEXT = 10_000
ONE_LINE = RegexValidator(
    rf"^{NAME_CHARACTER}*\Z",
    "Must be one line of text. Leave out control characters and those that change the direction of text.",
    "invalid",
)


def validate_visible(text: str) -> None:
    """Refuse a text without any visible character. Raises `ValidationError`."""
    if not is_visible(text):
        raise ValidationError("Must have at least one visible character.", "invalid")


NAME_VALIDATORS = (ONE_LINE, validate_visible)


class NameField(StrictCharField):
    """A name: one line of visible text."""

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(max_length=200, validators=NAME_VALIDATORS, **options)


class DescriptionField(StrictCharField):
    """A text of any number of lines. It may be empty."""

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(max_length=MAX_TEXT, allow_blank=True, **options)


class TagsField(BoundedListField):
    """Up to fifty different tags."""

    default_error_messages = {"repeated": "Each tag may be given once."}

    def __init__(self, **options: Unpack[FieldOptions]) -> None:
        super().__init__(child=StrictCharField(max_length=100, validators=NAME_VALIDATORS), max_length=50, **options)

    def to_internal_value(self, data: object) -> list[str]:
        """Return the tags. Raises `ValidationError`."""
        tags: list[str] = super().to_internal_value(data)
        if len(set(tags)) < len(tags):
            self.fail("repeated")
        return tags


class RelatedUsernameField(serializers.CharField):
    """The name of a user, or null if the user has been deleted."""

    def __init__(self, source: str) -> None:
        super().__init__(source=f"{source}.username", read_only=True, default=None, allow_null=True)
