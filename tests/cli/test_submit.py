"""``dlth-bench submit``: a folder from stored runs, or a line that says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from board_commands import refused, run, store_runs, write_protocol, write_subset
from board_examples import OTHER_SUBSET, SUBSET, tiny_protocol

from dlth_bench.board.check import check_submission
from dlth_bench.board.submission_folder import read_submission
from dlth_bench.protocols import protocol_file
from dlth_bench.protocols.protocol import Cost


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the tiny protocol, a class list and its stored runs."""
    monkeypatch.chdir(tmp_path)
    write_protocol(tmp_path)
    write_subset(tmp_path)
    store_runs(tmp_path / "runs")
    return tmp_path


_SUBMIT = ("submit", "--subset", "mine.txt", "--protocol", "tiny.yaml", "--name", "mine")


def test_submission_is_valid_and_complete(place: Path) -> None:
    """The written folder passes the checks of the board, with everything that was said on the command line."""
    given = ("--policy", "ERC", "--authors", "Ada L., Alan T.", "--description", "A test", "--url", "https://x.org")
    output = run(*_SUBMIT, *given).output
    assert "wrote submissions/tiny/mine" in output
    assert "dlth-bench leaderboard --submissions submissions" in output
    stored = read_submission(place / "submissions" / "tiny" / "mine")
    check_submission(stored, tiny_protocol())
    metadata = stored.metadata
    assert (metadata.policy, metadata.authors) == ("ERC", ("Ada L.", "Alan T."))
    assert (metadata.description, metadata.url) == ("A test", "https://x.org")
    assert len(stored.results) == 8
    assert stored.scorecard.complete


def test_cost_of_selection_is_kept(place: Path) -> None:
    """What choosing took is stated apart from the runs; nothing stated is not the same as nothing spent."""
    run(*_SUBMIT, "--selection-cost", "flops=1.5e15, device_seconds=60")
    metadata = read_submission(place / "submissions" / "tiny" / "mine").metadata
    assert metadata.selection_cost == Cost(images=0, flops=1.5e15, device_seconds=60)
    run(*_SUBMIT, "--selection-cost", "none")
    metadata = read_submission(place / "submissions" / "tiny" / "mine").metadata
    assert metadata.selection_cost == Cost(images=0, flops=0, device_seconds=0)
    run(*_SUBMIT)
    assert read_submission(place / "submissions" / "tiny" / "mine").metadata.selection_cost is None


def test_policy_comes_from_the_card(place: Path) -> None:
    """A card beside the list says how it was selected; without one the policy is not made up."""
    run(*_SUBMIT)
    assert read_submission(place / "submissions" / "tiny" / "mine").metadata.policy == "unstated"
    (place / "mine.yaml").write_text(f"policy: PD-Top\nsource: here\nlicence: CC0\ndigest: {SUBSET.digest}\n")
    run(*_SUBMIT)
    assert read_submission(place / "submissions" / "tiny" / "mine").metadata.policy == "PD-Top"


def test_missing_runs_are_named_with_the_command_that_trains_them(place: Path) -> None:
    """Nothing is submitted with holes; the user can paste what to do."""
    store_runs(place / "my runs", leave_out=3)
    message = refused(*_SUBMIT, "--out", "my runs")
    assert "3 of 8 runs are missing or broke down: alpha seed 0, alpha seed 1, beta seed 0" in message
    assert "dlth-bench run --subset mine.txt --protocol tiny.yaml --out 'my runs'" in message
    assert not (place / "submissions").exists()


def test_missing_runs_can_be_declared(place: Path) -> None:
    """Who cannot train all runs says which and why; the submission is valid, and has no rank."""
    store_runs(place / "some", leave_out=3)
    output = run(*_SUBMIT, "--out", "some", "--missing", "the cluster closed").output
    assert "so it will have no rank" in output
    stored = read_submission(place / "submissions" / "tiny" / "mine")
    check_submission(stored, tiny_protocol())
    assert [(one.config, one.seed, one.reason) for one in stored.metadata.missing] == [
        ("alpha", 0, "the cluster closed"),
        ("alpha", 1, "the cluster closed"),
        ("beta", 0, "the cluster closed"),
    ]


def test_many_missing_runs_are_counted(place: Path) -> None:
    """A long list of missing runs stays one readable line."""
    assert "delta seed" not in (message := refused(*_SUBMIT, "--out", "none"))
    assert "and 3 more" in message


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", "../../evil"),
        ("--name", "Mine"),
        ("--url", "javascript:alert(1)"),
        ("--url", "http://example.org"),
        ("--description", "x" * 501),
        ("--policy", "red\x1b[31m"),
        ("--policy", ""),
        ("--authors", "two\nlines"),
        ("--selection-cost", "hours=3"),
        ("--selection-cost", "flops=-1"),
        ("--selection-cost", "device_seconds=soon"),
    ],
)
def test_bad_option_is_named(place: Path, option: str, value: str) -> None:
    """What the board would refuse is refused here, by the name of its option, and nothing is written."""
    assert refused(*_SUBMIT, option, value).startswith(f"{option}: ")
    assert not (place / "submissions").exists()


def test_taken_name_is_kept_unless_told(place: Path) -> None:
    """Another subset under the same name needs --replace."""
    run(*_SUBMIT)
    write_subset(place, OTHER_SUBSET)
    store_runs(place / "runs", OTHER_SUBSET)
    assert "holds a submission of another subset" in refused(*_SUBMIT)
    run(*_SUBMIT, "--replace")
    assert read_submission(place / "submissions" / "tiny" / "mine").subset == OTHER_SUBSET


def test_nothing_is_submitted_to_a_draft(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no board: that is said before anything is written, and the board refuses what is there all the same."""
    run(*_SUBMIT)
    stored = read_submission(place / "submissions" / "tiny" / "mine")
    check_submission(stored, tiny_protocol())
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: place / kind)
    write_protocol(place / "protocols" / "drafts")
    assert "tiny@1 is a draft" in refused(*_SUBMIT, "--name", "other")
    assert not (place / "submissions" / "tiny" / "other").exists()
    assert "is of tiny@1, a draft, which may still change and has no board" in refused("leaderboard")
    assert not (place / "leaderboard.md").exists()


def test_help_has_an_example() -> None:
    """The help shows how the command is called."""
    assert "Example: dlth-bench submit" in run("submit", "--help").output
