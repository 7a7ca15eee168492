"""Whatever a stranger puts into a submission's folder is an error report or a clean pass."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from board_examples import SUBSET, markdown_of, metadata_of, submit, tiny_protocol
from hostile_folders import MUTATIONS, TEXTS, mutate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dlth_bench.board.check import Checked, check_folder, submission_folders, with_duplicates
from dlth_bench.board.submission_folder import write_verification
from dlth_bench.board.verification import claim_digest
from dlth_bench.board.verify import draw_cells, noise_of, verification_of
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs import score as scored
from dlth_bench.runs.run import Result
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError

SECRET = "the secret of another folder"


@functools.cache
def template() -> Path:
    """A valid submission with a verification."""
    root = Path(tempfile.mkdtemp())
    stored = submit(root, "mine", authors=("Ada Ł.",), description="It's a test", url="https://x.org/a")
    drawn = draw_cells(stored, "0" * 64, None, 2)
    results = {claim.run: claim for claim in drawn.claims}
    noise = noise_of(stored, tiny_protocol())
    write_verification(stored.folder, verification_of(stored, drawn, results, noise, by="Eve", points=(1, 5)))
    return stored.folder


def find(key: str) -> Any:
    if key != tiny_protocol().key:
        raise InputError(f"no protocol {key!r}")
    return tiny_protocol()


def inspected(mutations: list[tuple[str, str, Any, Any]], root: Path) -> Checked:
    """The check of a changed submission, and the board with it if it passes."""
    folder, outside = root / "in" / "tiny" / "mine", root / "out" / "secret.txt"
    shutil.copytree(template(), folder)
    outside.parent.mkdir()
    outside.write_text(SECRET)
    for mutation in mutations:
        mutate(folder, outside, mutation)
    before = sorted(str(path) for path in root.rglob("*"))
    (found,) = submission_folders(root / "in")
    (checked,) = with_duplicates([check_folder(found, find)], [])
    for finding in checked.findings:
        assert finding.located.isprintable()
        assert SECRET not in str(finding.document())
        assert str(finding.file).startswith(str(folder))
    if checked.valid:
        assert checked.stored is not None
        board = markdown_of([checked.stored], [tiny_protocol()])
        assert "<script" not in board
        assert "](javascript" not in board
    assert sorted(str(path) for path in root.rglob("*")) == before
    assert outside.read_text() == SECRET
    return checked


def fuzz(cases: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inspect so many changed submissions; the same results are scored once."""
    known: dict[str, Scorecard] = {}

    def score(protocol: Protocol, subset: Subset, results: list[Result]) -> Scorecard:
        key = claim_digest(protocol.digest, subset.digest, results)
        if key not in known:
            known[key] = score_results(protocol, subset, results)
        return known[key]

    monkeypatch.setattr(scored, "score_results", score)
    outcomes = {True: 0, False: 0}

    @settings(
        max_examples=cases, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(mutations=st.lists(MUTATIONS, min_size=1, max_size=3))
    def one(mutations: list[tuple[str, str, Any, Any]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            outcomes[inspected(mutations, Path(folder)).valid] += 1

    one()
    assert sum(outcomes.values()) >= cases
    assert outcomes[False] > cases / 2
    assert outcomes[True] > 0


def test_hostile_folders_get_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred changed submissions: a report on one line each or a clean pass, no traceback, nothing outside."""
    fuzz(300, monkeypatch)


@pytest.mark.slow
def test_many_hostile_folders_get_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for ten thousand."""
    fuzz(10_000, monkeypatch)


@given(text=st.one_of(TEXTS, st.text(max_size=30)), field=st.sampled_from(["name", "policy", "description", "url"]))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_texts_are_inert_or_refused(text: str, field: str) -> None:
    """What passes into the metadata runs in no spreadsheet and is one visible line; names are ASCII."""
    try:
        metadata = metadata_of(tiny_protocol(), SUBSET, **({"name": "mine"} | {field: text}))
    except ValidationError:
        return
    kept = getattr(metadata, field)
    assert kept.isprintable()
    assert not kept.startswith(("=", "+", "-", "@"))
    assert field == "description" or kept.isascii()
    assert kept == "" or field != "url" or kept.startswith("https://")
