"""Training lengths: one unit each, and how many updates they are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dlth_bench.protocols.recipe import Duration


@pytest.mark.parametrize("given", [{}, {"epochs": 1, "steps": 1}, {"steps": 0}, {"epochs": -1}, {"steps": 1.5}])
def test_length_is_positive_and_of_one_unit(given: dict[str, float]) -> None:
    """Nobody trains for no time, or for a time that could be read in two ways."""
    with pytest.raises(ValidationError):
        Duration.model_validate(given)


@pytest.mark.parametrize(
    ("given", "unit", "samples", "steps"),
    [
        ({"epochs": 20}, "epochs", 100, 60),
        ({"epochs": 20}, "epochs", 96, 60),
        ({"epochs": 0.5}, "epochs", 100, 2),
        ({"epochs": 0.01}, "epochs", 32, 1),
        ({"steps": 7}, "steps", 100, 7),
        ({"images": 64}, "images", 1000, 2),
        ({"images": 5}, "images", 1000, 1),
    ],
)
def test_updates(given: dict[str, float], unit: str, samples: int, steps: int) -> None:
    """Epochs shrink with the data, steps and images do not; an incomplete batch is dropped; never no update."""
    duration = Duration.model_validate(given)
    assert duration.unit == unit
    assert duration.in_steps(samples, batch_size=32) == steps


@pytest.mark.parametrize("given", [{"epochs": 20}, {"steps": 7}, {"images": 64}])
def test_too_few_samples_for_a_batch(given: dict[str, float]) -> None:
    """A subset that does not fill a batch is refused by its numbers, rather than not trained."""
    with pytest.raises(ValueError, match="31 training samples do not fill one batch of 32"):
        Duration.model_validate(given).in_steps(31, batch_size=32)
