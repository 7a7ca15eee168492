"""Licences and copyright holders of the fonts, as /usr/share/doc/PACKAGE/copyright and the font files state them.

All are free and allow the redistribution of text set in them. Fonts under the GPL and AGPL say so in a font
exception; the shipped images contain no font program, outline or hinting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
