"""Which subsets a protocol takes: unit, size, classes, full batches, and samples of its own training data."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from dlth_bench.datasets.catalog import SampleCatalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import read_protocol
from dlth_bench.runs.plan import check_samples, check_subset
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError
from tiny_grid import CLASSES, SUBSET, tiny_text


def with_samples(rule: str, folder: Path) -> Protocol:
    """The tiny protocol with a rule for sample subsets, e.g. ``{minimum: 40, maximum: 64}``."""
    path = folder / "tiny.yaml"
    path.write_text(tiny_text().replace("maximum: 6}", f"maximum: 6, samples: {rule}}}"))
    return read_protocol(path)


def samples_of(*class_ids: str, each: int) -> Subset:
    ids = tuple(f"{class_id}/{number}" for class_id in class_ids for number in range(each))
    return Subset(dataset="glyphs", unit="sample", ids=ids)


def test_rule_of_the_protocol(tmp_path: Path) -> None:
    """A sample subset is counted in samples, over any number of classes; a class subset as before."""
    protocol = with_samples("{minimum: 40, maximum: 64}", tmp_path)
    check_subset(samples_of(*CLASSES, each=10), protocol)
    check_subset(samples_of(*(f"U+{number:04X}" for number in range(64)), each=1), protocol)
    check_subset(SUBSET, protocol)


@pytest.mark.parametrize(
    ("subset", "told"),
    [
        (samples_of(*CLASSES, each=9), "has 36 samples, the protocol takes 40 to 64"),
        (samples_of(*CLASSES, each=17), "has 68 samples, the protocol takes 40 to 64"),
        (samples_of("U+0041", each=40), "all samples are of class U+0041; two classes are needed"),
        (Subset(dataset="glyphs", ids=CLASSES[:2]), "has 2 classes, the protocol takes 3 to 6"),
    ],
)
def test_subsets_that_it_does_not_take(subset: Subset, told: str, tmp_path: Path) -> None:
    """The wrong size, or one class only, is one line with the file's name."""
    with pytest.raises(InputError) as caught:
        check_subset(subset, with_samples("{minimum: 40, maximum: 64}", tmp_path), source="mine.txt")
    assert str(caught.value) == f"mine.txt: {told}"


def test_protocol_of_class_subsets_alone(tiny: Protocol) -> None:
    """Protocols that say nothing of samples take none, as before."""
    with pytest.raises(InputError, match=r"mine\.txt: lists samples, but tiny@1 takes class subsets only"):
        check_subset(samples_of(*CLASSES, each=10), tiny, source="mine.txt")


def test_too_few_samples_for_a_batch(tmp_path: Path) -> None:
    """A subset on which some config could not take one step is refused before the first run, naming the config."""
    protocol = with_samples("{minimum: 2, maximum: 64}", tmp_path)
    check_subset(samples_of(*CLASSES, each=8), protocol)
    with pytest.raises(InputError, match="has 28 training samples, but moco trains in batches of 32"):
        check_subset(samples_of(*CLASSES, each=7), protocol)
    few = protocol.model_copy(update={"data": protocol.data.model_copy(update={"images_per_class": 7})})
    with pytest.raises(InputError, match="has 28 training samples, but moco trains in batches of 32"):
        check_subset(SUBSET, few)


def test_samples_that_the_protocol_does_not_train_on() -> None:
    """The full data of a protocol are its training samples; a subset of others would not be one of them."""
    known = SampleCatalog("glyphs", ("U+0041/0", "U+0042/0"), array("i", [0, 1]), ("U+0041", "U+0042"), 1)
    check_samples(samples_of("U+0041", "U+0042", each=1), known)
    with pytest.raises(InputError, match=r"s\.txt: 'U\+0041/1' is not among the first 1 training samples of its class"):
        check_samples(samples_of("U+0041", "U+0042", each=2), known, source="s.txt")


@pytest.mark.parametrize("rule", ["{minimum: 50, maximum: 40}", "{minimum: 1, maximum: 40}", "{minimum: 40}"])
def test_impossible_rule(rule: str, tmp_path: Path) -> None:
    """A rule for samples is checked like the one for classes, with its line."""
    with pytest.raises(InputError, match=r"tiny\.yaml:13: subset\.samples"):
        with_samples(rule, tmp_path)
