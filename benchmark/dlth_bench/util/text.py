"""Text and numbers for people, and strangers' text made safe to print."""

from __future__ import annotations

from collections.abc import Sequence


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


def listed(names: Sequence[str], most: int) -> str:
    """``a, b, ...``: the first names, and whether there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def percent(mean: float | None, std: float | None = None) -> str:
    """``61.3 ± 0.4``: an accuracy fraction, and its spread, in percent."""
    if mean is None:
        return "–"
    return f"{100 * mean:.1f}" if std is None else f"{100 * mean:.1f} ± {100 * std:.1f}"


def points(gap: float, noise: float | None = None) -> str:
    """``+3.1 ± 0.9``: a difference of accuracy fractions, and half its interval, in points."""
    return f"{100 * gap:+.1f}" if noise is None else f"{100 * gap:+.1f} ± {100 * noise:.1f}"


def correlation(value: float | None) -> str:
    """``.821``, ``-.107``, ``1.000``: a correlation without its leading zero."""
    if value is None:
        return "–"
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 0.9995 else text


def interval(low: float | None, high: float | None) -> str:
    """``[.612, .903]``."""
    return "–" if low is None or high is None else f"[{correlation(low)}, {correlation(high)}]"


def duration(seconds: float | None) -> str:
    """``4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def count(value: float) -> str:
    """``1.2 M``, ``34.5 T``: a large number with three digits and a unit prefix."""
    for prefix in ("", " k", " M", " G", " T", " P", " E"):
        if abs(value) < 1000:
            return f"{value:.3g}{prefix}"
        value /= 1000
    return f"{value:.3g} Z"


def subset_size(classes: int, samples: int | None = None) -> str:
    """``24 classes``, ``1152 samples of 246 classes``."""
    of_classes = "1 class" if classes == 1 else f"{classes} classes"
    if samples is None:
        return of_classes
    return f"1 sample of {of_classes}" if samples == 1 else f"{samples} samples of {of_classes}"


def probability(value: float | None) -> str:
    """``.012``, ``<.001``: a p-value."""
    if value is None:
        return "–"
    return "<.001" if value < 0.001 else correlation(value)


def factor(saved: float | None) -> str:
    """``10.3×``: how many times less is spent when the fraction ``saved`` of it is."""
    return "–" if saved is None or saved >= 1 else f"{1 / (1 - saved):.1f}×"


_SAFE_PUNCTUATION = " .,;+-/=%'?()"
"""ASCII that has no meaning in Markdown once all other punctuation is an entity."""


def escaped(text: str) -> str:
    """Text that Markdown and HTML show as it is, on one line and in one table cell."""
    return "".join(char if _harmless(char) else f"&#{ord(char)};" for char in printable(text, 600))


def _harmless(char: str) -> bool:
    return not char.isascii() or char.isalnum() or char in _SAFE_PUNCTUATION
