"""Packing a run's images before it trains, with progress on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from dlth_bench.datasets.base import Dataset, ImageArrays
from dlth_bench.datasets.run_samples import run_samples
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.run import Run


def pack_images(dataset: Dataset, run: Run, console: Console) -> None:
    """Pack and check the images that a run, and every run on the same samples, reads.

    Raises:
        InputError: the images are not there, too many cannot be decoded, or there is no space.
    """
    for arrays in run_samples(dataset, run):
        _pack(arrays, console)


def _pack(arrays: ImageArrays, console: Console) -> None:
    from dlth_bench.datasets.packed.images import PackedImages  # numpy and PIL: not needed before

    images = arrays.images
    if not isinstance(images, PackedImages):
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(f"checking {images.split} images", total=len(images))

        def report(done: int, total: int) -> None:
            bars.update(bar, description=f"packing {images.split} images", completed=done, total=total)

        files = images.files(check=True, report=report)
    if files.unreadable:
        share = f"{len(files.unreadable)} of {len(images)} {images.split} images"
        shown = ", ".join(files.unreadable[:3]) + (", ..." if len(files.unreadable) > 3 else "")
        told = f"{share} cannot be decoded and are left out: {shown}"
        console.print(Text(printable(told, 400)), soft_wrap=True)
