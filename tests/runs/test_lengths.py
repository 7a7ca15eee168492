"""Sizes and lengths of training that a protocol admits: what is trained, what it costs, and what is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.plan import check_subset, cost_share, full_data, grid_runs, make_plan
from dlth_bench.runs.store import Store
from dlth_bench.selection.select import select
from dlth_bench.subsets.subset import SizeRange
from dlth_bench.util.errors import InputError
from tiny_grid import SUBSET


@pytest.fixture(scope="module")
def tuning() -> Protocol:
    return find_protocol("glyphs-tuning@1")


def test_an_exponent_makes_every_stage_longer(tiny: Protocol) -> None:
    """4 of 246 classes at equal updates take 61.5 times the epochs, in pretraining and probe alike."""
    longer = tiny.model_copy(update={"exponents": (0.0, 0.5, 1.0)})
    plain, half, whole = (
        grid_runs(longer, SUBSET, exponent=exponent, seeds=[0], configs=["moco"])[0] for exponent in (0.0, 0.5, 1.0)
    )
    assert plain.config == tiny.configs[0]
    assert whole.config.train.duration.epochs == pytest.approx(30 * 246 / 4)
    assert half.config.train.duration.epochs == pytest.approx(30 * (246 / 4) ** 0.5)
    assert whole.config.evaluation is not None
    assert whole.config.evaluation.train.duration.epochs == pytest.approx(20 * 246 / 4)
    assert len({plain.digest, half.digest, whole.digest}) == 3


def test_equal_updates_cost_what_the_full_data_cost(tuning: Protocol, store: Store) -> None:
    """The plan's share of the full data's cost is (n/N)^(1 - exponent)."""
    subset = select("rs", size=24, seed=0)
    shares = [make_plan(tuning, subset, store, exponent=exponent).share for exponent in tuning.exponents]
    assert shares == pytest.approx([24 / 246, (24 / 246) ** 0.5, 1.0])
    assert cost_share(tuning, full_data(tuning)) == 1


def test_a_length_that_the_protocol_lacks_is_refused(tuning: Protocol, tiny: Protocol) -> None:
    with pytest.raises(InputError, match=r"exponent 0.3: glyphs-tuning@1 takes 0, 0.5, 1"):
        grid_runs(tuning, select("rs", size=24, seed=0), exponent=0.3)
    with pytest.raises(InputError, match=r"takes 0$"):
        grid_runs(tiny, SUBSET, exponent=1.0)


def test_only_the_sizes_of_a_protocol_are_taken(tuning: Protocol) -> None:
    check_subset(select("rs", size=60, seed=0), tuning)
    with pytest.raises(InputError, match="has 25 classes, the protocol takes 12, 24, 60 or 120"):
        check_subset(select("rs", size=25, seed=0), tuning)


@pytest.mark.parametrize("sizes", [(24, 12), (12, 60), (24, 120), (12, 12, 120)])
def test_sizes_ascend_from_the_least_to_the_most(sizes: tuple[int, ...]) -> None:
    assert SizeRange(minimum=12, maximum=120, sizes=(12, 24, 120)).told == "12, 24 or 120"
    with pytest.raises(ValidationError):
        SizeRange(minimum=12, maximum=120, sizes=sizes)


@pytest.mark.parametrize("exponents", [(0.5, 1.0), (0.0, 1.0, 0.5), (0.0, 1.5)])
def test_exponents_ascend_from_nought(tiny: Protocol, exponents: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        Protocol.model_validate(tiny.model_dump() | {"exponents": exponents})
