"""JSON to and from dataclasses: what crosses between the sandbox's two processes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints


def to_json(value: object, *, allow_nan: bool = True) -> str:
    """Return a value as JSON: a dataclass, or JSON's own types with dataclasses in them.

    Raises `ValueError` for a number that JSON does not have, unless `allow_nan`.
    """
    return json.dumps(value, default=_as_json, allow_nan=allow_nan)


def from_json(kind: object, document: Any) -> Any:
    """Return the value of a type for which `to_json` wrote this document.

    A dataclass is made of its fields' types: dataclasses, paths, mappings and sequences of these, or JSON's own types.
    """
    if kind is Path:
        return Path(document)
    if isinstance(kind, type) and is_dataclass(kind):
        types = _types(kind)
        return kind(**{name: from_json(types[name], each) for name, each in document.items()})
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Mapping, dict):
        return {name: from_json(arguments[1], each) for name, each in document.items()}
    if origin in (Sequence, list):
        return [from_json(arguments[0], each) for each in document]
    return document


def _as_json(value: Any) -> object:
    if isinstance(value, Path):
        return str(value)
    # Not `asdict`, which copies each of a million counts.
    return {field.name: getattr(value, field.name) for field in fields(value)}


@cache
def _types(kind: type) -> dict[str, object]:
    return get_type_hints(kind)
