"""The store: a result is there whole or not at all, and one process at a time works on a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dlth_bench
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import Plan, grid_runs, stored_result
from dlth_bench.runs.run import TRAINING_VERSION, Run
from dlth_bench.runs.store import Busy, Store
from dlth_bench.util.errors import InputError
from tiny_grid import SUBSET, broken, finished

CLAIM = """
import sys
from pathlib import Path
from dlth_bench.runs.store import Busy, Store

try:
    with Store(Path(sys.argv[1])).claim(sys.argv[2]):
        print("claimed", flush=True)
        sys.stdin.read()
except Busy:
    print("busy", flush=True)
"""


@pytest.fixture
def run(plan: Plan) -> Run:
    return plan.runs[0]


def claimer(store: Store, digest: str) -> subprocess.Popen[str]:
    """Another process that claims a run, says so, and holds it until its input ends."""
    environment = os.environ | {"PYTHONPATH": str(Path(dlth_bench.__file__).parents[1])}
    command = [sys.executable, "-c", CLAIM, str(store.root), digest]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_result_comes_back_as_it_was(store: Store, run: Run) -> None:
    """What is saved is what is read, beside the run it is of, in a folder named by the run's digest."""
    assert store.result(run.digest) is None
    store.save(run, finished(run))
    assert store.result(run.digest) == finished(run)
    folder = store.root / run.digest[:2] / run.digest
    assert sorted(path.name for path in folder.iterdir()) == ["result.json", "run.json"]
    assert Run.model_validate_json((folder / "run.json").read_text()) == run


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"accuracy": 1.5}', b"\xff\x00"])
def test_damaged_result_is_named(store: Store, run: Run, content: bytes) -> None:
    """An edited or damaged file is neither taken for a result nor silently trained over."""
    store.save(run, finished(run))
    path = store.folder(run.digest) / "result.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match="delete it to train again") as caught:
        store.result(run.digest)
    assert caught.value.source == str(path)


def test_result_of_another_run_is_named(store: Store, plan: Plan) -> None:
    """A result file that was copied into another run's folder is not that run's result."""
    first, second = plan.runs[:2]
    store.save(first, finished(first))
    store.folder(second.digest).mkdir(parents=True)
    (store.folder(second.digest) / "result.json").write_bytes((store.folder(first.digest) / "result.json").read_bytes())
    with pytest.raises(InputError, match="is the result of another run"):
        store.result(second.digest)


def test_half_written_result_is_none(store: Store, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails before the data are safe leaves the old state and no litter."""

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*run\.json'"):
        store.save(run, finished(run))
    assert store.result(run.digest) is None
    assert list(store.folder(run.digest).iterdir()) == []


def test_leftover_of_a_killed_process_is_ignored_and_removed(store: Store, run: Run) -> None:
    """A temporary file is no result, and the next process on the run clears it away."""
    folder = store.folder(run.digest)
    folder.mkdir(parents=True)
    leftover = folder / ".result.json.123.tmp"
    leftover.write_text(finished(run).model_dump_json())
    assert store.result(run.digest) is None
    with store.claim(run.digest):
        assert not leftover.exists()


def test_two_processes_never_hold_the_same_run(store: Store, plan: Plan) -> None:
    """While one process trains a run another is told that it is busy; other runs are free."""
    held, other = plan.runs[0].digest, plan.runs[1].digest
    with store.claim(held):
        assert claimer(store, held).communicate()[0] == "busy\n"
        assert claimer(store, other).communicate("")[0] == "claimed\n"
    assert claimer(store, held).communicate("")[0] == "claimed\n"


def test_killed_process_lets_go(store: Store, run: Run) -> None:
    """No lock outlives its process, so nobody has to clean up after a crash."""
    process = claimer(store, run.digest)
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    with pytest.raises(Busy), store.claim(run.digest):
        pass
    process.kill()
    process.communicate()
    with store.claim(run.digest) as folder:
        assert folder == store.folder(run.digest)


@pytest.mark.parametrize(
    ("status", "keep_weights", "left"),
    [
        ("finished", False, set()),
        ("diverged", False, set()),
        ("finished", True, {"encoder.safetensors"}),
        ("failed", False, {"encoder.safetensors", "pretrain.safetensors", "pretrain-checkpoint.safetensors"}),
    ],
)
def test_checkpoints_go_when_they_are_not_needed(
    store: Store, run: Run, status: str, keep_weights: bool, left: set[str]
) -> None:
    """A settled run takes no space for checkpoints; a failed one keeps them to go on from; the encoder may stay."""
    folder = store.folder(run.digest)
    folder.mkdir(parents=True)
    for name in ("encoder", "pretrain", "pretrain-checkpoint"):
        (folder / f"{name}.safetensors").write_bytes(b"x")
    store.save(run, finished(run) if status == "finished" else broken(run, status), keep_weights=keep_weights)
    assert {path.name for path in folder.glob("*.safetensors")} == left


def test_a_run_is_found_by_how_its_digest_starts(store: Store, plan: Plan) -> None:
    """A few digits name a run; too few, wrong ones and no digits are told apart."""
    for each in plan.runs:
        store.save(each, finished(each))
    digests = [each.digest for each in plan.runs]
    for digest in digests:
        shortest = next(digest[:n] for n in range(1, 65) if sum(other.startswith(digest[:n]) for other in digests) == 1)
        assert store.find(shortest) == store.find(digest) == digest
    first = digests[0]
    store.folder(first[:1] + "0" * 63).mkdir(parents=True)  # claimed, not finished
    twin = store.folder(first[:-1] + ("0" if first[-1] != "0" else "1"))
    twin.mkdir(parents=True)
    (twin / "result.json").write_text("{}")
    with pytest.raises(InputError, match=f"holds 2 runs '{first[:8]}'.*write more digits"):
        store.find(first[:8])
    missing = next(digit for digit in "0123456789abcdef" if not any(each.startswith(digit) for each in digests))
    with pytest.raises(InputError, match=f"holds no run '{missing}'"):
        store.find(missing)
    for wrong in ("", "xyz", "../..", "A" * 64, "0" * 65):
        with pytest.raises(InputError, match="is not the start of a run's digest"):
            store.find(wrong)


def test_file_in_place_of_the_store(tmp_path: Path) -> None:
    """A store that is a file is refused by name before anything is trained."""
    path = tmp_path / "runs"
    path.write_text("")
    with pytest.raises(InputError, match="the store must be a folder") as caught:
        Store(path)
    assert caught.value.source == str(path)


def test_a_renamed_config_keeps_its_results(tiny: Protocol, store: Store) -> None:
    """A newer version of a protocol that calls a recipe otherwise finds the runs of the older one."""
    run = grid_runs(tiny, SUBSET)[0]
    store.save(run, finished(run))
    renamed = run.model_copy(update={"config": run.config.model_copy(update={"name": "another-name"})})
    result = stored_result(store, renamed)
    assert result is not None
    assert result.config == "another-name"


def test_results_of_another_version_of_training_are_trained_again(store: Store, run: Run) -> None:
    """A change to training that moves accuracies makes stored results stale, not wrong."""
    store.save(run, finished(run).model_copy(update={"training_version": TRAINING_VERSION + 1}))
    assert store.settled(run.digest) is None
