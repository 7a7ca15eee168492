"""``dlth-bench select`` for samples: the same file from the same input, or a line that says what is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import refused, run

from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.selection.dynamics import write_dynamics
from dlth_bench.selection.registry import sample_policies
from dlth_bench.spec.dynamics import DynamicsHeader
from dlth_bench.spec.subset import Subset

SAMPLES = sample_catalog("glyphs", 48)
VERSION = "dlth-bench 0.1.0"


def recorded(path: Path, ids: tuple[str, ...] = SAMPLES.sample_ids, **header: Any) -> Path:
    """Random dynamics of five epochs on samples of Glyphs."""
    rng = np.random.default_rng(len(path.stem))
    told = {"dataset": "glyphs", "class_ids": SAMPLES.class_ids, "config": path.stem} | header
    classes = {class_id: label for label, class_id in enumerate(told["class_ids"])}
    labels = np.array([classes[item.partition("/")[0]] for item in ids])
    shape = (5, len(ids))
    tensors: dict[str, Any] = {
        name: rng.random(shape, dtype=np.float32) for name in ("error_norm", "entropy", "confidence", "margin")
    }
    tensors["correct"] = (rng.random(shape) < 0.4 + 0.1 * len(path.stem)).astype(np.uint8)
    tensors["features"] = rng.normal(size=(len(ids), 8)).astype(np.float16)
    write_dynamics(path, DynamicsHeader(**told), ids, labels, tensors)
    return path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Dynamics of two models on all samples of glyphs-ssl, and a table without rows."""
    folder = tmp_path_factory.mktemp("inputs")
    files = [recorded(folder / "a.safetensors"), recorded(folder / "bbb.safetensors")]
    table = folder / "list.csv"
    table.write_text("sample\n")
    return {path.name: path for path in (*files, table)}


def written(folder: Path, *arguments: object) -> str:
    output = folder / "mine.txt"
    printed = run("select", *arguments, "-o", output).output.splitlines()
    text = output.read_text()
    ids = [line for line in text.splitlines() if not line.startswith("# ")]
    digest = Subset(dataset="imagenet" if "imagenet" in arguments else "glyphs", unit="sample", ids=tuple(ids)).digest
    assert ids == sorted(set(ids))
    assert printed[-1] == f"{output}: {len(ids)} samples, digest {digest}"
    return text


def requests(inputs: dict[str, Path]) -> dict[str, list[object]]:
    """How each policy is asked for 1152 samples."""
    asked: dict[str, list[object]] = {policy.name: [policy.name, "-n", 1152] for policy in sample_policies()}
    for policy in sample_policies():
        if "dynamics" in policy.needs:
            asked[policy.name] += ["--dynamics", inputs["a.safetensors"]]
    asked["rs"] += ["--unit", "sample"]
    for name in ("a.safetensors", "bbb.safetensors"):
        asked["consistent"] += ["--dynamics", inputs[name]]
    return asked


def test_same_seed_and_inputs_same_file(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Every policy writes the same bytes again, from inputs that lie elsewhere too; and lists 1152 samples."""
    moved = {name: tmp_path / name for name in inputs}
    for name, path in inputs.items():
        moved[name].write_bytes(path.read_bytes())
    again = requests(moved)
    for name, arguments in requests(inputs).items():
        text = written(tmp_path, *arguments)
        assert text == written(tmp_path, *again[name]), name
        assert text.startswith(f"# {name}, 1152 of 11808 samples of glyphs, "), name
        assert sum(not line.startswith("# ") for line in text.splitlines()) == 1152


@pytest.mark.parametrize("policy", ["forgetting", "el2n", "entropy", "svp", "kcenter", "herding", "easy", "hard"])
def test_balanced(policy: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    """--balanced gives every class its 4 of 984 samples."""
    text = written(tmp_path, policy, "-n", 984, "--balanced", "--dynamics", inputs["a.safetensors"])
    classes = [line.partition("/")[0] for line in text.splitlines() if not line.startswith("# ")]
    assert set(map(classes.count, SAMPLES.class_ids)) == {4}


def test_head_says_what_decided(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Policy, parameters, the models, the digests of their files, and what was found."""
    path = inputs["a.safetensors"]
    text = written(tmp_path, "forgetting", "-n", 100, "--dynamics", path, "--never-learned", "last")
    head = [line for line in text.splitlines() if line.startswith("# ")]
    assert head[:-1] == [
        f"# forgetting, 100 of 11808 samples of glyphs, {VERSION}",
        "# never-learned: last",
        "# balanced: False",
        "# dynamics: a seed 0, 5 epochs, correct at epoch-end",
        f"# input a.safetensors: sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}",
    ]
    assert "forgetting events" in head[-1]


def test_samples_of_a_protocol(tmp_path: Path) -> None:
    """Without a model, samples are drawn among those that the protocol trains on, and the head says which."""
    text = written(tmp_path, "nir", "-n", 246, "--draw", "first")
    assert text.splitlines()[0] == f"# nir, 246 of 11808 samples of glyphs, {VERSION}"
    assert text.splitlines()[1:3] == ["# draw: first", "# samples: the first 48 of each class"]
    first = {item.partition("/")[0]: item for item in reversed(SAMPLES.sample_ids)}
    assert set(text.splitlines()[3:]) == set(first.values())


def test_dataset_that_is_not_at_hand(tmp_path: Path) -> None:
    """Samples of ImageNet come from a table: CSV, or Parquet with the same bytes in the list; the class is the ID's."""
    ids = class_catalog("imagenet").ids[:3]
    rows = [(f"{item}/{item}_{number}", item) for item in ids for number in range(4)]
    (tmp_path / "list.csv").write_text("sample,class\n" + "".join(f"{a},{b}\n" for a, b in rows))
    text = written(tmp_path, "rs-balanced", "-d", "imagenet", "-n", 6, "--samples", tmp_path / "list.csv")
    assert text.startswith("# rs-balanced, 6 of 12 samples of imagenet, seed 0, ")
    assert "# input list.csv: sha256 " in text
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"sample": [a for a, _ in rows]}), tmp_path / "list.parquet")
    again = written(tmp_path, "rs-balanced", "-d", "imagenet", "-n", 6, "--samples", tmp_path / "list.parquet")
    assert again.splitlines()[2:] == text.splitlines()[2:]


