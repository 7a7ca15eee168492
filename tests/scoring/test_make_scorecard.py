"""The scorecard: right numbers from what is there, and nothing invented for what is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from board_examples import COST, DEVICE, FULL, SUBSET, results_of, tiny_protocol
from scipy import stats

from dlth_bench.protocols.protocol import ConfigReference, Cost, Protocol
from dlth_bench.runs.run import Result
from dlth_bench.runs.score import cell_of, score_results
from dlth_bench.scoring.score import Cell, NotScorable, make_scorecard
from dlth_bench.scoring.scorecard import Scorecard

SUBSET_TOP1 = {"alpha": (0.70, 0.72), "beta": (0.75, 0.71), "gamma": (0.50, 0.51), "delta": (0.52, 0.40)}
FULL_MEANS, SUBSET_MEANS = (
    [sum(values) / len(values) for values in side.values()] for side in (FULL, SUBSET_TOP1)
)  # fmt: skip


def cells_of(accuracies: Mapping[str, Sequence[float | None]], cost: Cost | None = None) -> dict[str, list[Cell]]:
    return {
        config: [Cell(seed, value, cost=cost, device=DEVICE) for seed, value in enumerate(values)]
        for config, values in accuracies.items()
    }


def published(std: float | None = None) -> Protocol:
    """The protocol with printed means in place of measured accuracies."""
    protocol = tiny_protocol()
    assert protocol.reference is not None
    entries = {config: ConfigReference(mean=values[0], std=std) for config, values in FULL.items()}
    return protocol.model_copy(update={"reference": protocol.reference.model_copy(update={"configs": entries})})


def problems(card: Scorecard) -> dict[str, tuple[str, ...]]:
    return {score.config: score.problems for score in card.configs if score.problems}


def test_correlations_are_those_of_scipy() -> None:
    """The three correlations are over the configs' means, as anyone can recompute them."""
    card = make_scorecard(tiny_protocol(), cells_of(SUBSET_TOP1))
    for score, judge in [
        (card.pearson, stats.pearsonr),
        (card.spearman, stats.spearmanr),
        (card.kendall, stats.kendalltau),
    ]:
        assert score.value == pytest.approx(judge(SUBSET_MEANS, FULL_MEANS).statistic, abs=1e-12)
        assert score.low is not None
        assert score.high is not None
        assert -1 <= score.low <= score.value <= score.high <= 1
    assert card.complete
    assert card.configs[0].std == pytest.approx(stats.tstd([0.70, 0.72]))


def test_decision_is_about_the_full_data() -> None:
    """Picking beta where alpha is best costs their gap on the full data."""
    decision = make_scorecard(tiny_protocol(), cells_of(SUBSET_TOP1)).decision
    assert decision is not None
    assert (decision.picked, decision.best) == ("beta", "alpha")
    assert decision.regret == pytest.approx(FULL_MEANS[0] - FULL_MEANS[1])
    assert (decision.pairs_agreed, decision.pairs_resolved) == (5, 6)


def test_subset_like_the_full_data_is_perfect() -> None:
    """The full data's own accuracies reach every ceiling and lose nothing."""
    card = make_scorecard(tiny_protocol(), cells_of(FULL))
    assert [score.value for score in (card.pearson, card.spearman, card.kendall)] == pytest.approx([1.0, 1.0, 1.0])
    assert card.decision is not None
    assert card.decision.regret == 0.0
    assert card.decision.pairs_agreed == card.decision.pairs_resolved == 6
    assert card.leave_one_out == pytest.approx(dict.fromkeys(FULL, 1.0))


def test_constant_accuracies_have_no_correlation() -> None:
    """Where nothing differs there is nothing to rank: unknown, not zero and not NaN."""
    card = make_scorecard(tiny_protocol(), cells_of(dict.fromkeys(FULL, (0.5, 0.5))))
    for score in (card.pearson, card.spearman, card.kendall):
        assert set(score.model_dump().values()) == {None}
    assert set(card.leave_one_out.values()) == {None}
    assert "NaN" not in card.model_dump_json()


def test_holes_are_named_and_not_filled() -> None:
    """A missing seed and a failed run stand beside their config, whose mean is over what is there."""
    cells = cells_of(SUBSET_TOP1)
    cells["alpha"] = cells["alpha"][:1]
    cells["beta"][0] = Cell(0, None, problem="seed 0 failed: disk full")
    card = make_scorecard(tiny_protocol(), cells)
    assert problems(card) == {"alpha": ("seed 1 is missing",), "beta": ("seed 0 failed: disk full",)}
    assert not card.complete
    means = {score.config: (score.mean, score.std, score.accuracies) for score in card.configs}
    assert means["alpha"] == (0.70, None, (0.70,))
    assert means["beta"] == (0.71, None, (0.71,))


