"""The metadata of a submission: who offers which subset to which protocol; and what may be found wrong with one."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from dlth_bench.datasets.dataset import Slug
from dlth_bench.protocols.protocol import Cost, Protocol
from dlth_bench.subsets.subset import SubsetUnit
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen
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


_URL = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&*+,;=:@%/?#-]*)?")

_FORMULA = ("=", "+", "-", "@")


def _visible_line(text: str) -> str:
    if not text.isprintable():  # YAML can smuggle in line breaks, escape sequences and direction marks
        raise ValueError("must be one line without control characters")
    if text != text.strip():
        raise ValueError("must not start or end with a space")
    if text.startswith(_FORMULA):
        raise ValueError("must not start with =, +, - or @, which a spreadsheet would take for a formula")
    return text


def _ascii(text: str) -> str:
    if not text.isascii():  # a Cyrillic Ѕ would make another policy that looks like RS
        raise ValueError("must be ASCII, so that no two policies look alike")
    return text


OneLine = Annotated[str, AfterValidator(_visible_line)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class MissingRun(Frozen):
    """A run of the protocol that a submission does not have; without one of them it has no rank."""

    config: Slug
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)]
    reason: Annotated[OneLine, Field(min_length=1, max_length=200, description="Why it is missing.")]


@dataclass(frozen=True, order=True)
class Cell:
    """Subsets of one size, trained at one length.

    Attributes:
        unit: what the size counts.
        size: classes, or samples.
        exponent: (N/n)^exponent times the full data's epochs.
    """

    unit: SubsetUnit
    size: int
    exponent: float

    @property
    def length(self) -> str:
        """The length of training in words."""
        named = {0.0: "equal epochs", 1.0: "equal updates"}
        return named.get(self.exponent, f"epochs × (N/n)^{self.exponent:g}")

    @property
    def title(self) -> str:
        """``24 classes, equal epochs``."""
        counted = f"{self.size} {'classes' if self.unit == 'class' else 'samples'}"
        return f"{counted}, {self.length}"

    @property
    def key(self) -> str:
        """``24-classes-0.5``, for the names of files and anchors."""
        return f"{self.size}-{'classes' if self.unit == 'class' else 'samples'}-{self.exponent:g}"


def has_cells(protocol: Protocol) -> bool:
    """Whether a protocol's board is divided into cells."""
    samples = protocol.subset.samples
    return len(protocol.exponents) > 1 or bool(protocol.subset.sizes or (samples and samples.sizes))


class Submission(Frozen):
    """The file ``submission.yaml`` of a submission; untrusted text, so every field is bounded."""

    schema_version: Literal[1] = 1
    name: Annotated[Slug, Field(description="Name on the board and of the folder.")]
    protocol: Annotated[
        str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}@[1-9][0-9]{0,5}$", description="name@version of the protocol.")
    ]
    protocol_digest: Annotated[Digest, Field(description="Digest of the protocol the runs were made under.")]
    dataset: Annotated[Slug, Field(description="Dataset that the IDs are of.")]
    subset_digest: Annotated[Digest, Field(description="Digest of the subset.")]
    classes: Annotated[int, Field(gt=0, lt=2**31, description="Number of classes in the subset.")]
    samples: Annotated[
        int | None, Field(gt=0, lt=2**31, description="Number of samples in a sample subset; None: all of its classes.")
    ] = None
    exponent: Annotated[
        float, Field(ge=0, le=1, description="Of the training's length: (N/n)^a times the full data's epochs.")
    ] = 0.0
    policy: Annotated[
        OneLine,
        AfterValidator(_ascii),
        Field(min_length=1, max_length=60, description="How the members were selected, e.g. RS."),
    ]
    authors: Annotated[
        tuple[Annotated[OneLine, Field(min_length=1, max_length=80)], ...],
        Field(max_length=50, description="Names of the submitters."),
    ] = ()
    description: Annotated[OneLine, Field(max_length=500, description="What a reader of the board should know.")] = ""
    url: Annotated[str, Field(max_length=300, description="Page about the subset; https only.")] = ""
    selection_cost: Annotated[
        Cost | None,
        Field(description="What choosing the subset took, apart from the runs on it; None: not stated."),
    ] = None
    missing: Annotated[
        tuple[MissingRun, ...],
        Field(max_length=10_000, description="Runs of the protocol that the submission does not have, and why."),
    ] = ()
    date: Annotated[datetime.date, Field(description="Day of the submission (UTC).")]
    package: Annotated[OneLine, Field(min_length=1, max_length=40, description="Version of dlth-bench that wrote it.")]

    @field_validator("url")
    @classmethod
    def _https(cls, url: str) -> str:
        # A pattern rather than a parser: what it lets through cannot end a Markdown link or an HTML attribute.
        if url and _URL.fullmatch(url) is None:
            raise ValueError("must be an https:// address without spaces, quotes or brackets")
        return url

    @field_validator("selection_cost")
    @classmethod
    def _earthly(cls, cost: Cost | None) -> Cost | None:
        # More than all computers have done so far; such numbers fit no table, and sums of them no float.
        if cost and (cost.images >= 2**63 or cost.flops >= 1e30 or cost.device_seconds >= 1e12):
            raise ValueError("is more than can have been spent")
        return cost

    @property
    def cell(self) -> Cell:
        """Where it competes, under a protocol with cells."""
        unit: SubsetUnit = "class" if self.samples is None else "sample"
        return Cell(unit, self.samples or self.classes, self.exponent)

    @property
    def protocol_name(self) -> str:
        """The protocol's name without its version; the folder that holds the submission."""
        return self.protocol.partition("@")[0]
