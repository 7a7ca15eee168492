"""What a machine trains with: processor, memory, GPU and room on its disks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from dlth_bench.datasets.location import cache_folder
from dlth_bench.harness.doctor.checks import Check

LEAST_MEMORY = 2e9
"""Bytes; a run of glyphs-ssl takes 1.1 GB (peak memory of stored results)."""

LEAST_DISK = 1e9
"""Bytes; far above what the laptop protocols need: a stored run takes 0.07 MB (mean of 473)."""


def machine_checks(store: Path) -> list[Check]:
    """Processor, memory, GPU, and the disks of the store and of the cache; imports torch."""
    places = {"disk of the store": store, "disk of the cache": cache_folder()}
    return [_processor_check(), _memory_check(), *_gpu_checks(), *(disk_check(*item) for item in places.items())]


def _processor_check() -> Check:
    import torch

    from dlth_bench.training.environment import processor_name

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"{processor_name()}, {cores} cores; torch would take {torch.get_num_threads()} threads, a run takes 1"
    return Check(name="processor", status="ok", found=found)


def _memory_check() -> Check:
    total, free = memory_bytes()
    found = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free"
    if free < LEAST_MEMORY:
        advice = f"a run takes {LEAST_MEMORY / 1e9:.0f} GB or more: train with fewer --workers"
        return Check(name="memory", status="warn", found=found, advice=advice)
    return Check(name="memory", status="ok", found=found)


def memory_bytes() -> tuple[int, int]:
    """Memory in all and free for this process, as the machine and, in a container, its limit have it."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    idle = os.sysconf("SC_AVPHYS_PAGES") * page if "SC_AVPHYS_PAGES" in os.sysconf_names else total
    free = _linux_available() or idle
    limit, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    if limit is not None and limit < total:
        total, free = limit, min(free, max(0, limit - (used or 0)))
    return total, free


def _linux_available() -> int | None:
    """What Linux can give without swapping, which is more than what lies idle."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _gpu_checks() -> list[Check]:
    import torch

    if torch.cuda.is_available():
        return [_cuda_check(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        return [Check(name="GPU", status="ok", found="Apple's, by MPS")]
    if Path("/proc/driver/nvidia/version").exists():
        advice = f"torch {torch.__version__} cannot use it: install one built for the driver's CUDA"
        found = "there is an NVIDIA driver, but torch finds no GPU"
        return [Check(name="GPU", status="warn", found=found, advice=advice)]
    return [Check(name="GPU", status="ok", found="none; runs are trained on processors")]


def _cuda_check(index: int) -> Check:
    import torch

    about = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    found = f"{about.name}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free, CUDA {torch.version.cuda}"
    wanted, known = f"sm_{about.major}{about.minor}", torch.cuda.get_arch_list()
    if known and not any(arch.startswith(f"sm_{about.major}") or arch == wanted for arch in known):
        advice = f"this torch has no code for {wanted}: install one that has"
        return Check(name=f"GPU {index}", status="fail", found=found, advice=advice)
    return Check(name=f"GPU {index}", status="ok", found=found)


def disk_check(name: str, folder: Path) -> Check:
    """Room where a folder is or would be made, and whether it can be written to."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(name=name, status="fail", found=f"{place} cannot be written to", advice="name another folder")
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB are free for {folder}"
    if free < LEAST_DISK:
        return Check(name=name, status="fail", found=found, advice="make room, or name another folder")
    return Check(name=name, status="ok", found=found)
