"""Training a plan's open runs with progress on the terminal."""

from __future__ import annotations

import typer
from rich.console import Console

from dlth_bench.cli.packing import pack_images
from dlth_bench.cli.progress import watch
from dlth_bench.datasets.registry import is_packed, protocol_dataset
from dlth_bench.harness.engines.local import LocalEngine
from dlth_bench.harness.plan import Plan
from dlth_bench.harness.store import Store
from dlth_bench.leaderboard.number_text import duration
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.stored_run import ENCODER_FILE


def train_plan(
    plan: Plan, store: Store, *, workers: int, device: str, console: Console, keep_weights: bool = False
) -> int:
    """Train what the store does not hold yet; returns how many of the plan's runs broke down.

    With ``keep_weights`` the encoders stay in the store; stored runs that have none are counted, not trained again.

    An interrupt says how to go on and exits with code 130.

    Raises:
        InputError: the installed dataset is not the one the protocol was frozen with.
    """
    data = plan.protocol.data
    if data.manifest_digest is not None and protocol_dataset(data).manifest_digest != data.manifest_digest:
        raise InputError(f"the installed dataset {data.dataset} is not the one {plan.protocol.key} was frozen with")
    pending = plan.pending
    if pending:
        if is_packed(data.dataset):
            pack_images(protocol_dataset(data), pending[0].run, console)
        expected = plan.expected_seconds(min(workers, len(pending)))
        told = "" if expected is None else f", about {duration(expected)}"
        console.print(f"{len(pending)} of {len(plan.planned)} runs to train, {workers} at once{told}", highlight=False)
        engine = LocalEngine(store, workers=workers, device=device, keep_weights=keep_weights)
        try:
            watch(engine.run_all([planned.run for planned in pending]), pending, console)
        except KeyboardInterrupt:
            console.print("stopped; finished runs are stored, and the same command goes on from there")
            raise typer.Exit(130) from None
    lacking = sum(not (store.folder(run.digest) / ENCODER_FILE).exists() for run in plan.runs) if keep_weights else 0
    if lacking:
        told = f"{lacking} stored runs were trained without --keep-weights and have none: use another --out for them"
        console.print(told, highlight=False)
    results = [store.result(run.digest) for run in plan.runs]
    return sum(result is None or result.status != "finished" for result in results)
