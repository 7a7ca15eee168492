"""Small ImageFolders for tests: noise as JPEG, in folders of real class IDs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dlth_bench.datasets.catalog import ClassCatalog


def some_of(catalog: ClassCatalog, count: int) -> ClassCatalog:
    """The first classes of a catalog as one of their own."""
    return ClassCatalog(catalog.dataset, catalog.id_hint, catalog.classes[:count])


def make_folder(root: Path, class_ids: Sequence[str], images_per_class: int = 2, size: int = 24) -> Path:
    """Noise images in a folder a class; the folder of the class folders."""
    draw = np.random.default_rng(0)
    for class_id in class_ids:
        (root / class_id).mkdir(parents=True)
        for index in range(images_per_class):
            # A random colour under the noise, so that a random model does not call all images the same.
            pixels = draw.integers(0, 256, 3) + draw.normal(0, 30, (size, size, 3))
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(root / class_id / f"{class_id}_{index}.JPEG", quality=95)
    return root
