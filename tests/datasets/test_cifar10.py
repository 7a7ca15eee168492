"""CIFAR-10: its classes, and its files as they are on the Hub; the rest is CIFAR-100's code and tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cifar_files import generated, png

from dlth_bench.datasets.cifar import CIFAR10, cifar10_catalog
from dlth_bench.datasets.parquet import SmallImages
from dlth_bench.datasets.registry import class_catalog, dataset_names
from dlth_bench.util.errors import InputError

pa = pytest.importorskip("pyarrow")


def write(folder: Path, label_column: str = "label") -> Path:
    """Files with the columns and the metadata of the Hub's CIFAR-10."""
    from pyarrow import parquet

    feature = {"names": list(cifar10_catalog().ids), "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    for split, per_class in (("train", 3), ("test", 2)):
        pixels, labels = generated(split, per_class, classes=10)
        images = [{"bytes": png(image), "path": None} for image in pixels]
        table = pa.table({"img": images, label_column: pa.array(labels, type=pa.int64())})
        path = folder / "plain_text" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table.replace_schema_metadata(metadata), path)
    return folder


def test_the_ten_classes_in_their_usual_order() -> None:
    """Label 0 is the airplane, label 9 the truck, alphabetical in between."""
    catalog = class_catalog("cifar10")
    assert "cifar10" in dataset_names()
    assert (len(catalog), list(catalog.ids)) == (10, sorted(catalog.ids))
    assert [catalog.ids[label] for label in (0, 1, 3, 9)] == ["airplane", "automobile", "cat", "truck"]


def test_images_are_those_of_the_files(tmp_path: Path) -> None:
    """Class by class as asked for, with IDs that name the class and the row of its split."""
    dataset = SmallImages(CIFAR10, write(tmp_path))
    pixels, labels = generated("train", 3, classes=10)
    arrays = dataset.load("train", ["truck", "bird"], images_per_class=2)
    rows = [*np.flatnonzero(np.array(labels) == 9)[:2], *np.flatnonzero(np.array(labels) == 2)[:2]]
    np.testing.assert_array_equal(arrays.images, pixels[rows].transpose(0, 3, 1, 2))
    assert arrays.sample_ids[0] == f"truck/{rows[0]:05d}"
    assert len(dataset.samples()) == 30
    assert len(dataset.load("val", ["cat"]).labels) == 2


def test_files_of_cifar100_are_refused(tmp_path: Path) -> None:
    """The columns' names tell the two apart."""
    with pytest.raises(InputError, match="needs the columns img and label, as in uoft-cs/cifar10"):
        SmallImages(CIFAR10, write(tmp_path, "fine_label")).samples()
