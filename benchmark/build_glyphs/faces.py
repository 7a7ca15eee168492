"""The typefaces of Glyphs: font files, the designs that they belong to, and their licences.

All are free and allow the redistribution of text set in them. Fonts under the GPL and AGPL say so in a font
exception; the shipped images contain no font program, outline or hinting.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fontTools.ttLib import TTFont

StyleClass = Literal["sans", "serif", "mono", "decorative"]


@dataclass(frozen=True)
class Design:
    """One design group: its name, what it looks like and the font families that belong to it."""

    name: str
    style_class: StyleClass
    families: tuple[str, ...]


DESIGNS = (
    Design("agave", "mono", ("Agave",)),
    Design("avant-garde", "sans", ("URW Gothic",)),
    Design("bookman", "serif", ("URW Bookman",)),
    Design("cantarell", "sans", ("Cantarell",)),
    Design("century-schoolbook", "serif", ("C059",)),
    Design("comfortaa", "decorative", ("Comfortaa",)),
    Design(
        "computer-modern",
        "serif",
        (
            "CMU Bright",
            "CMU Classical Serif",
            "CMU Concrete",
            "CMU Sans Serif",
            "CMU Sans Serif Demi Condensed",
            "CMU Serif",
            "CMU Serif Extra",
            "CMU Serif Upright Italic",
            "CMU Typewriter Text",
        ),
    ),
    Design("courier", "mono", ("FreeMono", "Nimbus Mono PS")),
    Design("cousine", "mono", ("Cousine", "Liberation Mono")),
    Design(
        "droid",
        "sans",
        (
            "Noto Mono",
            "Noto Sans",
            "Noto Sans Display",
            "Noto Sans Mono",
            "Noto Serif",
            "Noto Serif Display",
            "Open Sans",
            "Open Sans Condensed",
        ),
    ),
    Design("eb-garamond", "serif", ("EB Garamond",)),
    Design("fantasque", "decorative", ("Fantasque Sans Mono",)),
    Design("fira", "mono", ("Fira Code",)),
    Design("gentium", "serif", ("Gentium", "GentiumAlt")),
    Design("go", "sans", ("Go", "Go Medium", "Go Mono")),
    Design(
        "helvetica",
        "sans",
        ("Arimo", "FreeSans", "Liberation Sans", "Liberation Sans Narrow", "Nimbus Sans", "Nimbus Sans Narrow"),
    ),
    Design("inter", "sans", ("Inter",)),
    Design("jetbrains", "mono", ("JetBrains Mono",)),
    Design("lato", "sans", ("Carlito", "Lato")),
    Design("libertine", "serif", ("Linux Biolinum O", "Linux Libertine Display O", "Linux Libertine O")),
    Design("monofur", "decorative", ("monofur",)),
    Design("mononoki", "mono", ("mononoki",)),
    Design("old-standard", "serif", ("Old Standard TT",)),
    Design("palatino", "serif", ("P052",)),
    Design("play", "sans", ("Play",)),
    Design("ricty", "mono", ("Ricty Diminished", "Ricty Diminished Discord")),
    Design("roboto", "sans", ("Roboto", "Roboto Condensed")),
    Design(
        "times",
        "serif",
        ("FreeSerif", "Liberation Serif", "Nimbus Roman", "STIX", "STIX Math", "STIXGeneral", "Tinos"),
    ),
    Design("vera", "sans", ("DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif", "Hack")),
    Design("vollkorn", "serif", ("Vollkorn",)),
    Design("zapf-chancery", "decorative", ("Z003",)),
)
"""Droid stands for the faces after Steve Matteson's Droid, Vera for those after Bitstream Vera."""


def designs_by_family() -> dict[str, Design]:
    """The design of every family in use."""
    return {family: design for design in DESIGNS for family in design.families}


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


@dataclass(frozen=True)
class Licence:
    """The short name (SPDX where it has one), the copyright holders, and a remark."""

    short: str
    holders: str
    remark: str = ""


_NOTO = Licence("OFL-1.1", "2007, 2010, 2012-2020 Google Inc.; 2015-2020 Google LLC")
_VERA = Licence("Bitstream-Vera", "2003 Bitstream, Inc.", "The DejaVu changes are in the public domain")

