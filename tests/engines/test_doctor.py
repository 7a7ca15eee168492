"""The doctor's checks: each finds what it is there to find, and names it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import variance

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from scipy.stats import t as student

from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.datasets.download import HubFiles
from dlth_bench.datasets.entry import DatasetEntry, PublishedSize
from dlth_bench.datasets.registry import DATASETS
from dlth_bench.engines import doctor as data_checks
from dlth_bench.engines.doctor import (
    Check,
    Requirements,
    dataset_checks,
    declared_requirements,
    disk_check,
    glyphs_check,
    healthy,
    hub_check,
    memory_bytes,
    protocols_check,
    version_checks,
)
from dlth_bench.engines.golden_run import GoldenCell, first_departure, golden_cell, golden_checks
from dlth_bench.runs.run import Result
from imagenet_files import write_image_folder

SUBMISSIONS = Path(__file__).parents[2] / "submissions" / "glyphs-ssl"


# --- versions -----------------------------------------------------------------------------------------------

INSTALLED = {"torch": "2.15.0", "timm": "1.0.31", "pyarrow": "14.0"}


def found(core: list[str], extras: dict[str, list[str]] | None = None, python: str = ">=3.11") -> list[Check]:
    wanted = {name: [Requirement(line) for line in lines] for name, lines in (extras or {}).items()}
    requirements = Requirements(SpecifierSet(python), [Requirement(line) for line in core], wanted)
    return version_checks(requirements, INSTALLED.get)


def test_versions_within_the_bounds_are_fine() -> None:
    """One line for all, with the versions that results depend on."""
    checks = found(["torch>=2.11", "timm>=1.0.15"])
    assert healthy(checks)
    assert checks[1].found == "all 2 as asked for: torch 2.15.0, timm 1.0.31"


@pytest.mark.parametrize(
    ("core", "name", "told"),
    [
        (["torch>=2.16"], "torch", "2.15.0; >=2.16 is needed"),
        (["torch>=2.11", "safetensors>=0.4"], "safetensors", "not installed"),
    ],
)
def test_a_wrong_package_is_named(core: list[str], name: str, told: str) -> None:
    """With what is needed, and the command that installs it."""
    (check,) = [check for check in found(core) if check.status == "fail"]
    assert (check.name, check.found) == (name, told)
    assert check.advice.startswith(f"pip install '{name}>=")


def test_python_itself() -> None:
    """Too old a Python is said first."""
    assert found(["torch"], python=">=4")[0].status == "fail"


def test_an_absent_extra_is_no_fault_but_an_old_one_is_told() -> None:
    """Nobody needs all of them; one that is there and too old breaks later."""
    checks = found(["torch"], {"datasets": ["pyarrow>=15"], "ray": ["ray>=2.40"]})
    assert healthy(checks)
    assert [(check.name, check.status) for check in checks[2:]] == [("extras", "ok"), ("datasets: pyarrow", "warn")]
    assert "ray lacks ray" in checks[2].found


def test_bounds_are_those_of_pyproject() -> None:
    """What is checked is what installation asks for, markers and all."""
    wanted = declared_requirements()
    assert {need.name: str(need.specifier) for need in wanted.core}["torch"].startswith(">=")
    assert "pyarrow" in [need.name for need in wanted.extras["datasets"]]


# --- machine and data ---------------------------------------------------------------------------------------


def test_memory_is_in_bytes() -> None:
    """Free memory is a part of all of it, and neither is in pages or kilobytes."""
    total, free = memory_bytes()
    assert 2**28 < free <= total < 2**48


def test_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that will be made is judged by the one that it will lie in; a full disk and a file fail."""
    assert disk_check("store", tmp_path / "a" / "b").status == "ok"
    (tmp_path / "file").write_text("")
    assert disk_check("store", tmp_path / "file" / "runs").status == "fail"
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10_000_000}))
    check = disk_check("store", tmp_path)
    assert (check.status, check.advice) == ("fail", "make room, or name another folder")


