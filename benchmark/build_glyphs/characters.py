"""Which characters Glyphs has, and how alike rendered characters and faces are.

The distance of two images, or stacks of images, a and b is ``|a - b| / min(|a|, |b|)``, Euclidean: 0 for equal
ones, about 0.2 for neighbouring weights of a family, 0.5 and more for different designs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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


LOOK_ALIKE = 0.15
"""Characters nearer than this look the same in a face."""

LOOK_ALIKE_FACES = 0.1
"""Characters that look the same in a larger fraction of the faces are look-alikes."""


def distances(vectors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Distances of all pairs. vectors: (items, values); returns (items, items)."""
    # Sums of products of levels 0..15 are whole and below 2**53, so float64 gives the same sums on every machine.
    levels = (vectors // 17).astype(np.float64)
    products = levels @ levels.T
    squares = np.diag(products)
    squared = squares[:, None] + squares[None, :] - 2 * products
    smaller = np.minimum(squares[:, None], squares[None, :])
    return np.asarray(np.sqrt(squared / smaller), dtype=np.float64)


def face_distances(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Distances of faces over all characters. images: (classes, faces, height, width); returns (faces, faces)."""
    return distances(np.moveaxis(images, 1, 0).reshape(images.shape[1], -1))


def look_alike_rate(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Fraction of faces in which two characters look the same.

    images: (classes, faces, height, width); returns (classes, classes).
    """
    classes, faces = images.shape[:2]
    alike = np.zeros((classes, classes))
    for face in range(faces):
        alike += distances(images[:, face].reshape(classes, -1)) < LOOK_ALIKE
    return np.asarray(alike / faces, dtype=np.float64)


def distinct_across_scripts(rates: npt.NDArray[np.float64], scripts: Sequence[str]) -> list[int]:
    """Positions of the characters to keep, in order: those not like an earlier kept one of another script.

    Look-alikes within a script (I and l) stay: they are the natural difficulty of reading.
    """
    kept: list[int] = []
    for position, script in enumerate(scripts):
        others = [earlier for earlier in kept if scripts[earlier] != script]
        if not (rates[others, position] > LOOK_ALIKE_FACES).any():
            kept.append(position)
    return kept
