"""Protocol files: what is wrong is said with file and line, and a protocol is found by name, version or path."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.protocols import protocol_file
from dlth_bench.protocols.protocol_file import find_protocol, is_draft, read_lock, read_protocol
from dlth_bench.util.errors import InputError
from tiny_grid import tiny_text

REFERENCE = "reference:\n  source: here\n  date: {date}\n  configs:\n{configs}"
MEANS = "".join(f"    {name}: {{mean: 0.5}}\n" for name in ("moco", "mae", "supervised"))
ANCHORED = "x-anchors:\n  - &odd\n    duration: {epochs: 3}\n    batch_size: 0\n    optimizer: {kind: sgd, lr: 1}\n"
SUPERVISED = "method: {kind: supervised, augment: {crop_scale: [0.8, 1.0]}, mixup: 0.2}\n    train: "


def refusal(text: str, folder: Path) -> InputError:
    path = folder / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_protocol(path)
    assert caught.value.source == str(path)
    assert "Value error" not in caught.value.message
    return caught.value


def edited(before: str, after: str) -> str:
    assert tiny_text().count(before) == 1, before
    return tiny_text().replace(before, after)


@pytest.mark.parametrize(
    ("text", "marker", "told"),
    [
        (edited("  dataset:", "\tdataset:"), "\tdataset:", "not YAML: found character '\\t'"),
        (edited("\nversion: 1", "\nverison: 1\nversion: 1"), "verison", "verison: Extra inputs"),
        (edited("temperature: 0.2", "temperature: warm"), "warm", "temperature: Input should be a valid number"),
        (edited("temperature: 0.2", "temperature: .nan"), ".nan", "temperature: Input should be a finite number"),
        (edited("kind: mae", "kind: mea"), "kind: mea", "configs.1.method: Input tag 'mea'"),
        (edited("seeds: [0, 1]", "seeds: [0, 0]"), "seeds:", "seeds: must be distinct"),
        (edited("minimum: 3", "minimum: 9"), "minimum: 9", "subset: the minimum is larger"),
        (edited("&train\n      duration: {epochs: 30}", "&train\n      duration: {epochs: 30, steps: 9}"), "steps: 9",
         "configs.0.train.duration: give exactly one of"),
        (edited("&train\n      duration: {epochs: 30}", "&train\n      duration: {steps: 9}"), "steps: 9",
         "configs.0.train.duration: must be in epochs"),
        (edited("- name: supervised", "- name: moco"), "- name: moco", "configs.2.name: a config before it"),
        (edited(SUPERVISED + "{duration: {epochs: 30}, ", SUPERVISED + "{"), "    train: {batch_size",
         "configs.2.train.duration: Field required"),
        (ANCHORED + edited(SUPERVISED, SUPERVISED + "{<<: *odd}\n    x: "), "batch_size: 0",
         "configs.2.train.batch_size"),
        (tiny_text() + REFERENCE.format(date="2026-01-01", configs="    moco: {mean: 0.5}\n"), "  configs:",
         "reference.configs: lacks the config mae"),
        (tiny_text() + REFERENCE.format(date="2026-01-01", configs=MEANS + "    x: {mean: 0.5}\n"), "    x:",
         "reference.configs.x: is none of"),
        (tiny_text() + REFERENCE.format(date="2026-01-01", configs=MEANS.replace("0.5", "50")), "moco: {mean",
         "reference.configs.moco.mean: accuracy 50, not a number from 0 to 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(text: str, marker: str, told: str, tmp_path: Path) -> None:
    """Whoever writes a protocol is sent to the line to change, also where two places do not fit together."""
    error = refusal(text, tmp_path)
    assert told in error.message
    lines = [number for number, line in enumerate(text.splitlines(), 1) if marker in line]
    assert error.line == lines[-1]


@pytest.mark.parametrize("text", ["", "- 1\n", "just text\n", "[" * 5000, "a: 2026-13-01\n"])
def test_no_protocol_at_all(text: str, tmp_path: Path) -> None:
    """A file that is something else is refused in one line, whatever the YAML library makes of it."""
    assert "\n" not in refusal(text, tmp_path).message


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped protocols with two versions of one."""
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: tmp_path)
    (tmp_path / "tiny@1.yaml").write_text(tiny_text())
    (tmp_path / "tiny.yaml").write_text(tiny_text().replace("\nversion: 1", "\nversion: 12"))
    (tmp_path / "other.yaml").write_text(tiny_text().replace("name: tiny", "name: other"))
    return tmp_path


def test_found_by_name_version_or_path(shipped: Path) -> None:
    """Old versions stay loadable; where nothing is frozen, a name means its newest version."""
    assert find_protocol("tiny").key == "tiny@12"
    assert find_protocol("tiny@1").key == "tiny@1"
    assert find_protocol("tiny@12").key == "tiny@12"
    assert find_protocol(str(shipped / "tiny@1.yaml")).key == "tiny@1"


def test_a_draft_does_not_take_the_name_of_a_frozen_protocol(shipped: Path) -> None:
    """While version 12 is written, users who type the name train and score under version 1."""
    (shipped / "LOCK.json").write_text('{"tiny@1": "0"}')
    assert find_protocol("tiny").key == "tiny@1"
    assert find_protocol("tiny@12").key == "tiny@12"


def test_drafts_are_found_by_name_after_all_others(shipped: Path) -> None:
    """A newer draft of a protocol is asked for by its version, one of its own name by that, mistyped or not."""
    (shipped / "drafts").mkdir()
    (shipped / "drafts" / "tiny@20.yaml").write_text("extends: ../tiny@1.yaml\nversion: 20\n")
    (shipped / "drafts" / "idea@1.yaml").write_text("extends: ../tiny@1.yaml\nname: idea\n")
    assert find_protocol("tiny").key == "tiny@12"
    found = {name: find_protocol(name) for name in ("tiny@20", "idea", "idea@1", "tiny@1")}
    assert {name: protocol.key for name, protocol in found.items()} == {
        "tiny@20": "tiny@20", "idea": "idea@1", "idea@1": "idea@1", "tiny@1": "tiny@1"
    }  # fmt: skip
    assert {name: is_draft(protocol) for name, protocol in found.items()} == {
        "tiny@20": True, "idea": True, "idea@1": True, "tiny@1": False
    }  # fmt: skip
    with pytest.raises(InputError, match=r"did you mean 'idea'\? .* 2 drafts: dlth-bench protocols list --drafts"):
        find_protocol("ideas")


@pytest.mark.parametrize("name", ["tinny", "tiny@2", "", "[/x]", "a\x1b[2Jb"])
def test_unknown_name_lists_the_known(shipped: Path, name: str) -> None:
    """A mistyped name is told which there are."""
    with pytest.raises(InputError, match=r"no protocol .* other, tiny") as caught:
        find_protocol(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["{", "[]", "\ud800"])
def test_broken_lock_is_not_an_empty_lock(text: str, tmp_path: Path) -> None:
    """A damaged lock must not pass for one that locks nothing; a missing one does."""
    assert read_lock(tmp_path) == {}
    (tmp_path / "LOCK.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"LOCK\.json"):
        read_lock(tmp_path)
