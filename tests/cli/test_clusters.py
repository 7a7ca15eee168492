"""``--engine``, ``status`` and ``collect``: grids that are trained elsewhere, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from command_line import refused, run

from dlth_bench.cli import collect as collect_command
from dlth_bench.cli import status as status_command
from dlth_bench.engines import slurm
from dlth_bench.engines.batch import BatchFolder, JobNumbers
from dlth_bench.engines.slurm import SlurmOptions
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from tiny_grid import CLASSES, broken, finished, with_reference

SUBMIT = ("run", "--subset", "mine.txt", "--protocol", "tiny.yaml", "--engine", "slurm", "--detach")


@pytest.fixture
def place(tiny: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and a Slurm that takes jobs and tells nothing."""
    monkeypatch.chdir(tmp_path)
    protocol = with_reference(tiny)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(protocol.model_dump(mode="json", exclude_defaults=True)))
    (tmp_path / "mine.txt").write_text("\n".join(CLASSES) + "\n")

    def sbatch(folder: BatchFolder, jobs: int, options: SlurmOptions) -> JobNumbers:
        return JobNumbers(jobs=tuple(f"1_{job}" for job in range(jobs)), last="2")

    monkeypatch.setattr(slurm, "_sbatch", sbatch)
    for module in (slurm, status_command, collect_command):
        monkeypatch.setattr(module, "queued_jobs", lambda: None)
    return tmp_path


def handed_in(place: Path) -> list[Run]:
    (folder,) = (BatchFolder(Store(place / "runs"), path.name) for path in (place / "runs" / "batches").iterdir())
    return folder.read().runs


def test_a_detached_grid_is_scored_from_its_results(place: Path) -> None:
    """Submitted on one machine, trained on others, scored on a third: the score is the one of ``run`` itself."""
    told = run(*SUBMIT).output
    assert "6 of 6 runs to train on slurm" in told
    assert "submitted as 1 job\n" in told
    for command in ("status", "collect"):
        assert f"dlth-bench {command} slurm-" in told
    store = Store(place / "runs")
    for each in handed_in(place):
        store.save(each, finished(each, 0.5 + each.seed / 100))
    collected = json.loads(run("collect", "--json").stdout)
    assert collected == json.loads(run("score", *SUBMIT[1:5], "--json").stdout)
    assert collected["complete"]


def test_status_says_what_became_of_each_run(place: Path) -> None:
    """From any machine, with no Slurm at hand: finished, broken, and still to come."""
    run(*SUBMIT)
    store, runs = Store(place / "runs"), handed_in(place)
    store.save(runs[0], finished(runs[0]))
    store.save(runs[1], broken(runs[1]))
    (document,) = json.loads(run("status", "--json").stdout)
    assert (document["protocol"], document["subset"], document["jobs"]) == ("tiny@1", "mine", ["1_0", "2"])
    assert {state: count for state, count in document["counts"].items() if count} == {
        "finished": 1,
        "diverged": 1,
        "queued": 4,
    }
    overview = run("status").output
    assert document["batch"] in overview
    assert "1 finished, 1 diverged, 4 queued" in " ".join(overview.replace("│", " ").split())
    shown = run("status", document["batch"]).output
    assert "loss is not finite at step 7" in shown
    assert any(runs[0].label in line and "finished" in line for line in shown.splitlines())


def test_collect_says_what_is_missing(place: Path) -> None:
    """A script that collects too early notices, by the exit code and by what is told."""
    run(*SUBMIT)
    assert "6 queued" in run("collect", code=1).stderr


def test_a_command_ended_by_a_mistake_hands_nothing_in(place: Path) -> None:
    """Wrong options are refused before there is a batch."""
    assert "did you mean 'time'?" in str(refused(*SUBMIT, "-e", "tim=3"))
    assert "only Slurm goes on without this command" in str(refused(*SUBMIT[:5], "--detach"))
    assert "the local engine has none" in str(refused(*SUBMIT[:5], "-e", "time=3"))
    assert "holds no batch" in str(refused("collect"))
    assert not (place / "runs").exists()
