"""Images of different sizes, by where they come from and where they are packed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.packed.cache import PackedCache, Report
from dlth_bench.datasets.splits import Split


@dataclass(frozen=True)
class PackedFiles:
    """Where the pixels of images are: uint8 (height, width, 3) from ``start`` in a file.

    rows: of the `PackedImages` that they were; undecodable ones are left out.
    file: position in ``paths``.
    unreadable: IDs of the images left out.
    """

    paths: tuple[Path, ...]
    rows: npt.NDArray[np.int64]
    file: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    height: npt.NDArray[np.int64]
    width: npt.NDArray[np.int64]
    unreadable: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Bytes of each image."""
        return 3 * self.height * self.width


@dataclass(frozen=True)
class PackedImages:
    """Images of one split; nothing is read or decoded before ``files``.

    Args:
        keys: (class ID, name) of each.
    """

    cache: PackedCache
    split: Split
    keys: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: Sequence[int]) -> PackedImages:
        """The images of some rows, in their order."""
        return PackedImages(self.cache, self.split, tuple(self.keys[row] for row in rows))

    def files(self, *, check: bool = False, report: Report = lambda done, total: None) -> PackedFiles:
        """Where the images are, after packing those that are not yet.

        Args:
            check: compare all pixels with their digests, which reads them all.

        Raises:
            InputError: too many images cannot be decoded, or there is no space.
        """
        wanted: dict[str, list[str]] = {}
        for class_id, name in self.keys:
            wanted.setdefault(class_id, []).append(name)
        entries = self.cache.entries(self.split, wanted, check=check, report=report)
        numbers = {class_id: number for number, class_id in enumerate(wanted)}
        found = [(row, numbers[class_id], entries[class_id][name]) for row, (class_id, name) in enumerate(self.keys)]
        whole = [(row, number, each) for row, number, each in found if not each.unreadable]
        places = [(row, number, each.start, each.height, each.width) for row, number, each in whole]
        rows, file, start, height, width = np.array(places, dtype=np.int64).reshape(-1, 5).T
        return PackedFiles(
            paths=tuple(self.cache.shard(self.split, class_id).pixels_path for class_id in wanted),
            rows=rows,
            file=file,
            start=start,
            height=height,
            width=width,
            unreadable=tuple("/".join(self.keys[row]) for row, _, each in found if each.unreadable),
        )
