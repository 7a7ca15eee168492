"""Text of unknown origin, made safe to show on one line of a terminal."""

from __future__ import annotations


def printable(text: str, limit: int = 200) -> str:
    """``text`` on one line with control, format and undecodable characters escaped, cut to ``limit``.

    Escape sequences, line breaks and direction marks in a file or its name must not reach the terminal.
    """
    # Escaping never shortens, so characters beyond the limit cannot be part of the result.
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def quoted(text: str, limit: int = 60) -> str:
    """``text`` in quotation marks, made printable."""
    return f"'{printable(text, limit)}'"
