"""Images of different sizes in one tensor on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


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
