"""The published JSON Schemas are those of the models that read the files."""

from __future__ import annotations

import json
from pathlib import Path

from dlth_bench.cli.schemas import schema_files

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


def test_published_schemas_are_current() -> None:
    """Who validates by the published schemas gets the answer of this version; else: dlth-bench schemas."""
    assert {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()} == schema_files()


def test_unknown_fields_and_bounds_are_in_the_schemas() -> None:
    """A schema refuses what the models refuse."""
    schema = json.loads(schema_files()["submission.schema.json"])
    assert schema["additionalProperties"] is False
    assert schema["properties"]["description"]["maxLength"] == 500
    assert "policy" in schema["required"]