LICENCES = {
    "fonts-agave": Licence("MIT", "2013-2020 type agaric"),
    "fonts-cantarell": Licence("OFL-1.1", "2009-2011 Understanding Limited; 2010-2011 Jakub Steiner"),
    "fonts-cmu": Licence("OFL-1.1", "2003-2009 Andrey V. Panov", "After designs of Donald E. Knuth and others"),
    "fonts-comfortaa": Licence("OFL-1.1", "2008-2017 Johan Aakerlund"),
    "fonts-croscore": _NOTO,
    "fonts-crosextra-carlito": Licence("OFL-1.1", '2010-2013 tyPoland Lukasz Dziedzic; reserved font name "Carlito"'),
    "fonts-dejavu-core": _VERA,
    "fonts-dejavu-extra": _VERA,
    "fonts-ebgaramond": Licence("OFL-1.1", "2010-2012 Georg Duffner"),
    "fonts-fantasque-sans": Licence("OFL-1.1", "2013-2014 Jany Belluz"),
    "fonts-firacode": Licence("OFL-1.1", "2014 Nikita Prokopov; 2014 Mozilla Foundation; 2014 Telefonica S.A."),
    "fonts-freefont-ttf": Licence(
        "GPL-3.0-or-later with font exception",
        "2002-2012 GNU FreeFont contributors; 2009-2012 Steve White; 2011 Emmanuel Vallois",
    ),
    "fonts-go": Licence("BSD-3-Clause", "2016 Bigelow & Holmes Inc."),
    "fonts-hack": Licence("MIT AND Bitstream-Vera", "2003 Bitstream Inc.; 2018 Christopher Simpkins"),
    "fonts-inter": Licence("OFL-1.1", "2016-2022 The Inter Project Authors"),
    "fonts-jetbrains-mono": Licence(
        "OFL-1.1", "2020 JetBrains s.r.o.", "By the notice in the font files; Debian names Apache-2.0 for the sources"
    ),
    "fonts-lato": Licence("OFL-1.1", "2010-2011 Łukasz Dziedzic"),
    "fonts-liberation": Licence("GPL-2.0-only with font exception", "2007 Red Hat, Inc."),
    "fonts-linuxlibertine": Licence("OFL-1.1 OR GPL-2.0-or-later with font exception", "2003-2012 Philipp H. Poll"),
    "fonts-monofur": Licence("OFL-1.1", "2000 Tobias B. Köhler"),
    "fonts-mononoki": Licence("OFL-1.1", "2013 Matthias Tellen"),
    "fonts-noto-core": _NOTO,
    "fonts-noto-mono": _NOTO,
    "fonts-oldstandard": Licence("OFL-1.1", "2006-2011 Alexey Kryukov"),
    "fonts-open-sans": Licence("Apache-2.0", "2010-2011 Google Corporation"),
    "fonts-play": Licence("OFL-1.1", "2011 Jonas Hecksher, Playtypes, e-types AS"),
    "fonts-ricty-diminished": Licence("OFL-1.1", "2011-2017 Yasunori Yusa"),
    "fonts-roboto-unhinted": Licence("Apache-2.0", "2015 Google Inc."),
    "fonts-sil-gentium": Licence("OFL-1.1", '2003-2011 SIL International; reserved font names "Gentium" and "SIL"'),
    "fonts-stix": Licence("OFL-1.1", "2001-2010 STI Pub Companies; 1998-2003 MicroPress, Inc.; 1990 Elsevier, Inc."),
    "fonts-urw-base35": Licence(
        "AGPL-3.0-only with font exception", "2015 URW Software; 2013, 2014 (URW)++ Design & Development"
    ),
    "fonts-vollkorn": Licence("OFL-1.1", "2006-2014 Friedrich Althausen; 2006-2011 Jan Yanone Gerner"),
}
"""By Debian package."""

_HEADER = """\
# Licences of the fonts behind Glyphs

`glyphs.npz` holds 32x32 images of characters set in the fonts below. It contains no font program, outline or hinting.
All the fonts are free. Those under the GPL or AGPL carry a font exception for documents that are set in them.
`faces.csv` tells which image comes from which font file. Written by `build.py` from `licences.py`.

| Debian package | version | licence | copyright | remark |
|---|---|---|---|---|
"""


def markdown(packages: Mapping[str, str]) -> str:
    """LICENSES.md for the packages in use; maps package to version."""
    rows = ((package, version, LICENCES[package]) for package, version in sorted(packages.items()))
    return _HEADER + "".join(
        f"| {package} | {version} | {licence.short} | {licence.holders} | {licence.remark} |\n"
        for package, version, licence in rows
    )
