"""Slurm's queue, as far as it can be asked."""

from __future__ import annotations

import getpass
import subprocess

from dlth_bench.harness.batch import queue_name

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
