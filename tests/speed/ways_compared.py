"""The figures of `against_official_way` and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from gpu_use import Peak, Use
from tabulate import tabulate

HEADERS = ["config", "way", "images/s", "x official", "x bare", "of peak", "busy", "waits"]


@dataclass(frozen=True)
class Row:
    """One way of training a config; ``use`` is None where its rate follows from others'."""

    way: str
    images_per_second: float
    use: Use | None = None

    @classmethod
    def of(cls, way: str, use: Use) -> Row:
        return cls(way, use.images_per_second, use)


@dataclass(frozen=True)
class Comparison:
    """A config every way, the official one first and the bare networks last.

    precision: of the official way and of ours, where they differ.
    packed_images_per_second: decoded and stored by all cores, once.
    """

    config: str
    batch: int
    precision: str
    flops_an_image: float
    peak: Peak | None
    packed_images_per_second: float
    rows: list[Row]

    def table(self) -> list[list[str]]:
        official, bare = self.rows[0].images_per_second, self.rows[-1].images_per_second
        lines = []
        for number, row in enumerate(self.rows):
            rate = row.images_per_second
            ratios = [f"{rate / official:.2f}", f"{rate / bare:.2f}"]
            lines.append(["" if number else self.config, row.way, f"{rate:.1f}", *ratios, *self._gpu(row)])
        return lines

    def _gpu(self, row: Row) -> list[str]:
        if row.use is None or row.use.idle is None:
            return ["", "", ""]
        done = row.images_per_second * self.flops_an_image / 1e12
        share = "" if self.peak is None else f"{done / self.peak.tflops:.0%}"
        return [share, f"{1 - row.use.idle:.0%}", f"{sum(row.use.waits.values()):g}"]

    def notes(self) -> list[str]:
        """What the ratios are of, and where steps wait."""
        best = "unknown" if self.peak is None else f"{self.peak.tflops:g} TFLOP/s ({self.peak.arithmetic})"
        first = (
            f"{self.config}: batch {self.batch}, {self.precision} precision, {self.flops_an_image / 1e9:.4g} GFLOP an "
            f"image, peak {best}; packing {self.packed_images_per_second:.0f} images/s"
        )
        waits = [(row.way, *each) for row in self.rows if row.use for each in row.use.waits.items()]
        return [first, *(f"  {way} waits {count:g} times a step at {line}" for way, line, count in waits)]


def shown(found: list[Comparison]) -> str:
    """The table, and the notes below it."""
    table = tabulate([line for each in found for line in each.table()], HEADERS, disable_numparse=True)
    return "\n".join([table, *(note for each in found for note in each.notes())])
