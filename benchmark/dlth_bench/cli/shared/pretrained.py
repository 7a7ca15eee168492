"""What the commands that run a model over a dataset's images share: options, progress, unreadable images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from dlth_bench.cli.shared import options
from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.datasets.class_folders import LabelledFiles, validation_files
from dlth_bench.engines.engine import check_device
from dlth_bench.engines.local import worker_count
from dlth_bench.util.errors import InputError

if TYPE_CHECKING:
    import torch

    from dlth_bench.training.pretrained.images import ImageBatch, ImageSet, UnreadableImages
    from dlth_bench.training.pretrained.models import PretrainedModel


RunOption = Annotated[str | None, typer.Option("--run", "-r", help="A stored run: its digest, or how it starts.")]
StoreFolderOption = Annotated[Path, typer.Option("--out", help="Folder of the store of runs, for --run.")]


@dataclass(frozen=True)
class Reading:
    """The options that say which images a model sees, and how they are read."""

    data_dir: Annotated[Path | None, typer.Option(help="Images on disk: DIR/val/<class ID>/* or DIR/<class ID>/*.")] = (
        None
    )
    weights: Annotated[Path | None, typer.Option(help="A .safetensors file in place of downloaded weights.")] = None
    batch_size: Annotated[int, typer.Option(min=1, help="Images a batch.")] = 64
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-w", min=0, help="Processes that read images. Default: one a CPU core, at most 8."),
    ] = None
    device: options.Device = "auto"
    max_unreadable: Annotated[
        float, typer.Option(min=0, max=1, help="Stop when a larger share of images cannot be read.")
    ] = 0.01


def image_files(folder: Path | None, catalog: ClassCatalog) -> LabelledFiles:
    """The validation images of every class.

    Raises:
        InputError: no folder given, or classes without images in it.
    """
    if folder is None:
        raise InputError(f"--data-dir is needed: the folder of the images of {catalog.dataset}")
    return validation_files(folder, catalog)


@contextmanager
def progress_of(task: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; the function it yields hears how many images are done with."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task(task, total=total)
        yield lambda done: bars.update(bar, completed=done)


@contextmanager
def batches_for(
    model: PretrainedModel, images: ImageSet, reading: Reading
) -> Iterator[tuple[Iterator[ImageBatch], UnreadableImages]]:
    """The images as the model takes them, read while a bar shows how far, and those left out so far."""
    from dlth_bench.training.pretrained.images import UnreadableImages, readable_batches

    unreadable = UnreadableImages(len(images.labels), reading.max_unreadable)
    with progress_of(model.name, unreadable.total) as report:
        found = readable_batches(
            images,
            model.transform,
            unreadable,
            batch_size=reading.batch_size,
            workers=min(8, worker_count(None, "cpu")) if reading.workers is None else reading.workers,
            report=report,
        )
        yield found, unreadable
    for name in unreadable.names:
        typer.echo(f"unreadable: {name}", err=True)


def torch_device(device: str) -> torch.device:
    """The device of that name; ``auto`` is the first there is of cuda, mps and cpu.

    Raises:
        InputError: there is no such device.
    """
    import torch

    check_device(device)
    if device != "auto":
        return torch.device(device)
    name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return torch.device(name)
