"""``dlth-bench select prac``: the critical set of a stored search as a list of samples, with what it cost."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import refused, run
from recorded_examples import SAMPLES
from safetensors.numpy import save

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.tickets import PracFacts, PruningSpec
from dlth_bench.runs.critical_set_file import CriticalSetHeader
from dlth_bench.runs.run import Run, TicketFacts
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import Subset
from tiny_grid import finished

IDS = SAMPLES.sample_ids[:480]
LABELS = np.array(SAMPLES.labels[:480], dtype=np.int32)
CHOSEN = [item for item in IDS if int(item.encode().hex(), 16) % 3 == 0]


def stored_search(folder: Path, *, prac: bool = True, selected: int = len(CHOSEN), **changes: Any) -> Path:
    """A finished run in a store, with a made-up critical set of a third of ten classes; returns its folder."""
    protocol: Protocol = find_protocol("glyphs-tickets")
    config = protocol.configs[0].model_copy(update={"pruning": PruningSpec(rounds=2, prac={})})  # type: ignore[arg-type]
    given = Run.on(Subset(dataset="glyphs", ids=SAMPLES.class_ids[:10]), protocol.data, config, 0)
    facts = PracFacts(
        samples=len(IDS),
        selected=selected,
        set_digest=Subset(dataset="glyphs", unit="sample", ids=tuple(CHOSEN)).digest,
        search_updates=60,
        vanilla_updates=100,
        images=1920,
        flops=3.5e9,
        device_seconds=12.25,
    )
    ticket = TicketFacts(
        rewind_step=0,
        prunable_weights=10,
        live_weights=6,
        density=0.6,
        total_density=0.7,
        mask_digest="0" * 64,
        prac=facts if prac else None,
    )
    store = Store(folder)
    store.save(given, finished(given).model_copy(update={"ticket": ticket}))
    rng = np.random.default_rng(0)
    tensors = {
        "sample_ids": np.frombuffer("\n".join(IDS).encode(), dtype=np.uint8),
        "labels": LABELS,
        "selected": np.array([item in CHOSEN for item in IDS], dtype=np.uint8),
        **{name: rng.integers(0, 4, len(IDS), dtype=np.int32) for name in ("events", "unlearned", "disagreements")},
    } | changes
    told = {"dataset": "glyphs", "class_ids": given.class_ids, "config": "prac", "run": given.digest}
    header = CriticalSetHeader(**(told | changes.pop("header", {})))
    tensors.pop("header", None)
    path = store.folder(given.digest) / "critical.safetensors"
    path.write_bytes(save(tensors, metadata={"json": json.dumps(header.model_dump(mode="json"))}))
    return path.parent


def chosen(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("# ")]


def test_whole_set_by_default(tmp_path: Path) -> None:
    """Without --size the list is the set, and its head says what finding it cost in the words of submit."""
    folder = stored_search(tmp_path / "store")
    output = tmp_path / "critical.txt"
    run("select", "prac", "--search", folder, "-o", output)
    text = output.read_text()
    assert chosen(text) == sorted(CHOSEN)
    head = text.splitlines()[:6]
    assert head[0].startswith(f"# prac, {len(CHOSEN)} of 480 samples of glyphs, ")
    assert head[1] == "# search: prac seed 0"
    assert head[2].startswith(f"# set: {len(CHOSEN)} of 480 samples, digest ")
    assert head[3] == "# selection-cost: images=1920,flops=3.5e+09,device_seconds=12.25"
    run("select", "prac", "--search", folder / "result.json", "-o", tmp_path / "again.txt")
    assert (tmp_path / "again.txt").read_text() == text


def test_fewer_are_those_disagreed_about_most(tmp_path: Path) -> None:
    """Samples of the set alone, the most disagreed about first; balanced, as many of each class."""
    rank = np.arange(480, dtype=np.int32)[::-1].copy()
    folder = stored_search(tmp_path / "store", disagreements=rank)
    run("select", "prac", "--search", folder, "-n", 20, "-o", tmp_path / "few.txt")
    assert chosen((tmp_path / "few.txt").read_text()) == sorted(CHOSEN[:20])
    run("select", "prac", "--search", folder, "-n", 20, "--balanced", "-o", tmp_path / "even.txt")
    even = chosen((tmp_path / "even.txt").read_text())
    assert set(even) <= set(CHOSEN)
    classes = [item.partition("/")[0] for item in even]
    assert {classes.count(class_id) for class_id in SAMPLES.class_ids[:10]} == {2}


@pytest.mark.parametrize(
    ("changes", "options", "told"),
    [
        ({}, ["-n", 400], "leave --size out"),
        ({"prac": False}, [], "has no critical set"),
        ({"selected": 3}, [], "holds a set of .* the result tells of 3"),
        ({"header": {"run": "1" * 64}}, [], "is of another run"),
        ({"events": np.zeros(3, dtype=np.int32)}, [], "events is no tensor of whole numbers"),
        ({"labels": LABELS + 200}, [], "a label is not a position"),
        ({"labels": LABELS[::-1].copy()}, [], "has the label of"),
        ({}, ["--dataset", "imagenet"], "is of a search on glyphs, but the dataset is imagenet"),
        ({}, ["--seed", 1], "--seed means nothing to prac"),
    ],
)
def test_what_does_not_fit_is_refused(
    changes: dict[str, Any], options: list[object], told: str, tmp_path: Path
) -> None:
    """Runs without a set, damaged or edited files and sizes past the set are one line, and nothing is written."""
    folder = stored_search(tmp_path / "store", **changes)
    error = refused("select", "prac", "--search", folder, *options, "-o", tmp_path / "out.txt")
    assert re.search(told, str(error))
    assert not (tmp_path / "out.txt").exists()


def test_search_is_needed(tmp_path: Path) -> None:
    """The policy says what it goes by."""
    assert "prac needs --search" in str(refused("select", "prac", "-o", tmp_path / "out.txt"))
