"""The environment in which processes that an engine starts train nothing; see ``no_training/sitecustomize.py``."""

from __future__ import annotations

import os
from pathlib import Path

NO_TRAINING = Path(__file__).parent / "no_training"


def idle_environment(log: Path, seconds: float = 0.0) -> dict[str, str]:
    """For processes that pretend to train for so many seconds a run, and write down what they begin."""
    path = os.pathsep.join(filter(None, [str(NO_TRAINING), os.environ.get("PYTHONPATH", "")]))
    return {
        "PYTHONPATH": path,
        "NO_TRAINING_LOG": str(log),
        "NO_TRAINING_SECONDS": str(seconds),
        "NO_TRAINING_NO_TORCH": "1",
    }


def begun(log: Path) -> list[tuple[str, bool]]:
    """Every training that began, in order: the run's digest, and whether the run had a result already."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(line.split()[0], line.split()[1] == "True") for line in lines]
