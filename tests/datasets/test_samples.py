"""The training samples of a dataset by ID: what a sample subset chooses from."""

from __future__ import annotations

from array import array

import numpy as np
import pytest

from dlth_bench.datasets.catalog import SampleCatalog
from dlth_bench.datasets.registry import class_catalog, image_dataset, sample_catalog
from dlth_bench.util.errors import InputError


@pytest.mark.parametrize("images_per_class", [3, None])
def test_samples_are_those_that_load_gives(images_per_class: int | None) -> None:
    """IDs, labels and order are those of the arrays that training sees."""
    catalog = class_catalog("glyphs")
    samples = sample_catalog("glyphs", images_per_class)
    arrays = image_dataset("glyphs").load("train", catalog.ids, images_per_class)
    assert samples.sample_ids == arrays.sample_ids
    assert samples.class_ids == catalog.ids
    assert np.array_equal(np.asarray(samples.labels), arrays.labels)
    assert samples.images_per_class == images_per_class


def test_an_id_is_its_class_and_a_name() -> None:
    """So the classes of a sample subset are known from its IDs alone; no white space, so that lists can have notes."""
    samples = sample_catalog("glyphs")
    for sample_id, label in zip(samples.sample_ids, samples.labels, strict=True):
        class_id, _, name = sample_id.partition("/")
        assert class_id == samples.class_ids[label]
        assert name
        assert len(sample_id.split()) == 1
    assert len(set(samples.sample_ids)) == len(samples)


def test_lookup_and_guess() -> None:
    """An ID leads to its position; an unknown one to the nearest of its class, or of the class nearest to its own."""
    samples = SampleCatalog("toy", ("cat/0001", "cat/0002", "dog/0001"), array("i", [0, 0, 1]), ("cat", "dog"))
    assert (samples.index("cat/0002"), samples.index("cat/0003")) == (1, None)
    assert samples.closest("cat/00022") == "cat/0002"
    assert samples.closest("dogs/0001") == "dog/0001"
    assert samples.closest("fish/0001") is None


def test_samples_that_cannot_be_had() -> None:
    """No such dataset, or no samples at all: each is said."""
    for name, images, words in (
        ("glyph", None, "did you mean 'glyphs'"),
        ("glyphs", 0, "must be at least 1"),
    ):
        with pytest.raises(InputError, match=words):
            sample_catalog(name, images)
