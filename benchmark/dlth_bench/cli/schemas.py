"""JSON Schema of every file that a submitter or a maintainer writes, generated from the models that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel

from dlth_bench.board.submission import Submission
from dlth_bench.board.verification import Commitment, Verification
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Result
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.subsets.subset import SubsetCard
from dlth_bench.util.files import write_atomically
from dlth_bench.util.text import printable

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

SCHEMAS: dict[str, tuple[type[BaseModel], str]] = {
    "submission": (Submission, "submission.yaml of a submission"),
    "result": (Result, "A line of results.jsonl of a submission; result.json of a stored run"),
    "scorecard": (Scorecard, "scorecard.json of a submission"),
    "verification": (Verification, "verification.json of a submission"),
    "commitment": (Commitment, "What is published before cells are drawn"),
    "subset-card": (SubsetCard, "The card <name>.yaml beside a list of classes or samples <name>.txt"),
    "protocol": (
        Protocol,
        "A protocol; in the file, extends names files to merge, and keys that start with x- hold YAML anchors",
    ),
}
"""Model and meaning of each file, by the name of its schema."""


def schema_files() -> dict[str, str]:
    """The text of each schema by file name; the same for the same models."""
    return {
        f"{name}.schema.json": json.dumps(_schema(model, title), indent=2, ensure_ascii=False) + "\n"
        for name, (model, title) in SCHEMAS.items()
    }


def _schema(model: type[BaseModel], title: str) -> dict[str, object]:
    return {"$schema": _DIALECT} | model.model_json_schema() | {"title": title}


def schemas(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path("docs/schemas"),
) -> None:
    """Write the JSON Schema of submissions, results, scorecards, cards, protocols and verifications.

    Example: dlth-bench schemas --output docs/schemas
    """
    files = schema_files()
    for name, text in files.items():
        write_atomically(output / name, text.encode())
    typer.echo(f"wrote {len(files)} schemas to {printable(str(output))}")