def test_config_without_any_accuracy_is_left_out() -> None:
    """Correlations are over the configs that have results, and the reader is told."""
    cells = cells_of({config: values for config, values in SUBSET_TOP1.items() if config != "delta"})
    card = make_scorecard(tiny_protocol(), cells)
    expected = stats.pearsonr(SUBSET_MEANS[:3], FULL_MEANS[:3]).statistic
    assert card.pearson.value == pytest.approx(expected, abs=1e-12)
    assert card.configs[3].mean is None
    assert any("1 of 4 configs have no accuracy" in note for note in card.notes)
    assert not card.complete


@pytest.mark.parametrize("configs", [0, 1, 2])
def test_too_few_configs_are_not_scored(configs: int) -> None:
    """Two points always lie on a line; that is no score."""
    some = dict(list(SUBSET_TOP1.items())[:configs])
    with pytest.raises(NotScorable, match=f"{configs} of 4 configs have an accuracy; a correlation needs 3"):
        make_scorecard(tiny_protocol(), cells_of(some))


def test_no_reference_is_said() -> None:
    """A protocol that has not been measured on the full data cannot score."""
    with pytest.raises(NotScorable, match="no full-data reference yet"):
        make_scorecard(tiny_protocol().model_copy(update={"reference": None}), cells_of(FULL))


def test_published_means_without_a_spread() -> None:
    """Printed numbers without a std score all the same, and the scorecard says what that takes for granted."""
    card = make_scorecard(published(), cells_of(SUBSET_TOP1))
    printed = [values[0] for values in FULL.values()]
    assert card.pearson.value == pytest.approx(stats.pearsonr(SUBSET_MEANS, printed).statistic, abs=1e-12)
    assert card.configs[0].reference_std is None
    assert any("no spread over seeds" in note for note in card.notes)
    with_spread = make_scorecard(published(std=0.05), cells_of(SUBSET_TOP1))
    assert not any("no spread" in note for note in with_spread.notes)
    assert with_spread.pearson.ceiling is not None
    assert with_spread.pearson.disattenuated is not None
    assert (card.pearson.ceiling, card.pearson.disattenuated) == (None, None)


def test_savings_are_against_as_many_runs() -> None:
    """The reference's cost is scaled to the runs that are there, and time is compared on one kind of device only."""
    card = make_scorecard(tiny_protocol(), cells_of(SUBSET_TOP1, COST))
    assert card.cost is not None
    assert card.cost.images_saved == pytest.approx(0.9)  # 1000 a run against 20 000 for two seeds
    assert card.cost.flops_saved == pytest.approx(0.9)
    assert card.cost.device_seconds_saved == pytest.approx(0.9)
    cells = cells_of(SUBSET_TOP1, COST)
    cells["alpha"] = cells["alpha"][:1]
    fewer = make_scorecard(tiny_protocol(), cells).cost
    assert fewer is not None
    assert fewer.subset.images == 7000
    assert fewer.images_saved == pytest.approx(0.9)
    cells["beta"][0] = replace(cells["beta"][0], device="another device")
    elsewhere = make_scorecard(tiny_protocol(), cells).cost
    assert elsewhere is not None
    assert (elsewhere.device_seconds_saved, elsewhere.flops_saved) == (None, fewer.flops_saved)
    unknown = make_scorecard(published(), cells_of(SUBSET_TOP1, COST)).cost
    assert unknown is not None
    assert (unknown.full, unknown.images_saved) == (None, None)


def test_results_that_may_not_be_ranked() -> None:
    """A run that leaves out its training accuracy, or comes from another version of the loop, makes no rank."""
    protocol = tiny_protocol()
    results = results_of(protocol)
    silent = [results[0].model_copy(update={"train_accuracy": None}), *results[1:]]
    assert "does not say its training accuracy" in problems(score_results(protocol, SUBSET, silent))["alpha"][0]
    older = [results[0].model_copy(update={"training_version": 99}), *results[1:]]
    assert "version 99" in problems(score_results(protocol, SUBSET, older))["alpha"][0]
    assert not score_results(protocol, SUBSET, older).complete
    assert score_results(protocol, SUBSET, results).complete


def test_underfit_run_is_no_complete_result() -> None:
    """A run below the protocol's floor says so with both numbers; one at the floor is fine."""
    protocol = tiny_protocol()
    low = score_results(protocol, SUBSET, results_of(protocol, train_accuracy=0.099))
    assert problems(low)["alpha"][0] == "seed 0 underfits: training top-1 0.099 < 0.100"
    assert not low.complete
    assert score_results(protocol, SUBSET, results_of(protocol, train_accuracy=0.1)).complete


@pytest.mark.parametrize("status", ["diverged", "failed"])
def test_numbers_of_a_broken_run_do_not_count(status: str) -> None:
    """A run that did not finish has no accuracy, whatever its file claims."""
    protocol = tiny_protocol()
    document = results_of(protocol)[0].model_dump() | {"status": status, "reason": "loss", "train_accuracy": 0.01}
    cell = cell_of(Result.model_validate(document), protocol)
    assert (cell.accuracy, cell.problem) == (None, f"seed 0 {status}: loss")
