"""The plan: which runs a subset needs, in which order, and what they will take."""

from __future__ import annotations

import pytest

from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import Plan, expected_cost, full_data, make_plan
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError
from tiny_grid import CLASSES, SECONDS, SUBSET, broken, finished, with_reference

CATALOG = class_catalog("glyphs")


@pytest.fixture
def known(tiny: Protocol) -> Protocol:
    """The tiny protocol with a measured reference: two seeds a config."""
    return with_reference(tiny)


def cells(plan: Plan) -> list[tuple[str, int]]:
    return [(planned.run.config.name, planned.run.seed) for planned in plan.pending]


def test_every_config_meets_every_seed(plan: Plan) -> None:
    """Nothing of the grid is forgotten, and each run is another one."""
    assert {(run.config.name, run.seed) for run in plan.runs} == {
        (config, seed) for config in ("moco", "mae", "supervised") for seed in (0, 1)
    }
    assert len({run.digest for run in plan.runs}) == len(plan.runs) == 6
    assert all(run.class_ids == CLASSES for run in plan.runs)


def test_choice_of_configs_and_seeds(tiny: Protocol, store: Store) -> None:
    """A part of the grid can be asked for, whatever the order it is named in."""
    plan = make_plan(tiny, SUBSET, store, seeds=[1], configs=["supervised", "moco"])
    assert cells(plan) == [("moco", 1), ("supervised", 1)]


@pytest.mark.parametrize("names", [["moco", "moca"], [], ["a\x1b[2Jb"]])
def test_unknown_config_is_named_with_the_known(tiny: Protocol, store: Store, names: list[str]) -> None:
    """A mistyped config is an error, not an empty plan."""
    with pytest.raises(InputError, match="moco, mae, supervised") as caught:
        make_plan(tiny, SUBSET, store, configs=names)
    assert str(caught.value).isprintable()


def test_settled_runs_are_not_planned_again(tiny: Protocol, plan: Plan, store: Store) -> None:
    """Finished and diverged runs are done; a failed one is tried again."""
    first, second, third = plan.runs[:3]
    store.save(first, finished(first))
    store.save(second, broken(second, "diverged"))
    store.save(third, broken(third, "failed"))
    again = make_plan(tiny, SUBSET, store)
    assert [planned.run for planned in again.planned if planned.stored] == [first, second]
    assert [planned.run for planned in again.pending] == list(plan.runs[2:])


def test_longest_run_comes_first(known: Protocol, store: Store) -> None:
    """No long run is left alone at the end."""
    order = [config for config, _ in cells(make_plan(known, SUBSET, store))]
    assert order == ["mae", "mae", "supervised", "supervised", "moco", "moco"]


@pytest.mark.parametrize(("budget", "share"), [("epochs", 4 / len(CATALOG)), ("steps", 1.0)])
def test_expected_cost_follows_the_budget(known: Protocol, store: Store, budget: str, share: float) -> None:
    """With fixed epochs a run costs its share of the classes; with fixed steps as much as on the full data."""
    protocol = known.model_copy(update={"budget": budget})
    expected = make_plan(protocol, SUBSET, store, configs=["mae"]).planned[0].expected
    assert expected is not None
    assert expected.device_seconds == pytest.approx(SECONDS["mae"] / 2 * share)  # the reference sums two seeds
    assert expected.flops == pytest.approx(2.46e9 / 2 * share)
    assert expected.images == round(24_600 / 2 * share)


def test_expected_cost_of_samples(known: Protocol, store: Store) -> None:
    """A sample subset costs its share of the protocol's training samples, however many classes they are of."""
    samples = sample_catalog("glyphs", known.data.images_per_class)
    subset = Subset(dataset="glyphs", unit="sample", ids=samples.sample_ids[::10])
    plan = make_plan(known, subset, store)
    assert plan.share == pytest.approx(0.1, rel=0.01)
    assert plan.planned[0].expected == expected_cost(known, known.configs[0], plan.share)
    assert {run.sample_ids for run in plan.runs} == {subset.ids}
    fixed = known.model_copy(update={"budget": "steps"})
    assert make_plan(fixed, subset, store).share == 1.0


def test_expected_seconds(known: Protocol, store: Store) -> None:
    """Workers share the time, but none is faster than the longest run; what is stored takes none."""
    plan = make_plan(known, full_data(known), store)
    total = sum(SECONDS.values())
    assert plan.expected_seconds(1) == pytest.approx(total)
    assert plan.expected_seconds(2) == pytest.approx(total / 2)
    assert plan.expected_seconds(100) == pytest.approx(max(SECONDS.values()) / 2)
    for run in plan.runs:
        store.save(run, finished(run))
    assert make_plan(known, full_data(known), store).expected_seconds(2) == 0.0


def test_cost_is_unknown_without_a_reference(plan: Plan) -> None:
    """Nothing measured, nothing claimed."""
    assert {planned.expected for planned in plan.planned} == {None}
    assert plan.expected_seconds(2) is None
