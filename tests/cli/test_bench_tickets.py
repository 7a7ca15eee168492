"""``dlth-bench bench tickets``: searches on critical samples beside vanilla ones, from what the store holds."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import refused, run

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.tickets import PracFacts
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import TicketFacts
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import load_subset
from dlth_bench.util.files import shipped_folder
from tiny_grid import finished


def stored(root: Path) -> None:
    """Two seeds of vanilla pruning and of PrAC on rs-0, made up."""
    protocol = find_protocol("glyphs-tickets")
    subset = load_subset(shipped_folder("subsets") / "glyphs" / "rs-0.txt", class_catalog("glyphs"))
    for given in grid_runs(protocol, subset, seeds=[0, 1], configs=["imp-rewind", "prac"]):
        prac = PracFacts(
            samples=1152,
            selected=576,
            set_digest="0" * 64,
            search_updates=378 + 252 * given.seed,
            vanilla_updates=1512,
        )
        ticket = TicketFacts(
            rewind_step=36,
            prunable_weights=6400,
            live_weights=100,
            density=1 / 64,
            total_density=0.1,
            mask_digest="0" * 64,
            prac=prac if given.config.name == "prac" else None,
        )
        accuracy = 0.875 + 0.05 * given.seed
        Store(root).save(given, finished(given, accuracy).model_copy(update={"ticket": ticket}))


def test_vanilla_and_prac_side_by_side(tmp_path: Path) -> None:
    """Accuracy of the tickets, updates of the searches, how many were saved, and the size of the sets."""
    stored(tmp_path)
    rows = run("bench", "tickets", "--subset", "rs-0", "--out", tmp_path).output
    told = {line.split()[0]: " ".join(line.split()[1:]) for line in rows.splitlines() if line.strip()}
    assert told["imp-rewind"] == "2 1.6 90.0 ± 3.5 1512 – – 0 s"
    assert told["prac"] == "2 1.6 90.0 ± 3.5 504 67 50 0 s"
    found = json.loads(run("bench", "tickets", "--subset", "rs-0", "--out", tmp_path, "--json").output)
    assert [row["saved"] for row in found["runs"] if row["config"] == "prac"] == [0.75, 1 - 630 / 1512]
    assert [row["set_share"] for row in found["runs"]].count(None) == 2


def test_empty_store_says_what_to_run(tmp_path: Path) -> None:
    """It trains nothing by itself."""
    told = str(refused("bench", "tickets", "--subset", "rs-0", "--out", tmp_path))
    assert f"dlth-bench run --protocol glyphs-tickets --subset rs-0 --out {tmp_path}" in told
