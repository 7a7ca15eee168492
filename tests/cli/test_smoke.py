"""``run --smoke``: every config of every shipped protocol trains for a few steps on a few generated samples."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agnews_files
import cifar_files
import pytest
from command_line import refused, run

from dlth_bench.engines import smoke
from dlth_bench.protocols.protocol_file import draft_protocols, find_protocol, shipped_protocols
from dlth_bench.runs.run import Result, Run
from imagenet_files import write_image_folder, write_parquet

pytest.importorskip("pyarrow")


def image_parquet(folder: Path) -> Path:
    return write_parquet(write_image_folder(folder / "jpeg"), folder / "parquet")


def cifar(folder: Path) -> Path:
    return cifar_files.write_dataset(folder) / "cifar100"


DATA: dict[str, tuple[Callable[[Path], Path], ...]] = {
    "agnews": (agnews_files.write_dataset,),
    "cifar100": (cifar,),
    "imagenet": (write_image_folder, image_parquet),
}
"""What makes a dataset in the formats that it comes in."""


def smoke_tested(protocol: str, folder: Path | None) -> dict[str, bool]:
    """Whether each config ran, from the command's JSON."""
    place = () if folder is None else ("--data-dir", folder)
    printed = run("run", "--protocol", protocol, "--smoke", "--device", "cpu", "--json", *place)
    document = json.loads(printed.stdout)
    assert (document["smoke"], document["scorecard"]) == (True, None)
    assert "not a score" in document["note"]
    return {row["config"]: row["ran"] and len(row["losses"]) == smoke.STEPS for row in document["configs"]}


LOWSUP = str(Path(__file__).parents[2] / "docs" / "glyphs-lowsup.yaml")


@pytest.mark.parametrize(
    "name", ["agnews-text", "glyphs-ssl", "glyphs-sensitivity", "glyphs-tickets", "cifar100-ssl", LOWSUP]
)
def test_every_config_of_a_small_protocol_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each config takes its steps, and the working folder and the caches stay as they were."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTH_BENCH_CACHE", str(tmp_path / "cache"))
    protocol = find_protocol(name)
    makers = DATA.get(protocol.data.dataset)
    folder = makers[0](tmp_path / protocol.data.dataset) if makers else None
    assert smoke_tested(name, folder) == {config.name: True for config in protocol.configs}
    assert {path.name for path in tmp_path.iterdir()} <= {protocol.data.dataset}


@pytest.mark.slow
@pytest.mark.parametrize("form", [0, 1], ids=["JPEG", "Parquet"])
@pytest.mark.parametrize("name", ["imagenet-ssl", "imagenet-supervised", "imagenet-sensitivity"])
def test_every_config_of_imagenet_runs(name: str, form: int, tmp_path: Path) -> None:
    """At 224 pixels and with the protocol's own networks, from JPEG folders and from Parquet."""
    folder = DATA["imagenet"][form](tmp_path / "imagenet")
    assert smoke_tested(name, folder) == {config.name: True for config in find_protocol(name).configs}


@pytest.mark.slow
def test_every_shipped_protocol_runs(tmp_path: Path) -> None:
    """Older versions and those that no other test names, too."""
    for name, path in (shipped_protocols() | draft_protocols()).items():
        protocol = find_protocol(str(path))
        if protocol.data.dataset == "imagenet":
            continue
        makers = DATA.get(protocol.data.dataset)
        folder = makers[0](tmp_path / name) if makers else None
        assert all(smoke_tested(str(path), folder).values()), name


def test_a_config_that_breaks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are tried all the same; the exit code is 1 and the reason is told."""
    from dlth_bench.training import train_run

    whole = train_run.train_run

    def broken(run: Run, *args: Any, **options: Any) -> Result:
        if run.config.name == "mae-linear":
            raise RuntimeError("out of memory")
        return whole(run, *args, **options)

    monkeypatch.setattr(train_run, "train_run", broken)
    command = ("run", "--smoke", "--device", "cpu", "--configs", "mae-linear,moco-v1-short", "--subset", "rs-0")
    output = run(*command, code=1).output
    assert "mae-linear: FAILED" in output
    assert "RuntimeError: out of memory" in output
    assert "1 of 2 configs of glyphs-ssl@" in output
    assert "not a score" in output


def test_without_a_subset_only_a_smoke_test_runs() -> None:
    """A run needs its subset, and says so in one line."""
    assert "--subset is missing" in refused("run").message
