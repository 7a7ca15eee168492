"""What a run was computed with."""

from __future__ import annotations

import logging
import platform
import resource
import subprocess
import sys
import warnings
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

import dlth_bench
from dlth_bench.runs.run import Environment
from dlth_bench.training.cpu_speed.allocator import keep_freed_memory, release_freed_memory

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
"""Linux's own count of a process's peak memory, which writing 5 to the first resets."""


def environment(device: torch.device, devices: int = 1) -> Environment:
    """Versions, hardware and commit of this process, which is one of as many as there are devices."""
    return Environment(
        package=dlth_bench.__version__,
        commit=checkout_commit(),
        python=platform.python_version(),
        torch=torch.__version__,
        timm=version("timm"),
        lightly=version("lightly"),
        lightning=version("lightning"),
        platform=f"{platform.system()} {platform.machine()}",
        device=device_name(device),
        devices=devices,
        threads=torch.get_num_threads(),
    )


def device_name(device: torch.device) -> str:
    """The model name of a GPU or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor_name()


@cache
def processor_name() -> str:
    """The processor's model name; the architecture where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


@cache
def checkout_commit() -> str:
    """The commit of the checkout that holds this package; empty when it is installed elsewhere."""
    folder = Path(dlth_bench.__file__).parents[2]
    if not (folder / "protocols").is_dir():
        return ""
    try:
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def reset_peak_memory(device: torch.device) -> None:
    """Start measuring `peak_memory_bytes` anew, since a process trains many runs."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR_REFS.exists():
        release_freed_memory()  # what an earlier run left counts for none
        with suppress(OSError):  # not every container allows it; the peak is then the process's so far
            _CLEAR_REFS.write_text("5")


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held since `reset_peak_memory`: on the GPU, else resident in this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if _STATUS.exists():
        peaks = [line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        if peaks:
            return int(peaks[0]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def quiet_libraries() -> None:
    """Lower Lightning's chatter to errors and drop warnings that a user can do nothing about."""
    import lightning.fabric  # noqa: F401 - it sets the level of its chatter when it is imported

    for name in ("lightning.fabric", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"lightning.*")
    # Of several processes: an option's new name, and that most networks have no unused parameters.
    warnings.filterwarnings("ignore", message=r".*broadcast_buffers.*")
    warnings.filterwarnings("ignore", message=r".*find_unused_parameters.*")
    # lightly's DINO head uses torch's first weight_norm, as the original does.
    warnings.filterwarnings("ignore", category=FutureWarning, message=r".*weight_norm.*")


def prepare_process(threads: int = 1) -> None:
    """Make this process ready to train: no chatter, freed memory kept, and so many CPU threads.

    More than one thread a core makes all of them slower, and results depend on their number in the last bit.
    """
    quiet_libraries()
    keep_freed_memory()
    torch.set_num_threads(threads)
