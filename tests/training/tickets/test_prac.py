"""PrAC: sets, stops and costs are those of the algorithm written down plainly, and a kill changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ticket_runs import REWIND, STEPS, Saved, config, kill_at, outcome, persistent, prepared
from tiny_training import BATCH, RESNET, tiny_run

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.tickets import EarlyBirdSpec
from dlth_bench.runs.run import Result, Run
from dlth_bench.selection.by_dynamics import forgetting
from dlth_bench.training import loop
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.dynamics import DynamicsRecorder
from dlth_bench.training.evaluation import in_batches
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets import prac as early_bird
from dlth_bench.training.tickets.critical_set import CriticalSet
from dlth_bench.training.tickets.masks import Mask, keep_highest, load_mask
from dlth_bench.training.tickets.prac import ForgettingState, MaskHistory, is_settled, mask_distance
from dlth_bench.training.tickets.scores import magnitude_scores
from dlth_bench.training.train_run import train_prepared, train_run
from dlth_bench.training.train_stage import Checkpoints

SAMPLES = 24
WHOLE = {"early_bird": None}
"""Levels that go on to their end."""


def facts(result: Result) -> Any:
    assert result.ticket is not None, result.reason
    assert result.ticket.prac is not None
    return result.ticket.prac


# --- forgetting and early-bird stops ----------------------------------------------------------------------------


def test_events_are_toneva_s() -> None:
    """Of random presentations the same events as of the whole table of them; one that is not shown keeps its state."""
    rng = np.random.default_rng(0)
    shown, correct = rng.random((9, 40)) < 0.8, rng.random((9, 40)) < 0.6
    seen, table, state = ForgettingState.none(40, torch.device("cpu")), [], np.zeros(40, dtype=bool)
    for row, right in zip(shown, correct, strict=True):
        positions = rng.permutation(np.flatnonzero(row))
        seen.present(torch.from_numpy(positions), torch.from_numpy(right[positions]))
        state = np.where(row, right, state)
        table.append(state)
    expected = forgetting(table)
    assert np.array_equal(seen.events, expected.events)
    assert np.array_equal(seen.learned, expected.learned)
    assert np.array_equal(seen.hard(1), (expected.events > 1) | ~expected.learned)


@pytest.mark.parametrize(
    ("distances", "settled"),
    [
        ([], False),
        ([0.5, 0.05], False),
        ([0.5, 0.05, 0.05], True),
        ([0.05, 0.05, 0.05], False),  # masks that have not moved yet
        ([0.01, 0.5, 0.05], False),
        ([0.01, 0.5, 0.05, 0.07], True),
        ([0.5, 0.05, 0.3, 0.05], False),
        ([0.5, 0.05, 0.08, 0.05], False),  # closer than the distance, not as close
    ],
)
def test_masks_settle_after_they_moved(distances: Sequence[float], settled: bool) -> None:
    """A level stops once the last two distances are small, and not before one was large."""
    assert is_settled(distances, EarlyBirdSpec(distance=0.08, patience=2)) is settled


def test_distance_counts_weights_live_in_one_mask() -> None:
    """One weight exchanged for another is a distance of two, as a share of the weights that were live."""
    one, other = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])
    masks = Mask({"a": one, "b": one}), Mask({"a": one, "b": other})
    assert mask_distance(*masks) == 2
    history = MaskHistory(live=8)
    for mask in masks:
        history.add(mask)
    again = MaskHistory(live=8)
    again.restore(history.state())
    again.add(masks[0])
    assert again.distances == [0.25, 0.25]


# --- the search is the algorithm --------------------------------------------------------------------------------


class Watched:
    """A run whose levels are watched by the recorder of `record-dynamics`."""

    def __init__(self, folder: Path, data: Glyphs, **prac: Any) -> None:
        self.recorders: dict[str, DynamicsRecorder] = {}
        self.stages: dict[str, Stage] = {}

        def watch(stage: Stage) -> Any:
            self.stages[stage.name] = stage
            if not stage.name.startswith("level"):
                return lambda step: None
            self.recorders[stage.name] = DynamicsRecorder(stage, self.run.pixels, "minibatch")
            return self.recorders[stage.name].after_step

        self.run = prepared(config(prac=prac), data, folder, watch=watch)
        self.result = train_prepared(self.run)
        self.sets = [CriticalSet.load(folder / f"critical-{rounds}.safetensors") for rounds in (1, 2)]

    def predictions(self, level: int) -> torch.Tensor:
        stage = self.stages[f"level-{level}"]
        stage.method.eval()
        return in_batches(stage.method.logits, stage.samples, self.run.pixels).argmax(1)  # type: ignore[operator]

    def hard(self, level: int, among: torch.Tensor) -> torch.Tensor:
        recorder = self.recorders[f"level-{level}"]
        assert recorder.presented is not None
        rows = [*recorder.tensors()["correct"].astype(bool), recorder.presented.numpy()]  # a part of an epoch, too
        found = forgetting(rows)
        return torch.from_numpy((found.events > 0) | ~found.learned) & among


def test_sets_are_those_of_the_algorithm(glyphs: Glyphs, tmp_path: Path) -> None:
    """After the dense level the samples it forgot or never learned; after the next one, those of its own samples, and
    all that its network sees differently from the dense one."""
    watched = Watched(tmp_path, glyphs, **WHOLE)
    first, second = watched.sets
    assert first is not None
    assert second is not None
    everything = torch.ones(SAMPLES, dtype=torch.bool)
    assert torch.equal(first.selected, watched.hard(0, everything))
    differing = watched.predictions(0) != watched.predictions(1)
    hard = watched.hard(1, first.selected)
    assert torch.equal(second.selected, hard | differing)
    ticket = watched.result.ticket
    assert ticket is not None
    told = [level.prac for level in ticket.levels]
    assert [each.samples for each in told if each] == [SAMPLES, first.count]
    assert (told[0].hard, told[0].disagreeing) == (first.count, 0)  # type: ignore[union-attr]
    assert (told[1].hard, told[1].disagreeing) == (int(hard.sum()), int(differing.sum()))  # type: ignore[union-attr]
    assert told[1].both == int((hard & differing).sum())  # type: ignore[union-attr]
    assert facts(watched.result).selected == second.count


def test_level_trains_on_its_set_alone(glyphs: Glyphs, tmp_path: Path) -> None:
    """With as many updates as are its part of all, from its part of the rewind point on; the ticket on all samples."""
    watched = Watched(tmp_path, glyphs, **WHOLE)
    first = watched.sets[0]
    assert first is not None
    share = first.count / SAMPLES
    stage = watched.stages["level-1"]
    assert (stage.start, stage.steps) == (round(share * REWIND), round(share * STEPS))
    assert stage.only is not None
    assert set(stage.only.tolist()) == set(first.positions.tolist())
    assert watched.stages["level-2"].only is None
    assert watched.stages["level-2"].updates == STEPS - REWIND
    prac = facts(watched.result)
    assert prac.search_updates == STEPS - REWIND + stage.updates
    assert prac.vanilla_updates == 2 * (STEPS - REWIND)
    assert watched.result.cost is not None
    assert watched.result.cost.images == (REWIND + prac.search_updates + STEPS - REWIND) * BATCH
    assert prac.images == (REWIND + prac.search_updates) * BATCH


def test_options_of_the_set(glyphs: Glyphs, tmp_path: Path) -> None:
    """Without disagreement the sets only shrink; compared around pruning the dense level has one, too; a generous
    threshold leaves the never-learned; updates can stay."""
    alone = Watched(tmp_path / "alone", glyphs, disagreement=None, **WHOLE)
    first, second = alone.sets
    assert first is not None
    assert second is not None
    assert not (second.selected & ~first.selected).any()
    pruned = Watched(tmp_path / "pruned", glyphs, disagreement="pruned", **WHOLE)
    assert pruned.result.ticket is not None
    told = pruned.result.ticket.levels[0].prac
    mask = load_mask(tmp_path / "pruned" / "mask-1.safetensors")
    assert told is not None
    assert mask is not None
    before = pruned.predictions(0)  # the search has left the weights of the level pruned
    assert told.hard == first.count
    mask[0].apply(pruned.stages["level-0"].method)
    assert torch.equal(pruned.predictions(0), before)
    assert told.disagreeing > 0
    generous = Watched(tmp_path / "generous", glyphs, max_forgets=99, scaled_updates=False, **WHOLE)
    rows = generous.recorders["level-0"].tensors()["correct"].astype(bool)
    assert generous.result.ticket is not None
    assert generous.result.ticket.levels[0].prac is not None
    assert generous.result.ticket.levels[0].prac.hard == int((~rows.any(0)).sum())
    assert facts(generous.result).saved == 0


def test_level_stops_when_its_mask_has_settled(
    glyphs: Glyphs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of four epochs the mask moves after the second and no more after the third, which is then the last; the mask
    that is left is that of a training stopped there, and the result says what that saved."""
    distances = itertools.chain([10**6, 0], itertools.repeat(10**6))
    monkeypatch.setattr(early_bird, "mask_distance", lambda one, other: next(distances))
    given = config(rewind=None, prac={"early_bird": {"patience": 1}, "scaled_updates": False, "disagreement": None})
    whole = prepared(given, glyphs, tmp_path)
    result = train_prepared(whole)
    assert result.ticket is not None
    assert [level.prac.updates for level in result.ticket.levels if level.prac] == [9, STEPS]
    assert facts(result).saved == pytest.approx(3 / 24)
    stage = whole.first_stage()
    stage.name, stage.stop = "level-0", 9
    loop.train(stage, whole.fabric, Checkpoints())
    dense = Mask.dense(stage.method)
    mask = load_mask(tmp_path / "mask-1.safetensors")
    assert mask is not None
    assert given.pruning is not None
    expected = keep_highest(magnitude_scores(stage.method), dense, given.pruning.live_after(1, dense.weights))
    assert mask[0].digest == expected.digest


