"""A list of samples on the command line, from the list to the board."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import refused, run

from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.engines.attempt import attempt
from dlth_bench.engines.engine import Event, Finished
from dlth_bench.engines.local import LocalEngine
from dlth_bench.protocols import protocol_file
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import read_protocol
from dlth_bench.runs.run import Run
from dlth_bench.subsets.subset import SizeRange
from tiny_grid import CLASSES, tiny_text, with_reference

FACES = 10
"""Chosen samples of each of four classes."""

SAMPLES = tuple(
    item
    for class_id in CLASSES
    for item in [known for known in sample_catalog("glyphs", 16).sample_ids if known.startswith(f"{class_id}/")][:FACES]
)
SEVENTEENTH = sample_catalog("glyphs").sample_ids[16]
COMMAND = ("--subset", "mine.txt", "--protocol", "tiny@1")


@pytest.fixture
def protocol(tiny: Protocol, tmp_path: Path) -> Protocol:
    """The tiny protocol with short training, a reference, and a rule for samples."""
    text = tiny_text(tiny.data.manifest_digest)
    for epochs in (30, 20, 15):
        text = text.replace(f"epochs: {epochs}}}", "epochs: 2}")
    path = tmp_path / "short.yaml"
    path.write_text(text)
    short = with_reference(read_protocol(path))
    rule = short.subset.model_copy(update={"samples": SizeRange(minimum=32, maximum=48)})
    return short.model_copy(update={"subset": rule})


@pytest.fixture
def place(protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a list of samples, where the protocol comes with the package."""
    folder = tmp_path / "work"
    (folder / "protocols").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(protocol_file, "shipped_folder", lambda kind: folder / kind)
    write_protocol(protocol, folder)
    (folder / "mine.txt").write_text("# forty faces\n" + "".join(f"{item}\n" for item in SAMPLES))
    return folder


def write_protocol(protocol: Protocol, folder: Path) -> None:
    document = protocol.model_dump(mode="json", exclude_defaults=True)
    (folder / "protocols" / "tiny.yaml").write_text(yaml.safe_dump(document))


def without_costs(protocol: Protocol) -> Protocol:
    """The protocol without its made-up FLOPs, which are not those of training: a check would find it."""
    assert protocol.reference is not None
    costless = {name: one.model_copy(update={"cost": None}) for name, one in protocol.reference.configs.items()}
    return protocol.model_copy(update={"reference": protocol.reference.model_copy(update={"configs": costless})})


def trained_here(engine: LocalEngine, runs: list[Run]) -> Iterator[Event]:
    """The runs as a worker gets them, without the seconds that a process takes to start."""
    settings = {"keep_weights": False, "wait_seconds": 0.0, "checkpoint_seconds": 60.0}
    for each in runs:
        sent = Run.model_validate_json(each.model_dump_json(exclude_defaults=True))
        result = attempt(sent, engine.store, device="cpu", report=lambda *_: None, **settings)
        yield Finished(each, result)


