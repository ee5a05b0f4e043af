"""Parse JSON from untrusted callers. Pure Python.

The format is that of RFC 8259, in UTF-8, at most 32 levels deep. Unlike Python's parser, this one refuses `NaN`,
numbers that exceed a double, repeated keys, NUL and lone surrogates.
"""

import json
import math
from typing import NoReturn, TypeAlias

JSONValue: TypeAlias = "dict[str, JSONValue] | list[JSONValue] | str | int | float | bool | None"
MAX_DEPTH = 32
TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"


def parse_json(encoded: bytes) -> JSONValue:
    """Return the document. Raises `ValueError` with the reason."""
    try:
        document: JSONValue = json.loads(
            encoded.decode("utf-8"),
            object_pairs_hook=_object_without_repeats,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
        check_document(document)
    except UnicodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return document


def check_document(document: object) -> None:
    """Refuse deep nesting, keys that are not text, and texts with NUL or a lone surrogate. Raises `ValueError`."""
    _check(document, path=())


def _object_without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key is repeated in one object")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"a number is too large for a double: {text[:20]}")
    return number


def _integer(text: str) -> int:
    _finite(text)
    return int(text)


def _check(node: object, *, path: tuple[object, ...]) -> None:
    if len(path) >= MAX_DEPTH:
        raise ValueError(TOO_DEEP)
    if isinstance(node, str):
        _check_text(node)
    elif isinstance(node, dict):
        for key, value in node.items():
            _check_key(key, path)
            _check(value, path=(*path, key))
    elif isinstance(node, list):
        for position, value in enumerate(node):
            _check(value, path=(*path, position))


def _check_key(key: object, path: tuple[object, ...]) -> None:
    if not isinstance(key, str):
        where = ".".join(map(str, path)) or "the document"
        raise ValueError(f"{where} has the key {key!r}, which is not text; put it in quotes")
    _check_text(key)


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise ValueError(f"the key {text!r} is not text; quote it")
    if "\0" in text:
        raise ValueError("a text holds NUL")
    if not text.isascii():
        text.encode("utf-8")  # a lone surrogate has no UTF-8 form
