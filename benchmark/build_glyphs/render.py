"""From a font file to 32x32 grey images, all characters of one face in one frame.

The frame of a face comes from the measured ink of its characters, not from its metrics: decorative fonts sit
off centre in theirs. Every glyph keeps its size and its height over the baseline relative to its face.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

SIDE = 32
"""Pixels of a rendered image, in both directions."""

INK_SIDE = 30
"""Pixels that the tallest or widest character of a face spans: one pixel of margin on each side."""

GREY_STEP = 17
"""Grey levels are multiples of 17 (16 levels): the archive is half as large, and the last bits of a
rasteriser, which change between its versions, do not enter the digest."""

_PPEM = 256  # Drawn about 12 times too large and averaged down: hinting and pixel phase leave no trace.
_MISSING = "\uffff"  # A noncharacter: no font has a glyph for it, so it shows the face's .notdef box.


@dataclass(frozen=True)
class Ink:
    """One drawn character: its tight bitmap and where that lies.

    bitmap: uint8 (height, width); top: pixels below the baseline, negative above it.
    """

    bitmap: npt.NDArray[np.uint8]
    top: int

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def height(self) -> int:
        return int(self.bitmap.shape[0])

    @property
    def width(self) -> int:
        return int(self.bitmap.shape[1])

    def same_shape(self, other: Ink) -> bool:
        """True when both have the same pixels, wherever they lie."""
        return np.array_equal(self.bitmap, other.bitmap)


def _draw(font: ImageFont.FreeTypeFont, character: str) -> Ink | None:
    """The ink of one character at 256 pixels an em; None when it is blank."""
    canvas = Image.new("L", (4 * _PPEM, 4 * _PPEM))
    ImageDraw.Draw(canvas).text((1.5 * _PPEM, 2 * _PPEM), character, fill=255, font=font, anchor="ls")
    box = canvas.getbbox()
    if box is None:
        return None
    return Ink(np.asarray(canvas.crop(box), dtype=np.uint8), box[1] - 2 * _PPEM)


def draw_face(path: Path, characters: Sequence[str]) -> tuple[Ink, ...] | None:
    """The ink of every character; None when one of them is blank or shows the .notdef box."""
    font = ImageFont.truetype(str(path), _PPEM, layout_engine=ImageFont.Layout.BASIC)
    missing = _draw(font, _MISSING)
    inks = []
    for character in characters:
        ink = _draw(font, character)
        if ink is None or (missing is not None and ink.same_shape(missing)):
            return None
        inks.append(ink)
    return tuple(inks)


@dataclass(frozen=True)
class Frame:
    """The square that every character of a face is seen through, in drawing pixels."""

    side: int
    top: int

    @classmethod
    def around(cls, inks: Sequence[Ink]) -> Frame:
        """The smallest frame that holds every character with its margin, vertically centred on their ink."""
        top, bottom = min(ink.top for ink in inks), max(ink.bottom for ink in inks)
        widest = max(ink.width for ink in inks)
        side = math.ceil(max(bottom - top, widest) * SIDE / INK_SIDE) + 2  # 2: centring rounds to whole pixels
        return cls(side, (top + bottom - side) // 2)

    def image(self, ink: Ink) -> npt.NDArray[np.uint8]:
        """The character through the frame, its ink centred from left to right: uint8 (32, 32), 0 is background."""
        canvas = np.zeros((self.side, self.side), dtype=np.uint8)
        y, x = ink.top - self.top, (self.side - ink.width) // 2
        canvas[y : y + ink.height, x : x + ink.width] = ink.bitmap
        small = np.asarray(Image.fromarray(canvas).resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64)
        return (np.rint(small / GREY_STEP) * GREY_STEP).astype(np.uint8)


def render_face(inks: Sequence[Ink]) -> npt.NDArray[np.uint8]:
    """All characters of one face: uint8 (characters, 32, 32)."""
    frame = Frame.around(inks)
    return np.stack([frame.image(ink) for ink in inks])
