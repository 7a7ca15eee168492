"""The Python API: the examples of docs/api.md do what they say, and importing the package costs nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import dlth_bench
from dlth_bench.bench import BenchEvent, Planned
from dlth_bench.engines.engine import Finished
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError
from tiny_grid import SUBSET, broken, finished, with_reference

DOCUMENT = Path(__file__).parents[1] / "docs" / "api.md"
CODE = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
SOURCE = Path(dlth_bench.__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tiny: Protocol, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder where ``glyphs-ssl`` is a protocol of seconds."""
    folder = tmp_path_factory.mktemp("examples")
    document = with_reference(tiny).model_dump(mode="json", exclude_defaults=True)
    document["subset"] = {"minimum": 3, "maximum": 60}
    for config in document["configs"]:
        for stage in (config, config.get("evaluation", {})):
            if "train" in stage:
                stage["train"]["duration"] = {"epochs": 1}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(document))
    return folder


def examples(heading: str, folder: Path) -> str:
    """What the examples below a heading print, each a script of its own."""
    blocks = re.findall(r"^```python\n(.*?)^```$", CODE[heading], re.MULTILINE | re.DOTALL)
    assert blocks
    printed = ""
    for block in blocks:
        script = folder / "example.py"
        script.write_text(block.replace('"glyphs-ssl"', '"tiny.yaml"'))
        environment = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, script.name], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr.lower()
        printed += done.stdout
    return printed


def test_from_a_list_to_a_score(folder: Path) -> None:
    """A list becomes a score, which then comes from the store."""
    printed = examples("From a list to a score", folder)
    assert re.search(r"^Spearman -?[\d.]+ in", printed)
    assert re.search(r"^moco [\d.]+ [\d.]+ \(\)$", printed, re.MULTILINE)
    assert "\nTrue picked=" in printed
    assert "spearman" in (folder / "scorecard.json").read_text()


def test_events_of_training(folder: Path) -> None:
    """Someone who draws their own progress hears of every run."""
    (folder / "my-classes.txt").write_text("\n".join("ABCDEFGHIJKL"))
    printed = examples("Your own progress", folder)
    assert printed.startswith("6 runs to train\n")
    assert "pretrain 100%" in printed
    assert len(re.findall(r" finished 0\.\d+$", printed, re.MULTILINE)) == 6


@pytest.mark.parametrize(
    ("heading", "told"),
    [
        ("A table of accuracies from elsewhere", "Spearman 0."),
        ("Choosing a subset", "glyphs 24 "),
        ("What goes wrong", "no protocol 'glyphs-sls'; did you mean 'glyphs-ssl'?"),
    ],
)
def test_examples_without_training(heading: str, told: str, folder: Path) -> None:
    """What the document shows is what a reader gets."""
    assert told in examples(heading, folder)


def test_training_elsewhere(folder: Path) -> None:
    """Another training script sees the classes of the subset and no others."""
    pytest.importorskip("datasets")
    image = pytest.importorskip("PIL.Image")
    inside = dlth_bench.load_subset("imagenet/erc-155").ids[:2]
    for name in (*inside, "n99999999"):
        (folder / "imagenet" / "train" / name).mkdir(parents=True)
        image.new("RGB", (8, 8)).save(folder / "imagenet" / "train" / name / "1.png")
    printed = examples("Training elsewhere on a subset", folder)
    assert "2 images of 2 classes\n" in printed
    assert re.search(r"^[0-3] of 4$", printed, re.MULTILINE)


def test_importing_the_package_loads_nothing() -> None:
    """A program that only wants a list of classes pays for no library of numbers."""
    code = "import sys, dlth_bench; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("dlth_bench")] == ["dlth_bench"]
    assert not {"numpy", "pydantic", "torch", "typer"}.intersection(loaded)


