"""Searches that runs of a store share: made once, by one process at a time, and no result shows who made them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from ticket_runs import REWIND, STEPS, Killed, config, kill_at, outcome, persistent, prepared
from tiny_training import IMAGES_PER_CLASS, SGD, tiny_run, train_spec

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.engines.attempt import attempt, checkpoints
from dlth_bench.protocols.measurements import TicketProbeSpec
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from dlth_bench.training import loop
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.stage import Stage
from dlth_bench.training.tickets.masks import Masking, load_mask
from dlth_bench.training.tickets.search import lock_search
from dlth_bench.training.train_run import train_prepared
from dlth_bench.training.train_stage import Checkpoints

TICKET, LEVEL = REWIND + 3 * (STEPS - REWIND), STEPS - REWIND


def search_folder(root: Path) -> Path:
    (lock,) = (root / "searches").glob("*/*/lock")
    return lock.parent


def shared(root: Path, glyphs: Glyphs, name: str, **pruning: Any) -> Any:
    (root / name).mkdir(exist_ok=True)
    return prepared(config(**pruning), glyphs, root / name, searches=root / "searches")


@pytest.mark.parametrize("baseline", ["permute_layer", "reinit", "random_ticket"])
def test_control_takes_the_search_of_its_ticket(
    baseline: str,
    glyphs: Glyphs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second run trains nothing but its last level, and its result, cost and weights are those of a run that
    searched by itself, to the last bit."""
    happened = kill_at(set(), monkeypatch)
    train_prepared(shared(tmp_path, glyphs, "ticket"))
    assert len([each for each in happened if each.startswith("update")]) == TICKET
    happened.clear()
    control = train_prepared(shared(tmp_path, glyphs, "control", baseline=baseline))
    last = LEVEL if baseline == "permute_layer" else STEPS
    assert len(happened) == len([each for each in happened if each.startswith("update")]) == last
    unshared = train_prepared(prepared(config(baseline=baseline), glyphs, tmp_path / "unshared"))
    assert outcome(control) == outcome(unshared)
    ours, theirs = (load_tensors(tmp_path / name / "level-2.safetensors") for name in ("control", "unshared"))
    assert ours is not None
    assert theirs is not None
    assert all(torch.equal(tensor, theirs[0][name]) for name, tensor in ours[0].items())


def test_cost_is_that_of_a_search_of_its_own(glyphs: Glyphs, tmp_path: Path) -> None:
    """A result counts the images, operations and seconds of its search whoever did it, and names it."""
    first = train_prepared(shared(tmp_path, glyphs, "ticket"))
    second = train_prepared(shared(tmp_path, glyphs, "control", baseline="permute_layer"))
    assert first.ticket.search == second.ticket.search == search_folder(tmp_path).name
    assert first.ticket.levels == second.ticket.levels
    assert first.cost.images == second.cost.images
    assert first.cost.flops == second.cost.flops
    levels = sum(level.device_seconds for level in first.ticket.levels)
    assert second.cost.device_seconds > levels + first.ticket.scoring_seconds


