"""From a draw that nobody can steer to a status on the board."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from board_examples import markdown_of, results_of, submit, tiny_protocol

from dlth_bench.board.check import content_findings
from dlth_bench.board.columns import BOARD_COLUMNS
from dlth_bench.board.markdown import board_rows
from dlth_bench.board.row import flags
from dlth_bench.board.submission_folder import StoredSubmission, read_submission, write_verification
from dlth_bench.board.verification import Commitment, Verification, commitment_of, draw
from dlth_bench.board.verify import draw_cells, noise_of, verification_of
from dlth_bench.runs.run import Result
from dlth_bench.util.errors import InputError

NONCE = "ab" * 32


def commitment_to(stored: StoredSubmission, nonce: str = NONCE) -> Commitment:
    claim = stored.claim_digest
    fields = {"protocol": "tiny@1", "name": "mine", "claim_digest": claim, "commitment": commitment_of(nonce, claim)}
    return Commitment.model_validate(fields | {"date": "2026-01-04"})


def verified(stored: StoredSubmission, retrain: Callable[[Result], Result], cells: int = 2) -> StoredSubmission:
    """The submission with a verification in which the drawn claims were retrained so."""
    drawn = draw_cells(stored, NONCE, commitment_to(stored), cells)
    retrained = {claim.run: retrain(claim) for claim in drawn.claims}
    noise = noise_of(stored, tiny_protocol())
    found = verification_of(stored, drawn, retrained, noise, by="Ada [L.]", points=(1, 20))
    write_verification(stored.folder, found)
    return read_submission(stored.folder)


def off_by(points: float) -> Callable[[Result], Result]:
    def retrain(claim: Result) -> Result:
        assert claim.accuracy is not None
        accuracy = claim.accuracy - points / 100
        return claim.model_copy(update={"accuracy": accuracy, "class_accuracy": (accuracy,) * 3})

    return retrain


def test_every_cell_is_drawn_alike() -> None:
    """Over many nonces each run is drawn as often as any other, and the same nonce draws the same."""
    runs = [f"{index:064x}" for index in range(7)]
    drawn = [draw(runs, f"{nonce:064x}", "c" * 64, 2) for nonce in range(3500)]
    assert drawn[0] == draw(runs[::-1], f"{0:064x}", "c" * 64, 2)
    counts = Counter(run for pair in drawn for run in pair)
    assert all(len(set(pair)) == 2 for pair in drawn)
    assert all(count == pytest.approx(1000, abs=120) for count in counts.values())


def test_draw_is_bound_to_its_commitment(tmp_path: Path) -> None:
    """Neither another nonce nor other results go with what was published."""
    stored = submit(tmp_path, "mine")
    with pytest.raises(InputError, match="does not open the commitment"):
        draw_cells(stored, "cd" * 32, commitment_to(stored), 2)
    changed = submit(tmp_path, "mine", results=[*results_of(tiny_protocol())[:-1], off_by(1)(stored.results[-1])])
    with pytest.raises(InputError, match="other results than those of mine as they are now"):
        draw_cells(changed, NONCE, commitment_to(stored), 2)


@pytest.mark.parametrize(
    ("retrain", "status", "flagged"),
    [
        (lambda claim: claim, "verified", []),
        (off_by(0.3), "verified", []),
        (off_by(-15), "disputed", ["disputed"]),
        (off_by(3.0), "self-reported", []),
        (
            lambda claim: Result(
                run=claim.run, config=claim.config, seed=claim.seed, status="diverged", reason="loss is nan"
            ),
            "disputed",
            ["disputed"],
        ),
    ],
    ids=["identical", "within noise", "forged", "between", "diverged"],
)
def test_status_is_on_the_board(
    tmp_path: Path, retrain: Callable[[Result], Result], status: str, flagged: list[str]
) -> None:
    """The board says what retraining showed, by whom, when and in how many cells; what is disputed has no rank."""
    stored = verified(submit(tmp_path, "mine"), retrain)
    assert not list(content_findings(stored, tiny_protocol()))
    (row,) = board_rows([stored], tiny_protocol())
    column = next(column for column in BOARD_COLUMNS if column.key == "status")
    assert (column.value(row)["status"], flags(row), row.rank is None) == (status, flagged, bool(flagged))
    assert stored.verification is not None
    if status != "self-reported":
        assert column.show(row) == f"{status} (Ada [L.], {stored.verification.date}, 2 cells)"
    assert status in markdown_of([stored], [tiny_protocol()])
    small, large = stored.verification.caught
    # Two of eight cells hit one of four configs in 13 of 28 draws.
    assert small.everywhere < 0.1
    assert large.everywhere > 0.99
    assert large.one_config == pytest.approx(13 / 28, abs=0.02)


def test_verification_of_other_results_is_found(tmp_path: Path) -> None:
    """A verification does not cover results that were changed afterwards, nor cells that its nonce does not draw."""
    stored = verified(submit(tmp_path, "mine"), lambda claim: claim)
    assert stored.verification is not None
    found = stored.verification
    other = found.model_copy(update={"claim_digest": "0" * 64, "commitment": None})
    write_verification(stored.folder, other)
    (finding,) = content_findings(read_submission(stored.folder), tiny_protocol())
    assert "is of other results than these" in finding.told
    write_verification(stored.folder, found.model_copy(update={"cells": found.cells[::-1]}))
    (finding,) = content_findings(read_submission(stored.folder), tiny_protocol())
    assert "not those that its nonce draws" in finding.told
    write_verification(stored.folder, found)
    assert submit(tmp_path, "mine", description="mended").status == "verified"
    changed = [off_by(1)(stored.results[0]), *stored.results[1:]]
    assert submit(tmp_path, "mine", results=changed).verification is None


def test_verdict_must_follow_from_the_cells(tmp_path: Path) -> None:
    """A dispute cannot be turned into a verification by one word."""
    stored = verified(submit(tmp_path, "mine"), off_by(15))
    assert stored.verification is not None
    document = stored.verification.model_dump() | {"verdict": "verified"}
    with pytest.raises(ValueError, match="not the one that follows"):
        Verification.model_validate(document)
