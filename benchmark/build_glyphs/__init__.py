"""Renders Glyphs from fonts; not in the wheel."""
