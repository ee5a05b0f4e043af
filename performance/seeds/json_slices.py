"""Cutting a JSON document, so that a large one need never be in memory as a whole. Pure Python."""

import re
from mmap import mmap

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{},:]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"

JSONSlice = tuple[int, int]


def split_array(encoded: bytes | mmap, name: str) -> tuple[bytes, list[JSONSlice]]:
    """Return a document with an empty list under `name`, and where the items that it has there begin and end.

    What is no JSON does not become any: then the document that is left or one of the pieces is none either.
    """
    key, wanted = b"", b'"%b"' % name.encode()
    string, depth, opened = b"", 0, 0
    separators: list[int] = []
    for token in _TOKEN.finditer(encoded):
        mark = token[0]
        if mark in _OPENING:
            depth += 1
            if mark == b"[" and depth == 2 and key == wanted and not opened:
                opened = token.end()
        elif mark in _CLOSING:
            depth -= 1
            if opened and depth == 1:
                return encoded[:opened] + encoded[token.start() :], _pieces(encoded, opened, separators, token.start())
        elif opened:
            if mark == b"," and depth == 2:
                separators.append(token.start())
        elif mark == b":":
            key = string if depth == 1 else key
        else:
            string = mark
    return encoded[:], []


def _pieces(encoded: bytes | mmap, start: int, separators: list[int], end: int) -> list[JSONSlice]:
    if not separators and not encoded[start:end].strip():
        return []
    return list(zip([start, *(separator + 1 for separator in separators)], [*separators, end], strict=True))
