"""Training without the easiest or hardest samples: the right ones go, and the cost of finding them is counted."""

from __future__ import annotations

import pytest
import torch
from test_measured_runs import config, prepared
from tiny_training import IMAGES_PER_CLASS, tiny_run

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.tickets import RemovalSpec
from dlth_bench.training.measurements.forgetting import kept_positions
from dlth_bench.training.train_run import train_prepared


@pytest.mark.parametrize(("order", "gone"), [("easiest", {1, 4}), ("hardest", {0, 3})])
def test_the_easiest_or_the_hardest_go(order: str, gone: set[int]) -> None:
    """Never-learned samples are the hardest, whatever their events; the rest keep their places."""
    events, learned = torch.tensor([0, 1, 4, 9, 0]), torch.tensor([False, True, True, True, True])
    spec = RemovalSpec.model_validate({"order": order, "share": 0.4})
    assert set(range(5)) - set(kept_positions(spec, events, learned, 0).tolist()) == gone


def test_ties_fall_to_the_seed() -> None:
    """Equally hard samples do not go by their place in the files, which is by class."""
    events, learned = torch.zeros(100, dtype=torch.int64), torch.ones(100, dtype=torch.bool)
    spec = RemovalSpec(order="easiest", share=0.5)
    one, other = (kept_positions(spec, events, learned, seed) for seed in (1, 2))
    assert len(one) == len(other) == 50
    assert not torch.equal(one, other)
    assert 10 < (one < 50).sum() < 40


def test_a_run_with_removal_counts_both_trainings() -> None:
    """Twelve steps on all samples, then twelve on what is left; the training accuracy is of these."""
    given = config(removal={"order": "hardest", "share": 0.5})
    result = train_prepared(prepared(given, Glyphs()))
    run = tiny_run(given)
    assert result.cost is not None
    assert result.cost.images == run.images_seen == 2 * 12 * 8
    assert run.evaluated_samples == 3 * IMAGES_PER_CLASS // 2
    assert result.train_accuracy is not None
    assert result.train_accuracy * 12 == pytest.approx(round(result.train_accuracy * 12))
