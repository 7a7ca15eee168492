"""``dlth-bench run``: what it would train, what it trains, and what it says about stored runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_line import refused, run

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.engines.engine import Event
from dlth_bench.engines.local import LocalEngine
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from tiny_grid import CLASSES, FULL, broken, finished, tiny_text, with_reference

CLASS_COUNT = len(class_catalog("glyphs"))
SUBSET_TOP1 = {"moco": 0.7, "mae": 0.4, "supervised": 0.6}
COMMAND = ("run", "--subset", "mine.txt", "--protocol", "tiny.yaml")


@pytest.fixture
def protocol(tiny: Protocol) -> Protocol:
    return with_reference(tiny)


@pytest.fixture
def place(protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the protocol and a class list, where nothing may be trained."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalEngine, "run_all", _refuse_to_train)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(protocol.model_dump(mode="json", exclude_defaults=True)))
    (tmp_path / "mine.txt").write_text("\n".join(CLASSES) + "\n")
    return tmp_path


def _refuse_to_train(engine: object, runs: list[Run]) -> Iterator[Event]:
    raise AssertionError(f"would train {[run.label for run in runs]}")


def runs_of(protocol: Protocol) -> list[Run]:
    return [
        Run(data=protocol.data, config=config, class_ids=CLASSES, seed=seed)
        for config in protocol.configs
        for seed in protocol.seeds
    ]


def fill(root: Path, runs: list[Run]) -> Store:
    """A store in which these runs have finished, seed 1 a little better than seed 0."""
    store = Store(root)
    for each in runs:
        store.save(each, finished(each, SUBSET_TOP1[each.config.name] + each.seed / 100))
    return store


def document(*arguments: object, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code).stdout)


def test_dry_run_lists_what_it_would_train(place: Path, protocol: Protocol) -> None:
    """Before it starts a user sees the runs, the longest first, and what they cost; nothing is written."""
    plan = document(*COMMAND, "--dry-run", "--workers", 2)
    assert [(each["config"], each["seed"]) for each in plan["pending"]] == [
        (config, seed) for config in ("mae", "supervised", "moco") for seed in (0, 1)
    ]
    assert {each["run"] for each in plan["pending"]} == {each.digest for each in runs_of(protocol)}
    assert (plan["protocol"], plan["classes"], plan["runs"], plan["to_train"]) == ("tiny@1", 4, 6, 6)
    assert plan["expected_seconds"] == pytest.approx(120 * 4 / CLASS_COUNT / 2)
    assert plan["expected_images_saved"] == pytest.approx(1 - 4 / CLASS_COUNT)
    assert not (place / "runs").exists()


def test_dry_run_for_people(place: Path, protocol: Protocol) -> None:
    """The same as a table with the hardware that the time is of, as it is written."""
    fill(place / "runs", runs_of(protocol)[:1])
    shown = run(*COMMAND, "--dry-run", "--workers", 2).output
    assert "5 of 6 runs to train, 2 at once" in shown
    assert shown.count("to train") == 6
    assert "on a [laptop]" in shown


def test_dry_run_without_a_reference(place: Path, tiny: Protocol) -> None:
    """A cost that nobody measured is unknown, not zero."""
    (place / "tiny.yaml").write_text(tiny_text(tiny.data.manifest_digest))
    plan = document(*COMMAND, "--dry-run")
    assert (plan["expected_seconds"], plan["expected_images"], plan["expected_flops"]) == (None, None, None)
    assert "expected:" not in run(*COMMAND, "--dry-run").output


def test_choice_of_configs_and_seeds(place: Path) -> None:
    """A part of the grid can be trained on one machine and the rest on another."""
    plan = document(*COMMAND, "--dry-run", "--configs", "moco, mae", "--seeds", "1")
    assert [(each["config"], each["seed"]) for each in plan["pending"]] == [("mae", 1), ("moco", 1)]


def test_stored_runs_are_scored_and_not_trained(place: Path, protocol: Protocol) -> None:
    """When everything is stored ``run`` says the score at once, and it is the one that ``score`` says."""
    fill(place / "runs", runs_of(protocol))
    card = document(*COMMAND)
    means = {score["config"]: (score["mean"], score["reference_mean"]) for score in card["configs"]}
    assert means == {
        name: (pytest.approx(value + 0.005), pytest.approx(sum(FULL[name]) / 2)) for name, value in SUBSET_TOP1.items()
    }
    assert card["spearman"]["value"] == pytest.approx(0.5)
    assert card["complete"]
    assert document("score", *COMMAND[1:]) == card


def test_score_for_people_says_where_it_stands(place: Path, protocol: Protocol) -> None:
    """The table is followed by the standing among the submissions, here none, in a folder with any name."""
    fill(place / "runs", runs_of(protocol))
    shown = run(*COMMAND, "--submissions", "[/x]").output
    assert "mine, 4 classes, under tiny@1" in shown
    assert "No other complete submission of tiny@1 in [/x] to compare with." in shown


def test_broken_run_is_exit_code_1(place: Path, protocol: Protocol) -> None:
    """A script notices that a run diverged; the scorecard is there, incomplete, with the reason."""
    store = fill(place / "runs", runs_of(protocol))
    wild = runs_of(protocol)[2]
    store.save(wild, broken(wild))
    card = document(*COMMAND, code=1)
    assert not card["complete"]
    assert card["configs"][1]["problems"] == ["seed 0 diverged: loss is not finite at step 7"]
    document(*COMMAND, "--configs", "moco", code=0)


def test_part_of_the_grid_is_no_error(place: Path, protocol: Protocol) -> None:
    """Training two configs goes well; that they do not make a score is said, and is no failure."""
    fill(place / "runs", [each for each in runs_of(protocol) if each.config.name != "mae"])
    result = run(*COMMAND, "--configs", "moco,supervised", "--json")
    reason = "2 of 3 configs have an accuracy; a correlation needs 3 or more"
    assert json.loads(result.stdout) == {"scorecard": None, "reason": reason}
    assert result.stderr == "no score: 2 of 3 configs have an accuracy; a correlation needs 3 or more\n"


def test_interrupt_says_how_to_go_on(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is no traceback: the user learns that nothing is lost."""

    def interrupt(engine: object, runs: list[Run]) -> Iterator[Event]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(LocalEngine, "run_all", interrupt)
    assert "the same command goes on from there" in run(*COMMAND, code=130).output


def test_other_data_than_the_protocols(place: Path, protocol: Protocol) -> None:
    """A protocol that was frozen with other images is not trained on these."""
    path = place / "tiny.yaml"
    path.write_text(path.read_text().replace(protocol.data.manifest_digest, "f" * 64))
    assert "glyphs is not the one tiny@1 was frozen with" in str(refused(*COMMAND))


def test_a_store_that_cannot_be_written_is_refused_before_training(place: Path) -> None:
    """One line that names it, not a table of failed runs hours later."""
    (place / "file").write_text("")
    error = refused(*COMMAND, "--out", "file/runs")
    assert (error.message, error.source) == ("the store cannot be made: it would lie in a file", "file/runs")
