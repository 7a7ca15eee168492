"""The board of this repository is what its submissions give."""

from __future__ import annotations

from pathlib import Path

from command_line import run

ROOT = Path(__file__).parents[2]


def test_board_is_not_stale(tmp_path: Path) -> None:
    """Whoever adds a submission or changes what the board says rebuilds it with ``dlth-bench leaderboard``."""
    output = tmp_path / "leaderboard.md"
    run("leaderboard", "--submissions", ROOT / "submissions", "--output", output)
    assert output.read_text() == (ROOT / "leaderboard.md").read_text()
