"""How alike rendered characters and faces are.

The distance of two images, or stacks of images, a and b is ``|a - b| / min(|a|, |b|)``, Euclidean: 0 for equal
ones, about 0.2 for neighbouring weights of a family, 0.5 and more for different designs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
