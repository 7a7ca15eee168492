"""Filtering a dataset of the Hugging Face library by a subset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

import dlth_bench
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.subsets.find import filter_dataset
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError

IMAGENET = class_catalog("imagenet")
SUBSET = Subset(dataset="imagenet", ids=(IMAGENET.ids[0], IMAGENET.ids[134], IMAGENET.ids[999]))


@dataclass
class Labels:
    """The names that a ClassLabel feature carries; None for a plain column."""

    names: Sequence[str] | None = None


@dataclass
class Rows:
    """What of ``datasets.Dataset`` the filter touches."""

    label: list[Any]
    feature: Labels = field(default_factory=Labels)

    @property
    def features(self) -> dict[str, Labels]:
        return {"image": Labels(), "label": self.feature}

    def filter(
        self, keep: Callable[..., list[bool]], *, batched: bool, input_columns: list[str], fn_kwargs: dict[str, Any]
    ) -> list[Any]:
        assert batched and input_columns == ["label"]
        return [label for label, kept in zip(self.label, keep(self.label, **fn_kwargs), strict=True) if kept]


@pytest.mark.parametrize("names", [None, [info.name for info in IMAGENET], list(IMAGENET.ids)])
def test_labels_in_the_usual_order(names: Sequence[str] | None) -> None:
    """Label k is class k, also where names that two classes share (crane) stand at their own places."""
    assert filter_dataset(Rows([5, 0, 134, 999, 517, 0], Labels(names)), SUBSET) == [0, 134, 999, 0]


def test_labels_in_another_order() -> None:
    """The dataset's own label names decide where they stand in another order, or name only some classes."""
    names = [IMAGENET.ids[999], IMAGENET.ids[7], IMAGENET.ids[0]]
    assert filter_dataset(Rows([0, 1, 2, 2], Labels(names)), SUBSET) == [0, 2, 2]


def test_labels_as_text() -> None:
    """IDs and names in a text column are understood; what is no class is left out."""
    assert filter_dataset(Rows(["tench", "n15075141", "a dog", "goldfish"]), SUBSET) == ["tench", "n15075141"]


def test_refusals() -> None:
    """A column that is missing, labels of other classes, and lists of samples are input errors."""
    with pytest.raises(InputError, match="no column 'fine_label'; it has image, label"):
        filter_dataset(Rows([0]), SUBSET, "fine_label")
    with pytest.raises(InputError, match="label 'apple pie' names no class of imagenet"):
        filter_dataset(Rows([0], Labels(["n01440764", "apple pie"])), SUBSET)
    with pytest.raises(InputError, match="lists samples; rows can be filtered by classes only"):
        filter_dataset(Rows([0]), Subset(dataset="imagenet", unit="sample", ids=("a/b",)))


def test_with_the_library_itself() -> None:
    """A real dataset of the library is filtered, in memory and streamed."""
    # Without the library, "datasets" would be the folder of these tests.
    pytest.importorskip("datasets.arrow_dataset")
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"label": [5, 0, 134], "image": [1, 2, 3]})
    assert filter_dataset(rows, SUBSET)["image"] == [2, 3]
    assert [row["image"] for row in filter_dataset(rows.to_iterable_dataset(), SUBSET)] == [2, 3]
    named = rows.cast_column("label", datasets.ClassLabel(names=[info.name for info in IMAGENET]))
    assert filter_dataset(named, SUBSET)["image"] == [2, 3]


def test_load_subset_by_name() -> None:
    """Code gets a shipped subset by dataset and name; a name of two datasets asks for the dataset."""
    assert len(dlth_bench.load_subset("imagenet/erc-155")) == 155
    assert dlth_bench.load_subset("pd-bottom") == dlth_bench.load_subset("imagenet/pd-bottom")
    assert dlth_bench.load_subset("glyphs/rs-0").dataset == "glyphs"
    assert dlth_bench.load_subset("imagenet/rs-0").dataset == "imagenet"
    with pytest.raises(InputError, match="'rs-0' is a subset of several datasets: write glyphs/rs-0 or imagenet/rs-0"):
        dlth_bench.load_subset("rs-0")
    with pytest.raises(InputError, match=r"shipped subset; did you mean 'imagenet/erc-155'\?"):
        dlth_bench.load_subset("imagenet/erc-15")
