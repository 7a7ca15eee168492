"""The house stays walkable: folders import downward only, and no files import in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "benchmark" / "dlth_bench"

UPWARD = (
    "util",
    "datasets",
    "subsets",
    "protocols",
    "scoring",
    "runs",
    "training",
    "selection",
    "engines",
    "paper",
    "board",
    "bench",
    "cli",
    "__main__",
)
"""Folders and files of the package's top level; each imports from those before it alone."""


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def _imported(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, anywhere in it, for types alone too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dlth_bench"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)


IMPORTS = {module: {name for name in _imported(path) if name != module} for module, path in MODULES.items()}


def _level(module: str) -> int | None:
    """Where a module stands in ``UPWARD``; None: it is the package itself, which offers what lies above all."""
    parts = module.split(".")
    return UPWARD.index(parts[1]) if len(parts) > 1 else None


def test_every_folder_has_its_level() -> None:
    """A new folder says where it stands, or its imports would go unchecked."""
    assert {module.split(".")[1] for module in MODULES if "." in module} == set(UPWARD)


def test_folders_import_downward_only() -> None:
    """Whoever reads a folder need not know what lies above it."""
    upward = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names
        if (here := _level(module)) is not None and (there := _level(name)) is not None and there > here
    ]
    assert upward == []


@pytest.mark.parametrize("module", MODULES)
def test_no_file_imports_itself_by_way_of_others(module: str) -> None:
    """Files can be read in an order in which everything is known when it is used."""
    reached: set[str] = set()
    frontier = [name for name in IMPORTS[module] if name != "dlth_bench"]
    while frontier:
        name = frontier.pop()
        if name not in reached:
            reached.add(name)
            frontier += [other for other in IMPORTS[name] if other != "dlth_bench"]
    assert module not in reached
