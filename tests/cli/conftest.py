"""Lets the command tests build submissions with the same examples as the board's tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "leaderboard"))
