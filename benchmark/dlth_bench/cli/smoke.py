"""``dlth-bench run --smoke``: whether every config of a protocol trains on this machine at all."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.datasets.subset_files import find_subset
from dlth_bench.harness.grid import chosen_configs
from dlth_bench.harness.smoke import (
    BATCH,
    STEPS,
    TRANSFORMER_BATCH,
    SmokeOutcome,
    classes_at_hand,
    smoke,
    temporary_cache,
)
from dlth_bench.harness.together import follows
from dlth_bench.leaderboard.number_text import duration
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.tuning import Tuning

NO_SCORE = (
    f"a smoke test: {STEPS} steps of {TRANSFORMER_BATCH} or {BATCH} samples a stage, stored nowhere. "
    "The results are not a score."
)


def smoke_protocol(
    protocol: Protocol,
    subset: str | None,
    *,
    configs: list[str] | None,
    device: str,
    as_json: bool,
    tuning: Tuning = Tuning(),
) -> None:
    """Train every config for a few steps and say how each fared; exit code 1 when one did not run.

    Args:
        subset: whose first classes are taken, of whatever size it is; None: the first classes at hand.
    """
    import torch

    from dlth_bench.training.quiet import quiet_libraries

    quiet_libraries()
    torch.set_num_threads(1)
    picked = chosen_configs(protocol, configs)
    follower = follows(tuning.devices)
    console = Console(stderr=as_json, highlight=False, quiet=follower)
    outcomes: list[SmokeOutcome] = []
    with temporary_cache():
        dataset = protocol_dataset(protocol.data)
        wanted = None if subset is None else find_subset(subset, protocol.data.dataset).subset.class_ids
        classes = classes_at_hand(dataset, wanted)
        for config in picked:
            outcomes.append(smoke(config, protocol.data, dataset, classes, device, tuning))
            state = "runs" if outcomes[-1].ran else "FAILED"
            console.print(Text(f"{printable(config.name)}: {state}, {duration(outcomes[-1].seconds)}"))
    _show(protocol, outcomes, console, as_json=as_json and not follower)
    if not all(outcome.ran for outcome in outcomes):
        raise typer.Exit(1)


def _show(protocol: Protocol, outcomes: list[SmokeOutcome], console: Console, *, as_json: bool) -> None:
    if as_json:
        found = [outcome.model_dump(mode="json") for outcome in outcomes]
        document = {"protocol": protocol.key, "smoke": True, "scorecard": None, "note": NO_SCORE, "configs": found}
        typer.echo(json.dumps(document, indent=2))
        return
    broken = [outcome for outcome in outcomes if not outcome.ran]
    if broken:
        table = Table("Config", "Why it does not run")
        for outcome in broken:
            table.add_row(Text(printable(outcome.config)), Text(printable(outcome.reason, 500)))
        console.print(table)
    console.print(f"{len(outcomes) - len(broken)} of {len(outcomes)} configs of {protocol.key} run here")
    console.print(Text(NO_SCORE), soft_wrap=True)
