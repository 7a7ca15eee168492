"""The GPUs of this machine, found without loading torch, which would take seconds and memory of one of them."""

from __future__ import annotations

import os
from pathlib import Path

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