def test_all_names_are_there() -> None:
    """Every name that the package exports can be used."""
    assert all(getattr(dlth_bench, name) is not None for name in dlth_bench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        dlth_bench.rnu  # noqa: B018


@pytest.fixture
def protocol(tiny: Protocol) -> Protocol:
    return with_reference(tiny)


def test_stored_runs_are_not_trained_and_a_broken_one_is_in_the_result(protocol: Protocol, store: Store) -> None:
    """No event, and no exception: the scorecard says which run broke down and why."""
    for run in grid_runs(protocol, SUBSET):
        store.save(run, broken(run) if (run.config.name, run.seed) == ("mae", 0) else finished(run, 0.5))
    heard: list[BenchEvent] = []
    card = dlth_bench.run(SUBSET, protocol, store=store.root, on_event=heard.append)
    assert (card.complete, heard) == (False, [])
    assert card.configs[1].problems == ("seed 0 diverged: loss is not finite at step 7",)
    assert dlth_bench.score(SUBSET, protocol, store=store.root) == card


def test_an_error_of_the_callback_stops_the_training(protocol: Protocol, store: Store) -> None:
    """A caller who has seen enough raises; what was trained by then is stored, and nothing goes on behind."""

    class Enough(Exception):
        pass

    def stop(event: BenchEvent) -> None:
        if isinstance(event, Finished):
            raise Enough

    with pytest.raises(Enough):
        dlth_bench.run(
            SUBSET, protocol, store=store.root, configs=["supervised"], workers=1, device="cpu", on_event=stop
        )
    assert len(list(store.root.glob("*/*/result.json"))) == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"device": "tpu"}, "--device: 'tpu' is none of auto, cpu, cuda, mps"),
        ({"engine": "pbs"}, "--engine: 'pbs' is none of local, slurm, ray"),
        ({"workers": 0}, "--workers 0: must be 1 or more"),
        ({"seeds": [7]}, "--seeds: '7' given; the protocol's seeds are 0, 1"),
        ({"configs": ["mocco"]}, "tiny@1 has no config 'mocco'"),
        ({"racing": True}, "--racing needs more than 2 seeds"),
        ({"data_dir": "images"}, "--data-dir: the images of glyphs come with the package"),
        ({"subset": Subset(dataset="imagenet", ids=("n01440764", "n01443537"))}, "the subset is of imagenet, but"),
        ({"subset": Subset(dataset="glyphs", ids=("U+0041", "U+0042"))}, "has 2 classes, the protocol takes 3 to 6"),
    ],
)
def test_what_is_wrong_is_one_exception(wrong: dict[str, object], told: str, protocol: Protocol, store: Store) -> None:
    """Before anything is trained."""
    given: dict[str, object] = {"subset": SUBSET, "protocol": protocol, "store": store.root, **wrong}
    with pytest.raises(InputError) as caught:
        dlth_bench.run(**given)  # type: ignore[arg-type]
    assert told in str(caught.value)
    assert not store.root.exists()


def test_classes_that_the_dataset_lacks(protocol: Protocol, store: Store) -> None:
    """A subset made in Python is checked like one from a file."""
    strange = Subset(dataset="glyphs", ids=("U+0041", "U+0042", "U+0043", "nothing"))
    with pytest.raises(InputError, match="'nothing' is not a class of glyphs"):
        dlth_bench.run(strange, protocol, store=store.root)


@pytest.mark.parametrize(
    ("policy", "options", "told"),
    [
        ("rs", {"size": 3, "sed": 1}, "--sed means nothing to rs; it takes --seed"),
        ("rss", {}, "unknown policy 'rss'"),
        ("wnh", {"size": 3, "representative": "any"}, "representative: 'any' is none of lowest, medoid"),
        ("erc", {}, "erc needs --accuracies"),
    ],
)
def test_selecting_wrongly(policy: str, options: dict[str, object], told: str) -> None:
    """The error names the option."""
    with pytest.raises(InputError) as caught:
        dlth_bench.select(policy, **options)  # type: ignore[arg-type]
    assert told in str(caught.value)


def test_one_subset_of_a_table(protocol: Protocol, tmp_path: Path) -> None:
    """A table of several subsets is asked for one of them by name."""
    table = tmp_path / "table.csv"
    rows = [
        f"{name},{config},0.{place}" for name in "ab" for place, config in enumerate(("mae", "moco", "supervised"), 5)
    ]
    table.write_text("\n".join(["subset,config,accuracy", *rows]))
    assert dlth_bench.score("b", protocol, csv=table).spearman.value == pytest.approx(1)
    with pytest.raises(InputError, match="one of 'a', 'b' is needed"):
        dlth_bench.score(protocol=protocol, csv=table)


def test_planned_comes_first(protocol: Protocol, store: Store) -> None:
    """Who draws a bar knows its length before anything moves."""
    heard: list[BenchEvent] = []
    with pytest.raises(InputError, match="a correlation needs 3 or more"):
        dlth_bench.run(
            SUBSET, protocol, store=store.root, configs=["supervised"], seeds=[1], device="cpu", on_event=heard.append
        )
    assert isinstance(heard[0], Planned)
    assert len(heard[0].plan.pending) == 1
    assert isinstance(heard[-1], Finished)
