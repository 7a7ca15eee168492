"""``dlth-bench verify``: commit, draw, retrain, and write down what it showed."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_commands import write_protocol
from board_examples import results_of, submit, tiny_protocol
from command_line import refused, run

from dlth_bench.board.submission_folder import read_submission
from dlth_bench.datasets.registry import image_dataset
from dlth_bench.engines.engine import Event, Finished
from dlth_bench.engines.local import LocalEngine
from dlth_bench.protocols import protocol_file
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Run

FOLDER = "submissions/tiny/mine"


@pytest.fixture
def protocol() -> Protocol:
    """The board's tiny protocol without a manifest, so that the made-up counts are not compared with the images'."""
    plain = tiny_protocol()
    data = plain.data.model_copy(update={"manifest_digest": image_dataset("glyphs").manifest_digest})
    return plain.model_copy(update={"data": data})


@pytest.fixture
def place(tmp_path: Path, protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A submission of a shipped protocol, whose runs end as claimed, without training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: tmp_path / kind)
    write_protocol(tmp_path / "protocols", protocol)
    claims = [result.model_copy(update={"class_counts": (61,) * 3}) for result in results_of(protocol)]
    right = {claim.run: round(61 * (claim.accuracy or 0.0)) / 61 for claim in claims}
    claims = [
        claim.model_copy(update={"accuracy": right[claim.run], "class_accuracy": (right[claim.run],) * 3})
        for claim in claims
    ]
    submit(tmp_path / "submissions", "mine", protocol=protocol, results=claims)

    def as_claimed(engine: LocalEngine, runs: list[Run]) -> Iterator[Event]:
        for each in runs:
            (result,) = [claim for claim in claims if claim.run == each.digest]
            engine.store.save(each, result)
            yield Finished(each, result)

    monkeypatch.setattr(LocalEngine, "run_all", as_claimed)
    return tmp_path


def test_commit_then_verify(place: Path) -> None:
    """The published commitment opens with the revealed nonce, the cells are those of the dry run, the check agrees."""
    assert "publish mine.commitment.json; keep mine.nonce secret" in run("verify", "commit", FOLDER).output
    assert stat.S_IMODE((place / "mine.nonce").stat().st_mode) == 0o600
    assert "would let you choose" in str(refused("verify", "commit", FOLDER))
    drawn = run("verify", FOLDER, "--by", "Ada L.", "--dry-run").output.splitlines()
    output = run("verify", FOLDER, "--by", "Ada L.", "--device", "cpu").output
    assert "mine: verified; wrote verification.json" in output
    assert "A fraud of 5 points would have been caught with a probability of" in output
    found = read_submission(place / FOLDER).verification
    assert found is not None
    assert [f"{cell.config} seed {cell.seed}" for cell in found.cells] == drawn
    assert found.nonce == (place / "mine.nonce").read_text().strip()
    assert found.commitment == json.loads((place / "mine.commitment.json").read_text())["commitment"]
    assert run("check", FOLDER).output.endswith("checked: valid\n")
    assert "a submission does not verify itself" in run("check", FOLDER, "--new", code=1).output


def test_without_a_commitment(place: Path) -> None:
    """One may verify without, and it is said, on the terminal and in the record."""
    result = run("verify", FOLDER, "--by", "Ada L.", "--cells", "3", "--device", "cpu", "--json")
    assert "must take your word" in result.stderr
    document = json.loads(result.stdout[result.stdout.index("{") :])
    assert (document["commitment"], len(document["cells"])) == (None, 3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--points", "0"), "--points: '0' is not a list of points"),
        (("--by", "two\nlines"), "--by: "),
        (("--nonce-file", "none"), "mine.commitment.json: is missing"),
    ],
)
def test_wrong_options(place: Path, words: tuple[str, str], told: str) -> None:
    """Wrong options are one line, and nothing is written."""
    from typer.testing import CliRunner

    from dlth_bench.cli.main import app

    command = ["verify", FOLDER, "--by", "Ada L.", "--device", "cpu", *words]
    assert told in str(CliRunner().invoke(app, command).exception)
    assert not (place / FOLDER / "verification.json").exists()


def test_invalid_submission_is_not_verified(place: Path) -> None:
    """What contradicts itself is not worth training."""
    path = place / FOLDER / "scorecard.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"classes": 4}))
    assert "scorecard.json: classes is '4'" in str(refused("verify", "commit", FOLDER))
