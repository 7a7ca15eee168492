"""What a user may say about Slurm jobs, and the sbatch parameters that it amounts to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dlth_bench.harness.engines.options import key_values, number, whole
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted

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
        extra: dict[str, Any] = {"requeue": True, **dict(self.named)}
        chosen: dict[str, Any] = {
            "job_name": name,
            "time": self.minutes,
            "signal_delay_s": self.grace,
            "cpus_per_task": self.at_once if self.cpus is None else self.cpus,
            "array_parallelism": self.parallel,
            "additional_parameters": extra,
        }
        if self.gpus:
            chosen["gpus_per_node"] = self.gpus
        if self.mem_gb is not None:
            chosen["mem"] = f"{round(self.mem_gb * 1024)}M"
        if self.setup:
            chosen["setup"] = list(self.setup)
        return chosen


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
