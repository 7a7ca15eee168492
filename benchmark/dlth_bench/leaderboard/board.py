"""A board: everything that is known under one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlth_bench.leaderboard.columns import Row
from dlth_bench.leaderboard.reported import Reported
from dlth_bench.spec.protocol import Protocol


@dataclass(frozen=True)
class Board:
    """The submissions of one protocol version, ranked, and what was reported elsewhere on the same grid.

    Attributes:
        rows: from top to bottom.
        reported: rows that are reported and not verified; they have no rank.
        frozen: whether the protocol is locked, so that it cannot change any more.
    """

    protocol: Protocol
    rows: Sequence[Row]
    reported: Sequence[Reported] = ()
    frozen: bool = True
