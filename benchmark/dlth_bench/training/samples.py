"""The samples of a training stage, wherever they are: on the device, or in files and read ahead of their use.

``samples[positions]`` is a batch on the device. Which samples a step takes is decided by the run's seed alone
(`stage.Batches`), so reading ahead changes when a batch is read and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dlth_bench.datasets.packed.cache import PackedFiles
from dlth_bench.datasets.tokens import TokenSequences


@dataclass(frozen=True)
class RaggedImages:
    """A batch, or a whole dataset, of RGB images of different sizes; choosing some of them copies no pixel.

    pixels: uint8, all images one after the other, each (height, width, 3), and at least ``margin`` bytes behind them.
    start: int64 (images,), of the first byte of each.
    height, width: int64 (images,).
    shorter, longer: int, at least the shorter and longer side of every image; bounds that need no look at the device.
    """

    pixels: Tensor
    start: Tensor
    height: Tensor
    width: Tensor
    shorter: int
    longer: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def device(self) -> torch.device:
        return self.pixels.device

    def __getitem__(self, positions: Tensor | slice) -> RaggedImages:
        """The images at some positions, int64 (images,) on the device, or in a slice."""
        start, height, width = (table[positions] for table in (self.start, self.height, self.width))
        return replace(self, start=start, height=height, width=width)

    def repeat(self, copies: int, *ones: int) -> RaggedImages:
        """All images ``copies`` times, as ``Tensor.repeat`` with a one for each further dimension."""
        start, height, width = (table.repeat(copies) for table in (self.start, self.height, self.width))
        return replace(self, start=start, height=height, width=width)

    def to(self, device: torch.device) -> RaggedImages:
        """The same on another device; from pinned memory without waiting."""
        tensors = (self.pixels, self.start, self.height, self.width)
        pixels, start, height, width = (tensor.to(device, non_blocking=True) for tensor in tensors)
        return replace(self, pixels=pixels, start=start, height=height, width=width)

    def windows(self, top: Tensor, left: Tensor, side: int) -> Tensor:
        """A square of pixels of each image, uint8 (images, side, side, 3).

        Args:
            top, left: int64 (images,), inside the image.
            side: at most ``longer``. Beyond an image's right and bottom borders stands something, of no meaning.
        """
        rows = torch.arange(side, device=self.device) + top[:, None]
        rows = torch.minimum(rows, self.height[:, None] - 1)
        begin = self.start[:, None] + (rows * self.width[:, None] + left[:, None]) * 3
        # Every run of `length` bytes, as a view: one index a row instead of one a byte.
        length = 3 * side
        runs = self.pixels.as_strided((len(self.pixels) - length + 1, length), (1, 1))
        return runs[begin].view(len(self), side, side, 3)


def margin(longer: int) -> int:
    """Bytes to leave behind the last image, so that no window reaches beyond the tensor."""
    return 3 * longer


Images = Tensor | RaggedImages
"""A batch: uint8 (batch, channels, height, width), or images of different sizes."""


@dataclass(frozen=True)
class TokenSamples:
    """A batch, or a whole dataset, of texts; choosing some of them copies no token.

    tokens: int64 (tokens of all texts,).
    start: int64 (texts,), of the first token of each.
    length: int64 (texts,), how many tokens each has.
    """

    tokens: Tensor
    start: Tensor
    length: Tensor

    @classmethod
    def of(cls, sequences: TokenSequences, device: torch.device) -> TokenSamples:
        """The sequences on a device."""
        offsets = torch.from_numpy(sequences.offsets).to(device)
        # Embeddings are looked up faster by int64, and all tokens of AG News take 42 MB so.
        tokens = torch.from_numpy(sequences.tokens).to(device, torch.int64)
        return cls(tokens, offsets[:-1], offsets.diff())

    def __len__(self) -> int:
        return len(self.start)

    @property
    def device(self) -> torch.device:
        return self.tokens.device

    def __getitem__(self, positions: Tensor | slice) -> TokenSamples:
        """The texts at some positions, int64 (texts,) on the device, or in a slice."""
        return TokenSamples(self.tokens, self.start[positions], self.length[positions])

    def bags(self) -> tuple[Tensor, Tensor]:
        """The texts as ``EmbeddingBag`` takes them: tokens (all,) one text after the other, and offsets (texts,)."""
        ends = self.length.cumsum(0)
        offsets = ends - self.length
        total = int(ends[-1]) if len(ends) else 0
        shift = torch.repeat_interleave(self.start - offsets, self.length, output_size=total)
        return self.tokens[shift + torch.arange(total, device=self.device)], offsets


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


StageSamples = Tensor | RaggedImages | FileSamples | TokenSamples
"""What a stage trains on: uint8 images (samples, channels, height, width) or features (samples, width) on the device,
images of different sizes there, such images in files, or texts on the device."""


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


def in_order(samples: StageSamples, size: int, share: slice = slice(None)) -> Iterator[Images]:
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
