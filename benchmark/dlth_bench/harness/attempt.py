"""One attempt at a run, in whatever process an engine chose: claim, train, store."""

from __future__ import annotations

import traceback
from contextlib import nullcontext
from pathlib import Path

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.harness.attempts import ATTEMPTS, record_attempt
from dlth_bench.harness.heartbeat import Pulse, Report
from dlth_bench.harness.shared_pretraining import leave, pretraining_folder
from dlth_bench.harness.store import Busy, Store
from dlth_bench.harness.together import call_followers
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run
from dlth_bench.spec.tuning import Tuning


def attempt(
    run: Run,
    store: Store,
    *,
    device: str,
    keep_weights: bool,
    wait_seconds: float,
    checkpoint_seconds: float,
    report: Report,
    pulse: Pulse | None = None,
    batch: str = "",
    tuning: Tuning = Tuning(),
) -> Result:
    """The run's result: the stored one, or that of training now from the run's last checkpoint.

    An error of training is a result too, with status ``failed``; its traceback is in the run's ``error.log``.

    Args:
        pulse: of the process; None: one for this attempt alone.
        tuning: how steps are computed; with several devices, the other processes are called.
        batch: for whom; a batch's attempts at a run are bounded, see `attempts`.

    Raises:
        Busy: another process trains the run.
    """
    digest = run.digest
    with store.claim(digest, wait_seconds=wait_seconds) as folder:
        stored = store.settled(digest)
        if stored is not None:
            return stored
        begun = record_attempt(folder, batch)
        with Pulse() if pulse is None else nullcontext(pulse) as beating, beating.of(folder, report) as heard:
            if batch and begun > ATTEMPTS:
                result = failed(run, f"{ATTEMPTS} attempts in a row ended without a result or a new checkpoint")
            else:
                result = _trained(
                    run,
                    folder,
                    store=store,
                    device=device,
                    keep_weights=keep_weights,
                    checkpoint_seconds=checkpoint_seconds,
                    report=heard,
                    tuning=tuning,
                )
            store.save(run, result, keep_weights=keep_weights)
            leave(run, store)
        return result


def _trained(
    run: Run,
    folder: Path,
    *,
    store: Store,
    device: str,
    keep_weights: bool,
    checkpoint_seconds: float,
    report: Report,
    tuning: Tuning,
) -> Result:
    from dlth_bench.training.execute import Execution  # torch: slow to import, and needed in workers only

    try:
        dataset = protocol_dataset(run.data)
        if tuning.devices > 1:
            call_followers(run, device, tuning)
        return Execution(
            run,
            dataset,
            folder=folder,
            searches=store.searches,
            keep_encoder=keep_weights,
            device=device,
            checkpoint_seconds=checkpoint_seconds,
            report=report,
            shared=lambda: pretraining_folder(run, store),
            tuning=tuning,
        ).result()
    except Exception as error:  # noqa: BLE001 - whatever goes wrong in one run must not stop the others
        (folder / "error.log").write_text(traceback.format_exc())
        return failed(run, f"{type(error).__name__}: {error}")


def failed(run: Run, reason: str) -> Result:
    """The result of a run that broke down."""
    text = " ".join(reason.split()) or "no reason given"
    return Result(run=run.digest, config=run.config.name, seed=run.seed, status="failed", reason=text[:500])


def given_up(run: Run, store: Store, reason: str) -> Result:
    """Store that a run broke down, unless it is settled or in other hands; returns what is then known of it.

    It is told even where it cannot be stored: a full disk may be what broke the run.
    """
    result = failed(run, reason)
    try:
        with store.claim(run.digest):
            settled = store.settled(run.digest)
            if settled is None:
                store.save(run, result)
            return settled or result
    except (Busy, OSError):
        return result