def test_shipped_data_and_protocols_are_what_was_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine as they are; changed pixels and a changed protocol fail."""
    assert (protocols_check().status, glyphs_check().status) == ("ok", "ok")
    monkeypatch.setattr("dlth_bench.datasets.glyphs.dataset.Glyphs.computed_digest", lambda self: "0" * 64)
    monkeypatch.setattr(data_checks, "read_lock", lambda folder: {"glyphs-ssl@1": "0" * 64})
    assert glyphs_check().status == "fail"
    assert protocols_check().found == "glyphs-ssl@1 changed since being frozen, or gone"


IMAGENET = DataSpec(dataset="imagenet", pixel_mean=(0.5,) * 3, pixel_std=(0.5,) * 3)


def test_a_dataset_of_other_size_is_not_the_published_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that lost or gained images fail by name; the digest is told where the protocol leaves it open."""
    monkeypatch.setenv("DLTH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DLTH_BENCH_DATA_IMAGENET", str(write_image_folder(tmp_path / "imagenet")))
    sizes, digest = dataset_checks(IMAGENET)
    assert (sizes.status, digest.status) == ("fail", "ok")
    told = "3 classes have other numbers of training samples than the 732 to 1,300 published, such as n01440764 with 8"
    assert sizes.advice == told
    assert "the protocol leaves it open" in digest.found
    frozen = IMAGENET.model_copy(update={"manifest_digest": "0" * 64})
    assert "frozen with 000000000000" in dataset_checks(frozen)[1].found
    (tmp_path / "half" / "val").mkdir(parents=True)
    monkeypatch.setenv("DLTH_BENCH_DATA_IMAGENET", str(tmp_path / "half"))
    (broken,) = dataset_checks(IMAGENET)
    assert (broken.status, "no such folder" in broken.found) == ("fail", True)


def _of_size(size: PublishedSize) -> DatasetEntry:
    return replace(DATASETS["imagenet"], published=size)


def test_a_copy_of_some_classes_is_of_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that are whole can be trained on, without the others; lost validation images are noticed."""
    monkeypatch.setenv("DLTH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DLTH_BENCH_DATA_IMAGENET", str(write_image_folder(tmp_path / "imagenet", train=8, val=4)))
    monkeypatch.setitem(DATASETS._entries, "imagenet", _of_size(PublishedSize(8000, (8, 8), 4)))
    assert dataset_checks(IMAGENET)[0].status == "warn"
    monkeypatch.setitem(DATASETS._entries, "imagenet", _of_size(PublishedSize(8000, (8, 8), 5)))
    assert (
        "3 classes have other numbers of validation samples than the 5 published" in dataset_checks(IMAGENET)[0].advice
    )


def test_the_hub_is_asked_before_150_gb_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a copy: whether this user would be given the files, and what to do where not."""
    import huggingface_hub

    monkeypatch.delenv("DLTH_BENCH_DATA", raising=False)
    monkeypatch.setattr(HubFiles, "cached", lambda self: None)
    asked: list[str] = []
    monkeypatch.setattr(
        huggingface_hub.HfApi, "auth_check", lambda self, repository, **options: asked.append(repository)
    )
    (check,) = dataset_checks(IMAGENET)
    assert (check.status, asked) == ("warn", ["ILSVRC/imagenet-1k"])
    assert "a run downloads 150 GB" in check.found

    def refused(self: object, repository: str, **options: object) -> None:
        raise OSError("401 Client Error.\nCannot access gated repo")

    monkeypatch.setattr(huggingface_hub.HfApi, "auth_check", refused)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    (check,) = dataset_checks(IMAGENET)
    assert check.status == "fail"
    told = "accept its terms there and log in by hf auth login (the Hub says: 401 Client Error.), or name a folder"
    assert told in check.found


