"""Which characters a name may have, and whether people can see a text. Pure Python."""

import unicodedata
from itertools import pairwise

# Characters that deceive readers, as ranges of a pattern: control characters, line separators, and the characters that
# embed, override or isolate a direction (UAX #9), with which a text shows as another one. Names cannot have them, and
# the log escapes them. Letters of any direction are not among them, nor are the marks U+200E and U+200F.
DECEPTIVE_CHARACTERS = r"\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
NAME_CHARACTER = f"[^{DECEPTIVE_CHARACTERS}]"

_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})  # control and format characters, separators and spaces
# Characters of other categories that are drawn as nothing: `Default_Ignorable_Code_Point` (Unicode 16, UAX #44) without
# those of the categories above, and the Braille pattern without dots.
_BLANK = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x2800, 0x3164, 0xFFA0),
            *(*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9), *range(0xE0000, 0xE1000)),
        ),
    )
)


def is_visible(text: str) -> bool:
    """Return whether a text has at least one visible character."""
    return any(each not in _BLANK and unicodedata.category(each) not in _INVISIBLE for each in text)


def is_unambiguous(text: str) -> bool:
    """Return whether a text has no accents of another form than NFC, and no invisible characters without an effect.

    Else two texts that look the same may differ. Joiners and variation selectors have an effect on the letters of
    scripts without capitals and on symbols, the marks U+200E and U+200F in a text with letters from right to left.
    """
    if not unicodedata.is_normalized("NFC", text):
        return False
    is_from_right = any(unicodedata.bidirectional(each) in ("R", "AL") for each in text if each not in _MARKS)
    return all(
        _has_effect(each, before, is_from_right=is_from_right)
        for before, each in pairwise(f" {text}")
        if each in _BLANK or unicodedata.category(each) == "Cf"
    )


def _has_effect(character: str, before: str, *, is_from_right: bool) -> bool:
    """Return whether an invisible character may change how the one before it or the rest of the text is drawn."""
    if character in _MARKS:
        return is_from_right
    may_change = character in _JOINERS or (character in _SELECTORS and before not in _SELECTORS)
    return may_change and unicodedata.category(before) in _CHANGEABLE


_MARKS = "\u200e\u200f"
_JOINERS = "\u200c\u200d"
_SELECTORS = frozenset(map(chr, range(0xFE00, 0xFE10)))
_CHANGEABLE = frozenset(
    {"Lo", "Mc", "Mn", "Sk", "So"}
)  # letters without case, their marks, symbols and their modifiers
