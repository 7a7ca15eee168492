"""Attempts: a run may be interrupted as often as a cluster likes, but not get nowhere for ever."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dlth_bench.engines import attempt as module
from dlth_bench.engines.attempt import ATTEMPTS, attempt, read_attempts, record_attempt
from dlth_bench.runs.plan import Plan
from dlth_bench.runs.run import Result
from dlth_bench.runs.store import Store


class Killed(BaseException):
    """The end of a process, as far as a test in one process can have it."""


@pytest.fixture
def attempted(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Result]:
    """An attempt at the plan's first run whose training is killed; it may leave a checkpoint before."""

    def begin(checkpoint: str = "", batch: str = "slurm-1") -> Result:
        def killed(run: object, folder: Path, **settings: object) -> Result:
            if checkpoint:
                (folder / "pretrain-checkpoint.safetensors").write_text(checkpoint)
            raise Killed

        monkeypatch.setattr(module, "_trained", killed)
        ignore: Callable[[str, int, int], None] = lambda stage, step, total: None  # noqa: E731
        return attempt(
            plan.runs[0],
            store,
            device="cpu",
            keep_weights=False,
            wait_seconds=0.0,
            checkpoint_seconds=15.0,
            report=ignore,
            batch=batch,
        )

    return begin


def test_a_run_that_gets_nowhere_is_given_up(attempted: Callable[..., Result], plan: Plan, store: Store) -> None:
    """A run that kills every process at the same place ends as failed, with the reason, and is then let be."""
    for _ in range(ATTEMPTS):
        with pytest.raises(Killed):
            attempted()
    result = attempted()
    assert (result.status, result.reason) == (
        "failed",
        f"{ATTEMPTS} attempts in a row ended without a result or a new checkpoint",
    )
    assert store.result(plan.runs[0].digest) == result


def test_a_run_that_gets_on_may_be_interrupted_for_ever(attempted: Callable[..., Result]) -> None:
    """Each time limit costs an attempt, but as long as checkpoints move on none of them is the last."""
    for checkpoint in range(3 * ATTEMPTS):
        with pytest.raises(Killed):
            attempted(checkpoint=str(checkpoint))


def test_a_new_batch_tries_anew(attempted: Callable[..., Result]) -> None:
    """What one batch gave up is tried again when the user asks again."""
    for batch in ("slurm-1", "slurm-2"):
        for _ in range(ATTEMPTS):
            with pytest.raises(Killed):
                attempted(batch=batch)


def test_attempts_of_this_machine_alone_are_not_bounded(attempted: Callable[..., Result]) -> None:
    """Whoever stops a local command again and again goes on from there each time."""
    for _ in range(3 * ATTEMPTS):
        with pytest.raises(Killed):
            attempted(batch="")


def test_a_clock_that_was_set_back_hides_no_progress(tmp_path: Path) -> None:
    """A new checkpoint counts though an older one is dated later."""
    for number in range(3 * ATTEMPTS):
        for name, seconds in (("pretrain", 2e9), ("evaluation", 1e9 + number)):
            path = tmp_path / f"{name}.safetensors"
            path.write_text("")
            os.utime(path, (seconds, seconds))
        assert record_attempt(tmp_path, "slurm-1") == 1


@pytest.mark.parametrize("cut_off", ['{"at": "2026-', '{"at": "2026-\n'])
def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path, cut_off: str) -> None:
    """The record of attempts survives the deaths that it is about."""
    record_attempt(tmp_path, "slurm-1")
    with (tmp_path / "attempts.jsonl").open("a") as file:
        file.write(cut_off)
    assert record_attempt(tmp_path, "slurm-1") == 2
    assert [each.batch for each in read_attempts(tmp_path)] == ["slurm-1", "slurm-1"]
