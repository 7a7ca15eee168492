"""Policies that rank samples by what a model thought of them, on dynamics whose answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_dynamics import made

from dlth_bench.runs.dynamics_file import Dynamics
from dlth_bench.selection.policy import Choice, Criterion, NeverLearned, SampleRequest
from dlth_bench.selection.registry import choose, find_sample_policy
from dlth_bench.util.errors import InputError

LABELS = [0, 0, 1, 1, 2, 2]


@pytest.fixture
def watched(tmp_path: Path) -> Dynamics:
    """Three epochs of six samples, two of each class."""
    tensors = {
        "error_norm": np.array([[5, 4, 3, 2, 1, 0], [0, 1, 9, 3, 4, 5], [0, 0, 0, 0, 0, 9]], dtype=np.float32),
        "entropy": np.array([[9, 9, 9, 9, 9, 9], [9, 9, 9, 9, 9, 9], [1, 5, 2, 5, 0, 3]], dtype=np.float32),
        "confidence": np.array([[0] * 6, [0] * 6, [0.5, 0.9, 0.2, 0.4, 0.3, 1.0]], dtype=np.float32),
        "margin": np.array([[0] * 6, [0] * 6, [3, 0, 0, 0, -3, 0]], dtype=np.float32),
    }
    correct = [[1, 0, 1, 0, 1, 1], [0, 0, 1, 0, 0, 1], [1, 1, 0, 0, 1, 1]]
    return made(tmp_path / "watched.safetensors", correct, LABELS, tensors=tensors)


def chosen(policy: str, size: int, *dynamics: Dynamics, **options: Any) -> list[int]:
    """The positions that a policy takes."""
    answer = answered(policy, size, *dynamics, **options)
    return sorted(dynamics[0].samples.sample_ids.index(item) for item in answer.ids)


def answered(policy: str, size: int, *dynamics: Dynamics, **options: Any) -> Choice:
    return choose(find_sample_policy(policy), SampleRequest(dynamics[0].samples, size, (), dynamics, **options))


def test_el2n(watched: Dynamics) -> None:
    """The largest mean error norm over the first epochs; all of three where ten are the default."""
    assert chosen("el2n", 2, watched, epochs=1) == [0, 1]
    assert chosen("el2n", 2, watched, epochs=2) == [2, 0] or chosen("el2n", 2, watched, epochs=2) == [0, 2]
    assert chosen("el2n", 2, watched) == [2, 5]
    assert answered("el2n", 2, watched).parameters["epochs"] == "the first 3"
    assert chosen("el2n", 3, watched, epochs=1, balanced=True) == [0, 2, 4]
    with pytest.raises(InputError, match="--epochs 4: only 3 were recorded"):
        chosen("el2n", 2, watched, epochs=4)


def test_el2n_over_trainings(watched: Dynamics, tmp_path: Path) -> None:
    """Error norms are averaged over models."""
    norms = np.array([[0, 0, 0, 0, 0, 20.0]] * 3, dtype=np.float32)
    other = made(tmp_path / "b.safetensors", [[1] * 6] * 3, LABELS, seed=1, tensors={"error_norm": norms})
    assert chosen("el2n", 1, watched, epochs=1) == [0]
    assert chosen("el2n", 1, watched, other, epochs=1) == [5]


def test_entropy_of_the_last_epoch(watched: Dynamics) -> None:
    """Highest first, equal ones in order, earlier epochs without say; balanced takes the best of each class."""
    assert chosen("entropy", 1, watched) == [1]
    assert chosen("entropy", 3, watched) == [1, 3, 5]
    assert chosen("entropy", 4, watched, balanced=True) == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("criterion", "positions"),
    [(Criterion.LEAST_CONFIDENCE, [2, 4]), (Criterion.ENTROPY, [1, 3]), (Criterion.FORGETTING, [0, 3])],
)
def test_proxy(criterion: Criterion, positions: list[int], watched: Dynamics) -> None:
    """Selection via proxy reads what its criterion says, and the head names the proxy."""
    assert chosen("svp", 2, watched, criterion=criterion) == positions
    parameters = answered("svp", 2, watched, criterion=criterion).parameters
    assert (parameters["proxy"], parameters["criterion"]) == ("made seed 0", criterion)
    with pytest.raises(InputError, match="svp takes one model; --dynamics is given 2 times"):
        chosen("svp", 2, watched, watched)


def test_forgetting_tells_its_counts(watched: Dynamics) -> None:
    """Events, samples never learned and samples never forgotten are written down apart."""
    answer = answered("forgetting", 2, watched, never_learned=NeverLearned.LAST)
    assert answer.notes == ("3 forgetting events, 1 samples never learned, 2 learned and never forgotten",)
    assert answer.parameters["never-learned"] == "last"


def test_easy_and_hard_are_opposite_ends(watched: Dynamics) -> None:
    """Correct epochs decide, then the mean margin, then the samples' order."""
    # Correct epochs: 2 1 2 0 2 3; mean margins: 1 0 0 0 -1 0.
    assert [chosen("easy", size, watched) for size in (1, 2, 3)] == [[5], [0, 5], [0, 2, 5]]
    assert [chosen("hard", size, watched) for size in (1, 2, 3)] == [[3], [1, 3], [1, 3, 4]]
    assert chosen("hard", 3, watched, balanced=True) == [1, 3, 4]
    assert chosen("easy", 3, watched, balanced=True) == [0, 2, 5]


