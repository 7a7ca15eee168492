"""The local engine: a pool of processes on this machine, one thread each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from dlth_bench.engines.attempt import ATTEMPTS, AttemptOptions, attempt, checkpoints, failed, given_up
from dlth_bench.engines.data_parallel import DataParallelEngine
from dlth_bench.engines.engine import EngineSettings, Event, Finished, Progressed
from dlth_bench.engines.heartbeat import Pulse
from dlth_bench.runs.run import Result, Run, Tuning
from dlth_bench.runs.store import Busy, Store
from dlth_bench.util.errors import InputError

IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
"""What a terminal, a scheduler and Slurm's warning of a time limit send to all processes of a job at once."""


def work(pipe: Connection, root: str, threads: int, options: AttemptOptions) -> None:
    """The worker process: take runs from the pipe until it closes."""
    for number in IGNORED_SIGNALS:  # the parent decides what they mean
        signal.signal(number, signal.SIG_IGN)
    _die_with_parent()
    from dlth_bench.training.environment import prepare_process  # torch: slow to import

    prepare_process(threads)
    _tell(pipe, "ready", None)
    with Pulse() as pulse:
        _take_runs(pipe, Store(Path(root)), pulse, options)


def _take_runs(pipe: Connection, store: Store, pulse: Pulse, options: AttemptOptions) -> None:
    """Train what the parent sends until it closes the pipe."""
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
                wait_seconds=wait_seconds,
                report=lambda stage, step, total: _tell(pipe, "progress", (stage, step, total)),
                pulse=pulse,
                **options,
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


STARTS = 5
"""How many processes in a row may die before they are ready to train, before that counts as a run's own doing."""


@dataclass
class Worker:
    """A process, our end of its pipe, its GPU, the run it is at, and whether it waits for that run to come free.

    It is ready once its libraries are loaded; before that it cannot have begun its run.
    """

    process: BaseProcess
    pipe: Connection
    gpu: str | None
    run: Run | None = None
    waits: bool = False
    ready: bool = False


