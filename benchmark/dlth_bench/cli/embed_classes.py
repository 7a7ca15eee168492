"""``dlth-bench embed-classes``: the mean image feature of each class, the input of SEC."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer

import dlth_bench
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.pretrained import (
    Reading,
    RunOption,
    StoreFolderOption,
    batches_for,
    image_files,
    progress_of,
    torch_device,
)
from dlth_bench.datasets.dataset import ImageArrays
from dlth_bench.datasets.registry import class_catalog, image_dataset
from dlth_bench.runs.store import DEFAULT_STORE, ENCODER_FILE, Store, read_stored_run
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import write_atomically
from dlth_bench.util.text import printable

if TYPE_CHECKING:
    Features = npt.NDArray[np.float32]
    Found = tuple[Features, str, dict[str, Any]]
    """(classes, width), the dataset's name, and where they are from."""


@options.with_groups
def embed_classes(
    output: Annotated[Path, typer.Option("--output", "-o", help="The .npy to write; a .json beside it says how.")],
    run: RunOption = None,
    model: Annotated[str | None, typer.Option("--model", help="A pretrained encoder, timm:NAME.")] = None,
    out: StoreFolderOption = DEFAULT_STORE,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="--model: glyphs or imagenet.")] = None,
    reading: Reading = Reading(),
) -> None:
    """Write the mean feature of each class's validation images: float32, a row a class in the dataset's order.

    As section 3.3 of the paper has it (there: DINO ViT-B/8, timm:vit_base_patch8_224.dino), features are averaged as
    they are, without scaling each to unit length. A stored run must have kept its weights (run --keep-weights); its
    features are those of its linear probe, else the encoder's pooled output. Glyphs are made RGB by repeating the
    grey channel and resized whole to the input size of a timm model.

    Example: dlth-bench embed-classes --run 56738a -o features.npy

    Example: dlth-bench embed-classes --model timm:resnet18 -d glyphs -o f.npy
    """
    if (run is None) == (model is None):
        raise InputError(f"give one of --run, --model; {'none' if run is None else 'both'} given")
    if output.suffix != ".npy":
        raise InputError("must end in .npy", source=printable(str(output)))
    if run is not None:
        of_model = {"--dataset": dataset, "--data-dir": reading.data_dir, "--weights": reading.weights}
        for option, value in of_model.items():
            if value is not None:
                raise InputError(f"{option} means nothing to --run; it is an option of --model")
        found = _of_run(run, Store(out), reading.device)
    else:
        found = _of_model(str(model), dataset, reading)
    _write(output, *found)


def _of_run(prefix: str, store: Store, device_name: str) -> Found:
    stored = read_stored_run(store.folder(store.find(prefix)))
    dataset = image_dataset(stored.run.data.dataset)
    device = torch_device(device_name)
    from dlth_bench.training.pretrained.images import array_batches, features_of_run, load_stored_encoder, mean_features

    encode = load_stored_encoder(stored.run, stored.folder / ENCODER_FILE, dataset, device)
    arrays = _validation(dataset.name)
    with progress_of(stored.run.label, len(arrays.labels)) as report:
        features = mean_features(encode, array_batches(arrays, report), dataset.catalog, device)
    origin = {"run": stored.run.digest, "config": stored.run.config.name, "seed": stored.run.seed}
    return features, dataset.name, origin | {"features": features_of_run(stored.run), "images": len(arrays.labels)}


def _of_model(name: str, dataset: str | None, reading: Reading) -> Found:
    if dataset is None:
        raise InputError("--model needs --dataset, glyphs or imagenet")
    catalog = class_catalog(dataset)
    if dataset != "imagenet" and reading.data_dir is not None:
        raise InputError(f"--data-dir means nothing to {dataset}, which comes with the package")
    files = image_files(reading.data_dir, catalog) if dataset == "imagenet" else None
    device = torch_device(reading.device)
    from dlth_bench.training.pretrained.images import FileImages, GreyImages, ImageSet, mean_features
    from dlth_bench.training.pretrained.models import load_encoder

    images: ImageSet = GreyImages(_validation(dataset)) if files is None else FileImages.of(files)
    # Photographs have a margin that the usual evaluation crops off; a glyph fills its image.
    model = load_encoder(name, reading.weights, whole_image=files is None)
    module = model.module.to(device)
    with batches_for(model, images, reading) as (batches, unreadable):
        features = mean_features(module, batches, catalog, device)
    origin = {"model": model.name, "weights": model.weights, "preprocessing": " ".join(str(model.transform).split())}
    read = len(images.labels) - len(unreadable.names)
    return features, dataset, origin | {"images": read, "unreadable": unreadable.names}


def _validation(dataset: str) -> ImageArrays:
    """All validation images of a dataset that comes with the package."""
    known = image_dataset(dataset)
    return known.load("val", known.catalog.ids)


def _write(output: Path, features: Features, dataset: str, origin: dict[str, Any]) -> None:
    """The array, and beside it what it is: dataset, shape, where it is from, and its digest."""
    stream = io.BytesIO()
    np.save(stream, features, allow_pickle=False)
    data = stream.getvalue()
    about = {
        "dataset": dataset,
        "split": "val",
        "classes": len(features),
        "width": features.shape[1],
        **origin,
        "normalized": False,
        "sha256": hashlib.sha256(data).hexdigest(),
        "package": f"dlth-bench {dlth_bench.__version__}",
    }
    write_atomically(output, data)
    write_atomically(output.with_suffix(".json"), (json.dumps(about, indent=2, ensure_ascii=False) + "\n").encode())
    typer.echo(f"{printable(str(output))}: {len(features)} classes of {dataset} by {features.shape[1]} features")