def test_margins_may_be_missing(tmp_path: Path) -> None:
    """Without them the samples' order settles ties, and the head says so."""
    bare = made(tmp_path / "bare.safetensors", [[1, 1, 0, 1]])
    assert chosen("easy", 2, bare) == [0, 1]
    assert chosen("hard", 2, bare) == [0, 3] or chosen("hard", 2, bare) == [0, 2]
    assert answered("easy", 2, bare).parameters["ties"] == "sample order"


def test_what_was_not_recorded_is_named(tmp_path: Path) -> None:
    """A policy that lacks its tensor says which one."""
    bare = made(tmp_path / "bare.safetensors", [[1, 1, 0, 1]])
    for policy, tensor in (
        ("el2n", "error_norm"),
        ("entropy", "entropy"),
        ("svp", "confidence"),
        ("kcenter", "features"),
        ("herding", "features"),
    ):
        with pytest.raises(InputError, match=f"bare.safetensors: holds no {tensor}"):
            chosen(policy, 2, bare)


@pytest.fixture
def placed(tmp_path: Path) -> Dynamics:
    """Two classes with features on a line."""
    features = np.array([[0.0], [1.0], [10.0], [100.0], [104.0], [101.0]], dtype=np.float16)
    return made(tmp_path / "placed.safetensors", [[1] * 6], [0, 0, 0, 1, 1, 1], tensors={"features": features})


def test_kcenter_over_all_or_by_class(placed: Dynamics) -> None:
    """Over all samples the far class counts as one; by class each is covered by its share."""
    assert {tuple(chosen("kcenter", 2, placed, seed=seed)) for seed in range(30)} <= {
        (0, 4), (1, 4), (2, 4), (0, 3), (0, 5),
    }  # fmt: skip
    for seed in range(10):
        taken = chosen("kcenter", 4, placed, seed=seed, balanced=True)
        assert (2 in taken, 4 in taken) == (True, True)
        assert [item < 3 for item in taken] == [True, True, False, False]


def test_kcenter_refuses_what_would_take_hours(placed: Dynamics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large a pool is told to go by class, before anything is computed."""
    monkeypatch.setattr("dlth_bench.selection.by_features.MOST_OPERATIONS", 11)
    with pytest.raises(InputError, match="would take hours; --balanced goes by class"):
        chosen("kcenter", 2, placed)
    assert len(chosen("kcenter", 2, placed, balanced=True)) == 2


def test_herding_keeps_class_means(tmp_path: Path) -> None:
    """Each class is herded by itself: of two directions and their middle, the middle comes first."""
    features = np.array([[1, 0], [1, 1], [0, 1], [1, 0], [-1, 1], [-1, 0]], dtype=np.float32)
    dynamics = made(tmp_path / "a.safetensors", [[1] * 6], [0, 0, 0, 1, 1, 1], tensors={"features": features})
    assert chosen("herding", 2, dynamics) == [1, 4]
