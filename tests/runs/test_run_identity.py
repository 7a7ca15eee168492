"""The identity of a run: what decides its outcome, and nothing else."""

from __future__ import annotations

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Run
from tiny_grid import SUBSET


def test_a_changed_run_has_its_own_digest(tiny: Protocol) -> None:
    """A digest that was asked for before is not carried over to a copy with another seed, recipe or class."""
    run = grid_runs(tiny, SUBSET)[0]
    other = next(config for config in tiny.configs if config.name != run.config.name)
    changes = ({"seed": 7}, {"config": other}, {"class_ids": run.class_ids[:3]})
    for change in changes:
        assert run.digest != run.model_copy(update=change).digest
    assert len({run.model_copy(update=change).digest for change in changes}) == len(changes)


def test_asking_for_a_digest_changes_nothing_else(tiny: Protocol) -> None:
    """A run is equal to the same run read from a file, before and after."""
    asked = grid_runs(tiny, SUBSET)[0]
    text = asked.model_dump_json(exclude_defaults=True)
    digest = asked.digest
    again = Run.model_validate_json(text)
    assert (asked, hash(asked)) == (again, hash(again))
    assert asked.model_dump_json(exclude_defaults=True) == text
    assert again.digest == digest
