"""Processes that train runs together: the first decides and stores, the others follow it.

All are started by the same command, by ``torchrun`` or by the first of them. The first one does what that command does
anyway and tells the others which run comes next; they know nothing of the store, and print nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.runs.run import Run, Tuning


def started_by_torchrun() -> bool:
    """Whether other processes of this command may be there already."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def started_devices() -> int:
    """How many processes ``torchrun`` started, on all machines; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if started_by_torchrun() else 1


def follows(devices: int) -> bool:
    """Whether this process is not the first of those that train on so many devices."""
    return devices > 1 and int(os.environ.get("RANK" if started_by_torchrun() else "LOCAL_RANK", "0")) > 0


def follow(device: str, tuning: Tuning) -> None:
    """Train what the first process says, until it says that nothing is left."""
    import torch

    from dlth_bench.training.environment import prepare_process
    from dlth_bench.training.parallel.processes import broadcast_from_first, launch
    from dlth_bench.training.train_run import train_run

    prepare_process()
    launch(device, tuning.devices)
    torch.set_num_threads(1)  # launching may have set another number
    while (text := broadcast_from_first(_not_first)) is not None:
        run = Run.model_validate_json(text)
        train_run(run, protocol_dataset(run.data), device=device, tuning=tuning)
    leave()


def _not_first() -> str | None:
    raise RuntimeError("only the first process says what to train")


def call_followers(run: Run, device: str, tuning: Tuning) -> None:
    """Have all other processes begin a run, which this one is about to begin."""
    from dlth_bench.training.parallel.processes import broadcast_from_first, launch

    launch(device, tuning.devices)
    broadcast_from_first(lambda: run.model_dump_json(exclude_defaults=True))


def leave() -> None:
    """Close the process group; processes in the middle of a run end with an error."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def leading(device: str, devices: int) -> Iterator[None]:
    """While the block runs the other processes wait to be called; when it ends, in whatever way, they end."""
    begun = started_by_torchrun() and devices > 1
    if begun:
        from dlth_bench.training.parallel.processes import launch

        launch(device, devices)
    try:
        yield
    finally:
        if devices > 1:
            _dismiss()


def _dismiss() -> None:
    if "torch.distributed" not in sys.modules:  # slow to import, and nobody was called without it
        return
    from dlth_bench.training.parallel.processes import broadcast_from_first, processes

    if processes() > 1:
        broadcast_from_first(lambda: None)
        leave()
