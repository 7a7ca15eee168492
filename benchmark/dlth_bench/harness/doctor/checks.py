"""One thing that was looked at, and how it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from dlth_bench.spec.frozen import Frozen

Status = Literal["ok", "warn", "fail"]


class Check(Frozen):
    """One line of the report.

    Attributes:
        name: what was looked at.
        status: ``ok``; ``warn``, what runs may need later or do slower; ``fail``, what makes runs break or differ.
        found: how it is.
        advice: what to do about it, or what follows; empty where nothing does.
    """

    name: str
    status: Status
    found: str
    advice: str = ""


def healthy(checks: Iterable[Check]) -> bool:
    """Whether none of them failed."""
    return all(check.status != "fail" for check in checks)
