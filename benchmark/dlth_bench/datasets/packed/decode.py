"""From the bytes of an image file to the pixels that are stored."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "BMP", "PPM")
"""What is taken for an image, whatever the file is called: one of ImageNet's JPEGs is a PNG."""


class Unreadable(ValueError):
    """The bytes are no whole image; says why."""


@dataclass(frozen=True)
class Resolution:
    """How large images are stored: reduced to ``shorter_side`` pixels; smaller ones are left as they are.

    The reduction is PIL's bicubic one with the longer side cut to whole pixels, as torchvision's ``Resize`` does it on
    PIL images, so an evaluation that resizes to this side and crops the centre sees the pixels it would see anyway.
    """

    shorter_side: int

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Stored width and height of an image."""
        side = self.shorter_side
        if min(width, height) <= side:
            return width, height
        return (side, side * height // width) if width < height else (side * width // height, side)


def decode(encoded: bytes, resolution: Resolution) -> npt.NDArray[np.uint8]:
    """RGB pixels (height, width, 3) of an encoded image, reduced as the resolution says.

    Grey, CMYK and palette images become RGB. Orientation tags are not followed: neither do torchvision's datasets.

    Raises:
        Unreadable: the bytes are truncated, corrupt, no image, or one of more pixels than PIL deems safe.
    """
    try:
        with Image.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            picture.load()
            rgb = picture.convert("RGB")
    except UnidentifiedImageError:
        raise Unreadable("not an image" if encoded else "empty") from None
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError, Image.DecompressionBombError) as error:
        raise Unreadable(str(error).partition("\n")[0] or type(error).__name__) from None
    size = resolution.size(*rgb.size)
    return np.asarray(rgb if size == rgb.size else rgb.resize(size, Image.Resampling.BICUBIC))
