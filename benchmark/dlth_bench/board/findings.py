"""Findings: what is wrong with a submission, each with its place and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable

_MAX_TEXT = 400


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a submission.

    Attributes:
        file: the file or folder it is in.
        problem: what is wrong, as a sentence.
        expected: what would be right; empty where the problem says it.
        field: key or path of keys within the file; empty when it is about the whole.
        line: 1-based, in files that are read line by line.
    """

    file: Path
    problem: str
    expected: str = ""
    field: str = ""
    line: int | None = None

    @property
    def told(self) -> str:
        """The problem and what would be right, on one line that is safe to show."""
        return printable(f"{self.problem}; {self.expected}" if self.expected else self.problem, _MAX_TEXT)

    @property
    def located(self) -> str:
        """As compilers print it: ``file:line: problem; what would be right``."""
        source = printable(str(self.file), _MAX_TEXT)
        return f"{source}: {self.told}" if self.line is None else f"{source}:{self.line}: {self.told}"

    def document(self) -> dict[str, str | int | None]:
        """For a machine to read; all text is printable."""
        return {
            "file": printable(str(self.file), _MAX_TEXT),
            "line": self.line,
            "field": printable(self.field, _MAX_TEXT),
            "problem": printable(self.problem, _MAX_TEXT),
            "expected": printable(self.expected, _MAX_TEXT),
        }


class Invalid(InputError):
    """A submission, or a file of one, is not valid; the error's line is that of the first finding."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        first = self.findings[0]
        super().__init__(first.told, source=printable(str(first.file), _MAX_TEXT), line=first.line)


def require_none(findings: Iterable[Finding]) -> None:
    """Raise Invalid if there is a finding."""
    found = tuple(findings)
    if found:
        raise Invalid(found)


def findings_of(error: InputError, file: Path) -> tuple[Finding, ...]:
    """What an error says, as findings about ``file``."""
    if isinstance(error, Invalid):
        return error.findings
    return (Finding(file, error.message, line=error.line),)
