"""What a protocol's and a run's digest name: everything that decides an outcome, and nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.datasets.registry import image_dataset
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import (
    draft_protocols,
    find_protocol,
    lock_state,
    read_lock,
    read_protocol,
    shipped_protocols,
)
from dlth_bench.runs.run import Run
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.files import shipped_folder
from dlth_bench.util.model import Frozen, digest_of
from tiny_grid import CLASSES, tiny_text, with_reference


def read(text: str, folder: Path) -> Protocol:
    path = folder / "protocol.yaml"
    path.write_text(text)
    return read_protocol(path)


def test_locked_protocols_have_not_changed() -> None:
    """What was frozen stays as it was, and stays shipped: old scores keep their meaning."""
    lock = read_lock(shipped_folder("protocols"))
    assert "glyphs-ssl@1" in lock
    shipped = {protocol.key: protocol.digest for protocol in map(read_protocol, shipped_protocols().values())}
    assert {key: shipped.get(key) for key in lock} == lock


@pytest.mark.parametrize("stem", sorted(shipped_protocols() | draft_protocols()))
def test_shipped_protocol_is_found_and_of_the_installed_data(stem: str) -> None:
    """A shipped protocol has the name of its file, and one on Glyphs can be run with the Glyphs beside it."""
    protocol = find_protocol(stem.partition("@")[0])
    assert protocol.name == stem.partition("@")[0]
    if protocol.data.dataset == "glyphs":
        assert protocol.data.manifest_digest == image_dataset("glyphs").manifest_digest


def test_lock_state(tiny: Protocol) -> None:
    """A protocol is locked, not locked, or no longer what was locked."""
    assert lock_state(tiny, {}) == "not locked"
    assert lock_state(tiny, {tiny.key: tiny.digest}) == "locked"
    assert lock_state(tiny.model_copy(update={"title": "Other"}), {tiny.key: tiny.digest}) == "changed"


def test_how_it_is_written_does_not_count(tmp_path: Path) -> None:
    """Comments, key order, anchors and default values that are written out leave the digest as it is."""
    protocol = read(tiny_text(), tmp_path)
    document = yaml.safe_load(tiny_text())
    sorted_keys = "# another comment\n" + yaml.safe_dump(document, sort_keys=True)
    with_defaults = yaml.safe_dump(protocol.model_dump(mode="json"))
    assert "label_smoothing" in with_defaults
    assert "label_smoothing" not in sorted_keys
    for text in (sorted_keys, with_defaults, "x-anchors: [1]\n" + tiny_text()):
        assert read(text, tmp_path).digest == protocol.digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("temperature: 0.2", "temperature: 0.21"),
        ("mixup: 0.2", "mixup: 0.2, label_smoothing: 0.1"),
        ("images_per_class: 16", "images_per_class: 17"),
        ("seeds: [0, 1]", "seeds: [1, 0]"),
        ("maximum: 6", "maximum: 7"),
        ("maximum: 6", "maximum: 6, samples: {minimum: 40, maximum: 64}"),
        ("layer_decay: 0.75", "layer_decay: 0.8"),
        ("name: mae", "name: mae2"),
    ],
)
def test_what_it_says_counts(before: str, after: str, tmp_path: Path) -> None:
    """Any other recipe, data, seed or rule is another protocol."""
    assert tiny_text().count(before) == 1
    assert read(tiny_text().replace(before, after), tmp_path).digest != read(tiny_text(), tmp_path).digest


def test_digest_is_of_canonical_json() -> None:
    """Anyone can recompute a digest: SHA-256 of JSON with sorted keys, ASCII only, without white space."""
    text = '{"a":["\\u00e9",1.5],"b":null}'
    assert digest_of({"b": None, "a": ["é", 1.5]}) == hashlib.sha256(text.encode()).hexdigest()


def test_new_optional_field_keeps_old_digests() -> None:
    """A later version of the package may add a field with a default."""

    class Old(Frozen):
        lr: float

    class New(Old):
        warmup: float = 0.0

    assert digest_of(New(lr=0.1)) == digest_of(Old(lr=0.1))
    assert digest_of(New(lr=0.1, warmup=0.5)) != digest_of(Old(lr=0.1))


def run_of(protocol: Protocol, config: str = "moco", classes: tuple[str, ...] = CLASSES, seed: int = 0) -> str:
    return Run(data=protocol.data, config=protocol.config(config), class_ids=classes, seed=seed).digest


def test_run_is_named_by_what_decides_its_outcome(tiny: Protocol, tmp_path: Path) -> None:
    """Data, recipe, classes and seed make another run; names, titles and the reference do not."""
    run = run_of(tiny)
    text = tiny_text(tiny.data.manifest_digest)
    named = text.replace("name: tiny", "name: other").replace("title: MoCo", "title: Another").replace("6}", "9}", 1)
    assert run_of(read(named, tmp_path)) == run
    assert run_of(read(text.replace("- name: moco", "- name: moco-v2"), tmp_path), "moco-v2") == run
    assert run_of(with_reference(tiny)) == run
    others = {
        run_of(read(text.replace("images_per_class: 16", "images_per_class: 15"), tmp_path)),
        run_of(read(text.replace("temperature: 0.2", "temperature: 0.3"), tmp_path)),
        run_of(tiny_of_other_data(text, tmp_path)),
        run_of(tiny, "supervised"),
        run_of(tiny, classes=CLASSES[:3]),
        run_of(tiny, seed=1),
    }
    assert len(others - {run}) == 6


def test_samples_make_another_run(tiny: Protocol) -> None:
    """A run on samples is not that on their classes, and other samples make another one; stored class runs keep theirs.

    Anyone can recompute a digest: the samples are one more key, there only when they are given.
    """
    classes, config = ("a", "b"), tiny.configs[0]
    data = DataSpec(dataset="toy", manifest_digest="0" * 64, pixel_mean=(0.5,), pixel_std=(0.5,))
    parts = {
        "data": {"dataset": "toy", "manifest_digest": "0" * 64, "pixel_mean": [0.5], "pixel_std": [0.5]},
        "recipe": config.recipe_digest,
        "classes": ["a", "b"],
        "seed": 0,
    }
    whole = Run.on(Subset(dataset="toy", ids=classes), data, config, seed=0)
    assert whole == Run(data=data, config=config, class_ids=classes, seed=0)
    assert whole.digest == digest_of(parts)
    for samples in (("a/1", "b/1"), ("a/1", "b/2")):
        run = Run.on(Subset(dataset="toy", unit="sample", ids=samples[::-1]), data, config, seed=0)
        assert (run.class_ids, run.sample_ids, run.samples) == (classes, samples, 2)
        assert run.digest == digest_of(parts | {"samples": list(samples)})
        assert Run.model_validate_json(run.model_dump_json(exclude_defaults=True)) == run


@pytest.mark.parametrize("samples", [("b/1", "a/1"), ("a/1", "a/1", "b/1"), ("a/1", "c/1"), ("a/1",), ()])
def test_samples_of_a_run_fit_its_classes(samples: tuple[str, ...], tiny: Protocol) -> None:
    """One set of samples has one run, whatever program writes it."""
    with pytest.raises(ValidationError, match="samples"):
        Run(data=tiny.data, config=tiny.configs[0], class_ids=("a", "b"), sample_ids=samples, seed=0)


def tiny_of_other_data(text: str, folder: Path) -> Protocol:
    digest = read(text, folder).data.manifest_digest
    return read(text.replace(digest, "f" * 64), folder)
