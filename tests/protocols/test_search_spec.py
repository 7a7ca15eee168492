"""What a spec of a search with limited supervision promises: sensible parts, exact numbers, rewinding by samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from test_pruning import pruned

from dlth_bench.protocols.methods import SupervisedSpec
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import AugmentSpec, Duration, OptimizerSpec, TrainSpec
from dlth_bench.protocols.tickets import LayerDepth, PruningSpec, RewindPoint, SearchSpec
from dlth_bench.util.errors import InputError

ROTNET = {"kind": "rotnet", "augment": {"flip": 0.5}}
S4L = {"kind": "s4l", "augment": {}}
SGD = OptimizerSpec(kind="sgd", lr=0.1)


@pytest.mark.parametrize(
    ("share", "batch_size", "epochs", "updates", "passes", "fraction"),
    [(1.0, 1536, 90, 2500, 3, 0.033), (0.3, 1536, 200, 2500, 10, 0.05), (0.1, 768, 200, 5000, 30, 0.15)],
)
def test_rewinding_by_samples_seen_is_the_paper_s(
    share: float, batch_size: int, epochs: int, updates: int, passes: int, fraction: float
) -> None:
    """Three times 1.28 million images are, of every part of ImageNet, what table 1 says in other units."""
    samples = round(share * 1_280_000)
    train = TrainSpec(duration=Duration(epochs=epochs), batch_size=batch_size, optimizer=SGD)
    steps = RewindPoint(images=3 * 1_280_000).in_steps(train, samples)
    assert steps == updates
    assert steps * batch_size / samples == pytest.approx(passes, rel=0.01)
    assert steps / train.duration.in_steps(samples, batch_size) == pytest.approx(fraction, abs=0.011)


def test_rewinding_counts_on_what_the_search_sees() -> None:
    """A point in samples is as many updates on few samples as on all; one in epochs shrinks with them."""
    train = TrainSpec(duration=Duration(epochs=10), batch_size=10, optimizer=SGD)
    searched = {}
    for rewind in ({"images": 200}, {"epochs": 2}):
        for share in (None, 0.5):
            spec = PruningSpec(rounds=2, rewind=rewind, search=SearchSpec(share_of_samples=share))
            images = spec.search_images(train, [100])
            assert images is not None
            levels = 2 * (1000 if share is None else 500)
            searched[next(iter(rewind)), share] = levels - images  # the levels leave out what came before the point
    assert searched == {("images", None): 200, ("images", 0.5): 200, ("epochs", None): 200, ("epochs", 0.5): 100}


def test_parts_of_classes_are_rounded_and_never_empty() -> None:
    """Of each class its part, at least one sample; of classes at least two."""
    assert SearchSpec(share_of_samples=0.1).samples([48, 52, 4]) == 5 + 5 + 1
    assert SearchSpec(share_of_classes=0.1).samples([48] * 24) == 2 * 48
    assert SearchSpec(share_of_classes=0.25).samples([48] * 24) == 6 * 48
    assert SearchSpec(share_of_classes=0.25).samples([48, 40, 48]) is None
    assert SearchSpec().samples([48, 40]) == 88


def test_permuted_labels_come_without_augmentation() -> None:
    """Images are then always the same ones, of the size that the network takes."""
    own = SupervisedSpec(kind="supervised", augment=AugmentSpec(size=24, flip=0.5, jitter=0.8), mixup=0.2)
    method = SearchSpec(permute_labels=True).method_for(own)
    assert method == SupervisedSpec(kind="supervised", augment=AugmentSpec(size=24, crop_ratio=(1.0, 1.0)))
    assert SearchSpec().method_for(own) == own


def test_searches_are_told_apart(tiny: Protocol) -> None:
    """Every other search or depth is another run; none leaves a config what it was."""
    config = tiny.config("supervised")
    plain = pruned(config)
    assert pruned(config, search=None, depth=None).recipe_digest == plain.recipe_digest
    searches: list[dict[str, Any]] = [
        {},
        {"method": ROTNET},
        {"method": S4L},
        {"share_of_samples": 0.1},
        {"share_of_classes": 0.1},
        {"permute_labels": True},
    ]
    variants = [pruned(config, search=search) for search in searches]
    variants += [pruned(config, depth={"layers": 3}), pruned(config, depth={"share": 0.25}), plain]
    assert len({variant.recipe_digest for variant in variants}) == len(variants)


@pytest.mark.parametrize(
    ("pruning", "problem"),
    [
        ({"search": {"share_of_samples": 0.1, "share_of_classes": 0.1}}, "not both"),
        ({"search": {"share_of_samples": 1.0}}, "less than 1"),
        ({"search": {"method": ROTNET, "permute_labels": True}}, "the method rotnet is none"),
        ({"search": {"method": ROTNET}, "score": {"kind": "snip"}}, "score snip is of supervised searches"),
        ({"search": {"method": {"kind": "moco"}}}, "'rotnet'"),
        ({"depth": {"layers": 3, "share": 0.5}}, "exactly one of layers, share"),
        ({"depth": {}}, "exactly one of layers, share"),
        ({"search": {"share_of_samples": 0.1}, "prac": {}}, "prac searches by the config's own training"),
    ],
)
def test_what_makes_no_sense_is_refused(pruning: dict[str, Any], problem: str, tiny: Protocol) -> None:
    """An error of the protocol's author is heard before anything is trained."""
    with pytest.raises(ValidationError, match=problem):
        pruned(tiny.config("supervised"), **pruning)


def test_search_keeps_the_protocol_s_budget(tiny: Protocol) -> None:
    """A search that counts updates in a protocol of epochs would not get cheaper with the data as the rest does."""
    config = tiny.config("supervised")
    train = config.train.model_copy(update={"duration": Duration(steps=10)})
    changed = pruned(config, search={"train": train.model_dump()})
    with pytest.raises(ValidationError, match="must be in epochs"):
        Protocol.model_validate(tiny.model_dump() | {"configs": [*tiny.configs[:-1], changed], "reference": None})


def test_the_documented_example_is_valid() -> None:
    """A user can start from the file that the docs point to: a config of each kind of search."""
    protocol = find_protocol(str(Path(__file__).parents[2] / "docs" / "glyphs-lowsup.yaml"))
    searches = [config.pruning.search for config in protocol.configs if config.pruning is not None]
    assert None not in searches
    assert {search.method.kind for search in searches if search and search.method} == {"rotnet", "exemplar", "s4l"}


def test_depth_counts_layers() -> None:
    """As many as it says, or that part of them, at least one; a network with fewer is an error that says so."""
    assert LayerDepth(layers=5).count(53) == 5
    assert [LayerDepth(share=share).count(8) for share in (0.01, 0.25, 0.5, 1.0)] == [1, 2, 4, 8]
    with pytest.raises(InputError, match="11 layers deep, but the network has 9"):
        LayerDepth(layers=11).count(9)