def test_set_too_small_for_a_batch_stays_the_one_before(glyphs: Glyphs, tmp_path: Path) -> None:
    """Where nothing is critical there is nothing to train on: the next level trains on what the last one did."""
    whole = prepared(config(prac=WHOLE | {"disagreement": None, "max_forgets": 99}), glyphs, tmp_path)
    result = train_prepared(whole)
    assert result.status == "finished"
    assert result.ticket is not None
    sizes = [level.prac.samples for level in result.ticket.levels if level.prac is not None]
    assert all(size >= BATCH for size in sizes)


# --- transfer, kills, masks -----------------------------------------------------------------------------------------


def test_set_of_another_network(glyphs: Glyphs, tmp_path: Path) -> None:
    """The set is that of a run with the other network; every level trains on it, and its search is counted apart."""
    backbone = RESNET.model_dump()
    transferred = train_prepared(prepared(config(prac=WHOLE | {"source": backbone}), glyphs, tmp_path))
    source = config(prac=WHOLE).model_copy(update={"backbone": RESNET})
    found = train_run(tiny_run(source), glyphs, device="cpu")
    prac, other = facts(transferred), facts(found)
    assert prac.set_digest == other.set_digest
    assert transferred.ticket is not None
    assert [level.prac.samples for level in transferred.ticket.levels if level.prac] == [prac.selected] * 2
    assert prac.source_updates == REWIND + other.search_updates
    assert (prac.images, prac.flops) == (other.images, other.flops)
    assert transferred.cost is not None
    updates = REWIND + prac.search_updates + prac.source_updates + STEPS - REWIND
    assert transferred.cost.images == updates * BATCH
    given = config(prac=WHOLE | {"source": backbone})
    assert given.pruning is not None
    assert given.pruning.updates(given.train, SAMPLES, prac) == updates


