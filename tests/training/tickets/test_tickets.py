"""Runs that prune: the search is the textbook's, nothing pruned comes back, and a kill costs and changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from ticket_runs import REWIND, STEPS, Saved, config, kill_at, outcome, persistent, prepared, rewound
from tiny_training import BATCH, SGD, tiny_run, train_spec
from torch import Tensor

import dlth_bench
from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.run import Result
from dlth_bench.training import loop
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.estimates.run import estimated
from dlth_bench.training.estimates.step import Counts
from dlth_bench.training.loop import train
from dlth_bench.training.optimizers import learning_rate
from dlth_bench.training.run_context import RunContext
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.masks import Mask, Masking, load_mask
from dlth_bench.training.train_run import train_prepared
from dlth_bench.training.train_stage import Checkpoints

# --- the search is what textbooks say -----------------------------------------------------------------------


def by_hand(whole: RunContext) -> tuple[dict[str, Tensor], dict[str, Tensor], list[dict[str, Tensor]]]:
    """Iterative magnitude pruning with rewinding in a few lines: rewind weights, final weights, masks."""
    fabric, template = Fabric(accelerator="cpu", devices=1), whole.first_stage()
    method = whole.new_method()
    train(Stage("pretrain", method, *data_of(template), stop=REWIND), fabric, Checkpoints())
    origin = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    masks = [{name: torch.ones_like(w, dtype=torch.bool) for name, w in origin.items() if name.endswith("conv.weight")}]
    for level in range(3):
        method = whole.new_method()
        method.load_state_dict(origin)
        stage = Stage(f"level-{level}", method, *data_of(template), start=REWIND)
        stage.masking = Masking(method, Mask(masks[-1]))
        train(stage, fabric, Checkpoints())
        trained, before = method.state_dict(), masks[-1]
        live = sum(int(kept.sum()) for kept in before.values())
        magnitudes = torch.cat([trained[name][kept].abs() for name, kept in before.items()])
        threshold = magnitudes.sort().values[round(0.6 * live)]
        masks.append({name: kept & (trained[name].abs() >= threshold) for name, kept in before.items()})
    return origin, trained, masks[:3]


def data_of(stage: Stage) -> tuple[Any, ...]:
    return stage.samples, stage.labels, stage.spec, stage.seed


def test_run_is_iterative_magnitude_pruning_with_rewinding(glyphs: Glyphs, tmp_path: Path) -> None:
    """Masks and final weights are, to the last bit, those of the algorithm written down plainly, each level started
    from the weights and batch-norm statistics of the rewind point with a fresh optimizer."""
    whole = prepared(config(), glyphs, tmp_path)
    result = train_prepared(whole)
    origin, trained, masks = by_hand(prepared(config(), glyphs))
    rewind = load_tensors(tmp_path / "pretrain.safetensors")
    final = load_tensors(tmp_path / "level-2.safetensors")
    assert rewind is not None
    assert final is not None
    assert all(torch.equal(rewind[0][name], tensor) for name, tensor in origin.items())
    assert all(torch.equal(final[0][name], tensor) for name, tensor in trained.items())
    assert rewind[0]["encoder.stem.bn.num_batches_tracked"] == REWIND
    assert final[0]["encoder.stem.bn.num_batches_tracked"] == STEPS
    for rounds in (1, 2):
        loaded = load_mask(tmp_path / f"mask-{rounds}.safetensors")
        assert loaded is not None
        assert loaded[0].digest == Mask(masks[rounds]).digest
    assert result.ticket is not None
    assert result.ticket.mask_digest == Mask(masks[2]).digest
    assert result.ticket.rewind_step == REWIND


def test_result_tells_the_ticket(glyphs: Glyphs) -> None:
    """Density, the accuracy of every level, and a cost that counts all rounds; the accuracy is the ticket's."""
    result = train_prepared(prepared(config(), glyphs))
    ticket, cost = result.ticket, result.cost
    assert ticket is not None
    assert cost is not None
    weights = ticket.prunable_weights
    left = weights - round(0.6 * weights)
    assert ticket.live_weights == left - round(0.6 * left)
    assert ticket.density == ticket.live_weights / weights
    assert ticket.density < ticket.total_density < 1
    assert [level.density for level in ticket.levels] == [1.0, left / weights]
    assert cost.images == (REWIND + 3 * (STEPS - REWIND)) * BATCH
    dense = train_prepared(prepared(config().model_copy(update={"pruning": None}), glyphs))
    assert dense.cost is not None
    assert cost.flops == pytest.approx(dense.cost.flops * (REWIND + 3 * (STEPS - REWIND)) / STEPS)
    assert cost.device_seconds >= sum(level.device_seconds for level in ticket.levels)
    assert result.curves.pretrain_steps == (1, 2, 3, 4, 6, 8, 10, 12)
    assert Result.model_validate_json(result.model_dump_json(exclude_defaults=True)) == result


