"""What a process of the local engine does: train the runs that its parent sends, one after another."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from dlth_bench.harness.attempt import attempt, failed
from dlth_bench.harness.heartbeat import Pulse
from dlth_bench.harness.store import Busy, Store
from dlth_bench.spec.run import Run
from dlth_bench.spec.tuning import Tuning


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker process needs to know."""

    root: str
    device: str
    threads: int
    keep_weights: bool
    checkpoint_seconds: float
    batch: str
    tuning: Tuning


IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
"""What a terminal, a scheduler and Slurm's warning of a time limit send to all processes of a job at once."""


def work(pipe: Connection, settings: WorkerSettings) -> None:
    """The worker process: take runs from the pipe until it closes."""
    for number in IGNORED_SIGNALS:  # the parent decides what they mean
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
    import torch

    from dlth_bench.training.allocator import keep_freed_memory
    from dlth_bench.training.quiet import quiet_libraries

    quiet_libraries()
    keep_freed_memory()
    torch.set_num_threads(settings.threads)
    _tell(pipe, "ready", None)
    with Pulse() as pulse:
        _take_runs(pipe, settings, pulse)


def _take_runs(pipe: Connection, settings: WorkerSettings, pulse: Pulse) -> None:
    """Train what the parent sends until it closes the pipe."""
    store = Store(Path(settings.root))
    while True:
        try:
            text, wait_seconds = pipe.recv()
        except (EOFError, OSError):
            return
        run = Run.model_validate_json(text)
        try:
            result = attempt(
                run,
                store,
                device=settings.device,
                keep_weights=settings.keep_weights,
                wait_seconds=wait_seconds,
                checkpoint_seconds=settings.checkpoint_seconds,
                report=lambda stage, step, total: _tell(pipe, "progress", (stage, step, total)),
                pulse=pulse,
                batch=settings.batch,
                tuning=settings.tuning,
            )
        except Busy:
            _tell(pipe, "busy", None)
            continue
        except Exception as error:  # noqa: BLE001 - the store itself cannot be used: say so, the rest goes on
            result = failed(run, f"{type(error).__name__}: {error}")
        _tell(pipe, "result", result.model_dump_json(exclude_defaults=True))


def _tell(pipe: Connection, kind: str, payload: object) -> None:
    """Send word to the parent; without one there is nobody to work for."""
    try:
        pipe.send((kind, payload))
    except OSError:
        os._exit(1)


def _die_with_parent() -> None:
    """End this process when the parent does, even when that is killed: an orphan would hold its run's lock."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()
