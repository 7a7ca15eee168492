"""The shards of one dataset at one resolution: what is there, and making what is not."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from dlth_bench.datasets.catalog import MOST_UNREADABLE, Split
from dlth_bench.datasets.download import CACHE_VARIABLE
from dlth_bench.datasets.packed.shard import (
    Broken,
    Decoded,
    EncodedImage,
    ImageSource,
    Resolution,
    Shard,
    ShardEntry,
    UnreadableImage,
    Wanted,
    decode,
)
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import listed, printable

BATCH = 256
"""Images decoded before they are written; two batches, at most a gigabyte at any sensible side, are in memory."""

LONGER_SIDE = 1.4
"""Of the shorter, as a mean over ImageNet; used to foretell the space that a cache takes."""

PackReport = Callable[[int, int], None]
"""Hears (images done, of images)."""


class PackedCache:
    """Decoded images of one source at one resolution, in ``root``; several processes may use it at once."""

    def __init__(self, root: Path, dataset: str, source: ImageSource, resolution: Resolution) -> None:
        self.source = source
        self.resolution = resolution
        identity = f"{dataset}\n{source.place}\n{resolution.shorter_side}"
        key = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:12]
        self.folder = root / "packed" / f"{dataset}-{resolution.shorter_side}-{key}"

    def shard(self, split: Split, class_id: str) -> Shard:
        return Shard(self.folder / split, class_id)

    def entries(
        self, split: Split, wanted: Wanted, *, check: bool, report: PackReport
    ) -> dict[str, dict[str, ShardEntry]]:
        """The wanted images by class ID and name, after packing those that are not there.

        A shard that does not match its digests or the source's images is deleted and made again.

        Args:
            check: compare all pixels with their digests, which reads them all.

        Raises:
            InputError: more than ``MOST_UNREADABLE`` of the images cannot be decoded, or there is no space.
        """
        try:
            found = self._found(split, wanted, check=check)
            missing = [class_id for class_id, names in wanted.items() if not found[class_id].keys() >= set(names)]
            if missing:
                self._pack(split, {class_id: wanted[class_id] for class_id in missing}, check, report)
                found = self._found(split, wanted, check=False)
        except OSError as error:
            raise _cannot_write(error, self.folder) from None
        chosen = {class_id: {name: found[class_id][name] for name in names} for class_id, names in wanted.items()}
        broken = [
            _told(class_id, entry)
            for class_id, entries in chosen.items()
            for entry in entries.values()
            if entry.unreadable
        ]
        _check_unreadable(broken, _count(wanted), split)
        return chosen

    def _found(self, split: Split, wanted: Wanted, *, check: bool) -> dict[str, dict[str, ShardEntry]]:
        """What the shards hold of the wanted classes; nothing for a shard that is not to be trusted."""
        with ThreadPoolExecutor(_threads()) as pool:
            found = pool.map(lambda item: self._trusted(split, *item, check=check), wanted.items())
            return dict(zip(wanted, found, strict=True))

    def _trusted(self, split: Split, class_id: str, names: Collection[str], *, check: bool) -> dict[str, ShardEntry]:
        shard = self.shard(split, class_id)
        try:
            entries = shard.entries()
            sizes = self.source.listing(split, class_id).size_of()
            for name in names:
                if name in entries and sizes.get(name, entries[name].encoded_size) != entries[name].encoded_size:
                    raise Broken(f"{name} has changed")
            if check:
                shard.check([name for name in names if name in entries])
        except Broken:
            return {}
        return entries

    def _pack(self, split: Split, wanted: Wanted, check: bool, report: PackReport) -> None:
        """Add what the shards of these classes lack; only one process does at a time."""
        folder = self.folder / split
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "lock"):
            shards = {class_id: self.shard(split, class_id) for class_id in wanted}
            todo: dict[str, set[str]] = {}
            for class_id, names in wanted.items():  # anew: another process may have packed while this one waited
                held = _opened(shards[class_id], self._trusted(split, class_id, names, check=check))
                todo[class_id] = set(names).difference(held)
            _check_space(folder, _count(todo), self.resolution)
            self._fill(split, shards, todo, _count(wanted), report)
            for shard in shards.values():
                shard.flush()

    def _fill(
        self, split: Split, shards: dict[str, Shard], todo: dict[str, set[str]], total: int, report: PackReport
    ) -> None:
        done, unreadable = total - _count(todo), list[str]()
        for batch in self._decoded(split, todo):
            for class_id, images in batch.items():
                shards[class_id].add(images)
                done += len(images)
                unreadable += [_told(class_id, image) for image in images if image.pixels is None]
            _check_unreadable(unreadable, total, split)
            report(done, total)

    def _decoded(self, split: Split, wanted: Wanted) -> Iterator[dict[str, list[Decoded]]]:
        """The wanted images in batches by class; one batch is decoded while the one before it is used."""
        images = self.source.encoded(split, wanted)
        ahead: deque[list[tuple[str, Future[Decoded]]]] = deque()
        # PIL warns of corrupt metadata, which many of ImageNet's files have, and of large images.
        with ThreadPoolExecutor(_threads()) as pool, warnings.catch_warnings(action="ignore"):
            try:
                while True:
                    batch = list(islice(images, BATCH))
                    if batch:
                        ahead.append([(image.class_id, pool.submit(self._decode, image)) for image in batch])
                    if len(ahead) > 1 or (ahead and not batch):
                        yield _by_class(ahead.popleft())
                    elif not batch:
                        return
            finally:
                pool.shutdown(cancel_futures=True)

    def _decode(self, image: EncodedImage) -> Decoded:
        encoded = image.read()
        try:
            return Decoded(image.name, len(encoded), decode(encoded, self.resolution))
        except UnreadableImage as error:
            return Decoded(image.name, len(encoded), None, str(error))


def _opened(shard: Shard, trusted: dict[str, ShardEntry]) -> dict[str, ShardEntry]:
    """The images of a shard that is now ready to be added to; an untrusted one is deleted first."""
    if not trusted:
        shard.remove()
    return shard.open_to_add()


def _by_class(decoded: list[tuple[str, Future[Decoded]]]) -> dict[str, list[Decoded]]:
    images: dict[str, list[Decoded]] = {}
    for class_id, future in decoded:
        images.setdefault(class_id, []).append(future.result())
    return images


def _told(class_id: str, image: Decoded | ShardEntry) -> str:
    return printable(f"{class_id}/{image.name} ({image.unreadable})", 100)


def _check_unreadable(images: list[str], total: int, split: Split) -> None:
    """Raise InputError when these undecodable images are too many of ``total``."""
    if len(images) > MOST_UNREADABLE * total:
        share, shown = f"more than {MOST_UNREADABLE:.0%}", listed(images, 3)
        raise InputError(f"{len(images)} of {total} {split} images cannot be decoded, {share}: {shown}")


def _check_space(folder: Path, images: int, resolution: Resolution) -> None:
    needed = images * 3 * LONGER_SIDE * resolution.shorter_side**2
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"packing {images:,} images takes about {needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB are free here; "
            f"name another folder in {CACHE_VARIABLE}",
            source=folder,
        )


def _cannot_write(error: OSError, folder: Path) -> InputError:
    reason = error.strerror or "input/output error"
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    hint = "the same command goes on from there when there is space" if full else "another folder can be named"
    message = f"images cannot be packed here: {reason}; {hint} ({CACHE_VARIABLE})"
    return InputError(message, source=folder)


def _count(wanted: Wanted) -> int:
    return sum(len(names) for names in wanted.values())


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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

    def files(self, *, check: bool = False, report: PackReport = lambda done, total: None) -> PackedFiles:
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