@pytest.mark.parametrize(
    ("prac", "moments"),
    [
        (WHOLE, {"update 5", "prune 1", "update 14", "before mask-2", "update 20"}),
        ({"early_bird": {"distance": 1.5, "patience": 1}}, {"update 8", "after mask-1", "prune 2"}),
        (WHOLE | {"source": RESNET.model_dump()}, {"update 7", "before mask-1", "update 25"}),
    ],
    ids=["whole", "early-bird", "transfer"],
)
def test_killed_search_equals_an_uninterrupted_one(
    prac: dict[str, Any],
    moments: set[str],
    glyphs: Glyphs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed inside levels and between them, sets, masks, weights and accuracies are the same to the last bit, and
    each kill costs at most the updates since the last checkpoint."""
    whole = train_prepared(prepared(config(prac=prac), glyphs, tmp_path / "whole"))
    kills, moments = len(moments), set(moments)
    happened = kill_at(moments, monkeypatch)
    (resumed,) = persistent(lambda: train_prepared(prepared(config(prac=prac), glyphs, tmp_path / "killed")))
    assert not moments
    assert outcome(resumed) == outcome(whole)
    for name in ("level-2", "critical", "critical-2", "mask-2"):
        if not (tmp_path / "whole" / f"{name}.safetensors").is_file():
            continue
        one, other = (load_tensors(tmp_path / each / f"{name}.safetensors") for each in ("whole", "killed"))
        assert one is not None
        assert other is not None
        assert all(torch.equal(tensor, other[0][key]) for key, tensor in one[0].items())
    updates = sum(moment.startswith("update") for moment in happened)
    assert whole.cost is not None
    needed = whole.cost.images // BATCH
    assert needed <= updates <= needed + 3 * kills


def test_no_checkpoint_of_a_level_holds_a_pruned_weight(
    glyphs: Glyphs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In every file that a search on critical samples writes, weights outside the level's mask are exactly zero."""
    saved = Saved(monkeypatch)
    train_prepared(prepared(config(prac=WHOLE), glyphs, tmp_path))
    masks = {rounds: load_mask(tmp_path / f"mask-{rounds}.safetensors") for rounds in (1, 2)}
    looked_at = 0
    for name, tensors in saved.files:
        if name.startswith(("level-1", "level-2")):
            mask = masks[int(name[6])]
            assert mask is not None
            for weight, live in mask[0].live.items():
                stored = tensors[f"module/{weight}"] if "checkpoint" in name else tensors[weight]
                assert not stored[~live].any()
                looked_at += 1
    assert looked_at >= 4 * len(mask[0].live)


def test_images_of_a_search_cannot_be_foretold() -> None:
    """A run says so, so that no submission is refused for training less than the most that it might."""
    run: Run = tiny_run(config(prac={}))
    assert run.images_seen is None
