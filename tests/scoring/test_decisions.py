"""Decisions: what following the subset would cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlth_bench.scoring.decisions import pairwise_agreement, regret, top1_hit, top2_hit

REFERENCE = [70.0, 75.0, 73.0, 60.0]
VECTORS = st.integers(3, 7).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 5), min_size=n, max_size=n) for _ in range(2)])
)


def test_regret_is_the_accuracy_given_away() -> None:
    """Choosing the third config costs the two points between it and the best."""
    assert regret([1, 2, 3, 0], REFERENCE) == pytest.approx(2.0)
    assert regret([1, 3, 2, 0], REFERENCE) == 0.0
    assert regret([1, 3, 3, 0], REFERENCE) == pytest.approx(1.0)


def test_hits() -> None:
    """The best config is first, second or neither on the subset; ties are a fair draw."""
    assert (top1_hit([1, 3, 2, 0], REFERENCE), top2_hit([1, 3, 2, 0], REFERENCE)) == (1, 1)
    assert (top1_hit([1, 2, 3, 0], REFERENCE), top2_hit([1, 2, 3, 0], REFERENCE)) == (0, 1)
    assert (top1_hit([3, 1, 2, 0], REFERENCE), top2_hit([3, 1, 2, 0], REFERENCE)) == (0, 0)
    assert (top1_hit([5, 5, 5, 5], REFERENCE), top2_hit([5, 5, 5, 5], REFERENCE)) == (0.25, 0.5)
    assert top2_hit([9, 5, 5, 5], REFERENCE) == pytest.approx(1 / 3)
    assert top1_hit([1, 3, 2, 0], [75.0, 70.0, 75.0, 60.0]) == 0
    assert top1_hit([3, 1, 2, 0], [75.0, 70.0, 75.0, 60.0]) == 1


@given(VECTORS)
def test_hits_and_regret_hang_together(pair) -> None:
    """A sure hit has no regret, a sure miss has some, and two places never hit less often than one."""
    subset, reference = pair
    assert 0 <= top1_hit(subset, reference) <= top2_hit(subset, reference) <= 1
    lost = regret(subset, reference)
    assert 0 <= lost <= max(reference) - min(reference)
    assert (lost == 0) == (top1_hit(subset, reference) == 1)


def test_pairs_within_seed_noise_do_not_count() -> None:
    """Only differences beyond z standard errors can be got right or wrong."""
    subset = [1.0, 2.0, 3.0, 0.0]  # swaps the second and third config
    everything = pairwise_agreement(subset, REFERENCE, 0.0)
    assert (everything.agreed, everything.counted) == (5, 6)
    beyond = pairwise_agreement(subset, REFERENCE, [1.0, 1.0, 1.0, 1.0])  # the threshold is 2.77
    assert (beyond.agreed, beyond.counted, beyond.share) == (5, 5, 1.0)
    assert pairwise_agreement(subset, REFERENCE, [0.0, 0.5, 0.5, 0.0]).counted == 6
    assert pairwise_agreement(subset, REFERENCE, [0.0, 1.0, 0.5, 0.0]).counted == 5
    assert np.isnan(pairwise_agreement(subset, REFERENCE, 50.0).share)


def test_a_tie_on_the_subset_is_no_agreement() -> None:
    """A subset that cannot tell two configs apart has not named the winner."""
    assert pairwise_agreement([1, 1, 1, 1], REFERENCE, 0.0).agreed == 0


def test_bad_input_is_named() -> None:
    """Wrong lengths and impossible errors are refused with the reason."""
    with pytest.raises(ValueError, match="x has 3 configs but y has 4"):
        regret([1, 2, 3], REFERENCE)
    with pytest.raises(ValueError, match="reference_error has 3 configs but reference has 4"):
        pairwise_agreement(REFERENCE, REFERENCE, [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="reference_error: "):
        pairwise_agreement(REFERENCE, REFERENCE, -1.0)
    with pytest.raises(ValueError, match="z: -1"):
        pairwise_agreement(REFERENCE, REFERENCE, 0.0, z=-1)
