"""Per-class accuracies from what training left: a reference's results, and runs of the store."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol, reference_results_path
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store, read_stored_run
from dlth_bench.selection.accuracies import mean_class_accuracies, read_class_accuracies, read_pool, read_results
from dlth_bench.util.errors import InputError

GLYPHS = class_catalog("glyphs")
IDS = sorted(GLYPHS.ids)


def result(protocol: Protocol, config: str, seed: int, accuracies: list[float], **changes: object) -> Result:
    run = Run(data=protocol.data, config=protocol.config(config), class_ids=tuple(IDS), seed=seed)
    document = {
        "run": run.digest,
        "config": config,
        "seed": seed,
        "status": "finished",
        "accuracy": 0.5,
        "class_accuracy": accuracies,
        "cost": {"images": 1, "flops": 1.0, "device_seconds": 1.0},
    }
    return Result.model_validate(document | changes)


def test_mean_is_over_the_finished_seeds_of_the_config(tiny: Protocol) -> None:
    """Each class gets its mean over seeds, under its own ID; other configs, runs and broken ones do not count."""
    rising = [index / len(IDS) for index in range(len(IDS))]
    results = [
        result(tiny, "mae", 0, rising),
        result(tiny, "mae", 1, [1.0] * len(IDS)),
        result(tiny, "moco", 0, [0.0] * len(IDS)),
        result(tiny, "mae", 1, [0.0, 0.0]),
        result(tiny, "mae", 1, [0.0] * len(IDS), run="0" * 64),
        result(tiny, "mae", 0, [0.0] * len(IDS), status="diverged", reason="loss is nan"),
    ]
    means = mean_class_accuracies(tiny, "mae", results, GLYPHS)
    assert list(means) == IDS
    assert means[IDS[10]] == pytest.approx((rising[10] + 1) / 2)
    with pytest.raises(InputError, match="supervised"):
        mean_class_accuracies(tiny, "supervised", results, GLYPHS)


def test_a_broken_line_is_named(tiny: Protocol, tmp_path: Path) -> None:
    """A results file with a line that is no result is refused with its line."""
    path = tmp_path / "results.jsonl"
    path.write_text(result(tiny, "mae", 0, [0.5]).model_dump_json() + "\n{}\n")
    with pytest.raises(InputError) as caught:
        read_results(path)
    assert caught.value.line == 2


def stored(
    folder: Path, protocol: Protocol, ids: list[str], right: list[int], seed: int = 0, **changes: object
) -> Path:
    """A run of the config moco in a store, right on so many of 50 samples of each class; its folder."""
    run = Run(data=protocol.data, config=protocol.config("moco"), class_ids=tuple(ids), seed=seed)
    document = {
        "run": run.digest,
        "config": "moco",
        "seed": seed,
        "status": "finished",
        "accuracy": sum(right) / 50 / len(right) if right else None,
        "class_accuracy": [count / 50 for count in right],
        "class_counts": [50] * len(right),
        "cost": {"images": 1, "flops": 1.0, "device_seconds": 1.0},
    }
    store = Store(folder)
    result = Result.model_validate(document | changes)
    store.save(run, result)
    return store.folder(result.run)


RISING = [index % 51 for index in range(len(IDS))]


def test_runs_of_the_store_are_a_pool(tiny: Protocol, tmp_path: Path) -> None:
    """Stored runs serve as they are, by folder or by result file, called by config and seed."""
    first = stored(tmp_path, tiny, IDS, RISING)
    second = stored(tmp_path, tiny, IDS, RISING[::-1], seed=1)
    pool = read_pool([first, second / "result.json"], GLYPHS)
    assert list(pool) == ["moco seed 0", "moco seed 1"]
    assert pool["moco seed 0"] == {class_id: right / 50 for class_id, right in zip(IDS, RISING, strict=True)}
    assert list(pool["moco seed 1"]) == list(GLYPHS.ids)
    with pytest.raises(InputError, match="has a model 'moco seed 0', as another file has"):
        read_pool([first, first / "result.json"], GLYPHS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "failed", "reason": "disk full"}, "is of a run that failed, without accuracies: disk full"),
        ({"status": "diverged", "reason": "loss is nan"}, "is of a run that diverged"),
        ({"class_accuracy": (), "class_counts": ()}, "has 0 accuracies for 246 classes"),
        ({"class_accuracy": [0.5] * 246}, "mean is not its accuracy; the file was edited"),
        ({"class_accuracy": [0.501] * 246, "accuracy": 0.501}, "no share of its class's samples; the file was edited"),
        ({"class_counts": [50] * 245}, "has counts of samples that do not fit its classes"),
        ({"run": "0" * 64}, "is the result of another run than run.json beside it"),
    ],
)
def test_runs_that_cannot_serve(tiny: Protocol, tmp_path: Path, changes: dict[str, object], words: str) -> None:
    """A run without accuracies of its own on every class is refused by its file, never guessed at."""
    folder = stored(tmp_path, tiny, IDS, RISING, **changes)
    with pytest.raises(InputError, match=words) as caught:
        read_pool([folder], GLYPHS)
    assert caught.value.source == str(folder / "result.json")


def test_run_on_other_classes(tiny: Protocol, tmp_path: Path) -> None:
    """A run on a subset says which classes it lacks, and one of another dataset says so."""
    part = stored(tmp_path, tiny, IDS[2:], RISING[2:])
    with pytest.raises(InputError, match=rf"on 244 of the 246 classes of glyphs; missing: {re.escape(IDS[0])}, "):
        read_pool([part], GLYPHS)
    with pytest.raises(InputError, match="is of a run on glyphs, not on imagenet"):
        read_pool([part], class_catalog("imagenet"))


def test_moved_and_damaged_files(tiny: Protocol, tmp_path: Path) -> None:
    """A result is believed only beside the run that it is of."""
    folder, other = stored(tmp_path, tiny, IDS, RISING), stored(tmp_path, tiny, IDS, RISING, seed=1)
    (folder / "run.json").write_bytes((other / "run.json").read_bytes())
    with pytest.raises(InputError, match="one of them was edited or moved"):
        read_pool([folder], GLYPHS)
    (folder / "run.json").unlink()
    with pytest.raises(InputError, match=r"result.json: has no run.json beside it"):
        read_pool([folder], GLYPHS)
    (other / "result.json").write_text("{}")
    with pytest.raises(InputError, match=r"result.json: not a result of the store \(run: Field required\)"):
        read_pool([other], GLYPHS)


def test_configs_of_a_reference_are_a_pool(tmp_path: Path) -> None:
    """The shipped reference is a pool of its configs' means, as evaluate-classes writes them one at a time."""
    protocol = find_protocol("glyphs-ssl")
    path = reference_results_path(protocol)
    pool = read_pool([path], GLYPHS)
    assert list(pool) == [config.name for config in protocol.configs]
    assert pool["mae-finetune"] == mean_class_accuracies(protocol, "mae-finetune", read_results(path), GLYPHS)
    assert read_class_accuracies(path, GLYPHS, "mae-finetune") == pool["mae-finetune"]
    copy = tmp_path / "results.jsonl"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"results.jsonl: must be called by its protocol, such as glyphs-ssl@1.jsonl"):
        read_pool([copy], GLYPHS)
    with pytest.raises(InputError, match=f"is of {protocol.key}, on glyphs and not on imagenet"):
        read_pool([path], class_catalog("imagenet"))


def test_a_run_s_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """The error names what was asked for, not the folder around it."""
    with pytest.raises(InputError, match=r"folder '.*gone' does not exist"):
        read_stored_run(tmp_path / "gone")
