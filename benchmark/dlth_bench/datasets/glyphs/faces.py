"""Which font files there are, what they are called and which Debian package brought them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fontTools.ttLib import TTFont

from dlth_bench.datasets.glyphs.designs import Design, designs_by_family

_SUFFIXES = (".ttf", ".otf")  # In order of preference, where a face comes in both formats.


@dataclass(frozen=True)
class Face:
    """One font file: a style of a family.

    Args:
        id: the PostScript name, e.g. ``DejaVuSans-Bold``.
        package, version: of Debian; empty where dpkg does not know the file.
    """

    id: str
    family: str
    style: str
    design: Design
    path: Path
    package: str = ""
    version: str = ""


def find_faces(folders: Iterable[Path], characters: Sequence[str]) -> list[Face]:
    """The faces of the families in use that have all the characters, one file for each PostScript name."""
    needed = frozenset(map(ord, characters))
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix.lower() in _SUFFIXES]
    files.sort(key=lambda path: (_SUFFIXES.index(path.suffix.lower()), path))
    designs = designs_by_family()
    found: dict[str, Face] = {}
    for path in files:
        face = _read(path, needed, designs)
        if face is not None:
            found.setdefault(face.id, face)
    return sorted(found.values(), key=lambda face: face.id)


def _read(path: Path, needed: frozenset[int], designs: dict[str, Design]) -> Face | None:
    """The face in the file; None when its family is not in use or it lacks a character."""
    with TTFont(path, lazy=True) as font:
        names = font["name"]
        family = names.getDebugName(16) or names.getDebugName(1)  # 16, 17: typographic names, without style linking
        style = (names.getDebugName(17) or names.getDebugName(2)).strip()
        if family not in designs or not needed <= (font.getBestCmap() or {}).keys():
            return None
        return Face(names.getDebugName(6), family, style, designs[family], path)


def packages_of(paths: Sequence[Path]) -> dict[Path, tuple[str, str]]:
    """Debian package and version that installed each file.

    Raises:
        subprocess.CalledProcessError: a file belongs to no package.
    """
    owners = _dpkg_query("--search", *map(str, paths))
    package_of = {Path(path): names.split(",")[0].split(":")[0] for names, path in owners}
    version_of = dict(_dpkg_query("--show", "--showformat=${Package}: ${Version}\n", *sorted(set(package_of.values()))))
    return {path: (package, version_of[package]) for path, package in package_of.items()}


def _dpkg_query(*arguments: str) -> list[tuple[str, str]]:
    """The ``key: value`` lines that dpkg-query answers."""
    done = subprocess.run(["dpkg-query", *arguments], check=True, capture_output=True, text=True)
    pairs = (line.split(": ", 1) for line in done.stdout.splitlines())
    return [(key, value) for key, value in pairs]
