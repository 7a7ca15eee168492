"""``leaderboard --publish``, ``--pull`` and ``submit --hub`` as a user calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from board_commands import refused, run, store_runs, write_protocol, write_subset
from board_examples import OTHER_SUBSET, submit
from loopback_hub import LoopbackHub

import dlth_bench
from dlth_bench.protocols import protocol_file


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder; the tiny protocol comes with the package."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: tmp_path / kind)
    write_protocol(tmp_path / "protocols")
    return tmp_path


@pytest.mark.usefixtures("writer")
def test_from_an_empty_folder_to_a_published_board(place: Path, hub: LoopbackHub) -> None:
    """Runs become a submission, a board, a dataset repository and a Space; then a second one comes by pull request."""
    pytest.importorskip("pyarrow")
    write_subset(place)
    store_runs(place / "runs")
    run("submit", "--subset", "mine.txt", "--name", "mine", "-p", "tiny")
    words = ("leaderboard", "--publish", "lab/board", "--space", "lab/site")
    output = run(*words, "--create").output
    assert b"mine" in hub.repository("lab/site", "spaces").head.files["index.html"].data
    assert f"{hub.url}/datasets/lab/board: published at" in output
    assert f"{hub.url}/spaces/lab/site: published at" in output
    assert run(*words).output.count("up to date, nothing published") == 2
    write_subset(place, OTHER_SUBSET)
    store_runs(place / "runs", OTHER_SUBSET)
    words = ("submit", "--subset", "mine.txt", "--name", "theirs", "-p", "tiny", "--submissions", "elsewhere")
    url = f"{hub.url}/datasets/lab/board/discussions/1"
    assert f"opened a pull request: {url}" in run(*words, "--hub", "lab/board").output
    assert f"nothing to do, it is already there: {url}" in run(*words, "--hub", "lab/board").output
    hub.repository("lab/board").write("merge", dict(hub.repository("lab/board").at("refs/pr/1").files))
    assert "not here: submissions/tiny/theirs" in refused("leaderboard", "--publish", "lab/board")
    result = run("leaderboard", "--pull", "lab/board", "--publish", "lab/board", "--json")
    assert "submissions: 1 new, 0 replaced, 1 unchanged" in result.stderr
    assert {row["name"] for row in json.loads(result.stdout)} == {"mine", "theirs"}
    table = json.loads(hub.repository("lab/board").head.files["leaderboard.json"].data)
    assert {row["name"] for row in table} == {"mine", "theirs"}
    assert "theirs" in (place / "leaderboard.md").read_text()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--publish", "lab/board"), "--publish: the Hub takes this from known users only; log in with: hf auth login"),
        (("--publish", "board"), "--publish: 'board' is no name of a repository, such as my-lab/board"),
        (("--publish", "board", "--output", "never.md"), "--publish: 'board' is no name of a repository"),
        (("--space", "a/c"), "--space goes with --publish"),
        (("--prune",), "--prune goes with --publish"),
        (("--revision", "main"), "--revision goes with --pull"),
        (("--pull", "lab/none"), "dataset lab/none: "),
    ],
)
@pytest.mark.usefixtures("hub")
def test_wrong_options(place: Path, words: tuple[str, ...], told: str) -> None:
    """One line says what is missing, and nothing is asked of the Hub in vain."""
    pytest.importorskip("pyarrow")
    submit(place / "submissions", "mine")
    assert told in refused("leaderboard", *words)
    assert not list(place.glob("*.md"))


def test_proposal_of_an_edited_submission(place: Path, hub: LoopbackHub, writer: None) -> None:
    """What the board would refuse is not proposed."""
    from dlth_bench.cli.shared.hub import propose
    from dlth_bench.util.errors import InputError

    stored = submit(place / "submissions", "mine")
    path = stored.folder / "scorecard.json"
    path.write_text(path.read_text().replace('"p_value"', '"p_value": 0.5, "ignored"', 1))
    with pytest.raises(InputError, match=r"scorecard\.json"):
        propose("lab/board", stored.folder, replace=False)
    assert hub.requests == []


PATIENCE = 600
"""Seconds after which a process is taken to hang; whatever the machine, one that is well takes far less."""

_PROGRAM = """
import sys
from pathlib import Path
from dlth_bench.protocols import protocol_file
protocol_file.shipped_folder = lambda kind: Path.cwd() / kind
from board_commands import app
app()
"""


def program(hub: LoopbackHub, place: Path, **environment: str) -> subprocess.Popen[str]:
    """``leaderboard --publish`` as a process of its own."""
    tests = Path(__file__).parents[2]
    folders = [Path(dlth_bench.__file__).parents[1], tests / "board", tests / "cli"]
    given = {
        "PYTHONPATH": os.pathsep.join([*map(str, folders), os.environ.get("PYTHONPATH", "")]),
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(place / "cache"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": "hf_writer",
    }
    command = [sys.executable, "-c", _PROGRAM, "leaderboard", "--publish", "lab/board"]
    return subprocess.Popen(
        command, env=os.environ | given | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_token_stays_secret(place: Path, hub: LoopbackHub) -> None:
    """Neither retries nor the client's own debugging output show the token."""
    pytest.importorskip("pyarrow")
    submit(place / "submissions", "mine")
    hub.repository("lab/board")
    hub.fault("unavailable", match="/commit/")
    output, _ = program(hub, place, HF_DEBUG="1", HF_HUB_VERBOSITY="debug").communicate(timeout=PATIENCE)
    assert "dataset lab/board: the Hub answers 503; trying again in 1 s" in output
    assert "published at" in output
    assert "authenticated: True" in output
    assert "hf_writer" not in output


@pytest.mark.parametrize("request_number", [pytest.param(n, marks=pytest.mark.slow if n else ()) for n in range(8)])
def test_killed_publication_leaves_the_old_board(place: Path, hub: LoopbackHub, request_number: int) -> None:
    """A kill during any request leaves the head as it was, and the next publication is whole."""
    pytest.importorskip("pyarrow")
    submit(place / "submissions", "mine")
    before = hub.repository("lab/board").head
    names = (
        "/api/datasets/lab/board",
        "/tree/",
        "validate-yaml",
        "/preupload/",
        "/batch",
        "PUT",
        "/verify",
        "/commit/",
    )
    fault = hub.fault("hang", match=tuple(reversed(names))[request_number])
    process = program(hub, place)
    assert fault.reached.wait(PATIENCE)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    fault.release.set()
    assert hub.repository("lab/board").head == before
    assert "published at" in program(hub, place).communicate(timeout=PATIENCE)[0]
    assert len(hub.repository("lab/board").log) == 2