def test_the_hub_client_prints_nothing_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it would try again is noise before the one line that says what is wrong."""
    import logging

    import huggingface_hub

    def noisy(self: object, repository: str, **options: object) -> None:
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise OSError("Connection refused")

    monkeypatch.setattr(huggingface_hub.HfApi, "auth_check", noisy)
    hub = HubFiles("toy", "org/toy", "main", ("*.parquet",), 1e6)
    assert "the Hub says: Connection refused" in hub_check(hub).found
    assert capfd.readouterr().err == ""


# --- the golden cell ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cell() -> GoldenCell:
    return golden_cell()


def test_the_record_is_of_real_runs(cell: GoldenCell) -> None:
    """Curve and accuracies are those of the stored submissions, and the run is the protocol's to this day."""
    assert cell.run.digest == cell.result.run
    stored = {
        path.parent.name: [Result.model_validate_json(line) for line in path.read_text().splitlines()]
        for path in SUBMISSIONS.glob("*/results.jsonl")
    }
    assert cell.result in stored[cell.subset]
    assert len(cell.accuracies) > 10
    for name, accuracies in cell.accuracies.items():
        seeds = {r.seed: r.accuracy for r in stored[name] if r.config == cell.result.config}
        assert accuracies == tuple(seeds[seed] for seed in sorted(seeds))


def test_the_range_follows_from_the_noise_of_seeds(cell: GoldenCell) -> None:
    """99 % of honest differences of two runs, by Student's distribution with the pooled variance."""
    groups = list(cell.accuracies.values())
    pooled = sum(map(variance, groups)) / len(groups)  # all have three seeds
    reach = student.ppf(0.995, 2 * len(groups)) * math.sqrt(2 * pooled)
    low, high = cell.accepted
    assert cell.result.accuracy is not None
    assert (low, high) == pytest.approx((cell.result.accuracy - reach, cell.result.accuracy + reach))
    assert all(low < accuracy < high for accuracy in cell.accuracies[cell.subset])


def changed(cell: GoldenCell, **values: object) -> Result:
    return cell.result.model_copy(update=values)


def test_the_same_result_is_fine(cell: GoldenCell) -> None:
    """Bit for bit, which one machine with one set of versions gives."""
    accuracy, curve = golden_checks(cell, cell.result)
    assert (accuracy.status, curve.status) == ("ok", "ok")
    assert "bit for bit" in curve.found


def test_an_accuracy_out_of_range_fails(cell: GoldenCell) -> None:
    """With the range that was expected; so does a run that diverged."""
    low, _ = cell.accepted
    (check, _) = golden_checks(cell, changed(cell, accuracy=low - 0.001))
    assert check.status == "fail"
    assert f"accepted {100 * low:.1f} to " in check.found
    diverged = changed(cell, accuracy=None, status="diverged", reason="the loss is nan")
    assert golden_checks(cell, diverged)[0].found.endswith("diverged, the loss is nan")


def test_where_curves_part_and_what_differs_is_told(cell: GoldenCell) -> None:
    """Other rounding under other versions is no fault and named; under the same versions it is a warning."""
    losses = list(cell.result.curves.pretrain_loss)
    losses[3] *= 1 + 1e-6
    losses[20] *= 1.05
    curves = cell.result.curves.model_copy(update={"pretrain_loss": tuple(losses)})
    same = changed(cell, curves=curves)
    check = golden_checks(cell, same)[1]
    assert check.status == "warn"
    assert f"leaves the recorded one at step {curves.pretrain_steps[3]} of pretraining" in check.found
    assert f"by more than 1% at step {curves.pretrain_steps[20]} of" in check.found
    assert cell.result.environment is not None
    elsewhere = cell.result.environment.model_copy(update={"torch": "9.9", "threads": 4})
    check = golden_checks(cell, changed(cell, curves=curves, environment=elsewhere))[1]
    assert check.status == "ok"
    assert "torch 9.9, recorded" in check.advice
    assert "threads 4, recorded 1" in check.advice


def test_a_shorter_curve_departs(cell: GoldenCell) -> None:
    """A step without a loss is where it parts."""
    none = cell.result.curves.model_copy(update={"evaluation_steps": (), "evaluation_loss": ()})
    departure = first_departure(cell.result, changed(cell, curves=none))
    assert departure is not None
    assert (departure.stage, departure.step, departure.found) == ("evaluation", 2, None)


def test_the_record_is_small() -> None:
    """It comes with every installation."""
    path = Path(data_checks.__file__).with_name("golden_run.json")
    assert path.stat().st_size < 20_000
    json.loads(path.read_text())
