"""Glyphs, the embedded dataset: Unicode characters in free typefaces, with validation on unseen designs.

``glyphs.npz`` holds the rendered arrays, ``faces.csv`` and ``classes.csv`` say what they show, ``LICENSES.md``
names the fonts' licences. ``python -m dlth_bench.datasets.glyphs.build`` renders them anew from Debian's packages.
"""

from dlth_bench.datasets.glyphs.dataset import Glyphs

__all__ = ["Glyphs"]
