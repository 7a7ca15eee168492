"""Text of unknown origin, made safe to put into Markdown."""

from __future__ import annotations

from dlth_bench.spec.quoting import printable

_SAFE_PUNCTUATION = " .,;+-/=%'?()"
"""ASCII that has no meaning in Markdown once all other punctuation is an entity."""


def escaped(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line and in one table cell."""
    return "".join(char if _harmless(char) else f"&#{ord(char)};" for char in printable(text, 600))


def _harmless(char: str) -> bool:
    return not char.isascii() or char.isalnum() or char in _SAFE_PUNCTUATION
