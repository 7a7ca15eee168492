"""The one error a user's input may cause."""

from __future__ import annotations

from pathlib import Path

from dlth_bench.util.text import printable


class InputError(ValueError):
    """Something the user gave is wrong; the command line prints it as one line and exits with code 2.

    Args:
        message: what is wrong and what would be right, without a full stop.
        source: the file the offending text came from, if any; its name is made printable.
        line: 1-based line number in ``source``.
    """

    def __init__(self, message: str, *, source: Path | str | None = None, line: int | None = None) -> None:
        self.message = message
        self.source = None if source is None else printable(str(source), 4096)
        self.line = line
        super().__init__(self.located)

    @property
    def located(self) -> str:
        """The message with ``file:line:`` in front, as compilers print it."""
        if self.source is None:
            return self.message
        where = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{where}: {self.message}"
