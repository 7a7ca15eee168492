"""The samples of a training stage, wherever they are: on the device, or in files and read ahead of their use.

``samples[positions]`` is a batch on the device. Which samples a step takes is decided by the run's seed alone
(`loop.Batches`), so reading ahead changes when a batch is read and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dlth_bench.datasets.packed.images import PackedFiles
from dlth_bench.training.ragged import Images, RaggedImages, margin
from dlth_bench.training.tokens import TokenSamples

DEVICE_SHARE = 0.4
"""Share of a GPU's memory that a dataset may take; the rest is for networks and what they compute."""

READERS = 4
"""Threads that read batches ahead, and batches that wait at most."""

READ_BATCH = 512
"""Images read at once when a whole dataset is put on a device."""


class FileSamples:
    """Images in packed files; a batch is read and put on the device when it is asked for.

    Args:
        files: at least one image.
    """

    def __init__(self, files: PackedFiles, device: torch.device) -> None:
        self.files = files
        self.device = device
        self.shorter = int(np.minimum(files.height, files.width).max())
        self.longer = int(np.maximum(files.height, files.width).max())
        self._maps: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, positions: Tensor | slice) -> RaggedImages:
        """Some of the images; positions int64 (images,)."""
        rows = np.arange(len(self))[positions] if isinstance(positions, slice) else positions.cpu().numpy()
        return self.read(rows).to(self.device)

    def read(self, rows: npt.NDArray[np.int64]) -> RaggedImages:
        """The images of some rows in memory that a GPU can copy from without waiting; may be called in any thread."""
        sizes = self.files.sizes[rows]
        ends = np.cumsum(sizes)
        pinned = self.device.type == "cuda"
        pixels = torch.empty(int(ends[-1]) + margin(self.longer), dtype=torch.uint8, pin_memory=pinned)
        for file, start, size, end in zip(self.files.file[rows], self.files.start[rows], sizes, ends, strict=True):
            pixels[end - size : end] = self._mapped(file)[start : start + size]
        tables = (ends - sizes, self.files.height[rows], self.files.width[rows])
        start, height, width = (torch.from_numpy(np.ascontiguousarray(table)) for table in tables)
        if pinned:
            start, height, width = start.pin_memory(), height.pin_memory(), width.pin_memory()
        return RaggedImages(pixels, start, height, width, self.shorter, self.longer)

    def _mapped(self, file: int) -> Tensor:
        """A file as a tensor in the system's memory, which processes share; torch keeps no file open for it."""
        if file not in self._maps:
            path = self.files.paths[file]
            self._maps[file] = torch.from_file(str(path), size=path.stat().st_size, dtype=torch.uint8)
        return self._maps[file]


Samples = Tensor | RaggedImages | FileSamples | TokenSamples
"""What a stage trains on: uint8 images (samples, channels, height, width) or features (samples, width) on the device,
images of different sizes there, such images in files, or texts on the device."""


def taken(samples: Samples, positions: Tensor) -> Any:
    """A batch, as ``samples[positions]``, which for a tensor of small images copies byte by byte."""
    return samples.index_select(0, positions) if isinstance(samples, Tensor) else samples[positions]


def packed_samples(files: PackedFiles, device: torch.device) -> RaggedImages | FileSamples:
    """Packed images on a GPU if they fit into ``DEVICE_SHARE`` of it, else from their files.

    On a CPU they stay in their files, whose pages all processes share.
    """
    samples = FileSamples(files, device)
    if device.type != "cuda":
        return samples
    free, whole = torch.cuda.mem_get_info(device)
    return _on_device(samples) if int(files.sizes.sum()) < DEVICE_SHARE * min(whole, free) else samples


def _on_device(samples: FileSamples) -> RaggedImages:
    files, device = samples.files, samples.device
    ends = np.cumsum(files.sizes)
    pixels = torch.empty(int(ends[-1]) + margin(samples.longer), dtype=torch.uint8, device=device)
    filled = 0
    for batch in _read_in_order(samples, READ_BATCH):
        size = len(batch.pixels) - margin(samples.longer)
        pixels[filled : filled + size] = batch.pixels[:size]
        filled += size
    tables = (ends - files.sizes, files.height, files.width)
    start, height, width = (torch.from_numpy(np.ascontiguousarray(table)).to(device) for table in tables)
    return RaggedImages(pixels, start, height, width, samples.shorter, samples.longer)


class ReadAhead:
    """Batches of files read by threads before they are asked for.

    Args:
        positions: of the samples of batch ``number``; called in order and from the caller's thread.
        batches: how many there are.
    """

    def __init__(self, samples: FileSamples, positions: Callable[[int], Tensor], batches: int) -> None:
        self.samples, self.positions, self.batches = samples, positions, batches
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="read-ahead")
        self._ahead: deque[tuple[int, Future[RaggedImages]]] = deque()

    def at(self, number: int) -> RaggedImages:
        """The images of one batch, on the device; cheap when batches are asked for one after the other."""
        if not self._ahead or self._ahead[0][0] != number:
            self._ahead.clear()
        following = self._ahead[-1][0] + 1 if self._ahead else number
        for each in range(following, min(number + READERS + 1, self.batches)):
            rows = self.positions(each).cpu().numpy()
            self._ahead.append((each, self._pool.submit(self.samples.read, rows)))
        return self._ahead.popleft()[1].result().to(self.samples.device)


def in_order(samples: Samples, size: int, share: slice = slice(None)) -> Iterator[Images]:
    """All samples, or those of a consecutive share, in batches of ``size``, the last one smaller."""
    if isinstance(samples, TokenSamples):
        raise TypeError("texts are not images; a text method scores them itself")
    if isinstance(samples, FileSamples):
        yield from _read_in_order(samples, size, share)
    else:
        first, end, _ = share.indices(len(samples))
        yield from (samples[start : min(start + size, end)] for start in range(first, end, size))


def _read_in_order(samples: FileSamples, size: int, share: slice = slice(None)) -> Iterator[RaggedImages]:
    begin, end, _ = share.indices(len(samples))
    batches = [torch.arange(first, min(first + size, end)) for first in range(begin, end, size)]
    ahead = ReadAhead(samples, lambda number: batches[number], len(batches))
    yield from (ahead.at(number) for number in range(len(batches)))
