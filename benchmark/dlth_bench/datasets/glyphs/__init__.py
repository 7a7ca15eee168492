"""Glyphs, the embedded dataset: its images and the files that hold them."""