@dataclass
class LocalEngine:
    """Trains runs in ``workers`` processes.

    Args:
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        gpus: as ``CUDA_VISIBLE_DEVICES`` names them, among which processes are spread evenly; empty: torch's first one.
        threads: CPU threads of each process; more than one a core makes all of them many times slower.
        checkpoint_seconds: how much work a kill may cost.
        batch: the batch that the runs belong to, whose attempts are bounded; empty: none.
        patience: seconds to wait at the end for runs that other processes train; negative: until they are free.
            Runs that are not free by then are left to those processes, without an event.
    """

    store: Store
    workers: int = 1
    device: str = "auto"
    gpus: Sequence[str] = ()
    threads: int = 1
    keep_weights: bool = False
    checkpoint_seconds: float = 15.0
    batch: str = ""
    patience: float = -1.0
    tuning: Tuning = field(default_factory=Tuning)
    _pool: list[Worker] = field(default_factory=list, init=False)
    _deaths: dict[str, tuple[str, int]] = field(default_factory=dict, init=False)
    """The checkpoints that a run's last process died with, and how many died with these, by its digest."""
    _stillborn: int = field(default=0, init=False)
    """How many processes died in a row before they were ready."""

    def run_all(self, runs: Sequence[Run]) -> Iterator[Event]:
        """Train all runs; yields progress and, once a run, its result.

        Runs that another process is training are waited for at the end.
        """
        todo, busy = deque(runs), deque[Run]()
        try:
            while todo or busy or any(worker.run for worker in self._pool):
                if not todo and busy and not any(worker.run for worker in self._pool):
                    todo, busy = busy, todo
                    self._assign(todo, wait_seconds=self.patience)
                else:
                    self._assign(todo, wait_seconds=0.0)
                yield from self._listen(todo, busy)
        finally:
            self._stop()

    def _assign(self, todo: deque[Run], *, wait_seconds: float) -> None:
        """Give a run to every idle worker, starting workers as needed."""
        while todo:
            worker = next((worker for worker in self._pool if worker.run is None), None)
            if worker is None:
                if len(self._pool) == self.workers:
                    return
                worker = self._start()
            run = todo.popleft()
            try:
                worker.pipe.send((run.model_dump_json(exclude_defaults=True), wait_seconds))
            except OSError:  # it died while idle; the run was never begun
                self._dismiss(worker)
                todo.appendleft(run)
            else:
                worker.run, worker.waits = run, wait_seconds != 0

    def _listen(self, todo: deque[Run], busy: deque[Run]) -> Iterator[Event]:
        """Wait for word from workers and say what it means."""
        by_pipe = {worker.pipe: worker for worker in self._pool if worker.run is not None}
        for pipe in wait(list(by_pipe)):
            worker = by_pipe[pipe]  # type: ignore[index]  # wait returns what it was given
            run = worker.run
            if run is None:
                continue
            try:
                kind, payload = worker.pipe.recv()
            except (EOFError, OSError):
                yield from self._bury(worker, run, todo)
                continue
            if kind == "ready":
                worker.ready, self._stillborn = True, 0
                continue
            if kind == "progress":
                yield Progressed(run, *payload)
                continue
            worker.run = None
            if kind == "busy":
                if not worker.waits:
                    busy.append(run)
            else:
                result = Result.model_validate_json(payload)
                if result.status == "failed":
                    self._dismiss(worker)  # what broke a run may have broken its process, as an error on a GPU does
                yield Finished(run, result)

    def _bury(self, worker: Worker, run: Run, todo: deque[Run]) -> Iterator[Event]:
        """A worker process died: try its run again, from its checkpoint, or give it up."""
        self._dismiss(worker)
        code = worker.process.exitcode
        if worker.ready:
            digest = run.digest
            found, before = checkpoints(self.store.folder(digest)), self._deaths.get(digest, ("", 0))
            deaths = before[1] + 1 if before[0] == found else 1
            self._deaths[digest] = (found, deaths)
            enough, reason = deaths >= ATTEMPTS, f"its process died {deaths} times (exit code {code}); out of memory?"
        else:
            self._stillborn += 1
            enough = self._stillborn >= STARTS
            reason = f"{self._stillborn} processes in a row died while they started (exit code {code})"
        if enough:
            yield Finished(run, given_up(run, self.store, reason))
        else:
            todo.appendleft(run)

    def _dismiss(self, worker: Worker) -> None:
        """Let a worker go that is idle or dead; a closed pipe ends it."""
        worker.pipe.close()
        worker.process.join()
        self._pool.remove(worker)

    def _start(self) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        options = AttemptOptions(
            device=self.device,
            keep_weights=self.keep_weights,
            checkpoint_seconds=self.checkpoint_seconds,
            batch=self.batch,
            tuning=self.tuning,
        )
        arguments = (theirs, str(self.store.root), self.threads, options)
        process = context.Process(target=work, args=arguments, daemon=True)
        gpu = self._next_gpu()
        # OpenMP and CUDA read these when they are loaded, so they must stand in the child's environment from the start.
        threads = {"OMP_NUM_THREADS": str(self.threads)}
        with environment(threads if gpu is None else threads | {"CUDA_VISIBLE_DEVICES": gpu}):
            process.start()
        theirs.close()
        worker = Worker(process, ours, gpu)
        self._pool.append(worker)
        return worker

    def _next_gpu(self) -> str | None:
        """The GPU that the fewest processes train on; None: there are none to choose from."""
        taken = Counter(worker.gpu for worker in self._pool)
        return min(self.gpus, key=lambda gpu: taken[gpu], default=None)

    def _stop(self) -> None:
        for worker in self._pool:
            worker.process.kill()
        for worker in self._pool:
            worker.process.join()
            worker.pipe.close()
        self._pool.clear()


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """These environment variables for as long as it takes."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


DRIVER = Path("/proc/driver/nvidia/gpus")
"""The driver's folder, with one folder for each GPU."""


def visible_gpus(device: str = "auto") -> tuple[str, ...]:
    """The NVIDIA GPUs that training on ``device`` may take, each as ``CUDA_VISIBLE_DEVICES`` names it.

    Empty where there are none, or where the driver tells nothing (Windows' subsystem for Linux): torch then takes the
    first that it finds.
    """
    if device not in {"auto", "cuda"}:
        return ()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return tuple(str(index) for index, _ in enumerate(DRIVER.glob("*")))
    names = [name.strip() for name in named.split(",")]
    # CUDA reads the names up to the first that is none.
    end = next((place for place, name in enumerate(names) if not name or name == "-1"), len(names))
    return tuple(names[:end])


def worker_count(workers: int | None, device: str) -> int:
    """How many runs to train at once: as asked, else one on each GPU, and without one as many as there are cores."""
    if workers is not None:
        return workers
    gpus = visible_gpus(device)
    if gpus or device == "cuda":
        return max(1, len(gpus))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_engine(settings: EngineSettings) -> LocalEngine | DataParallelEngine:
    """A pool of processes, or, where a run takes several devices, one run after the other on all of them.

    Raises:
        InputError: an option is given; it has none.
    """
    if settings.options:
        raise InputError("--engine-option: the local engine has none")
    if settings.tuning.devices > 1:
        options = AttemptOptions(device=settings.device, keep_weights=settings.keep_weights, tuning=settings.tuning)
        return DataParallelEngine(settings.store, options)
    return LocalEngine(
        settings.store,
        workers=settings.workers or 1,
        device=settings.device,
        gpus=visible_gpus(settings.device),
        keep_weights=settings.keep_weights,
        tuning=settings.tuning,
    )