def test_fewer_rounds_are_part_of_the_same_search(
    glyphs: Glyphs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A denser ticket takes the mask on the way to the sparser one, and the other way round the search goes on."""
    happened = kill_at(set(), monkeypatch)
    train_prepared(shared(tmp_path, glyphs, "one", rounds=1))
    happened.clear()
    two = train_prepared(shared(tmp_path, glyphs, "two"))
    assert "prune 1" not in happened
    assert outcome(two) == outcome(train_prepared(prepared(config(), glyphs)))


@pytest.mark.parametrize(
    "changes",
    [
        {"rate": 0.5},
        {"rewind": {"steps": 2}},
        {"score": {"kind": "snip"}},
        {"prac": {}},
        {"search": {"share_of_samples": 0.5}},
        {"depth": {"layers": 2}},
    ],
    ids=["rate", "rewind", "score", "prac", "search", "depth"],
)
def test_other_searches_are_not_shared(changes: dict[str, Any]) -> None:
    """What a search depends on is in its name: the spec, the seed, the subset and the data."""
    runs = [tiny_run(config()), tiny_run(config(**changes)), tiny_run(config(), seed=1)]
    runs.append(runs[0].model_copy(update={"class_ids": runs[0].class_ids[:2]}))
    digests = {run.search_digest("a" * 64) for run in runs}
    assert len(digests) == len(runs)
    assert runs[0].search_digest("b" * 64) not in digests


def test_search_is_shared_by_all_that_search_on_the_same_samples() -> None:
    """Samples that replace what the ticket is trained on, and measurements, change nothing of the search before."""
    whole = tiny_run(config())
    ids = tuple(sorted(f"{class_id}/{number:05d}" for class_id in whole.class_ids for number in range(4)))
    half = whole.model_copy(update={"sample_ids": ids})
    probe = TicketProbeSpec(kind="ticket_probe", blocks=(1,), train=train_spec(SGD))
    measured = config().model_copy(update={"measure": (probe,)})

    def name(run: Run, replaced: str) -> str:
        return run.model_copy(update={"replaced": replaced}).search_digest("a" * 64)

    assert name(half, "search") == name(half, "training") != name(whole, "training")
    assert name(half, "sparse_training") == name(half, "probe") == name(whole, "training")
    assert name(whole.model_copy(update={"config": measured}), "training") == name(whole, "training")


def test_another_run_goes_on_where_a_search_was_killed(
    glyphs: Glyphs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The search of a killed run is no loss to the next one, which resumes it inside the level."""
    happened = kill_at({"update 17"}, monkeypatch)
    with pytest.raises(Killed):
        train_prepared(shared(tmp_path, glyphs, "ticket"))
    (control,) = persistent(lambda: train_prepared(shared(tmp_path, glyphs, "control", baseline="reinit")))
    updates = len([each for each in happened if each.startswith("update")])
    assert updates <= TICKET + REWIND + 3
    assert outcome(control) == outcome(train_prepared(prepared(config(baseline="reinit"), glyphs)))


def test_search_counts_as_progress_of_a_run(
    glyphs: Glyphs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attempts are given up when they leave no other checkpoint: those of the search are the run's, too."""
    kill_at({"update 17"}, monkeypatch)
    with pytest.raises(Killed):
        train_prepared(shared(tmp_path, glyphs, "ticket"))
    assert not list((tmp_path / "ticket").glob("*.safetensors"))
    assert "level-1-checkpoint.safetensors@" in checkpoints(tmp_path / "ticket")


def test_one_process_searches_at_a_time(tmp_path: Path) -> None:
    """Who comes while another searches waits, and then has what was found without searching."""
    searching, found, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with lock_search(tmp_path, found.is_set):
            order.append("searching")
            searching.set()
            waited.wait()
            found.set()
            order.append("found")

    waited = threading.Event()
    other = threading.Thread(target=first)
    other.start()
    searching.wait()
    with lock_search(tmp_path, found.is_set, waited.set):
        order.append("taken")
    other.join()
    assert order == ["searching", "found", "taken"]


def test_runs_of_a_store_share_by_themselves(tmp_path: Path) -> None:
    """Two configs attempted in a store leave one search there; a critical set stays with its run, checkpoints go."""
    store = Store(tmp_path)
    for changes in ({}, {"baseline": "permute_layer"}, {"prac": {"early_bird": None}}):
        given = tiny_run(config(**changes)).model_copy(update={"data": find_protocol("glyphs-tickets").data})
        given = given.model_copy(update={"data": given.data.model_copy(update={"images_per_class": IMAGES_PER_CLASS})})
        options = {"device": "cpu", "keep_weights": False, "wait_seconds": 0.0, "checkpoint_seconds": 60.0}
        result = attempt(given, store, report=lambda stage, step, total: None, **options)  # type: ignore[arg-type]
        assert result.status == "finished", result.reason
        left = {path.name for path in store.folder(given.digest).glob("*.safetensors")}
        assert left == ({"critical.safetensors"} if "prac" in changes else set())
    assert len(list(store.searches.glob("*/*/mask-2.safetensors"))) == 2


def test_lock_is_free_after_a_search_that_failed(tmp_path: Path) -> None:
    """An error of one run, a diverged loss for instance, does not stop the others for ever."""
    with pytest.raises(Killed), lock_search(tmp_path, lambda: False):
        raise Killed
    (tmp_path / ".mask-1.safetensors.1.tmp").touch()
    with lock_search(tmp_path, lambda: False):
        assert not list(tmp_path.glob(".*.tmp"))


def test_ticket_trains_from_the_files_of_its_search(glyphs: Glyphs, tmp_path: Path) -> None:
    """The weights at the rewind point and the mask as they are on disk give the run's final weights bit for bit."""
    whole = shared(tmp_path, glyphs, "ticket")
    train_prepared(whole)
    folder = search_folder(tmp_path)
    origin, mask = load_tensors(folder / "pretrain.safetensors"), load_mask(folder / "mask-2.safetensors")
    final = load_tensors(tmp_path / "ticket" / "level-2.safetensors")
    assert origin is not None
    assert mask is not None
    assert final is not None
    template, method = whole.first_stage(), whole.new_method()
    method.load_state_dict(origin[0])
    stage = Stage("level-2", method, template.samples, template.labels, template.spec, template.seed, start=REWIND)
    stage.masking = Masking(method, mask[0])
    loop.train(stage, whole.fabric, Checkpoints())
    assert all(torch.equal(tensor, final[0][name]) for name, tensor in method.state_dict().items())
