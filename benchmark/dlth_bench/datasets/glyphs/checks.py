"""What disqualifies a face, measured on its characters and not taken from its name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from dlth_bench.datasets.glyphs.characters import script
from dlth_bench.datasets.glyphs.render import Ink

_CASE_LETTERS = "abdeghnqrt"
"""Letters whose lower case is another shape than their upper case."""

_SAME_LETTER = 0.35
"""Relative distance of a stretched small capital from the capital; that of true lower case is over 0.6."""

_MIN_PEAK = 128
"""Grey level that the strokes of a typical character must reach; hairlines at 32 pixels do not."""


def reject_reason(characters: Sequence[str], inks: Sequence[Ink], images: npt.NDArray[np.uint8]) -> str | None:
    """Why the face is no good, or None. images: (characters, 32, 32)."""
    ink_of = dict(zip(characters, inks, strict=True))
    small_capitals = sum(_is_small_capital(ink_of[lower], ink_of[lower.upper()]) for lower in _CASE_LETTERS)
    if small_capitals > len(_CASE_LETTERS) // 2:
        return "its lower case is small capitals"
    shrunken = [letter for letter in characters if letter.isalpha() and _is_shrunken(ink_of, letter)]
    if shrunken:
        return f"its {shrunken[0]} is far too small"
    shared = _shared_shape(ink_of)
    if shared is not None:
        return f"it draws {shared[0]} and {shared[1]} alike"
    if float(np.median(images.max(axis=(1, 2)))) < _MIN_PEAK:
        return "its strokes are too thin for 32 pixels"
    return None


def _is_small_capital(lower: Ink, upper: Ink) -> bool:
    """True when the lower-case letter is the upper-case one, whatever its size."""
    height, width = upper.bitmap.shape
    stretched = Image.fromarray(lower.bitmap).resize((width, height), Image.Resampling.BILINEAR)
    difference = np.asarray(stretched, dtype=np.float64) - upper.bitmap
    return float(np.linalg.norm(difference)) < _SAME_LETTER * float(np.linalg.norm(upper.bitmap.astype(np.float64)))


def _is_shrunken(ink_of: dict[str, Ink], letter: str) -> bool:
    """True when a letter is less than half as high as an H or x of its face."""
    return 2 * ink_of[letter].height < ink_of["H" if letter.isupper() else "x"].height


def _shared_shape(ink_of: dict[str, Ink]) -> tuple[str, str] | None:
    """Two letters of one script and case with the same pixels in the same place: a stand-in for what the font lacks."""
    seen: dict[tuple[str, bool, int, bytes], str] = {}
    for character, ink in ink_of.items():
        if not character.isalpha():
            continue
        key = (script(character), character.isupper(), ink.top, ink.bitmap.tobytes())
        if key in seen:
            return seen[key], character
        seen[key] = character
    return None
