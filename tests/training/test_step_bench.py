"""What ``dlth-bench bench step`` measures."""

from __future__ import annotations

import pytest
from tiny_training import CONFIGS, tiny_run, train_spec

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.training.cpu_speed.grouped_views import GroupedViews
from dlth_bench.training.speed import _Both, bench_step, profile_parts, profile_step, timed_parts
from dlth_bench.util.errors import InputError

CONFIG = CONFIGS["moco"].model_copy(update={"train": train_spec(CONFIGS["moco"].train.optimizer, 40, 16)})
DATA = tiny_run(CONFIG).data


def test_the_parts_of_a_profile_are_those_of_the_step_and_looking_leaves_no_trace() -> None:
    """Views, optimizer and schedules belong to the whole step alone; afterwards a step is what it was before."""
    both = _Both(CONFIG, DATA, protocol_dataset(DATA), "cpu", 3)
    both.whole_round(0)
    before = [vars(owner).get(name) for owner, name, _ in timed_parts(both.trainer)]
    parts = {part.part: part for part in profile_parts(both.trainer, both.whole_round, both.bare_round, 1)}
    assert [vars(owner).get(name) for owner, name, _ in timed_parts(both.trainer)] == before
    for part in ("views", "optimizer", "seeds and schedules"):
        assert parts[part].step > 0 == parts[part].bare
    for part in ("forward and loss", "backward", "moving average"):
        assert parts[part].step > 0 < parts[part].bare


def test_a_round_has_whole_groups_of_steps_whose_views_are_made_in_one_go() -> None:
    """Else the fastest round would be one that makes none."""
    both = _Both(CONFIG, DATA, protocol_dataset(DATA), "cpu", 3)
    assert isinstance(both.grouped, GroupedViews)
    assert both.steps % both.grouped.size == 0 == both.usable % both.grouped.size


def test_a_ratio_is_of_two_rates() -> None:
    """The step can't be reported faster than what it was measured at."""
    found = bench_step(CONFIG, DATA, protocol_dataset(DATA), device="cpu", rounds=1, steps=1)
    assert found.ratio == pytest.approx(found.step_images_per_second / found.model_images_per_second)


def test_a_profile_of_another_device_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its calls return before the work is done."""

    class _Elsewhere(_Both):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            self.fabric = type("Fabric", (), {"device": type("Device", (), {"type": "cuda"})})  # type: ignore[assignment]

    monkeypatch.setattr("dlth_bench.training.speed._Both", _Elsewhere)
    with pytest.raises(InputError, match="--device cpu, not cuda"):
        profile_step(CONFIG, DATA, protocol_dataset(DATA), device="cpu", rounds=1, steps=1)
