"""Generated JPEG files that cost what ImageNet's do: of their usual sizes, some 110 KB each, in the same folders.

What a decoder works at is the number of coefficients that are not zero, so pictures have the spectrum of natural images
(amplitudes fall with the frequency) at a contrast that gives files as large as ImageNet's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

SIZES = ((500, 375), (500, 375), (375, 500), (500, 333), (333, 500), (500, 400), (480, 360), (640, 480))
"""Width and height; 500 x 375 is the most frequent one of ImageNet."""

TEXTURES = 8
"""Pictures that are made; an image is a part of one of them, mirrored or not, at a brightness of its own."""

QUALITY = 90


def write_jpegs(
    folder: Path, class_ids: Sequence[str], per_class: int, sizes: Sequence[tuple[int, int]] = SIZES
) -> Path:
    """``train/<class>/<class>_<number>.JPEG``, so many a class, and one validation image a class."""
    side = max(max(size) for size in sizes)
    textures = [_texture(seed, side + 64) for seed in range(TEXTURES)]

    def write(number: int, path: Path) -> None:
        draw = np.random.default_rng(number)
        width, height = sizes[number % len(sizes)]
        texture = textures[number % TEXTURES]
        top, left = draw.integers(0, side + 65 - height), draw.integers(0, side + 65 - width)
        part = texture[top : top + height, left : left + width] + draw.uniform(-30, 30, 3)
        part = part[:, ::-1] if draw.random() < 0.5 else part
        Image.fromarray(part.clip(0, 255).astype(np.uint8)).save(path, quality=QUALITY)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = []
        for number, class_id in enumerate(class_ids):
            for split, count in (("train", per_class), ("val", 1)):
                place = folder / split / class_id
                place.mkdir(parents=True)
                for each in range(count):
                    path = place / f"{class_id}_{each}.JPEG"
                    done.append(pool.submit(write, number * per_class + each, path))
        for each_done in done:
            each_done.result()
    return folder


def _texture(seed: int, side: int) -> npt.NDArray[np.float32]:
    """Noise (side, side, 3) around 127 whose amplitude falls as the frequency to the power of 1.1."""
    draw = np.random.default_rng(seed)
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    fall = np.maximum(np.hypot(rows, columns), 1 / side)[..., None] ** -1.1
    grey, colours = draw.normal(size=(side, side, 1)), draw.normal(size=(side, side, 3))
    field = np.fft.irfft2(np.fft.rfft2(grey + 0.3 * colours, axes=(0, 1)) * fall, s=(side, side), axes=(0, 1))
    scaled: npt.NDArray[np.float32] = (127 + 55 * field / field.std()).astype(np.float32)
    return scaled
