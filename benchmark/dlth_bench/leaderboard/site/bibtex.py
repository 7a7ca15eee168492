"""A BibTeX entry of a submission; strangers' text stays text in LaTeX, too."""

from __future__ import annotations

import re
import unicodedata

from dlth_bench.leaderboard.number_text import subset_size
from dlth_bench.spec.submission import Submission

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "_": r"\_",
    '"': "{''}",
}
"""What LaTeX or BibTeX would act on."""


def bibtex(metadata: Submission) -> str:
    """An ``@misc`` entry; its key has ASCII letters, digits and hyphens only."""
    size = subset_size(metadata.classes, metadata.samples)
    title = f"{metadata.name}: {size} of {metadata.dataset} ({metadata.policy})"
    # Each name in braces of its own: one that holds "and" or a comma is still one name.
    authors = " and ".join(f"{{{latex(author)}}}" for author in metadata.authors) or "{The submitters}"
    fields = {
        "author": authors,
        "title": f"{{{latex(title)}}}",
        "year": str(metadata.date.year),
        "howpublished": f"dlth-bench, protocol {latex(metadata.protocol)}",
        "note": f"Subset SHA-256 {metadata.subset_digest[:16]}",
    }
    if metadata.url:
        fields["url"] = metadata.url
    lines = [f"  {key:<12} = {{{value}}}," for key, value in fields.items()]
    return "\n".join([f"@misc{{{_key(metadata)},", *lines, "}"])


def latex(text: str) -> str:
    """Text with everything that LaTeX or BibTeX would act on made harmless."""
    return "".join(_LATEX.get(char, char) for char in text)


def _key(metadata: Submission) -> str:
    plain = unicodedata.normalize("NFKD", f"{metadata.protocol}-{metadata.name}").encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", f"dlth-{plain}").strip("-")
