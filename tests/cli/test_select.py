"""``dlth-bench select``: a file that says how it came about, or a line that says what is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from command_line import refused, run

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import full_data, grid_runs
from dlth_bench.runs.store import Store
from dlth_bench.selection.registry import class_policies
from dlth_bench.subsets.find import read_subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import shipped_folder
from tiny_grid import finished

GLYPHS = class_catalog("glyphs").ids
VERSION = "dlth-bench 0.1.0"


def written(folder: Path, *arguments: object) -> str:
    output = folder / "mine.txt"
    printed = run("select", *arguments, "-o", output).output
    digest = read_subset(output).subset.digest
    assert printed.splitlines()[-1].startswith(f"{output}: ")
    assert printed.splitlines()[-1].endswith(f" classes, digest {digest}")
    return output.read_text()


def not_written(folder: Path, *arguments: object) -> InputError:
    output = folder / "mine.txt"
    error = refused("select", *arguments, "-o", output)
    assert error.located.isprintable()
    assert not output.exists()
    return error


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """A pool of two models, their tables alone, and embeddings, all of Glyphs."""
    rng = np.random.default_rng(0)
    counts = np.minimum(rng.integers(0, 50, size=(2, len(GLYPHS))) + np.array([[0], [8]]), 50)
    rows = [f"{item},{a / 50},{b / 50}\n" for item, a, b in zip(GLYPHS, *counts.tolist(), strict=True)]
    (tmp_path / "pool.csv").write_text("class,weak,strong\n" + "".join(rows))
    for name, row in zip(("weak", "strong"), counts, strict=True):
        lines = [f"{index},{correct},50\n" for index, correct in enumerate(row)]
        (tmp_path / f"{name}.csv").write_text("index,correct,total\n" + "".join(lines))
    np.save(tmp_path / "features.npy", rng.normal(size=(len(GLYPHS), 16)))
    return {path.name: path for path in tmp_path.iterdir()}


@pytest.mark.parametrize("seed", range(6))
def test_random_subsets_of_glyphs_are_made_again(seed: int, tmp_path: Path) -> None:
    """The shipped random subsets come from their seeds, byte for byte."""
    text = written(tmp_path, "rs", "--size", 24, "--seed", seed)
    assert text == (shipped_folder("subsets") / "glyphs" / f"rs-{seed}.txt").read_text()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(f"imagenet/rs-{seed}", ("rs", "-d", "imagenet", "-n", 100, "--seed", seed)) for seed in range(5)]
    + [("imagenet/wnh-100", ("wnh", "-d", "imagenet", "-n", 100)), ("glyphs/wnh-24", ("wnh", "-n", 24))],
)
def test_shipped_subsets_are_made_again(name: str, arguments: tuple[object, ...], tmp_path: Path) -> None:
    """A shipped subset is what the command on its card writes."""
    path = shipped_folder("subsets") / f"{name}.txt"
    assert written(tmp_path, *arguments) == path.read_text()


def test_first_hundred() -> None:
    """first-100 are the classes with the labels 0 to 99."""
    path = shipped_folder("subsets") / "imagenet" / "first-100.txt"
    assert read_subset(path).subset.ids == class_catalog("imagenet").ids[:100]


def requests(inputs: dict[str, Path]) -> dict[str, list[object]]:
    """How each policy is asked for 24 classes."""
    asked: dict[str, list[object]] = {policy.name: [policy.name, "--size", 24] for policy in class_policies()}
    for name in asked:
        if name.startswith("pd-"):
            asked[name] += ["--accuracies", inputs["strong.csv"]]
    asked["erc"] += ["--accuracies", inputs["pool.csv"], "--threshold", 24]
    asked["sec"] += ["--embeddings", inputs["features.npy"]]
    return asked


def test_same_seed_and_inputs_same_file(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Every policy writes the same bytes again, from inputs that lie elsewhere too; and lists 24 classes."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = {name: elsewhere / name for name in inputs}
    for name, path in inputs.items():
        moved[name].write_bytes(path.read_bytes())
    again = requests(moved)
    for name, arguments in requests(inputs).items():
        text = written(tmp_path, *arguments)
        assert text == written(tmp_path, *again[name]), name
        assert text.startswith(f"# {name}, 24 of 246 classes of glyphs, ")
        assert len(read_subset(tmp_path / "mine.txt").subset) == 24


def test_head_of_a_drawn_subset(inputs: dict[str, Path], tmp_path: Path) -> None:
    """The head says policy, seed, version, parameters, digests of inputs and what was found."""
    pool = inputs["pool.csv"]
    text = written(tmp_path, "erc", "-n", 24, "--accuracies", pool, "--seed", 3, "--margin", "0.02", "--ties", "allow")
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert head[:-1] == [
        f"# erc, 24 of 246 classes of glyphs, seed 3, {VERSION}",
        "# ties: allow",
        "# margin: 0.02",
        "# threshold: 48",
        "# target: 24",
        f"# input pool.csv: sha256 {hashlib.sha256(pool.read_bytes()).hexdigest()}",
    ]
    assert head[-1].endswith(" of 246 classes are consistent with the order weak < strong; 24 of them drawn")


def test_head_of_a_subset_by_stored_runs(tiny: Protocol, tmp_path: Path) -> None:
    """Two runs of the store make a subset, and the head tells them apart by their digests."""
    store, digests = Store(tmp_path / "runs"), []
    for seed, correct in enumerate((20, 30)):
        run_ = grid_runs(tiny, full_data(tiny), configs=["moco"], seeds=[seed])[0]
        result = finished(run_, correct / 50).model_copy(
            update={"class_accuracy": (correct / 50,) * len(GLYPHS), "class_counts": (50,) * len(GLYPHS)}
        )
        store.save(run_, result)
        digests.append(run_.digest)
    folders = [store.folder(digest) for digest in digests]
    text = written(tmp_path, "erc", "-n", 24, "--accuracies", folders[0], "--accuracies", folders[1] / "result.json")
    for seed, (digest, folder) in enumerate(zip(digests, folders, strict=True)):
        sha256 = hashlib.sha256((folder / "result.json").read_bytes()).hexdigest()
        assert f"# input run {digest} (moco seed {seed}): sha256 {sha256}\n" in text
    assert "246 of 246 classes are consistent with the order moco seed 0 < moco seed 1; 24 of them drawn" in text


def test_consistent_classes_are_kept_or_drawn(inputs: dict[str, Path], tmp_path: Path) -> None:
    """As algorithm 1 has it: of more than the threshold the size is drawn, else all are kept; and it says how many."""
    tables = ("--accuracies", inputs["weak.csv"], "--accuracies", inputs["strong.csv"])
    result = run("select", "erc", *tables, "--threshold", 246, "-o", tmp_path / "all.txt")
    found = len(read_subset(tmp_path / "all.txt").subset)
    assert f"{found} of 246 classes are consistent" in result.output
    assert "all kept, as they are at most 246" in result.output
    assert 100 < found < 200
    # The paper's 200 and 100 are the defaults, and fewer than 200 are consistent here.
    assert written(tmp_path, "erc", *tables).splitlines()[0].startswith(f"# erc, {found} of 246")
    assert written(tmp_path, "erc", *tables, "--threshold", 100).startswith("# erc, 100 of 246")


def test_one_model_of_a_pool(inputs: dict[str, Path], tmp_path: Path) -> None:
    """PD takes the named column of a table of several models, and says which."""
    text = written(tmp_path, "pd-top", "-n", 24, "--accuracies", inputs["pool.csv"], "--model", "strong")
    assert "# model: strong\n" in text
    alone = written(tmp_path, "pd-top", "-n", 24, "--accuracies", inputs["strong.csv"])
    assert [line for line in text.splitlines() if line[0] != "#"] == alone.splitlines()[2:]


def test_erc_compares_the_models_that_are_named(inputs: dict[str, Path], tmp_path: Path) -> None:
    """A protocol's results hold all its configs; --model takes a pool from them and is told in the header."""
    results = shipped_folder("protocols") / "references" / "glyphs-ssl@1.jsonl"
    two = ("erc", "-n", 24, "--accuracies", results, "--model", "mae-linear, mae-finetune")
    text = written(tmp_path, *two)
    assert "# model: mae-linear, mae-finetune\n" in text
    assert "order mae-linear < mae-finetune; 24 of them drawn" in text
    error = not_written(tmp_path / "other", *two[:-1], "mae-linear,mae")
    assert "the pool has no model 'mae'; there are moco-v1-short, " in error.message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rs", "-n", 4, "-d", "glyps"], "did you mean 'glyphs'"),
        (["r", "-n", 4], "unknown policy 'r', valid are rs, erc, "),
        (["whn", "-n", 4], "did you mean 'wnh'?"),
        (["rs"], "rs needs --size"),
        (["rs", "-n", 247], "size 247: glyphs has 246 classes to choose from"),
        (["wnh", "-n", 247], "size 247: glyphs has 246 classes to choose from"),
        (["wec", "-n", 247], "size 247: glyphs has 246 classes to choose from"),
        (["rs", "-n", 4, "--margin", 0.1], "--margin means nothing to rs; it is an option of erc"),
        (["wnh", "-n", 4, "--seed", 1], "--seed means nothing to wnh; it is an option of rs, erc, wec, sec"),
        (["pd-top", "-n", 4], "pd-top needs --accuracies"),
        (["erc", "-n", 4], "erc needs --accuracies"),
        (["sec", "-n", 4], "sec needs --embeddings"),
        (["wec", "-n", 4, "--embeddings", "a.npy", "--encoder", "b"], "give --embeddings or --encoder, not both"),
        (["erc", "--accuracies", "{weak.csv}"], "the pool has 1 model"),
        (["erc", "--accuracies", "{weak.csv}", "--accuracies", "{copy.csv}"], "'copy' and 'weak' do not differ"),
        (["pd-top", "-n", 4, "--accuracies", "{weak.csv}", "--accuracies", "{pool.csv}"], "pd-top takes one model"),
        (["pd-top", "-n", 4, "--accuracies", "{pool.csv}"], "has several models, name one with --model"),
        (
            ["pd-top", "-n", 4, "--accuracies", "{short.csv}"],
            "short.csv: 2 of 246 classes of glyphs are missing: U+0449, U+044F",
        ),
        (["sec", "-n", 4, "--embeddings", "{short.npy}"], "has 245 rows; glyphs has 246 classes"),
        (["wnh", "-n", 4, "--tree", "{circle.csv}"], "circle.csv: the class tree runs in a circle: a -> b -> a"),
        (["pd-top", "-n", 4, "--accuracies", "no.csv"], "no.csv: no such file"),
    ],
)
def test_bad_input(arguments: list[object], words: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    """What is wrong is one line, and nothing is written."""
    made = inputs | {name: tmp_path / name for name in ("copy.csv", "short.csv", "short.npy", "circle.csv")}
    made["copy.csv"].write_bytes(inputs["weak.csv"].read_bytes())
    kept = [line for line in inputs["weak.csv"].read_text().splitlines() if line.split(",")[0] not in {"245", "239"}]
    made["short.csv"].write_text("\n".join(kept))
    np.save(made["short.npy"], np.ones((245, 3)))
    made["circle.csv"].write_text("child,parent\na,b\nb,a\n" + "".join(f"{item},a\n" for item in GLYPHS))
    paths = {f"{{{name}}}": path for name, path in made.items()}
    assert words in not_written(tmp_path, *(paths.get(str(item), item) for item in arguments)).located


@pytest.mark.parametrize(("policy", "chosen"), [("pd-top", GLYPHS[:12]), ("pd-bottom", GLYPHS[-12:])])
def test_performance_driven_list(policy: str, chosen: tuple[str, ...], tmp_path: Path) -> None:
    """The easiest or hardest classes of a table are written, in folders that are made."""
    table = tmp_path / "mine.csv"
    table.write_text("class,accuracy\n" + "".join(f"{name},{1 - rank / 1000}\n" for rank, name in enumerate(GLYPHS)))
    run("select", policy, "-n", 12, "--accuracies", table, "-o", tmp_path / "out" / "list.txt")
    assert read_subset(tmp_path / "out" / "list.txt").subset.ids == tuple(sorted(chosen))


def test_hostile_table_name_stays_in_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break in a file's name does not add a class to the list, nor a model's name a line to the screen."""
    monkeypatch.chdir(tmp_path)
    name = "a\nU+0041\n\x1b[2J.csv"
    rows = "".join(f"{name},{rank / 1000},{rank / 500}\n" for rank, name in enumerate(GLYPHS))
    (tmp_path / name).write_text("class,weak\x1b[2J,strong\n" + rows)
    printed = run("select", "erc", "-n", 12, "--accuracies", name, "-o", "x\x1b[2J.txt").output
    assert all(line.isprintable() for line in printed.splitlines())
    text = (tmp_path / "x\x1b[2J.txt").read_text()
    assert "\x1b" not in text
    assert len([line for line in text.splitlines() if not line.startswith("#")]) == 12


def test_help_lists_every_policy() -> None:
    """The help names each policy with its one line."""
    output = " ".join(run("select", "--help").output.split())
    for policy in class_policies():
        assert f"{policy.name}: {policy.summary}" in output
