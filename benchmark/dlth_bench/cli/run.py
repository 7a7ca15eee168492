"""``dlth-bench run``: train a subset under every config, score it, and say where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.bench import Training, as_subset, check_seeds
from dlth_bench.board.rank import standing
from dlth_bench.board.submission import has_cells
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.estimates import assumptions, can_estimate, estimates, show_estimates
from dlth_bench.cli.shared.scorecard import show_scorecard
from dlth_bench.cli.shared.train import PlaceOptions, train_plan
from dlth_bench.engines.engine import check_device
from dlth_bench.engines.followers import follows
from dlth_bench.engines.smoke import BATCH, STEPS, TRANSFORMER_BATCH, SmokeOutcome, smoke_test
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol
from dlth_bench.runs.plan import Plan, make_plan
from dlth_bench.runs.score import score_stored
from dlth_bench.runs.store import DEFAULT_STORE, Store
from dlth_bench.scoring.score import NotScorable
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import count, duration, printable

NO_SCORE = (
    f"a smoke test: {STEPS} steps of {TRANSFORMER_BATCH} or {BATCH} samples a stage, stored nowhere. "
    "The results are not a score."
)


def _smoke(
    protocol: Protocol, subset: str | None, configs: list[str] | None, where: PlaceOptions, *, as_json: bool
) -> None:
    """Train every config for a few steps and say how each fared; exit code 1 when one did not run."""
    tuning, device = where.tuning, check_device(where.device)
    follower = follows(tuning.devices)
    console = Console(stderr=as_json, highlight=False, quiet=follower)
    outcomes: list[SmokeOutcome] = []
    for outcome in smoke_test(protocol, subset, configs=configs, device=device, tuning=tuning):
        outcomes.append(outcome)
        state = "runs" if outcome.ran else "FAILED"
        console.print(Text(f"{printable(outcome.config)}: {state}, {duration(outcome.seconds)}"))
    _show_outcomes(protocol, outcomes, console, as_json=as_json and not follower)
    if not all(outcome.ran for outcome in outcomes):
        raise typer.Exit(1)


def _show_outcomes(protocol: Protocol, outcomes: list[SmokeOutcome], console: Console, *, as_json: bool) -> None:
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


SeedsOption = Annotated[str | None, typer.Option("--seeds", help="Only these of the protocol's seeds, e.g. 0,1.")]
RacingOption = Annotated[
    bool,
    typer.Option("--racing", help="Spend no further seed on a config whose place is settled. Then there is no rank."),
]
SmokeOption = Annotated[
    bool,
    typer.Option("--smoke", help="Only see whether every config trains here: a few steps each, no score, no store."),
]


@options.with_groups
def run(
    context: typer.Context,
    subset: options.OptionalSubset = None,
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    exponent: options.Exponent = 0.0,
    out: options.Store = DEFAULT_STORE,
    seeds: SeedsOption = None,
    configs: options.Configs = None,
    where: PlaceOptions = PlaceOptions(),
    data_dir: options.DataDir = None,
    submissions: options.Submissions = options.DEFAULT_SUBMISSIONS,
    keep_weights: options.KeepWeights = False,
    racing: RacingOption = False,
    dry_run: options.DryRun = False,
    smoke: SmokeOption = False,
    as_json: options.Json = False,
) -> None:
    """Train a subset under every config of a protocol, score it, and rank it among the submissions.

    Finished runs are stored and never repeated: after an interruption the same command goes on.

    Exit code 1 when a run broke down.

    Example: dlth-bench run --subset my-classes.txt --dry-run

    Example: dlth-bench run --subset demo-24 --workers 2

    Example: dlth-bench run --subset demo-24 --devices 2

    Example: dlth-bench run --protocol imagenet-ssl --smoke --data-dir /data/imagenet

    Example: dlth-bench run --subset demo-24 --engine slurm -e time=2:00:00
    """
    spec, names = find_protocol(protocol), options.split_names(configs)
    options.use_data_dir(context, spec.data.dataset, data_dir)
    if smoke:
        _smoke(spec, subset, names, where, as_json=as_json)
        return
    where.lead(context)
    chosen, name = as_subset(_required(subset), spec)
    training = Training(Store(out), where.place, keep_weights, name=name)
    only = check_seeds(options.split_names(seeds), spec)
    plan = make_plan(spec, chosen, training.store, exponent=exponent, seeds=only, configs=names)
    if dry_run:
        _show_plan(plan, training.place.at_once or len(plan.pending) or 1, as_json=as_json)
        return
    broken = train_plan(training, plan, Console(stderr=as_json), racing=racing)
    show_score(plan, name, training.store, submissions, as_json=as_json)
    if broken:
        raise typer.Exit(1)


def _required(subset: str | None) -> str:
    if subset is None:
        raise InputError("--subset is missing: a file that lists classes or samples, or the name of a shipped subset")
    return subset


def show_score(plan: Plan, name: str, store: Store, submissions: Path, *, as_json: bool) -> None:
    """Print the score of a subset's stored runs, and where it stands among the submissions."""
    try:
        scorecard = score_stored(plan.protocol, plan.subset, store, plan.exponent)
    except NotScorable as problem:  # what was trained is stored: no error
        Console(stderr=True).print(Text(f"no score: {problem}"), soft_wrap=True)
        if as_json:
            typer.echo(json.dumps({"scorecard": None, "reason": str(problem)}, indent=2))
        return
    if as_json:
        typer.echo(scorecard.model_dump_json(indent=2))
        return
    console = Console()
    show_scorecard(scorecard, name, console)
    for line in standing(scorecard, submissions, same_size=has_cells(plan.protocol)).splitlines():
        console.print(Text(printable(line, 1000)), soft_wrap=True)


