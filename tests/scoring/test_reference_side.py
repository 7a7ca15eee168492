"""What noise is reckoned with where a reference is only printed."""

from __future__ import annotations

import datetime

from dlth_bench.protocols.protocol import ConfigReference, Reference
from dlth_bench.scoring.sides import Published, ReferenceSide, reference_side, summarise


def side(stds: list[float | None], assumed: float | None = None) -> ReferenceSide:
    entries = {f"c{i}": ConfigReference(mean=0.1 * i, std=std) for i, std in enumerate(stds)}
    date = datetime.date(2026, 1, 1)
    return reference_side(Reference(source="printed", date=date, assumed_std=assumed, configs=entries), list(entries))


def test_stated_stds_are_used_as_they_are() -> None:
    """With all of them stated there is nothing to say."""
    found = side([0.01, 0.02, 0.03])
    assert (found.noise, found.note, found.exact) == ((0.01, 0.02, 0.03), "", False)


def test_a_declared_std_fills_the_gaps() -> None:
    """The protocol's declared std goes before a guess from the others, and the reader is told."""
    found = side([0.01, None, None], assumed=0.005)
    assert found.noise == (0.01, 0.005, 0.005)
    assert found.note == (
        "2 of 3 reference accuracies are printed without a spread: "
        "the protocol's declared std of 0.5 points is reckoned with"
    )
    assert "the mean std of the others, 2 points" in side([0.01, 0.03, None]).note
    assert summarise(side([None] * 3, assumed=0.01).scores, "x").run_variance == 0.01**2


def test_without_any_std_the_numbers_are_exact_and_it_is_said() -> None:
    """No ceiling is invented from nothing."""
    found = side([None, None, None])
    assert found.exact
    assert isinstance(found.scores, Published)
    assert found.note == "the reference has no spread over seeds: its noise is taken as zero, no ceiling is known"


def test_measured_runs_stay_runs() -> None:
    """Measured accuracies are used one by one, with the number of runs behind each mean."""
    entries = {f"c{i}": ConfigReference(accuracies=(0.1 * i, 0.1 * i + 0.02)) for i in range(3)}
    found = reference_side(Reference(source="x", date=datetime.date(2026, 1, 1), configs=entries), ["c2", "c0"])
    assert found.seeds == (2, 2)
    assert not isinstance(found.scores, Published)
    assert found.scores.tolist() == [[0.2, 0.22], [0.0, 0.02]]
