"""The Ray engine: a task a run, on a running cluster or on one that is started here for as long as it takes.

Ray places tasks and starts them anew when a worker or a node is lost; the run then goes on from its checkpoint in the
store, which all nodes must see.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlth_bench.engines.attempt import AttemptOptions, attempt, given_up
from dlth_bench.engines.batch import BatchFolder, new_batch
from dlth_bench.engines.batch_state import Follower
from dlth_bench.engines.engine import EngineSettings, Event, Finished, key_values, number
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Busy, Store
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

KEYS = ("address", "cpus", "gpus")


@dataclass(frozen=True)
class RayOptions:
    """Where Ray is and what a run takes of it.

    Args:
        address: of a running cluster, ``auto`` for the one of this machine; ``local``: a new one, for this command.
        cpus, gpus: of a run; a part of a GPU, such as .5, puts several runs on one. None: a whole one where the
            cluster has GPUs.
        workers: CPUs of a new local cluster, so runs at once; None: all.
    """

    address: str = "local"
    cpus: float = 1.0
    gpus: float | None = None
    workers: int | None = None


def ray_options(texts: Sequence[str], workers: int | None = None) -> RayOptions:
    """Options from ``key=value`` texts.

    Raises:
        InputError: an unknown key, a value that makes no sense, or ``workers`` for a cluster that is there already.
    """
    given = dict(key_values(texts, "ray", KEYS))
    address = given.get("address", "local")
    if workers is not None and address != "local":
        raise InputError("--workers: a running Ray cluster trains as many runs at once as its CPUs and GPUs allow")
    gpus = number("gpus", given["gpus"], least=0) if "gpus" in given else None
    if gpus is not None and gpus > 1:
        raise InputError("--engine-option: gpus: a run trains on one GPU or a part of one")
    cpus = number("cpus", given["cpus"], least=0) if "cpus" in given else 1.0
    return RayOptions(address=address, cpus=cpus, gpus=gpus, workers=workers)


RETRIES = 100
"""How often Ray starts a task anew that lost its worker; a run that gets nowhere ends sooner, by its attempts."""

BUSY = "busy"
REACH_SECONDS = 10.0
WAIT_SECONDS = 10.0
"""How long a task waits for a run that another process holds: a dead one's lock is soon free."""


@dataclass
class RayEngine:
    """Trains runs as tasks of Ray.

    Args:
        poll_seconds: how often progress is looked for.
    """

    settings: EngineSettings
    options: RayOptions
    poll_seconds: float = 1.0
    checkpoint_seconds: float = 15.0

    def run_all(self, runs: Sequence[Run]) -> Iterator[Event]:
        """Train all runs; runs that others train are waited for.

        Raises:
            InputError: there is no cluster at the address, or it has no GPU where one was asked for.
        """
        import ray

        store = self.settings.store
        with _connected(self.options):
            of, jobs = self.settings, [[run] for run in runs]
            folder = new_batch(store, "ray", of.grid, jobs, device=of.device, keep_weights=of.keep_weights)
            task = ray.remote(**self._resources())(train)
            pending = {task.remote(*self._arguments(run, folder)): run for run in runs}
            follower, busy = Follower(store), list[Run]()
            while pending or busy:
                done, _ = ray.wait(list(pending), num_returns=1, timeout=self.poll_seconds) if pending else ([], [])
                if done and len(pending) > 1:  # short runs come in many at once
                    done, _ = ray.wait(list(pending), num_returns=len(pending), timeout=0)
                for reference in done:
                    run = pending.pop(reference)
                    result = self._result(reference, run)
                    if result is None:
                        busy.append(run)
                    else:
                        yield Finished(run, result)
                if not done:
                    yield from follower.progress([*pending.values(), *busy])
                    pending |= {task.remote(*self._arguments(run, folder)): run for run in busy}
                    busy.clear()

    def _result(self, reference: Any, run: Run) -> Result | None:
        """What a task left; None when another process trains the run."""
        import ray

        try:
            text = ray.get(reference)
        except ray.exceptions.RayError as error:
            reason = f"Ray gave it up: {type(error).__name__}: {error}"
            return given_up(run, self.settings.store, reason)
        return None if text == BUSY else Result.model_validate_json(text)

    def _arguments(self, run: Run, folder: BatchFolder) -> tuple[str, str, AttemptOptions]:
        settings = self.settings
        options = AttemptOptions(
            device=settings.device,
            keep_weights=settings.keep_weights,
            checkpoint_seconds=self.checkpoint_seconds,
            batch=folder.id,
        )
        return run.model_dump_json(exclude_defaults=True), str(settings.store.root.resolve()), options

    def _resources(self) -> dict[str, Any]:
        """What a task takes, and that it is started anew."""
        import ray

        there = ray.cluster_resources()
        gpus = self.options.gpus
        if gpus is None:
            gpus = float(self.settings.device in {"auto", "cuda"} and there.get("GPU", 0) >= 1)
        if gpus > there.get("GPU", 0) or (self.settings.device == "cuda" and not gpus):
            raise InputError(f"--engine ray: the cluster has {there.get('GPU', 0):g} GPUs")
        if self.options.cpus > there.get("CPU", 0):
            raise InputError(
                f"--engine ray: a run asks for {self.options.cpus:g} CPUs, the cluster has {there['CPU']:g}"
            )
        return {"num_cpus": self.options.cpus, "num_gpus": gpus, "max_retries": RETRIES}


def train(text: str, root: str, options: AttemptOptions) -> str:
    """The task, in a worker of Ray: the result of a run as JSON, or that another process trains it.

    Args:
        text: the run as JSON.
        root: of the store.
    """
    from dlth_bench.training.environment import prepare_process  # torch: slow to import

    prepare_process()
    try:
        result = attempt(
            Run.model_validate_json(text),
            Store(Path(root)),
            wait_seconds=WAIT_SECONDS,
            report=lambda stage, step, total: None,
            **options,
        )
    except Busy:
        return BUSY
    return result.model_dump_json(exclude_defaults=True)


@contextmanager
def _connected(options: RayOptions) -> Iterator[None]:
    """A connection to the cluster, started and ended here where it is local.

    The address is always given: what an unclean end of an older cluster left would otherwise be taken for a live one.
    """
    _reachable(options.address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a benchmark does not phone home
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a run without a GPU is left what it sees
    import ray

    if ray.is_initialized():
        yield
        return
    local = {"num_cpus": options.workers, "include_dashboard": False} if options.address == "local" else {}
    try:
        ray.init(address=options.address, log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        problem = printable(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
        raise InputError(f"--engine ray: no cluster at {quoted(options.address)}: {problem}") from None
    try:
        yield
    finally:
        ray.shutdown()


def _reachable(address: str) -> None:
    """Refuse at once an address where nobody listens: Ray itself would try for minutes."""
    match = re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:([0-9]{1,5})", address)
    if match is None:
        return
    try:
        socket.create_connection((match[1], int(match[2])), timeout=REACH_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--engine ray: no cluster at {quoted(address)}: {error}") from None


def ray_engine(settings: EngineSettings) -> RayEngine:
    """The engine that settings and their ``key=value`` options describe; raises InputError for an unknown option."""
    return RayEngine(settings, ray_options(settings.options, settings.workers))
