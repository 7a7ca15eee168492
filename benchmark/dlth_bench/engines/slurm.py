"""The Slurm engine: runs as array jobs, through submitit.

Once submitted a batch needs nobody: a job that loses its node, is preempted or reaches its time limit is queued again
by Slurm and goes on from its checkpoints, and a last job, which starts when all others are over, takes up what a
killed one left. Who waits for the batch does so on the store, and hands in again what nobody is at any more.
"""

from __future__ import annotations

import contextlib
import getpass
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlth_bench.engines.attempt import given_up
from dlth_bench.engines.batch import BatchFolder, JobNumbers, batches, new_batch, pack, queue_name
from dlth_bench.engines.batch_state import follow
from dlth_bench.engines.engine import EngineSettings, Event, Finished, key_values, number, whole
from dlth_bench.engines.heartbeat import STALE_SECONDS, Listener, file_clock
from dlth_bench.engines.local import LocalEngine
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted


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


KEYS = ("partition", "account", "qos", "constraint", "time", "grace", "gpus", "cpus", "mem", "parallel", "pack",
        "at-once", "setup", "python")  # fmt: skip
SBATCH = "sbatch."
MARGIN_SECONDS = 60
"""Slurm may warn a job of its time limit up to a minute early."""
TIME = re.compile(r"(?:([0-9]{1,4})-)?([0-9]{1,6})(?::([0-9]{2}))?(?::([0-9]{2}))?")


@dataclass(frozen=True)
class SlurmOptions:
    """How runs become jobs.

    Args:
        minutes: time limit of a job; one that reaches it is queued again and goes on from its checkpoints.
        grace: seconds before its limit at which a job is warned and stops.
        gpus, cpus: of a job; memory in GB, None: the partition's own.
        parallel: jobs of a batch that run at the same time.
        pack_seconds: expected seconds up to which short runs share a job; 0: a job a run.
        at_once: runs side by side in a job.
        setup: shell lines before Python starts.
        python: the command that starts Python, for instance in a container; None: this one.
        named: further sbatch parameters, by their long name.
    """

    minutes: int = 24 * 60
    grace: int = 120
    gpus: int = 0
    cpus: int | None = None
    mem_gb: float | None = None
    parallel: int = 256
    pack_seconds: float = 600.0
    at_once: int = 1
    setup: tuple[str, ...] = ()
    python: str | None = None
    named: tuple[tuple[str, str], ...] = ()

    def parameters(self, name: str) -> dict[str, Any]:
        """As submitit takes them, for jobs of this name."""
        chosen: dict[str, Any] = {
            "job_name": name,
            "time": self.minutes,
            "signal_delay_s": self.grace,
            "cpus_per_task": self.at_once if self.cpus is None else self.cpus,
            "array_parallelism": self.parallel,
            "additional_parameters": {"requeue": True, **dict(self.named)},
            "gpus_per_node": self.gpus or None,
            "mem": None if self.mem_gb is None else f"{round(self.mem_gb * 1024)}M",
            "setup": list(self.setup) or None,
        }
        return {key: value for key, value in chosen.items() if value is not None}


def slurm_options(texts: Sequence[str], workers: int | None = None) -> SlurmOptions:
    """Options from ``key=value`` texts; ``setup`` and ``sbatch.NAME`` may be given several times.

    Args:
        workers: jobs at the same time, where ``parallel`` does not say it.

    Raises:
        InputError: an unknown key, or a value that makes no sense.
    """
    found: dict[str, Any] = {} if workers is None else {"parallel": workers}
    setup: list[str] = []
    named: dict[str, str] = {}
    for key, value in key_values(texts, "slurm", KEYS, SBATCH):
        if key == "setup":
            setup.append(value)
        elif key in {"partition", "account", "qos", "constraint"}:
            named[key] = value
        elif key.startswith(SBATCH):
            named[_sbatch_name(key.removeprefix(SBATCH))] = value
        else:
            name, converted = _converted(key, value)
            found[name] = converted
    options = SlurmOptions(**found, setup=tuple(setup), named=tuple(named.items()))
    if options.minutes * 60 <= options.grace + MARGIN_SECONDS:
        raise InputError(
            f"--engine-option: a time limit of {options.minutes} min leaves no time to train: jobs are warned "
            f"grace={options.grace} s before it, and Slurm may do so {MARGIN_SECONDS} s early"
        )
    return options


def _converted(key: str, value: str) -> tuple[str, Any]:
    """Field and value of an option that is a number, a time or a command."""
    match key:
        case "time":
            return "minutes", _minutes(value)
        case "pack":
            return "pack_seconds", 60 * number("pack", value, least=0)
        case "mem":
            return "mem_gb", number("mem", value, least=0.1)
        case "python":
            return "python", value
        case "gpus" | "grace":
            return key, whole(key, value, least=0)
        case _:
            return key.replace("-", "_"), whole(key, value, least=1)


def _minutes(text: str) -> int:
    """Whole minutes of a time limit as sbatch writes it: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S."""
    match = TIME.fullmatch(text)
    if match is None:
        raise InputError(f"--engine-option: time={quoted(text)} is not a time limit such as 90 (minutes) or 24:00:00")
    days, *rest = match.groups()
    parts = [int(part) for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
        hours += 24 * int(days)
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, (*parts, 0)[:2]
    return hours * 60 + minutes + -(-seconds // 60)


OURS = {"array", "output", "error", "signal", "time", "job-name", "open-mode", "dependency", "requeue", "no-requeue"}
"""What makes a batch a batch."""


def _sbatch_name(name: str) -> str:
    if not re.fullmatch("[a-z][a-z0-9-]{1,40}", name):
        raise InputError(f"--engine-option: {SBATCH}{quoted(name)} is not the long name of an sbatch option")
    if name in OURS:
        raise InputError(f"--engine-option: {SBATCH}{name} is set by the engine itself")
    return name


PATIENCE_SECONDS = 60


def queued_jobs() -> frozenset[str] | None:
    """This user's jobs that wait or run, as ``queue_name`` has them; None when Slurm does not say.

    squeue needs no accounting. A job that it does not list is over, however it ended.
    """
    command = ["squeue", "--noheader", "--array", "--user", getpass.getuser(), "--format", queue_name("%j", "%i")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):  # not on this machine, or the controller is away
        return None
    return frozenset(done.stdout.split())


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
    sleep: Callable[[float], None] = time.sleep
    _jobs: dict[str, set[str]] = field(default_factory=dict, init=False)
    """The jobs that are to train a run, as the queue names them, by its digest."""
    _folders: dict[str, BatchFolder] = field(default_factory=dict, init=False)
    """The batch whose word on a run's failure is taken, by its digest."""
    _submitted: dict[str, int] = field(default_factory=dict, init=False)
    _missed: dict[str, float] = field(default_factory=dict, init=False)
    _listener: Listener = field(default_factory=Listener, init=False)

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


def slurm_engine(settings: EngineSettings) -> SlurmEngine:
    """The engine that settings and their ``key=value`` options describe; raises InputError for an unknown option."""
    return SlurmEngine(settings, slurm_options(settings.options, settings.workers))
