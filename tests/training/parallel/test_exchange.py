"""Two processes with half of the batch-norm groups each compute what one process computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file
from tiny_training import GREY, moco_spec, random_views
from torch import Tensor, nn

from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.moco import MoCo
from dlth_bench.training.parallel.processes import (
    BatchSplit,
    broadcast_from_first,
    compute_in_shards,
    gather,
    gather_with_gradient,
    own_part,
    processes,
    sum_over_processes,
)

PROCESSES, BATCH, GROUPS, STEPS = 2, 8, 4, 3


def _moco() -> MoCo:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return MoCo(moco_spec(batch_norm_groups=GROUPS), encoder, 4, GREY).train()


def _trained() -> dict[str, Tensor]:
    """Loss, keys and first gradient of three steps; each process takes its part of every batch."""
    method, losses = _moco(), []
    split = BatchSplit.of(BATCH) if processes() > 1 else None
    if split is not None:
        method.share(split)
    for step in range(STEPS):
        torch.manual_seed(step)
        views = tuple(own_part(random_views(BATCH, seed=10 * step + view), split) for view in range(2))
        loss = method(views, torch.zeros(len(views[0]), dtype=torch.long), Moment(step, STEPS))
        method.zero_grad()
        loss.backward()
        losses.append(loss.detach())
    gradient = method.encoder[0].weight.grad  # type: ignore[union-attr]
    return {"losses": torch.stack(losses), "queue": method.queue, "gradient": gradient}


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    save_file({name: t.contiguous() for name, t in _trained().items()}, f"{folder}/{rank}.safetensors")
    dist.destroy_process_group()


def test_one_process_exchanges_nothing() -> None:
    """All is its own."""
    tensor = torch.arange(6)
    assert processes() == 1
    assert (
        gather(tensor, None) is tensor
        and gather_with_gradient(tensor, None) is tensor
        and own_part(tensor, None) is tensor
    )
    assert sum_over_processes(tensor) is tensor and broadcast_from_first(lambda: tensor) is tensor
    assert torch.equal(compute_in_shards(lambda share: tensor[share], 6), tensor)


@pytest.mark.slow
def test_moco_on_two_processes_is_moco_on_one(tmp_path: Path) -> None:
    """The same keys in the same queue on both, and losses and gradients whose means are the one process's."""
    expected = _trained()
    mp.spawn(_process, (str(tmp_path),), nprocs=PROCESSES)
    parts = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(PROCESSES)]
    for part in parts:
        torch.testing.assert_close(part["queue"], expected["queue"])
    for name in ("losses", "gradient"):
        mean = torch.stack([part[name] for part in parts]).mean(0)
        torch.testing.assert_close(mean, expected[name], atol=1e-5, rtol=1e-4)