def test_schedule_goes_on_at_the_rewind_point(glyphs: Glyphs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps 0 to 2 once, then 3 to 11 in each level, each at the learning rate of that step of a whole training."""
    seen: list[tuple[int, float]] = []
    original = loop.set_rates

    def set_rates(spec: Any, optimizer: torch.optim.Optimizer, moment: Any, drops: int) -> None:
        original(spec, optimizer, moment, drops)
        assert moment.total == STEPS
        seen.append((moment.step, optimizer.param_groups[0]["lr"]))

    monkeypatch.setattr(loop, "set_rates", set_rates)
    train_prepared(prepared(config(), glyphs))
    assert [step for step, _ in seen] == [*range(REWIND), *(3 * list(range(REWIND, STEPS)))]
    optimizer = config().train.optimizer
    assert all(lr == learning_rate(optimizer, loop.Moment(step, STEPS)) for step, lr in seen)


@pytest.mark.parametrize("baseline", [None, "reinit"])
def test_no_checkpoint_holds_a_pruned_weight(
    baseline: str | None, glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every file that a run writes at any moment, weights outside the level's mask are exactly zero."""
    saved = Saved(monkeypatch)
    train_prepared(prepared(config(baseline=baseline), glyphs, tmp_path))
    masks = {rounds: load_mask(tmp_path / f"mask-{rounds}.safetensors") for rounds in (1, 2)}
    looked_at = 0
    for name, tensors in saved.files:
        if not name.startswith(("level-1", "level-2")):
            continue
        found = masks[int(name[6])]
        assert found is not None
        for weight, live in found[0].live.items():
            stored = tensors[f"module/{weight}"] if "checkpoint" in name else tensors[weight]
            assert not stored[~live].any()
            assert stored[live].any()
            looked_at += 1
    assert looked_at >= 2 * 4 * len(found[0].live)


# --- other scores and controls --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["magnitude", "snip", "grasp", "synflow", "random", "random_erk"])
def test_every_score_gives_a_ticket_of_the_same_size(kind: str, glyphs: Glyphs) -> None:
    """At initialisation, one training; as many weights left as iterative pruning leaves, and the run says its cost."""
    given = rewound(kind)
    result = train_prepared(prepared(given, glyphs))
    assert result.ticket is not None
    assert result.cost is not None
    assert result.ticket.live_weights == config().pruning.live_after(2, result.ticket.prunable_weights)
    assert result.ticket.levels == ()
    assert result.ticket.rewind_step == 0
    assert result.cost.images == STEPS * BATCH
    assert (result.ticket.scoring_flops > 0) == (kind in {"snip", "grasp", "synflow"})


def test_other_scores_of_trained_weights(glyphs: Glyphs) -> None:
    """SNIP can take the place of magnitude in the rounds, too, and finds another mask."""
    found = [train_prepared(prepared(config(score={"kind": kind}), glyphs)).ticket for kind in ("snip", "magnitude")]
    assert found[0] is not None
    assert found[1] is not None
    assert [level.density for level in found[0].levels] == [level.density for level in found[1].levels]
    assert found[0].levels[0].accuracy == found[1].levels[0].accuracy
    assert found[0].mask_digest != found[1].mask_digest


def first_weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Tensor]]:
    """The weights that each stage of the runs to come begins with, by its name."""
    seen: dict[str, dict[str, Tensor]] = {}

    class Watched(loop.Trainer):
        def __init__(self, stage: Stage, fabric: Fabric) -> None:
            super().__init__(stage, fabric)
            seen[stage.name] = {name: tensor.clone() for name, tensor in stage.method.state_dict().items()}

    monkeypatch.setattr(loop, "Trainer", Watched)
    return seen


