"""The board of this repository is what its submissions give."""

from __future__ import annotations

from pathlib import Path

from command_line import run

from dlth_bench.protocols.protocol_file import draft_protocols, shipped_protocols

ROOT = Path(__file__).parents[2]


def test_board_is_not_stale(tmp_path: Path) -> None:
    """Whoever adds a submission or changes what the board says rebuilds it with ``dlth-bench leaderboard``."""
    output, site = tmp_path / "leaderboard.md", tmp_path / "site"
    run("leaderboard", "--submissions", ROOT / "submissions", "--output", output, "--site", site)
    assert output.read_text() == (ROOT / "leaderboard.md").read_text()
    pages = {path.stem for path in (site / "protocols").iterdir()}
    assert pages == set(shipped_protocols())
    assert not pages & set(draft_protocols())  # they may change: a board of them would promise what nobody keeps
