"""The script behind the workflow ``submission``, on repositories with a merged request and a ``dlth-bench`` that tells.

The stand-in for ``dlth-bench`` writes its arguments into a file and takes every submission for valid, save those named
``invalid``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parent.parent / ".ci" / "check_submissions"
_STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$@" >> "$CALLS"
echo '::set-env name=PATH::/evil'
[[ "$*" != *invalid* ]]
"""

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "git", "openssl")), reason="needs bash, git and openssl"
)

Check = Callable[[Callable[[Path], None]], tuple[int, str, list[str]]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Merges a request that does what is asked for to the files, checks it; returns exit code, output, calls."""
    repository, tools, calls = tmp_path / "request", tmp_path / "tools", tmp_path / "calls"
    tools.mkdir()
    (tools / "dlth-bench").write_text(_STAND_IN)
    (tools / "dlth-bench").chmod(0o755)
    identity = {f"GIT_{who}_{what}": "a@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    paths = {"CALLS": str(calls), "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    environment = {**os.environ, **identity, **paths, "GIT_CONFIG_GLOBAL": os.devnull}

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(repository), *arguments], env=environment, check=True, capture_output=True)

    def merged_and_checked(change: Callable[[Path], None]) -> tuple[int, str, list[str]]:
        submission(repository / "submissions" / "glyphs-ssl" / "standing")
        git("init", "--initial-branch=main")
        git("add", "--all")
        git("commit", "--message=main")
        git("checkout", "-b", "request")
        change(repository)
        git("add", "--all")
        git("commit", "--allow-empty", "--message=request")
        git("checkout", "main")
        git("commit", "--allow-empty", "--message=meanwhile")
        git("merge", "--no-ff", "--message=merge", "request")
        done = subprocess.run(["bash", str(_SCRIPT), str(repository)], env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, calls.read_text().splitlines() if calls.exists() else []

    return merged_and_checked


def submission(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "submission.yaml").write_text("name: x\n")
    (folder / "results.jsonl").write_text("{}\n")


def test_new_submissions_are_checked_as_new_and_changed_ones_as_they_stand(check: Check) -> None:
    """A submitter cannot verify himself, and a submission that was verified can be rescored."""

    def change(repository: Path) -> None:
        submission(repository / "submissions" / "glyphs-ssl" / "mine")
        (repository / "submissions" / "glyphs-ssl" / "standing" / "results.jsonl").write_text("{}\n{}\n")

    code, _, calls = check(change)
    assert code == 0
    new = ["check", "--new", "--json", "--", "submissions/glyphs-ssl/mine"]
    assert calls == [*new, "check", "--json", "--", "submissions/glyphs-ssl/standing"]


def test_an_invalid_submission_fails_the_check(check: Check) -> None:
    """What dlth-bench refuses is not merged by mistake."""
    code, _, _ = check(lambda repository: submission(repository / "submissions" / "glyphs-ssl" / "invalid"))
    assert code == 1


def test_names_of_files_are_never_evaluated(check: Check, tmp_path: Path) -> None:
    """A stranger who names a folder like a command runs no command."""
    name = "$(touch pwned) `touch pwned`; touch pwned\n::error::--new"
    code, _, calls = check(lambda repository: submission(repository / "submissions" / "glyphs-ssl" / name))
    assert code == 0
    assert "\n".join(calls) == f"check\n--new\n--json\n--\nsubmissions/glyphs-ssl/{name}"
    assert list(tmp_path.rglob("pwned")) == []


def test_the_runner_takes_no_commands_from_what_a_check_prints(check: Check) -> None:
    """Output that repeats a stranger's text stands between a stop and a resumption that he cannot guess."""
    code, output, _ = check(lambda repository: submission(repository / "submissions" / "glyphs-ssl" / "mine"))
    lines = [line for line in output.splitlines() if line.startswith("::")]
    assert code == 0
    assert lines[0].startswith("::stop-commands::")
    assert lines[1].startswith("::set-env")
    assert lines[2] == f"::{lines[0].removeprefix('::stop-commands::')}::"


def test_links_and_misplaced_files_are_refused_before_anything_is_read(check: Check) -> None:
    """A link to a file of the runner is not followed."""

    def change(repository: Path) -> None:
        submission(repository / "submissions" / "glyphs-ssl" / "mine")
        (repository / "submissions" / "glyphs-ssl" / "mine" / "scorecard.json").symlink_to("/etc/passwd")
        (repository / "submissions" / "note.txt").write_text("hello")

    code, output, calls = check(change)
    assert code == 1
    assert calls == []
    assert "scorecard.json is a link" in output
    assert "submissions/note.txt lies elsewhere" in output


def test_a_request_without_submissions_passes_and_a_removal_is_named(check: Check) -> None:
    """A submission does not vanish from the board unseen."""
    code, output, calls = check(lambda repository: shutil.rmtree(repository / "submissions" / "glyphs-ssl"))
    assert (code, calls) == (0, [])
    assert "removed: submissions/glyphs-ssl/standing" in output
