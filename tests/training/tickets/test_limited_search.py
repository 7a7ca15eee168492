"""Searches with limited supervision: the search trains what its spec says, the ticket what the config says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from ticket_runs import REWIND, STEPS, config, kill_at, outcome, persistent, prepared
from tiny_training import BATCH, EVERYTHING, SGD, tiny_run, train_spec
from torch import Tensor

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.tickets import SearchData
from dlth_bench.runs.run import Result
from dlth_bench.training import loop
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.estimates.run import estimated
from dlth_bench.training.estimates.step import Counts
from dlth_bench.training.methods.exemplar import Exemplar
from dlth_bench.training.methods.rotnet import RotNet
from dlth_bench.training.methods.s4l import S4L
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.masks import load_mask
from dlth_bench.training.train_run import train_prepared

AUGMENT = EVERYTHING.model_dump()
METHODS: dict[str, dict[str, Any]] = {
    "rotnet": {"kind": "rotnet", "augment": AUGMENT},
    "exemplar": {"kind": "exemplar", "augment": AUGMENT, "dim": 6},
    "s4l": {"kind": "s4l", "augment": AUGMENT, "labelled": 0.3},
}
CLASSES = {"rotnet": RotNet, "exemplar": Exemplar, "s4l": S4L}
SHORT = train_spec(SGD, steps=6, batch_size=4).model_dump()


def limited(**search: Any) -> Config:
    """The config of `ticket_runs` with a search of its own."""
    return config(search=search)


class Watched:
    """The stages of the runs to come, and the weights that each began with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stages: list[Stage] = []
        self.first: dict[str, dict[str, Tensor]] = {}
        watched = self

        class Trainer(loop.Trainer):
            def __init__(self, stage: Stage, fabric: Fabric) -> None:
                super().__init__(stage, fabric)
                watched.stages.append(stage)
                state = stage.method.state_dict()
                watched.first[stage.name] = {name: tensor.clone() for name, tensor in state.items()}

        monkeypatch.setattr(loop, "Trainer", Trainer)


def told(result: Result) -> SearchData:
    assert result.ticket is not None
    assert result.ticket.search_data is not None
    return result.ticket.search_data


