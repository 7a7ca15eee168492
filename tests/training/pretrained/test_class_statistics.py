"""What is summed over a dataset's images: right answers and mean features, with unreadable images left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dlth_bench.datasets.class_folders import validation_files
from dlth_bench.datasets.imagenet.classes import imagenet_catalog
from dlth_bench.training.pretrained.images import (
    FileImages,
    UnreadableImages,
    count_correct,
    mean_features,
    readable_batches,
)
from dlth_bench.util.errors import InputError
from image_folders import make_folder, some_of

CATALOG = some_of(imagenet_catalog(), 5)
CPU = torch.device("cpu")


def to_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1).float() / 255


def colours(images: Tensor) -> Tensor:
    return images.mean((2, 3))


@pytest.fixture
def images(tmp_path: Path) -> FileImages:
    return FileImages.of(validation_files(make_folder(tmp_path / "data", CATALOG.ids, images_per_class=7), CATALOG))


def batches(images: FileImages, *, most: float = 0.0, workers: int = 0, names: list[str] | None = None):  # type: ignore[no-untyped-def]
    unreadable = UnreadableImages(len(images.paths), most)
    if names is not None:
        unreadable.names = names
    return readable_batches(images, to_tensor, unreadable, batch_size=4, workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_counts_and_means_are_those_of_all_images_at_once(images: FileImages, workers: int) -> None:
    """Batches of any kind, read by any number of processes, sum to what one pass over all images gives."""
    pixels = torch.stack([to_tensor(Image.open(path)) for path in images.paths])
    labels = torch.tensor(images.labels)
    head = torch.linspace(-1, 1, 15).reshape(3, 5)
    said = (colours(pixels) @ head).argmax(1)
    counts = count_correct(lambda batch: colours(batch) @ head, batches(images, workers=workers), CATALOG, CPU)
    assert counts.total.tolist() == [7] * 5
    assert counts.correct.tolist() == [int(((said == labels) & (labels == label)).sum()) for label in range(5)]
    assert 0 < counts.correct.sum() < 35
    means = mean_features(colours, batches(images, workers=workers), CATALOG, CPU)
    assert means.dtype == np.float32
    expected = torch.stack([colours(pixels)[labels == label].mean(0) for label in range(5)])
    np.testing.assert_allclose(means, expected.numpy(), rtol=1e-6)


def test_unreadable_images_are_left_out_and_named(images: FileImages) -> None:
    """A broken image counts neither as right nor as wrong, and its name and what is wrong with it are kept."""
    images.paths[3].write_bytes(b"broken\x1b[2J")
    images.paths[8].write_bytes(images.paths[8].read_bytes()[:200])
    names: list[str] = []
    counts = count_correct(
        lambda batch: torch.zeros(len(batch), 5), batches(images, most=0.1, names=names), CATALOG, CPU
    )
    assert counts.total.tolist() == [6, 6, 7, 7, 7]
    assert [name.split(" (")[0] for name in names] == [str(images.paths[3]), str(images.paths[8])]
    assert all(name.isprintable() for name in names)


def test_too_many_unreadable_images_stop_it(images: FileImages) -> None:
    """Above the allowed share it stops at once and says how many and which; a class without images is no zero."""
    for path in images.paths[:7]:
        path.write_bytes(b"")
    with pytest.raises(InputError, match=r"1 of 35 images cannot be read, more than 0.0%; the first is .*n01440764_0"):
        count_correct(colours, batches(images), CATALOG, CPU)
    with pytest.raises(InputError, match=r"1 classes have no image that can be read: n01440764"):
        count_correct(lambda batch: torch.zeros(len(batch), 5), batches(images, most=0.5), CATALOG, CPU)


def test_models_that_do_not_fit(images: FileImages) -> None:
    """A model with another number of outputs, or whose outputs are no numbers, is refused at its first batch."""
    with pytest.raises(InputError, match="has 3 outputs; a classifier of imagenet has 5"):
        count_correct(colours, batches(images), CATALOG, CPU)
    with pytest.raises(InputError, match="gives scores that are NaN or infinite"):
        count_correct(lambda batch: torch.full((len(batch), 5), torch.nan), batches(images), CATALOG, CPU)
    with pytest.raises(InputError, match="gives features of shape 3x24x24 an image, not one vector"):
        mean_features(lambda batch: batch, batches(images), CATALOG, CPU)
    with pytest.raises(InputError, match="gives features that are NaN or infinite"):
        mean_features(lambda batch: colours(batch) / 0, batches(images), CATALOG, CPU)
