"""The table of datasets: every entry is whole, looking one up is cheap, and another one is one more entry."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from dlth_bench.datasets.entry import DatasetEntry
from dlth_bench.datasets.registry import DATASETS
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Registry, import_attribute


def test_lookups_import_no_heavy_library() -> None:
    """Names, classes and Hub repositories of all datasets are had without numpy, torch, PIL and pyarrow."""
    code = (
        "import sys; from dlth_bench.datasets.registry import DATASETS; "
        "[(len(entry.catalog()), entry.hub, entry.published) for entry in DATASETS.values()]; "
        "print({'numpy', 'torch', 'PIL', 'pyarrow', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("entry", DATASETS.values(), ids=list(DATASETS))
def test_an_entry_is_whole(entry: DatasetEntry) -> None:
    """Its reader is there; what is not shipped has a repository, a size and a rule for the names of samples."""
    assert callable(import_attribute(entry.reader))
    assert entry.catalog().dataset == entry.name
    facts = (entry.hub, entry.published, entry.sample_names)
    assert all(fact is None for fact in facts) or all(fact is not None for fact in facts)
    assert entry.hub is None or entry.hub.name == entry.name


def test_another_entry_is_found_like_the_others() -> None:
    """An entry can be added at run time, but not in place of another."""
    table = Registry("dataset", DATASETS.values())
    table.register(replace(DATASETS["cifar10"], name="svhn"))
    assert table.find("svhn").title == "CIFAR-10"
    with pytest.raises(ValueError, match="there is a dataset 'svhn' already"):
        table.register(table["svhn"])
    with pytest.raises(InputError, match=r"unknown dataset 'svnh', valid are .*; did you mean 'svhn'\?"):
        table.find("svnh")