def test_tables_of_correctness(inputs: dict[str, Path], tmp_path: Path) -> None:
    """Consistent samples from a table of all models, or from one a model, in any order of rows: the same ones."""
    rng = np.random.default_rng(0)
    rows = [(item, *(rng.random(2) < (0.3, 0.7)).astype(int)) for item in SAMPLES.sample_ids]
    (tmp_path / "both.csv").write_text("sample,weak,strong\n" + "".join(f"{i},{a},{b}\n" for i, a, b in rows))
    (tmp_path / "w.csv").write_text("sample,weak\n" + "".join(f"{i},{a}\n" for i, a, _ in reversed(rows)))
    (tmp_path / "s.csv").write_text("strong,sample\n" + "".join(f"{b}.0,{i}\n" for i, _, b in rows))
    both = written(tmp_path, "consistent", "-n", 1181, "--correctness", tmp_path / "both.csv", "--seed", 1)
    options = ("--correctness", tmp_path / "w.csv", "--correctness", tmp_path / "s.csv")
    two = written(tmp_path, "consistent", "-n", 1181, *options, "--seed", 1)
    assert both.splitlines()[-1181:] == two.splitlines()[-1181:]
    wrong = {item for item, weak, strong in rows if weak > strong}
    assert not wrong & set(both.splitlines())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["forgeting", "-n", 4], "did you mean 'forgetting'?"),
        (["forgetting", "-n", 4, "--unit", "class"], "forgetting chooses samples, not classes"),
        (["wnh", "-n", 4, "--unit", "sample"], "wnh chooses classes, not samples"),
        (["nir"], "nir needs --size, the number of samples"),
        (["forgetting", "-n", 4], "forgetting needs --dynamics"),
        (["nir", "-n", 4], "size 4: nir keeps every class, and there are 246"),
        (["nir", "-n", 246, "--draw", "first", "--seed", 1], "--seed means nothing to --draw first"),
        (
            ["svp", "-n", 4, "--dynamics", "{a.safetensors}", "--never-learned", "last"],
            "--never-learned means nothing to --criterion least-confidence",
        ),
        (["rs-balanced", "-n", 11809], "size 11809: glyphs has 11808 samples to choose from"),
        (["hard", "-n", 11809, "--dynamics", "{a.safetensors}"], "size 11809: glyphs has 11808 samples"),
        (["hard", "-n", 4, "--never-learned", "last", "--dynamics", "{a.safetensors}"], "option of forgetting, svp"),
        (["hard", "-n", 4, "--dynamics", "none.safetensors"], "none.safetensors: no such file"),
        (["hard", "-n", 4, "--dynamics", "{list.csv}"], "list.csv: is not a safetensors file of training dynamics"),
        (["hard", "-n", 4, "--dynamics", "{other.safetensors}"], "dynamics on imagenet, but the dataset is glyphs"),
        (["hard", "-n", 4, "--dynamics", "{strange.safetensors}"], "class 'Z' is not one of glyphs"),
        (
            ["hard", "-n", 4, "--dynamics", "{a.safetensors}", "--dynamics", "{few.safetensors}"],
            "few.safetensors: holds other samples, or another order, than a.safetensors",
        ),
        (["hard", "-n", 4, "--dynamics", "{more.safetensors}"], "is none that glyphs-ssl trains on"),
        (["kcenter", "-n", 4, "--dynamics", "{bare.safetensors}"], "bare.safetensors: holds no features"),
        (["entropy", "-n", 4, "--dynamics", "{nan.safetensors}"], "entropy of 'U+0021/"),
        (["rs-balanced", "-n", 4, "-d", "imagenet"], "list its samples with --samples FILE"),
        (["rs-balanced", "-n", 4, "-d", "imagenet", "--protocol", "glyphs-ssl"], "is one of glyphs, but"),
        (
            ["nir", "-n", 4, "--samples", "{unknown.csv}"],
            "unknown.csv:3: sample 'x/1' is of no class of glyphs",
        ),
        (
            ["nir", "-n", 4, "--samples", "{spaced.csv}"],
            "spaced.csv:2: sample 'U+0041/a b': an ID is",
        ),
        (["nir", "-n", 4, "--samples", "{twice.csv}"], "twice.csv:4: lists sample 'U+0041/1' twice"),
        (["nir", "-n", 4, "--samples", "{disagree.csv}"], "disagree.csv:2: sample 'U+0041/1' is of class"),
        (["nir", "-n", 4, "--samples", "{ragged.csv}"], "ragged.csv:3: has 2 fields where the header has 1"),
        (["nir", "-n", 4, "--samples", "{nothing.csv}"], "nothing.csv: needs a column 'sample'"),
        (["consistent", "-n", 4], "consistent needs --dynamics, one file a config, or --correctness tables"),
        (["consistent", "-n", 4, "--dynamics", "{a.safetensors}"], "the pool has 1 config"),
        (["consistent", "-n", 4, "--correctness", "{unknown.csv}"], "is none of the 11808 samples to choose from"),
        (
            ["consistent", "-n", 2, "--samples", "{three.csv}", "--correctness", "{wrong.csv}"],
            "wrong.csv:3: 'm': 'maybe' is not a number",
        ),
        (
            ["consistent", "-n", 2, "--samples", "{three.csv}", "--correctness", "{large.csv}"],
            "large.csv:4: 'm': 2 is not between 0 and 1",
        ),
        (
            ["consistent", "-n", 2, "--samples", "{three.csv}", "--correctness", "{short.csv}"],
            "short.csv: 1 samples are missing, such as 'U+0042/1'",
        ),
    ],
)
def test_bad_input(arguments: list[object], words: str, inputs: dict[str, Path], tmp_path: Path) -> None:
    """What is wrong is one line, and nothing is written."""
    tables = {
        "unknown": "sample\nU+0041/1\nx/1\n",
        "spaced": "sample\nU+0041/a b\n",
        "twice": "sample\nU+0041/1\nU+0041/2\nU+0041/1\n",
        "disagree": "sample,class\nU+0041/1,B\n",
        "ragged": "sample\nU+0041/1\nU+0041/2,3\n",
        "nothing": "class\nA\n",
        "three": "sample\nU+0041/1\nU+0041/2\nU+0042/1\n",
        "wrong": "sample,m\nU+0041/1,1\nU+0041/2,maybe\nU+0042/1,0\n",
        "large": "sample,m\nU+0041/1,1\nU+0041/2,0\nU+0042/1,2\n",
        "short": "sample,m\nU+0041/1,1\nU+0041/2,0\n",
    }
    made = dict(inputs)
    for name, text in tables.items():
        made[f"{name}.csv"] = tmp_path / f"{name}.csv"
        made[f"{name}.csv"].write_text(text)
    made |= {path.name: path for path in broken_dynamics(tmp_path, str(arguments))}
    paths = {f"{{{name}}}": path for name, path in made.items()}
    output = tmp_path / "mine.txt"
    error = refused("select", *(paths.get(str(item), item) for item in arguments), "-o", output)
    assert words in error.located
    assert error.located.isprintable()
    assert not output.exists()


