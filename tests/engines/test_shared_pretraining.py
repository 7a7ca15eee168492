"""Sharing a pretraining: the same results as without, for less, and nothing left over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlth_bench.engines.attempt import FOLDER, attempt, invite, pretraining_folder
from dlth_bench.protocols.methods import LinearSpec
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import make_plan
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from tiny_grid import SUBSET, with_reference


@pytest.fixture
def both(tiny: Protocol) -> Protocol:
    """The tiny protocol, whose MAE is evaluated by a linear probe, too."""
    moco, mae = (next(config for config in tiny.configs if config.name == name) for name in ("moco", "mae"))
    assert moco.evaluation is not None
    probe = LinearSpec(kind="linear", features="cls", train=moco.evaluation.train)
    also = mae.model_copy(update={"name": "mae-linear", "evaluation": probe})
    return tiny.model_copy(update={"configs": (*tiny.configs, also), "seeds": tiny.seeds[:1]})


def _runs(protocol: Protocol, store: Store) -> list[Run]:
    return list(make_plan(protocol, SUBSET, store, configs=["mae", "mae-linear"]).runs)


def _trained(runs: list[Run], store: Store) -> list[Result]:
    def begin(run: Run) -> Result:
        return attempt(
            run,
            store,
            device="cpu",
            keep_weights=False,
            wait_seconds=0.0,
            checkpoint_seconds=15.0,
            report=lambda stage, step, total: None,
        )

    return [begin(run) for run in runs]


def _measured(result: Result) -> dict[str, Any]:
    kept = {"accuracy", "train_accuracy", "class_accuracy", "curves"}
    cost = result.cost
    return result.model_dump(include=kept) | {"cost": cost and (cost.images, cost.flops)}


def test_shared_results_are_those_of_runs_alone(both: Protocol, tmp_path: Path) -> None:
    """Accuracies, curves, images and FLOPs do not tell whether a pretraining was shared; what it saved stands apart."""
    alone, shared = Store(tmp_path / "alone"), Store(tmp_path / "shared")
    runs = _runs(both, alone)
    invite(runs, shared)
    expected, found = _trained(runs, alone), _trained(runs, shared)
    assert [_measured(result) for result in found] == [_measured(result) for result in expected]
    assert [result.reused_seconds > 0 for result in found] == [False, True]
    assert not any((shared.root / FOLDER).iterdir())


def test_a_busy_pretraining_is_not_waited_for(both: Protocol, store: Store) -> None:
    """While another process trains it a run gets no folder, and trains for itself; the invitation stays."""
    first, second = _runs(both, store)
    invite([first, second], store)
    with pretraining_folder(first, store) as held, pretraining_folder(second, store) as busy:
        assert held is not None
        assert busy is None
    with pretraining_folder(second, store) as free:
        assert free == held


def test_only_runs_that_begin_alike_share(both: Protocol, store: Store) -> None:
    """Other methods, other seeds and supervised training are not invited."""
    plan = make_plan(both, SUBSET, store)
    other_seed = plan.runs[-1].model_copy(update={"seed": 17})
    invite([*plan.runs, other_seed], store)
    sharing = {"mae", "mae-linear"}
    for run in (*plan.runs, other_seed):
        with pretraining_folder(run, store) as folder:
            assert (folder is not None) == (run.config.name in sharing and run is not other_seed)


def test_followers_come_last(both: Protocol, store: Store) -> None:
    """Runs are ordered longest first, and those that will find their pretraining done come after all others."""
    times = {"moco": (0.8, 0.8), "mae": (0.6, 0.6), "supervised": (0.9, 0.9)}
    reference = with_reference(both, times).reference
    assert reference is not None
    longest = reference.configs["mae"]  # 60 s, of three configs the longest
    reference = reference.model_copy(update={"configs": reference.configs | {"mae-linear": longest}})
    plan = make_plan(both.model_copy(update={"reference": reference}), SUBSET, store)
    names = [planned.run.config.name for planned in plan.pending]
    assert names == ["mae", "supervised", "moco", "mae-linear"]
