"""Where each page of the site lies, from its top folder. All names in it are slugs, so no path leaves that folder."""

from __future__ import annotations

from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.submission import Submission

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
