"""The families that Glyphs is rendered from, by design: a design never lies on both sides of the split.

Families that share outlines or are cut after the same model stand in one group: clones (Arimo and Liberation
Sans), companions (Noto Sans and Noto Serif), optical sizes and widths. Fonts of other families are ignored, so
that the build does not depend on what else is installed. Left out on purpose: Go Smallcaps (no lower case),
Symbola (a symbol font with borrowed letters) and Inter Display (Debian 12's beta misplaces circumflexes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
