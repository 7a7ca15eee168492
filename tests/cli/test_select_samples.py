"""``dlth-bench select`` for samples: the same file from the same input, and a head that says how it came about."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from recorded_examples import SAMPLES, recorded

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.selection.registry import sample_policies
from dlth_bench.subsets.subset import Subset

VERSION = "dlth-bench 0.1.0"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Dynamics of two models on all samples of glyphs-ssl."""
    folder = tmp_path_factory.mktemp("inputs")
    return {path.name: path for path in (recorded(folder / "a.safetensors"), recorded(folder / "bbb.safetensors"))}


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
    """How each policy is asked for 1152 samples; those that go by a stored search have tests of their own."""
    policies = [policy for policy in sample_policies() if "search" not in policy.needs]
    asked: dict[str, list[object]] = {policy.name: [policy.name, "-n", 1152] for policy in policies}
    for policy in policies:
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
