"""Prints pip constraints that pin every package to the oldest version that pyproject.toml admits."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def constraints(requirements: list[str]) -> list[str]:
    """``name==version`` of each ``name>=version``; one without a bound is left to pip.

    Raises:
        ValueError: a bound that is written in another way.
    """
    found = list[str]()
    for requirement in requirements:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:>=([0-9.]+))?", requirement)
        if match is None:
            raise ValueError(f"pyproject.toml: {requirement!r} is not name>=version")
        if match[2]:
            found.append(f"{match[1]}=={match[2]}")
    return found


if __name__ == "__main__":
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    sys.stdout.write("\n".join(sorted(set(constraints(project["dependencies"] + extras)))) + "\n")
