"""``dlth-bench protocols``: what is frozen, what has changed, and a stranger's file as plain text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import refused, run

from dlth_bench.cli import protocols
from dlth_bench.protocols import protocol_file
from tiny_grid import tiny_text


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped protocols with one in it."""
    monkeypatch.setenv("COLUMNS", "80")
    for module in (protocols, protocol_file):
        monkeypatch.setattr(module, "shipped_folder", lambda kind: tmp_path)
    (tmp_path / "tiny.yaml").write_text(tiny_text())
    return tmp_path


def test_freezing_notices_every_later_change(place: Path) -> None:
    """A frozen protocol that is edited or removed fails the check, and freezing again does not hide it."""
    assert run("protocols", "check").output == "tiny@1: not locked\n"
    assert run("protocols", "check", "--freeze").output == "tiny@1: locked\n"
    path = place / "tiny.yaml"
    path.write_text(tiny_text().replace("temperature: 0.2", "temperature: 0.3"))
    assert run("protocols", "check", code=1).output == "tiny@1: changed\n"
    assert run("protocols", "check", "--freeze", code=1).output == "tiny@1: changed\n"
    path.write_text(tiny_text().replace("\nversion: 1", "\nversion: 2"))
    assert run("protocols", "check", code=1).output == "tiny@2: not locked\ntiny@1: locked, but its file is gone\n"


def test_list_and_show_for_programs(place: Path) -> None:
    """The JSON says what the table says, and the digest under which results are stored."""
    (entry,) = json.loads(run("protocols", "list", "--json").output)
    shown = json.loads(run("protocols", "show", "tiny", "--json").output)
    assert (entry["protocol"], entry["configs"], entry["lock"]) == (
        "tiny@1",
        ["moco", "mae", "supervised"],
        "not locked",
    )
    assert entry["digest"] == shown["digest"]
    assert "tiny@1" in run("protocols", "list").output


def test_show_has_whole_config_names_at_80_columns(place: Path) -> None:
    """The names are those that ``--configs`` takes, so none is cut, nor is anything else."""
    name = "mae-finetune-long"
    (place / "tiny.yaml").write_text(tiny_text().replace("name: supervised", f"name: {name}"))
    output = run("protocols", "show", "tiny").output
    assert name in output
    assert "…" not in output


def test_the_shipped_list_has_whole_names_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names are those that ``--protocol`` takes: a dozen of them begin alike, so that none may be cut."""
    monkeypatch.setenv("COLUMNS", "80")
    for arguments, name in (((), "imagenet-sensitivity@1 "), (("--drafts",), "cifar10-tickets-connectivity@1 ")):
        output = run("protocols", "list", *arguments).output
        assert name in output
        assert "…" not in output
        assert max(map(len, output.splitlines())) <= 80


def test_drafts_are_a_list_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may change, so that nobody takes them for what has a board; that there are some is said in one line."""
    monkeypatch.setenv("COLUMNS", "80")
    listed = {entry["protocol"]: entry for entry in json.loads(run("protocols", "list", "--json").output)}
    drafts = {entry["protocol"]: entry for entry in json.loads(run("protocols", "list", "--drafts", "--json").output)}
    assert "glyphs-ssl@3" in listed and "cifar10-tickets-prac@1" in drafts
    assert not set(listed) & set(drafts)
    assert {entry["lock"] for entry in drafts.values()} == {"not locked"}
    last = run("protocols", "list").output.splitlines()[-1]
    assert last == f"{len(drafts)} drafts are left out: dlth-bench protocols list --drafts"
    assert "left out" not in run("protocols", "list", "--drafts").output


def test_drafts_are_checked_and_never_frozen(place: Path) -> None:
    """A broken draft stops the check, freezing leaves drafts out, and a frozen protocol is none of them."""
    (place / "drafts").mkdir()
    draft = place / "drafts" / "idea@1.yaml"
    draft.write_text("extends: ../tiny.yaml\nname: idea\n")
    assert run("protocols", "check", "--freeze").output == "idea@1: not locked\ntiny@1: locked\n"
    assert "idea" not in (place / "LOCK.json").read_text()
    assert "is a draft" in refused("protocols", "check", draft, "--freeze").message
    assert run("protocols", "check", draft).output == "idea@1: not locked\n"
    draft.write_text("extends: ../tiny.yaml\nname: idea\nbudget: hours\n")
    error = refused("protocols", "check")
    assert (error.source, error.line) == (str(draft), 3)
    draft.unlink()
    (place / "tiny.yaml").rename(place / "drafts" / "tiny.yaml")
    assert "tiny@1: locked, but its file is gone" in run("protocols", "check", code=1).output


def test_show_says_what_holds_the_data_and_the_score(place: Path) -> None:
    """Which digest the data have or that it is open, and that without a reference there is no score."""
    shown = " ".join(run("protocols", "show", "tiny").output.split())
    assert f"data: glyphs, digest {'0' * 64}" in shown
    assert "reference: none, so subsets can be trained but not scored" in shown
    (place / "tiny.yaml").write_text(tiny_text().replace(f'manifest_digest: "{"0" * 64}"', "manifest_digest: null"))
    shown = " ".join(run("protocols", "show", "tiny").output.split())
    assert "data: glyphs, digest left open: each result records the digest it found" in shown


def test_texts_are_not_downloaded_to_show_a_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AG News on this machine its grid is shown all the same, and what is not known is said."""
    monkeypatch.delenv("DLTH_BENCH_DATA", raising=False)
    monkeypatch.setattr("dlth_bench.datasets.download.HubFiles.cached", lambda self: None)
    shown = run("protocols", "show", "agnews-text@1", "--details").output
    assert "and 64 for each word of the training texts, which are not at hand" in shown


def test_strangers_text_is_plain(place: Path) -> None:
    """A title can neither colour the terminal nor move its cursor."""
    evil = tiny_text().replace("title: Three small configs for tests", r'title: "[bold]x[/nope]\e[2J"')
    (place / "evil.yaml").write_text(evil)
    output = run("protocols", "show", str(place / "evil.yaml")).output
    assert r"[bold]x[/nope]\x1b[2J" in output
    assert "\x1b" not in output


def test_broken_file_stops_the_check(place: Path) -> None:
    """A file that is no protocol is named with its line."""
    (place / "zz.yaml").write_text(tiny_text().replace("budget: epochs", "budget: hours"))
    error = refused("protocols", "check")
    assert error.source == str(place / "zz.yaml")
    assert error.line == 5


def test_details_say_what_follows_from_a_recipe(place: Path) -> None:
    """Steps and rates of the full data, views, parameter counts and a config's notes, for people and programs."""
    text = tiny_text().replace("title: MoCo\n", "title: MoCo\n    notes: [Batch norm sees the whole batch.]\n")
    (place / "tiny.yaml").write_text(text)
    assert "what differs from the originals: --details" in run("protocols", "show", "tiny").output
    shown = run("protocols", "show", "tiny", "--details").output
    assert "note: Batch norm sees the whole batch." in shown
    assert "246 steps an epoch of batch 16" in shown  # 246 classes of 16 images
    facts = json.loads(run("protocols", "show", "tiny", "--details", "--json").output)["details"]
    assert [fact["config"] for fact in facts] == ["moco", "mae", "supervised"]
    assert facts[0]["train"]["rates"]["0"] == 0.05
    assert facts[1]["trained_parameters"] > facts[1]["encoder_parameters"] > 0
