"""How fast a step runs and how much of a GPU it uses: throughput, kernels' time, the peak rate, and waits."""

from __future__ import annotations

import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from dlth_bench.cli.shared.estimates import GPUS
from dlth_bench.training.flops import FlopCounter

Step = Callable[[], object]

TENSOR_CORES = {
    "V100": (None, 125.0),
    "A100": (156.0, 312.0),
    "4090": (82.6, 165.2),
    "H100": (494.7, 989.4),
    "H200": (494.7, 989.4),
}
"""Dense TFLOP/s in TF32 and in half precision with single sums, of the sources named in ``GPUS``; None: it has none.

Datasheets that give twice as much count zeros of sparse matrices.
"""


@dataclass(frozen=True)
class Peak:
    """A GPU's rate at best, and in which arithmetic."""

    tflops: float
    arithmetic: str


@dataclass(frozen=True)
class Use:
    """What a way of training does on a device.

    idle: share of the time in which no kernel and no copy runs on the GPU; None on a CPU.
    waits: how often a step makes the host wait for the GPU, by the lines that do; those that torch knows of.
    """

    images_per_second: float
    idle: float | None
    waits: dict[str, float]


def use(step: Step, images: int, device: torch.device, *, warm_up: int, steps: int, traced: int) -> Use:
    """Of a step on so many images, after a warm-up; ``traced`` further steps show kernels, and as many show waits."""
    for _ in range(warm_up):
        step()
    seconds = _seconds(step, steps, device) / steps
    if device.type != "cuda":
        return Use(images / seconds, None, {})
    busy = _busy_seconds(step, traced, device) / traced
    return Use(images / seconds, max(0.0, 1 - busy / seconds), _waits(step, traced))


def _seconds(step: Step, steps: int, device: torch.device) -> float:
    _synchronize(device)
    began = time.perf_counter()
    for _ in range(steps):
        step()
    _synchronize(device)
    return time.perf_counter() - began


def _busy_seconds(step: Step, steps: int, device: torch.device) -> float:
    """Time in which at least one kernel or copy ran. Tracing slows the host, and kernels hardly."""
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        for _ in range(steps):
            step()
        _synchronize(device)
    on_gpu = (e for e in trace.events() or () if e.device_type == DeviceType.CUDA and not e.is_user_annotation)
    return covered([(e.time_range.start, e.time_range.end) for e in on_gpu]) / 1e6


def covered(intervals: list[tuple[float, float]]) -> float:
    """Length of the union of intervals."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _waits(step: Step, steps: int) -> dict[str, float]:
    """Lines of code that wait for the GPU, each with how often a step does."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            for _ in range(steps):
                step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    told = [each for each in heard if "synchroniz" in str(each.message) and "prototype" not in str(each.message)]
    lines = Counter(f"{'/'.join(Path(each.filename).parts[-2:])}:{each.lineno}" for each in told)
    return {line: count / steps for line, count in lines.most_common()}


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def fastest_convolutions() -> Iterator[None]:
    """Inside, cuDNN tries its algorithms at first and keeps the fastest, as the official code has it do."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def counted_flops(step: Step) -> float:
    """Floating-point operations of one step, a multiply-add counted as two."""
    with FlopCounter() as counter:
        step()
    return counter.flops


def peak(device: torch.device, *, half: bool, convolutions: bool) -> Peak | None:
    """Of the arithmetic that the networks run in here; None for a device whose rate is not known.

    What torch calls single precision is TF32 on tensor cores in convolutions unless that is switched off, and in matrix
    products if it is switched on.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    model = next((model for model in TENSOR_CORES if re.search(rf"\b{model}\b", name)), None)
    if model is None:
        return None
    tf32, halves = TENSOR_CORES[model]
    if half:
        return Peak(halves, "half")
    if tf32 and (torch.backends.cudnn.allow_tf32 if convolutions else torch.backends.cuda.matmul.allow_tf32):
        return Peak(tf32, "TF32")
    return Peak(next(gpu.tflops for gpu in GPUS if model in gpu.name), "fp32")
