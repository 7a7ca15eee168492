"""The characters of Glyphs: which are rendered, where they stand in the class tree, and which look alike."""

from __future__ import annotations

import unicodedata

_RANGES = ((0x21, 0x7E), (0xA1, 0xFF), (0x391, 0x3C9), (0x410, 0x44F))
"""First and last code point of what is rendered of ASCII, Latin-1, Greek and Cyrillic."""

_SCRIPTS = {"LATIN": "Latin", "GREEK": "Greek", "CYRILLIC": "Cyrillic"}

_CATEGORIES = {
    "Lu": "Uppercase letter",
    "Ll": "Lowercase letter",
    "Lo": "Other letter",
    "Nd": "Decimal digit",
    "No": "Other number",
    "P": "Punctuation",
    "S": "Symbol",
}


def candidates() -> tuple[str, ...]:
    """All characters that a face must have, in order of code points.

    Left out are characters that NFKC rewrites, such as the superscripts and the micro sign: they repeat others.
    So are the accented Greek vowels, which many faces lack, and what has no ink.
    """
    points = (point for first, last in _RANGES for point in range(first, last + 1))
    return tuple(character for character in map(chr, points) if _is_rendered(character))


def _is_rendered(character: str) -> bool:
    if unicodedata.category(character)[0] == "C" or unicodedata.normalize("NFKC", character) != character:
        return False
    return script(character) != "Greek" or letter(character) == character


def class_id(character: str) -> str:
    """The character's class ID, its code point: ``A`` is ``U+0041``."""
    return f"U+{ord(character):04X}"


def script(character: str) -> str:
    """``Latin``, ``Greek``, ``Cyrillic``, or ``Common`` for digits, punctuation and symbols."""
    if not unicodedata.category(character).startswith("L"):
        return "Common"
    return _SCRIPTS.get(unicodedata.name(character).split()[0], "Common")


def category(character: str) -> str:
    """The Unicode general category in words; kinds of punctuation and of symbols are put together."""
    short = unicodedata.category(character)
    return _CATEGORIES[short] if short in _CATEGORIES else _CATEGORIES[short[0]]


def letter(character: str) -> str:
    """The character without its diacritics, in its own case: ``é`` is an ``e``, ``a`` an ``a``."""
    return unicodedata.normalize("NFD", character)[0]
