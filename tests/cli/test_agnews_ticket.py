"""AG News from Parquet files to a score, and the paper's tickets of consistent samples, as a user calls it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from agnews_files import write_dataset
from command_line import run

from dlth_bench.util.files import shipped_folder

pytest.importorskip("pyarrow")


@pytest.fixture
def protocol(tmp_path: Path) -> Path:
    """The shipped protocol for a tenth of a thousandth of the data: small batches, one seed, small subsets."""
    document = yaml.safe_load((shipped_folder("protocols") / "agnews-text@1.yaml").read_text())
    document |= {"name": "small", "seeds": [0]}
    document["subset"]["samples"] = {"minimum": 40, "maximum": 200}
    for config in document["configs"]:
        config["train"]["batch_size"] //= 8
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Generated texts where the command line finds AG News."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLTH_BENCH_DATA", str(write_dataset(tmp_path / "agnews", train=60, test=30).parent))


def test_from_parquet_to_a_score_on_a_ticket(protocol: Path, news: None) -> None:
    """Dynamics of configs on the full data, consistent samples of them, training on these, a scorecard."""
    dynamics = []
    for name in ("c1", "c2"):
        dynamics += ["--dynamics", f"{name}.safetensors"]
        run("record-dynamics", "-p", protocol, "-c", name, "-o", f"{name}.safetensors", "--device", "cpu")
    run("select", "consistent", "--dataset", "agnews", *dynamics, "-n", 80, "--protocol", protocol, "-o", "ticket.txt")
    done = run("run", "-p", protocol, "-s", "ticket.txt", "--device", "cpu", "--workers", 1, "--json")
    scorecard = json.loads(done.stdout)
    assert {row["config"] for row in scorecard["configs"]} == {"c1", "c2", "c3", "c4"}
    assert [row["reference_mean"] for row in scorecard["configs"]] == [0.910, 0.905, 0.896, 0.909]
    assert all(row["mean"] > 0.3 for row in scorecard["configs"])
