"""What a Slurm job does: the local engine, on the runs of its part of a batch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dlth_bench.harness.batch import BatchFolder
from dlth_bench.harness.engines.events import Finished
from dlth_bench.harness.engines.local import LocalEngine
from dlth_bench.harness.heartbeat import STALE_SECONDS
from dlth_bench.harness.store import Store


class SlurmJob:
    """A job as submitit carries it to a node: only names, so that what it does stands in the batch's own file.

    Training is done in processes of its own; signals of Slurm reach it here, between two events.
    """

    def __init__(self, root: str, batch: str, job: int | None) -> None:
        """Args: ``job``: which of the batch's jobs; None: whatever has no result, once the others are over."""
        self.root = root
        self.batch = batch
        self.job = job

    def __call__(self) -> None:
        folder = BatchFolder(Store(Path(self.root)), self.batch)
        batch = folder.read()
        own = batch.runs if self.job is None else batch.runs_of(self.job)
        engine = LocalEngine(
            folder.store,
            workers=batch.at_once,
            device=batch.device,
            keep_weights=batch.keep_weights,
            batch=batch.id,
            patience=STALE_SECONDS,  # a lost node's lock may outlive it; what is trained stays with its owner
        )
        # A failure of this batch is a result: a job that was queued again does not try it again.
        for event in engine.run_all([run for run in own if folder.outcome(run.digest) is None]):
            if isinstance(event, Finished):
                sys.stdout.write(f"{event.run.label}: {event.result.status}\n")
                sys.stdout.flush()

    def checkpoint(self) -> Any:
        """Called by submitit before a time limit or preemption: the same again; runs go on from their checkpoints."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
