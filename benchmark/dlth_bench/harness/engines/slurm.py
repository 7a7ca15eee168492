"""The Slurm engine: runs as array jobs, through submitit.

Once submitted a batch needs nobody: a job that loses its node, is preempted or reaches its time limit is queued again
by Slurm and goes on from its checkpoints, and a last job, which starts when all others are over, takes up what a
killed one left. Who waits for the batch does so on the store, and hands in again what nobody is at any more.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from dlth_bench.harness.attempt import given_up
from dlth_bench.harness.batch import BatchFolder, JobNumbers, batches, new_batch, queue_name
from dlth_bench.harness.engines.engine import EngineSettings
from dlth_bench.harness.engines.events import Event, Finished
from dlth_bench.harness.engines.follow import follow
from dlth_bench.harness.engines.jobs import pack
from dlth_bench.harness.engines.slurm_job import SlurmJob
from dlth_bench.harness.engines.slurm_options import SlurmOptions
from dlth_bench.harness.engines.slurm_queue import queued_jobs
from dlth_bench.harness.heartbeat import STALE_SECONDS, Listener, file_clock
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable
from dlth_bench.spec.result import Result
from dlth_bench.spec.run import Run

SUBMISSIONS = 3
"""How often a run is handed in by one command before it counts as failed."""

REQUEUES = 10**6
"""Time-outs are no failures; what gets nowhere is known by its attempts."""


@dataclass
class SlurmEngine:
    """Hands runs to Slurm and waits for them.

    Args:
        poll_seconds: how often the store and the queue are looked at.
        lost_seconds: how long a run must be seen without result, job and process before it is handed in again.
    """

    settings: EngineSettings
    options: SlurmOptions
    poll_seconds: float = 5.0
    lost_seconds: float = 30.0
    stale_seconds: float = STALE_SECONDS
    sleep: Callable[[float], None] = time.sleep
    _jobs: dict[str, set[str]] = field(default_factory=dict, init=False)
    """The jobs that are to train a run, as the queue names them, by its digest."""
    _folders: dict[str, BatchFolder] = field(default_factory=dict, init=False)
    """The batch whose word on a run's failure is taken, by its digest."""
    _submitted: dict[str, int] = field(default_factory=dict, init=False)
    _missed: dict[str, float] = field(default_factory=dict, init=False)
    _listener: Listener = field(init=False)

    def __post_init__(self) -> None:
        self._listener = Listener(self.stale_seconds)

    def run_all(self, runs: Sequence[Run]) -> Iterator[Event]:
        """Hand in the runs that no earlier batch has in the queue, and wait for all of them."""
        self.submit(runs)
        store, sleep = self.settings.store, self.sleep
        return follow(runs, store, self._outcome, self._look_after, poll_seconds=self.poll_seconds, sleep=sleep)

    def submit(self, runs: Sequence[Run]) -> BatchFolder | None:
        """Hand in the runs that have no result and are not in the queue yet; returns their batch, None without any.

        Raises:
            InputError: this machine has no Slurm, or sbatch refuses the job.
        """
        self._find_queued(runs)
        store = self.settings.store
        new = [run for run in runs if run.digest not in self._jobs and store.settled(run.digest) is None]
        return self._hand_in(new) if new else None

    def _find_queued(self, runs: Sequence[Run]) -> None:
        """Learn which of the runs the jobs of earlier batches are to train."""
        queue, wanted = queued_jobs(), {run.digest for run in runs}
        for folder in batches(self.settings.store) if queue else []:
            jobs = _queue_names(folder)
            if not queue or not queue.intersection(jobs):
                continue
            batch = folder.read()
            for job, name in enumerate(jobs):
                digests = {run.digest for run in batch.runs_of(job)} if name in queue else set()
                for digest in digests & wanted:
                    if folder.outcome(digest) is None:
                        self._jobs.setdefault(digest, set()).add(name)
                        self._folders[digest] = folder

    def _hand_in(self, runs: Sequence[Run]) -> BatchFolder:
        """Submit a new batch of these runs."""
        settings, options = self.settings, self.options
        packed = pack(runs, settings.seconds, options.pack_seconds * options.at_once)
        folder = new_batch(
            settings.store,
            "slurm",
            settings.grid,
            packed,
            device=settings.device,
            keep_weights=settings.keep_weights,
            at_once=options.at_once,
        )
        folder.write_numbers(_sbatch(folder, len(packed), options))
        for job, name in zip(packed, _queue_names(folder), strict=True):
            for run in job:
                self._jobs[run.digest] = {name}
                self._folders[run.digest] = folder
                self._submitted[run.digest] = self._submitted.get(run.digest, 0) + 1
        return folder

    def _outcome(self, run: Run) -> Result | None:
        folder = self._folders.get(run.digest)
        return self.settings.store.settled(run.digest) if folder is None else folder.outcome(run.digest)

    def _look_after(self, left: list[Run]) -> list[Finished]:
        """Hand in again what nobody is at; give up what was handed in often enough."""
        lost = self._lost(left, queued_jobs(), time.monotonic()) if left else []
        again = [run for run in lost if self._submitted.get(run.digest, 0) < SUBMISSIONS]
        if again:
            self._hand_in(again)
        given = []
        for run in lost:
            if run not in again:
                logs = self._folders[run.digest].path / "submitit"
                reason = f"{SUBMISSIONS} jobs ended without its result; see {logs}"
                given.append(Finished(run, given_up(run, self.settings.store, reason)))
        return given

    def _lost(self, left: Sequence[Run], queue: Set[str] | None, seconds: float) -> list[Run]:
        """The runs that have been without job and process for long enough.

        Args:
            queue: what waits or runs; None when Slurm does not say, and then nothing is known to be over.
            seconds: by a clock that only goes forward.
        """
        if queue is None:
            return []
        lost, store = [], self.settings.store
        now = file_clock(store.root)
        for run in left:
            digest = run.digest
            heard = self._listener.hears(store.folder(digest), now)
            if self._jobs[digest] & queue or heard or store.is_claimed(digest):
                self._missed.pop(digest, None)
            elif seconds - self._missed.setdefault(digest, seconds) >= self.lost_seconds:
                del self._missed[digest]
                lost.append(run)
        return lost


def _queue_names(folder: BatchFolder) -> list[str]:
    """The batch's jobs as the queue names them; empty where their numbers are not known."""
    numbers = folder.numbers()
    return [] if numbers is None else [queue_name(folder.id, number) for number in numbers.jobs]


def _sbatch(folder: BatchFolder, jobs: int, options: SlurmOptions) -> JobNumbers:
    """Submit an array of jobs and the one that comes after them; without both there is no batch."""
    import submitit

    root, array = str(folder.store.root.resolve()), []
    try:
        executor = submitit.SlurmExecutor(
            folder=folder.path.resolve() / "submitit", max_num_timeout=REQUEUES, python=options.python
        )
        executor.update_parameters(**options.parameters(folder.id))
        with executor.batch():
            array = [executor.submit(SlurmJob(root, folder.id, job)) for job in range(jobs)]
        numbers = tuple(job.job_id for job in array)
        executor.update_parameters(dependency=f"afterany:{numbers[0].split('_')[0]}")
        last = executor.submit(SlurmJob(root, folder.id, None))
    except (RuntimeError, OSError) as error:
        for job in array:
            with contextlib.suppress(Exception):  # it may not have been submitted; the error that counts is below
                job.cancel()
        shutil.rmtree(folder.path)
        raise InputError(f"--engine slurm: {printable(_last_line(str(error)), 300)}") from None
    return JobNumbers(jobs=numbers, last=last.job_id)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "sbatch failed")
