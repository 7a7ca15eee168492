"""The metadata of a submission: bounded, visible text that cannot be a path, a script or markup."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from dlth_bench.board.submission import Submission

_VALID = {
    "name": "mine",
    "protocol": "tiny@1",
    "protocol_digest": "0" * 64,
    "dataset": "glyphs",
    "subset_digest": "1" * 64,
    "classes": 3,
    "policy": "RS",
    "date": "2026-01-03",
    "package": "0.1.0",
}


def _metadata(**given: object) -> Submission:
    return Submission.model_validate(_VALID | given)


@pytest.mark.parametrize("name", ["../evil", "..", "/etc", "a/b", "A", "", ".hidden", "x\n", "a b", "a" * 65])
def test_name_cannot_be_a_path(name: str) -> None:
    """A name that would leave its folder, or is no slug, is no name."""
    with pytest.raises(ValidationError, match="name"):
        _metadata(name=name)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://example.org",
        "https://example.org/ x",
        "https://example.org/)![x](y",
        "https://a.org/<script>",
        "https://user:secret@example.org",
        'https://example.org/"onmouseover=',
        "https://example.org\n",
        "//example.org",
    ],
)
def test_url_is_a_plain_https_address(url: str) -> None:
    """No URL that runs code, breaks out of a link or hides where it leads."""
    with pytest.raises(ValidationError, match="url"):
        _metadata(url=url)


@pytest.mark.parametrize("url", ["https://example.org", "https://example.org:8080/a/b?c=d&e=%20#f", ""])
def test_common_urls_are_taken(url: str) -> None:
    """Ordinary pages, or none, can be given."""
    assert _metadata(url=url).url == url


@pytest.mark.parametrize("text", ["two\nlines", "\x1b[31mred", "right\u202eleft", "x" * 501, "nul\0"])
def test_text_is_one_bounded_visible_line(text: str) -> None:
    """Line breaks, escape sequences, direction marks and novels are no description."""
    with pytest.raises(ValidationError, match="description"):
        _metadata(description=text)


def test_submission_has_no_unbounded_text() -> None:
    """Every text field of the metadata has a limit in its schema, so a new one cannot forget it."""
    properties = Submission.model_json_schema()["properties"]
    texts = {name: schema for name, schema in properties.items() if schema.get("type") == "string"}
    bounded = {name for name, schema in texts.items() if {"maxLength", "pattern", "format"} & set(schema)}
    assert set(texts) == bounded
    assert properties["authors"]["items"]["maxLength"] == 80
    assert properties["authors"]["maxItems"] == 50


def test_protocol_name_is_the_folder() -> None:
    """A submission of any version of a protocol lies in the folder of the protocol's name."""
    assert _metadata(protocol="glyphs-ssl@12").protocol_name == "glyphs-ssl"
    with pytest.raises(ValidationError, match="protocol"):
        _metadata(protocol="../glyphs-ssl@1")
