"""docs/cli.md is what the commands say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dlth_bench

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("columns", ["40", "200"])
def test_page_of_commands_is_fresh(columns: str) -> None:
    """A new option is in the document, whatever the terminal it was made in."""
    source = str(Path(dlth_bench.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source, "COLUMNS": columns}
    command = [sys.executable, str(CHECKOUT / "docs" / "make_cli.py"), "--check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or "docs/cli.md is not fresh: python docs/make_cli.py"
