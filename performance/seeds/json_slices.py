"""Split a JSON document, so that a large one is never in memory as a whole. Pure Python."""

import re
from mmap import mmap

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[][{},:]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"

JSONSlice = tuple[int, int]


def split_array(encoded: bytes | mmap, name: str) -> tuple[bytes, list[JSONSlice]]:
    """Return a document with an empty list under `name`, and the position of each item of that list.

    Invalid JSON stays invalid: either the returned document is invalid, or one of the items is.
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
                return encoded[:opened] + encoded[token.start() :], _item_slices(
                    encoded, opened, separators, token.start()
                )
        elif opened:
            if mark == b"," and depth == 2:
                separators.append(token.start())
        elif mark == b":":
            key = string if depth == 1 else key
        else:
            string = mark
    return encoded[:], []


def _item_slices(encoded: bytes | mmap, start: int, separators: list[int], end: int) -> list[JSONSlice]:
    if not separators and not encoded[start:end].strip():
        return []
    return list(zip([start, *(separator + 1 for separator in separators)], [*separators, end], strict=True))
