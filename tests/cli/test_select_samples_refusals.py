"""What ``dlth-bench select`` refuses when it is asked for samples: one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import refused
from recorded_examples import broken_dynamics, recorded


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Good dynamics, and a table without rows."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "list.csv").write_text("sample\n")
    return {path.name: path for path in (recorded(folder / "a.safetensors"), folder / "list.csv")}


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