@pytest.mark.parametrize("kind", list(METHODS))
def test_search_trains_its_method_and_the_ticket_the_config_s(
    kind: str, glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Levels minimise the search's loss by its own schedule; the ticket is the rewound encoder under the mask with a
    new classifier, trained with all labels from update 0 of the config's schedule; its accuracy is the run's."""
    watched = Watched(monkeypatch)
    whole = prepared(limited(method=METHODS[kind], train=SHORT), glyphs, tmp_path)
    result = train_prepared(whole)
    *searched, ticket = watched.stages
    assert [stage.name for stage in searched] == ["pretrain", "level-0", "level-1"]
    assert {type(stage.method) for stage in searched} == {CLASSES[kind]}
    assert [(stage.start, stage.end, stage.spec.batch_size) for stage in searched] == [(0, 3, 4), (3, 6, 4), (3, 6, 4)]
    assert (ticket.name, type(ticket.method), ticket.start, ticket.end) == ("level-2", Supervised, 0, STEPS)
    assert torch.equal(ticket.labels, whole.first_stage().labels)
    rewound, mask = load_tensors(tmp_path / "pretrain.safetensors"), load_mask(tmp_path / "mask-2.safetensors")
    assert rewound is not None
    assert mask is not None
    head = whole.new_method("classifier").state_dict()
    for name, weight in watched.first["level-2"].items():
        expected = rewound[0][name] if name.startswith("encoder.") else head[name]
        assert torch.equal(weight, expected * mask[0].live[name] if name in mask[0].live else expected)
    assert result.ticket is not None
    assert result.ticket.mask_digest == mask[0].digest
    accuracies = [level.accuracy for level in result.ticket.levels]
    assert all((accuracy is None) == (kind == "exemplar") for accuracy in accuracies)
    assert told(result).labelled == {"rotnet": 0, "exemplar": 0, "s4l": 6}[kind]
    assert told(result).images == (3 + 2 * 3) * 4
    assert Result.model_validate_json(result.model_dump_json(exclude_defaults=True)) == result


def test_search_of_all_labels_finds_the_plain_ticket(glyphs: Glyphs) -> None:
    """An empty search is the config's own: the same mask and levels; the ticket alone is trained otherwise."""
    plain, own = (train_prepared(prepared(given, glyphs)) for given in (config(), limited()))
    assert plain.ticket is not None
    assert own.ticket is not None
    assert own.ticket.mask_digest == plain.ticket.mask_digest
    assert [level.accuracy for level in own.ticket.levels] == [level.accuracy for level in plain.ticket.levels]
    assert own.ticket.levels[0].natural_sparsity == plain.ticket.levels[0].natural_sparsity == 0
    assert own.cost is not None
    assert own.cost.images == (REWIND + 2 * (STEPS - REWIND) + STEPS) * BATCH
    assert told(own).samples == told(own).labelled == 24
    assert plain.ticket.search_data is None


@pytest.mark.parametrize(
    ("search", "samples", "classes"),
    [({"share_of_samples": 0.5}, 12, 3), ({"share_of_classes": 0.6}, 16, 2), ({"permute_labels": True}, 24, 3)],
    ids=["samples", "classes", "permuted"],
)
def test_search_draws_from_its_part_alone(
    search: dict[str, Any], samples: int, classes: int, glyphs: Glyphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No batch of the search has another sample, and the result says what part that was."""
    watched = Watched(monkeypatch)
    result = train_prepared(prepared(limited(**search), glyphs))
    data = told(result)
    assert (data.samples, data.classes, data.labelled) == (samples, classes, samples)
    assert len(data.class_ids) == (2 if "share_of_classes" in search else 0)
    assert (data.permuted > 0) == ("permute_labels" in search)
    *searched, ticket = watched.stages
    for stage in searched:
        drawn = torch.cat([loop.Batches(stage).at(step) for step in range(stage.start, stage.end)])
        assert len(drawn.unique()) <= samples
        assert (stage.labels[drawn] >= 0).all()
        assert stage.labels[drawn].max() < classes
    assert len(torch.cat([loop.Batches(ticket).at(step) for step in range(3)]).unique()) == 24


@pytest.mark.parametrize(
    "search",
    [
        {},
        {"method": METHODS["rotnet"], "train": SHORT},
        {"method": METHODS["exemplar"]},
        {"share_of_samples": 0.4},
        {"share_of_classes": 0.6},
    ],
    ids=["labels", "rotnet", "exemplar", "samples", "classes"],
)
def test_cost_of_a_search_can_be_foretold(search: dict[str, Any], glyphs: Glyphs) -> None:
    """What submissions are checked by and what is estimated before training is what is drawn and computed."""
    given = limited(**search)
    result = train_prepared(prepared(given, glyphs))
    assert result.cost is not None
    run = tiny_run(given)
    estimate = estimated(run, (8, 8, 8), Counts(run.data, 32))
    assert result.cost.images == run.images_seen == estimate.images
    assert result.cost.flops == pytest.approx(estimate.flops)
    by_ids = tuple(sorted(f"{class_id}/{number}" for class_id in run.class_ids for number in range(8)))
    assert run.model_copy(update={"sample_ids": by_ids}).images_seen == run.images_seen


@pytest.mark.parametrize(
    ("search", "moments"),
    [
        ({"method": METHODS["s4l"]}, {"update 2", "update 10", "prune 1", "before mask-2", "update 28"}),
        ({"permute_labels": True, "share_of_samples": 0.5}, {"update 5", "after mask-1", "update 25", "update 33"}),
    ],
    ids=["s4l", "permuted"],
)
def test_killed_search_equals_an_uninterrupted_one(
    search: dict[str, Any], moments: set[str], glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the search, between its levels and in the ticket's training, a run ends in the same bits."""
    given = limited(**search)
    whole = train_prepared(prepared(given, glyphs, tmp_path / "whole"))
    moments = set(moments)
    kill_at(moments, monkeypatch)
    (resumed,) = persistent(lambda: train_prepared(prepared(given, glyphs, tmp_path / "killed")))
    assert not moments
    assert outcome(resumed) == outcome(whole)
    ours, theirs = (load_tensors(tmp_path / folder / "level-2.safetensors") for folder in ("whole", "killed"))
    assert ours is not None
    assert theirs is not None
    assert all(torch.equal(tensor, theirs[0][name]) for name, tensor in ours[0].items())


def test_depth_leaves_other_layers_dense(glyphs: Glyphs, tmp_path: Path) -> None:
    """The first layers lose the share that rounds and rate say of them; no weight of the others is removed."""
    whole = prepared(config(depth={"layers": 2}), glyphs, tmp_path)
    ticket, names = (
        train_prepared(whole).ticket,
        [name for name in whole.new_method().state_dict() if "conv.weight" in name],
    )
    loaded, final = load_mask(tmp_path / "mask-2.safetensors"), load_tensors(tmp_path / "level-2.safetensors")
    assert ticket is not None
    assert loaded is not None
    assert final is not None
    assert list(loaded[0].live) == names[:2]
    assert ticket.prunable_weights == sum(final[0][name].numel() for name in names[:2])
    assert ticket.live_weights == whole.config.pruning.live_after(2, ticket.prunable_weights)
    assert sum(int((final[0][name] != 0).sum()) for name in names[:2]) <= ticket.live_weights
    assert all((final[0][name] != 0).all() for name in names[2:])