def _show_plan(plan: Plan, workers: int, *, as_json: bool) -> None:
    pending = plan.pending
    known = [planned.expected for planned in pending if planned.expected is not None]
    summary = {
        "protocol": plan.protocol.key,
        "classes": len(plan.subset.class_ids),
        "samples": plan.subset.samples,
        "runs": len(plan.planned),
        "stored": len(plan.planned) - len(pending),
        "to_train": len(pending),
        "workers": workers,
        "expected_seconds": plan.expected_seconds(workers),
        "expected_images": sum(cost.images for cost in known) if len(known) == len(pending) else None,
        "expected_flops": sum(cost.flops for cost in known) if len(known) == len(pending) else None,
        "expected_images_saved": 1 - plan.share,
    }
    rows = estimates(plan) if can_estimate(plan.protocol) else None
    if as_json:
        if rows is not None:
            summary |= {"estimates": rows, "assumptions": assumptions()}
        runs = [{"config": p.run.config.name, "seed": p.run.seed, "run": p.run.digest} for p in pending]
        typer.echo(json.dumps(summary | {"pending": runs}, indent=2))
        return
    table = Table("Config", "Seed", "State", "Expected")
    for planned in plan.planned:
        seconds = None if planned.expected is None else planned.expected.device_seconds
        state = "stored" if planned.stored else "to train"
        table.add_row(
            planned.run.config.name, str(planned.run.seed), state, "" if planned.stored else duration(seconds)
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{len(pending)} of {len(plan.planned)} runs to train, {workers} at once")
    if known and len(known) == len(pending):
        hardware = plan.protocol.reference.hardware if plan.protocol.reference else ""
        where = f" on {printable(hardware)}" if hardware else ""
        console.print(Text(f"expected: {duration(plan.expected_seconds(workers))}{where}"))
        flops = count(sum(cost.flops for cost in known))
        console.print(f"{flops}FLOP; saves {1 - plan.share:.0%} of the full data's images")
    if rows is not None:
        show_estimates(rows, len({planned.run.seed for planned in plan.planned}), console)