@pytest.mark.parametrize("baseline", ["permute_layer", "reinit", "random_ticket"])
def test_controls_change_what_they_say(baseline: str, glyphs: Glyphs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control has the ticket's mask or a shuffle of it within layers, on the ticket's weights or new ones; the
    search before it is the ticket's."""
    seen = first_weights(monkeypatch)
    ticket = train_prepared(prepared(config(), glyphs)).ticket
    weights = dict(seen)
    control = train_prepared(prepared(config(baseline=baseline), glyphs)).ticket
    assert ticket is not None
    assert control is not None
    assert [level.accuracy for level in control.levels] == [level.accuracy for level in ticket.levels]
    live = {name: seen["level-2"][name] != 0 for name in seen["level-2"] if name.endswith("conv.weight")}
    other = {name: weights["level-2"][name] != 0 for name in live}
    assert [int(kept.sum()) for kept in live.values()] == [int(kept.sum()) for kept in other.values()]
    same_mask = all(torch.equal(kept, other[name]) for name, kept in live.items())
    assert same_mask == (control.mask_digest == ticket.mask_digest) == (baseline == "reinit")
    both = {name: kept & other[name] for name, kept in live.items()}
    same_weights = all(torch.equal(seen["level-2"][n][kept], weights["level-2"][n][kept]) for n, kept in both.items())
    assert same_weights == (baseline == "permute_layer")
    steps = seen["level-2"]["encoder.stem.bn.num_batches_tracked"]
    assert steps == (REWIND if baseline == "permute_layer" else 0)


@pytest.mark.parametrize("pruning", [{}, {"baseline": "reinit"}, {"rewind": None}, {"rewind": {"fraction": 0.5}}])
def test_images_of_a_run_can_be_foretold(pruning: dict[str, Any], glyphs: Glyphs) -> None:
    """What a run says that it saw is what its spec says that it takes: submissions are checked by that, and estimates
    before training count all rounds, too."""
    given = config(**pruning)
    result = train_prepared(prepared(given, glyphs))
    assert result.cost is not None
    run = tiny_run(given)
    estimate = estimated(run, (8, 8, 8), Counts(run.data, 32))
    assert result.cost.images == run.images_seen == estimate.images
    assert result.cost.flops == pytest.approx(estimate.flops)


def test_rewind_point_past_the_end_is_an_error_before_training(glyphs: Glyphs) -> None:
    """Not a ticket that was never trained."""
    with pytest.raises(ValueError, match="not before the end of training"):
        train_prepared(prepared(config(rewind={"epochs": 50}), glyphs))


def test_diverged_level_is_a_result_that_names_it(glyphs: Glyphs) -> None:
    """With an absurd learning rate the search ends as a result with the level and the step."""
    absurd = config(rewind=None).model_copy(update={"train": train_spec(SGD.model_copy(update={"lr": 1e30}))})
    result = train_prepared(prepared(absurd, glyphs))
    assert result.status == "diverged"
    assert result.reason.startswith("the level-0 loss is nan at step")


# --- a kill costs and changes nothing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "moments"),
    [
        (config(), {"update 2", "update 10", "prune 1", "update 17", "before mask-2", "update 28"}),
        (config(baseline="random_ticket"), {"after mask-1", "update 20", "after mask-2", "update 30"}),
        (config(score={"kind": "snip"}), {"before mask-1", "prune 2", "after mask-2"}),
        (rewound("synflow"), {"prune 2", "before mask-2", "update 7"}),
    ],
    ids=["imp", "random-ticket", "snip", "synflow"],
)
def test_killed_search_equals_an_uninterrupted_one(
    given: Config, moments: set[str], glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed inside levels and between them, a run ends with the same masks, weights and accuracies to the last bit;
    a mask that was saved is not made again, and each kill costs at most the updates since the last checkpoint."""
    whole = train_prepared(prepared(given, glyphs, tmp_path / "whole"))
    kills, moments = len(moments), set(moments)
    happened = kill_at(moments, monkeypatch)
    (resumed,) = persistent(lambda: train_prepared(prepared(given, glyphs, tmp_path / "killed")))
    assert not moments
    assert outcome(resumed) == outcome(whole)
    names = {path.name for path in (tmp_path / "whole").glob("*.safetensors")}
    for name in names - {name for name in names if "checkpoint" in name or name.startswith("mask-")}:
        ours, theirs = (load_tensors(tmp_path / folder / name) for folder in ("whole", "killed"))
        assert ours is not None
        assert theirs is not None
        assert all(torch.equal(tensor, theirs[0][key]) for key, tensor in ours[0].items())
    for rounds in (1, 2):
        after = f"after mask-{rounds}"
        if after in happened:
            assert f"prune {rounds}" not in happened[happened.index(after) :]
    assert given.pruning is not None
    updates = sum(moment.startswith("update") for moment in happened)
    needed = given.pruning.updates(given.train, 24)
    assert needed <= updates <= needed + 3 * kills


def test_only_the_last_level_s_weights_are_kept(glyphs: Glyphs, tmp_path: Path) -> None:
    """Masks take a bit a weight, so all of them stay until the run is stored; weights of levels do not pile up."""
    train_prepared(prepared(config(), glyphs, tmp_path, keep_encoder=True))
    kept = {path.name for path in tmp_path.glob("*.safetensors") if "checkpoint" not in path.name}
    masks = {"mask-1.safetensors", "mask-2.safetensors", "mask.safetensors"}
    assert kept == masks | {"pretrain.safetensors", "level-2.safetensors", "encoder.safetensors"}


CHILD = """
import json, os, signal, sys
from pathlib import Path
import torch
sys.path[:0] = sys.argv[4:]
from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.training import loop
from ticket_runs import config, prepared

torch.set_num_threads(1)
loop.CURVE_POINTS = 4
updates, set_rates = 0, loop.set_rates


def rates(*given):
    global updates
    updates += 1
    if updates == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    set_rates(*given)


loop.set_rates = rates
run, searches = Path(sys.argv[1]) / "run", Path(sys.argv[1]) / "searches"
run.mkdir(exist_ok=True)
given = config(**json.loads(sys.argv[3]))
print(train_prepared(prepared(given, Glyphs(), run, searches=searches)).model_dump_json())
"""


@pytest.mark.slow
@pytest.mark.parametrize("pruning", [{}, {"baseline": "reinit"}, {"prac": {}}], ids=["imp", "reinit", "prac"])
def test_kill_9_costs_at_most_the_work_since_the_last_checkpoint(
    pruning: dict[str, Any], glyphs: Glyphs, tmp_path: Path
) -> None:
    """Processes that the system kills after so many updates: in the rewind phase, in levels of a search that lies in
    a store, early after a resume; the lock of the search is free again each time."""
    here = Path(__file__).parent
    environment = os.environ | {"PYTHONPATH": str(Path(dlth_bench.__file__).parents[1])}

    def child(dies_at: int) -> subprocess.CompletedProcess[str]:
        changes = json.dumps(pruning)
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(dies_at), changes, str(here), str(here.parent)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    for dies_at in (2, 9, 8, 12):
        assert child(dies_at).returncode == -signal.SIGKILL
    last = child(0)
    assert last.returncode == 0, last.stderr
    resumed = Result.model_validate_json(last.stdout.splitlines()[-1])
    assert outcome(resumed) == outcome(train_prepared(prepared(config(**pruning), glyphs)))
