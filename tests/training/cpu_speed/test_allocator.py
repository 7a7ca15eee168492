"""Memory that is freed and taken again."""

from __future__ import annotations

import resource

import pytest
import torch

from dlth_bench.training.cpu_speed.allocator import keep_freed_memory
from dlth_bench.training.environment import peak_memory_bytes, reset_peak_memory


def test_steps_do_not_ask_the_system_for_the_same_memory_again() -> None:
    """Forty megabytes are ten thousand pages; taken again after they were freed, they cost next to no page faults."""
    if not keep_freed_memory():
        pytest.skip("not glibc")

    def step() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        tensors = [torch.ones(2**20) for _ in range(10)]
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        tensors.clear()
        return faults

    step()
    assert min(step() for _ in range(3)) < 1000


def test_memory_that_an_earlier_run_left_does_not_count_for_the_next_one() -> None:
    """A worker keeps what it frees, and a result tells the peak of its own run."""
    if not keep_freed_memory():
        pytest.skip("not glibc")
    device, megabytes = torch.device("cpu"), 400
    reset_peak_memory(device)
    tensors = [torch.ones(2**18) for _ in range(megabytes)]
    high = peak_memory_bytes(device)
    tensors.clear()
    reset_peak_memory(device)
    assert peak_memory_bytes(device) < high - megabytes * 2**20 // 2