def broken_dynamics(folder: Path, wanted: str) -> list[Path]:
    """Files of dynamics that do not fit, as far as they are wanted."""
    few = SAMPLES.sample_ids[:480]
    more = (sample_catalog("glyphs").sample_ids[100], *few)
    imagenet = class_catalog("imagenet").ids[:2]
    makers: dict[str, Any] = {
        "few": lambda path: recorded(path, few),
        "more": lambda path: recorded(path, tuple(sorted(set(more)))),
        "other": lambda path: recorded(path, (f"{imagenet[0]}/1",), dataset="imagenet", class_ids=imagenet),
        "strange": lambda path: recorded(path, ("Z/1",), class_ids=("Z", "Y")),
        "bare": lambda path: without(path, features=None),
        "nan": lambda path: without(path, entropy=np.nan),
    }
    return [make(folder / f"{name}.safetensors") for name, make in makers.items() if f"{{{name}." in wanted]


def without(path: Path, **changes: float | None) -> Path:
    """Dynamics of few samples that lack a tensor, or hold a wrong number."""
    ids = SAMPLES.sample_ids[:96]
    labels = np.repeat([0, 1], 48)
    tensors: dict[str, Any] = {
        "correct": np.ones((2, 96), dtype=np.uint8),
        "entropy": np.ones((2, 96), dtype=np.float32),
        "features": np.ones((96, 3), dtype=np.float32),
    }
    for name, value in changes.items():
        if value is None:
            del tensors[name]
        else:
            tensors[name][-1, 5] = value
    header = DynamicsHeader(dataset="glyphs", class_ids=SAMPLES.class_ids, config=path.stem)
    write_dynamics(path, header, ids, labels, tensors)
    return path
