"""``--racing``: seeds one after the other, each for the configs whose place is not settled yet."""

from __future__ import annotations

from rich.console import Console

from dlth_bench.cli.engine_options import Place
from dlth_bench.cli.training import train_plan
from dlth_bench.datasets.subset_files import SubsetFile
from dlth_bench.harness.grid import chosen_configs
from dlth_bench.harness.plan import PlannedRun, make_plan
from dlth_bench.harness.store import Store
from dlth_bench.leaderboard.number_text import duration
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol


def train_racing(
    protocol: Protocol,
    file: SubsetFile,
    store: Store,
    *,
    configs: list[str] | None,
    place: Place,
    console: Console,
    keep_weights: bool,
) -> int:
    """Train a subset by racing and say what that saved; returns how many of the trained runs broke down.

    Raises:
        InputError: fewer than three seeds or configs, between which there is nothing to race for, or a detached engine.
    """
    from dlth_bench.harness.racing import wanted  # numpy and scipy: not needed before
    from dlth_bench.scoring.racing import FIRST_SEEDS

    names = [config.name for config in chosen_configs(protocol, configs)]
    if len(protocol.seeds) <= FIRST_SEEDS or len(names) <= 2:
        raise InputError(
            f"--racing needs more than {FIRST_SEEDS} seeds and 3 or more configs; "
            f"here are {len(protocol.seeds)} and {len(names)}"
        )
    if place.detach:
        raise InputError("--racing looks at results between seeds: not with --detach")
    broken, spared = 0, list[PlannedRun]()
    rounds = [protocol.seeds[:FIRST_SEEDS], *([seed] for seed in protocol.seeds[FIRST_SEEDS:])]
    for number, seeds in enumerate(rounds):
        going = names if number == 0 else wanted(protocol, file.subset, store, seeds[0], configs)
        rest = [name for name in names if name not in going]
        if rest:
            plan = make_plan(protocol, file.subset, store, seeds=seeds, configs=rest)
            spared += plan.pending
        if going:
            plan = make_plan(protocol, file.subset, store, seeds=seeds, configs=going)
            broken += train_plan(plan, store, place=place, console=console, keep_weights=keep_weights, name=file.name)
    console.print(_saved(spared, len(names) * len(protocol.seeds)), highlight=False)
    return broken


def _saved(spared: list[PlannedRun], runs: int) -> str:
    if not spared:
        return "racing left out no run: no config's place was settled before its last seed"
    costs = [planned.expected for planned in spared]
    seconds = sum(cost.device_seconds for cost in costs if cost is not None)
    told = f", about {duration(seconds)} of one device" if seconds else ""
    names = ", ".join(dict.fromkeys(planned.run.config.name for planned in spared))
    return f"racing left out {len(spared)} of {runs} runs{told}: the place of {names} was settled"