def document(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def test_from_the_list_to_the_board(place: Path, protocol: Protocol, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained, scored, submitted and shown: 40 samples of 4 classes, at their share of the full data's images."""
    write_protocol(without_costs(protocol), place)
    monkeypatch.setattr(LocalEngine, "run_all", trained_here)
    trained = document("run", *COMMAND, "--workers", 1, "--device", "cpu")
    assert (trained["classes"], trained["samples"], trained["complete"]) == (4, 40, True)
    # Two seeds of 2 epochs of 2 batches of 16: moco and a pass for its features, mae and its fine-tuning, supervised.
    assert trained["cost"]["subset"]["images"] == 2 * ((64 + 40) + (64 + 64) + 64)
    assert document("score", *COMMAND) == trained
    assert document("run", *COMMAND, "--dry-run")["to_train"] == 0
    assert "mine, 40 samples of 4 classes, under tiny@1" in run("score", *COMMAND).output
    written = run("submit", *COMMAND, "--name", "faces", "--policy", "RS").output
    assert "wrote submissions/tiny/faces: 40 samples of 4 classes under tiny@1" in written
    (row,) = document("leaderboard")
    assert (row["name"], row["classes"], row["samples"]) == ("faces", 4, 40)
    assert "4 (40 samples)" in (place / "leaderboard.md").read_text()
    (untrained,) = document("bench", "untrained", *COMMAND)["configs"]
    assert (untrained["config"], len(untrained["untrained"]), len(untrained["trained"])) == ("moco", 2, 2)


def test_dry_run(place: Path) -> None:
    """Before anything is trained a user sees what share of the full data's cost the samples take."""
    plan = document("run", *COMMAND, "--dry-run", "--workers", 1)
    share = 40 / (16 * len(class_catalog("glyphs")))
    assert (plan["classes"], plan["samples"], plan["to_train"]) == (4, 40, 6)
    assert plan["expected_seconds"] == pytest.approx(120 * share)
    assert plan["expected_images_saved"] == pytest.approx(1 - share)
    assert not (place / "runs").exists()


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (SAMPLES[:31], "mine.txt: has 31 samples, the protocol takes 32 to 48"),
        ((*SAMPLES, "U+0041/Nope"), "mine.txt:41: 'U+0041/Nope' is not a training sample of glyphs (the first 16 of"),
        (
            (*SAMPLES, sample_catalog("glyphs").sample_ids[16]),
            "is not a training sample of glyphs (the first 16 of each class)",
        ),
        ((*SAMPLES, SAMPLES[3]), f"mine.txt:41: '{SAMPLES[3]}' is listed twice, first on line 4"),
        ((*SAMPLES, "U+0045"), "mine.txt:41: 'U+0045' is a class in a list of samples; list one or the other"),
        (
            ("n01440764/n01440764_10026",),
            "mine.txt:1: looks like a sample list of imagenet, but this dataset is glyphs",
        ),
    ],
)
def test_wrong_lists(place: Path, lines: tuple[str, ...], told: str) -> None:
    """Every wrong list of samples is one line, before anything is trained."""
    (place / "mine.txt").write_text("\n".join(lines))
    assert told in str(refused("run", *COMMAND))
    assert not (place / "runs").exists()


def test_protocol_that_takes_classes_only(place: Path) -> None:
    """The shipped protocols of class subsets say so."""
    path = place / "protocols" / "tiny.yaml"
    content = yaml.safe_load(path.read_text())
    del content["subset"]["samples"]
    path.write_text(yaml.safe_dump(content))
    assert str(refused("score", *COMMAND)) == "mine.txt: lists samples, but tiny@1 takes class subsets only"


def test_protocols_say_what_they_take(place: Path) -> None:
    """A user sees how many samples are allowed without opening the file."""
    assert "takes subsets of 3 to 6 classes or 32 to 48 samples" in run("protocols", "show", "tiny").output
    (listed,) = document("protocols", "list")
    assert (listed["classes"], listed["samples"]) == ([3, 6], [32, 48])


def test_subsets_commands(place: Path) -> None:
    """``lint`` counts samples, ``show`` says how many each class has and lists them, ``export`` says what it cannot."""
    assert "OK: mine.txt: 40 samples of 4 classes of glyphs, digest " in run("subsets", "lint", "mine.txt").output
    shown = document("subsets", "show", "mine.txt")
    assert (shown["unit"], shown["size"], shown["samples"]) == ("sample", 40, sorted(SAMPLES))
    assert [info["id"] for info in shown["classes"]] == list(CLASSES)
    (place / "mine.txt").write_text("\n".join(SAMPLES[:-3]))
    lines = run("subsets", "show", "mine.txt").output.splitlines()
    counts = [line.split("│")[3].strip() for line in lines if line.startswith("│ U+00")]
    assert counts == ["10", "10", "10", "7"]
    told = str(refused("subsets", "export", "mine.txt", "--from", ".", "--to", "links"))
    assert told == "the subset lists samples; only class subsets can be exported as links to folders"


def test_card_of_a_list_of_samples(place: Path) -> None:
    """A sidecar goes with a list of samples as with one of classes, by the digest that ``lint`` prints."""
    digest = run("subsets", "lint", "mine.txt").output.split()[-1]
    card = {"policy": "forgetting", "source": "here", "licence": "CC0", "digest": digest}
    (place / "mine.yaml").write_text(yaml.safe_dump(card))
    assert document("subsets", "show", "mine.txt")["policy"] == "forgetting"
    (place / "mine.txt").write_text("\n".join(SAMPLES[:-3]))
    assert "is the card of another list" in str(refused("subsets", "lint", "mine.txt"))
