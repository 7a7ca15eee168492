"""The templates, paths and BibTeX of the site: text is escaped, and the browser is told to load nothing else."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import dlth_bench
from dlth_bench.board.site import charts
from dlth_bench.board.submission import Submission
from dlth_bench.protocols import measurements as metric_text
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.subsets.subset import REPLACED_TEXT
from dlth_bench.util import text as number_text
from dlth_bench.util.text import printable, subset_size

INDEX, COMPARE = "index.html", "compare.html"


def protocol_path(protocol: Protocol) -> str:
    """``protocols/glyphs-ssl@2.html``."""
    return f"protocols/{protocol.key}.html"


def submission_path(metadata: Submission) -> str:
    """``submissions/glyphs-ssl@2/erc.html``."""
    return f"submissions/{metadata.protocol}/{metadata.name}.html"


def to_top(path: str) -> str:
    """From the folder of a page to the top: ``../../``."""
    return "../" * path.count("/")


GENERATOR = '<meta name="generator" content="dlth-bench">'
"""Stands near the start of every page, so that a page of an older build is known as ours."""

_STYLE = "style.css"


def render(template: str, path: str, script: str | None = None, **content: Any) -> bytes:
    """A page.

    Args:
        template: its file name.
        path: of the page in the site.
        script: file name of the script that it runs; None: it runs none.
        content: what the template shows; all text is escaped.
    """
    style, code = _asset(_STYLE), _asset(script) if script else ""
    page = _environment().get_template(template)
    text = page.render(
        top=to_top(path),
        path=path,
        version=dlth_bench.__version__,
        generator=Markup(GENERATOR),
        policy=_policy(style, code),
        style=Markup(style),
        script=Markup(code),
        **content,
    )
    return text.encode()


def _policy(style: str, script: str) -> str:
    """The content security policy: this style, this script and images in the page, named by digest; no address."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_source(style)}'",
            f"script-src '{_source(script)}'" if script else "script-src 'none'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8").strip()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_visible,
    )
    for function in (
        metric_text.amount,
        metric_text.column_title,
        metric_text.difference,
        metric_text.explained,
        number_text.correlation,
        number_text.count,
        number_text.duration,
        number_text.factor,
        number_text.interval,
        number_text.percent,
        number_text.probability,
        number_text.subset_size,
        charts.path,
    ):
        environment.filters[function.__name__] = function
    environment.filters["replaced_text"] = REPLACED_TEXT.__getitem__
    environment.globals["charts"] = charts
    return environment


def _visible(value: Any) -> Any:
    """Text without control characters and direction marks; line breaks stay."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(printable(line, limit=12 * len(line)) for line in value.split("\n"))


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
