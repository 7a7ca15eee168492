"""``dlth-bench doctor`` as a user calls it."""

from __future__ import annotations

import json

import pytest
from command_line import refused, run


def test_quick_says_how_things_are() -> None:
    """Without training: a line for each check, for people and programs; exit code 0 where nothing is wrong."""
    printed = run("doctor", "--quick").output
    assert "glyphs" in printed
    assert "golden" not in printed
    document = json.loads(run("doctor", "--quick", "--protocol", "glyphs-ssl@3", "--json").stdout)
    assert document["healthy"]
    states = {check["name"]: check["status"] for check in document["checks"]}
    assert states["glyphs's digest"] == "ok"
    assert states["Python"] == "ok"


def test_what_is_wrong_ends_with_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained on data that are not what they should be."""
    monkeypatch.setattr("dlth_bench.datasets.glyphs.dataset.Glyphs.computed_digest", lambda self: "0" * 64)
    printed = run("doctor", code=1).output
    assert "fail" in printed
    assert "checks failed: glyphs" in printed
    assert "golden" not in printed


def test_wrong_options() -> None:
    """A folder needs the protocol whose data lie there, and a protocol must be one."""
    assert "say by --protocol which dataset" in str(refused("doctor", "--data-dir", "."))
    assert "no protocol 'imagenet-sll'" in str(refused("doctor", "--protocol", "imagenet-sll"))


@pytest.mark.slow
def test_the_golden_cell_is_trained() -> None:
    """On a healthy machine it lies in the accepted range, and the environment is told."""
    document = json.loads(run("doctor", "--device", "cpu", "--json").stdout)
    states = {check["name"]: check["status"] for check in document["checks"]}
    assert states["golden cell"] == "ok"
    assert document["environment"]["threads"] == 1
