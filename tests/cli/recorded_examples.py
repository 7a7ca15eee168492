"""Made-up training dynamics on samples of Glyphs, for the tests of ``select``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.runs.dynamics_file import DynamicsHeader, write_dynamics

SAMPLES = sample_catalog("glyphs", 48)


def recorded(path: Path, ids: tuple[str, ...] = SAMPLES.sample_ids, **header: Any) -> Path:
    """Random dynamics of five epochs on samples of Glyphs."""
    rng = np.random.default_rng(len(path.stem))
    told = {"dataset": "glyphs", "class_ids": SAMPLES.class_ids, "config": path.stem} | header
    classes = {class_id: label for label, class_id in enumerate(told["class_ids"])}
    labels = np.array([classes[item.partition("/")[0]] for item in ids])
    shape = (5, len(ids))
    tensors: dict[str, Any] = {
        name: rng.random(shape, dtype=np.float32) for name in ("error_norm", "entropy", "confidence", "margin")
    }
    tensors["correct"] = (rng.random(shape) < 0.4 + 0.1 * len(path.stem)).astype(np.uint8)
    tensors["features"] = rng.normal(size=(len(ids), 8)).astype(np.float16)
    write_dynamics(path, DynamicsHeader(**told), ids, labels, tensors)
    return path


def broken_dynamics(folder: Path, wanted: str) -> list[Path]:
    """Files of dynamics that do not fit, as far as they are wanted."""
    few = SAMPLES.sample_ids[:480]
    more = (sample_catalog("glyphs").sample_ids[100], *few)
    imagenet = class_catalog("imagenet").ids[:2]
    makers: dict[str, Any] = {
        "few": lambda path: recorded(path, few),
        "more": lambda path: recorded(path, tuple(sorted(set(more)))),
        "other": lambda path: recorded(path, (f"{imagenet[0]}/1",), dataset="imagenet", class_ids=imagenet),
        "strange": lambda path: recorded(path, ("Z/1",), class_ids=("Z", "Y")),
        "bare": lambda path: without(path, features=None),
        "nan": lambda path: without(path, entropy=np.nan),
    }
    return [make(folder / f"{name}.safetensors") for name, make in makers.items() if f"{{{name}." in wanted]


def without(path: Path, **changes: float | None) -> Path:
    """Dynamics of few samples that lack a tensor, or hold a wrong number."""
    ids = SAMPLES.sample_ids[:96]
    labels = np.repeat([0, 1], 48)
    tensors: dict[str, Any] = {
        "correct": np.ones((2, 96), dtype=np.uint8),
        "entropy": np.ones((2, 96), dtype=np.float32),
        "features": np.ones((96, 3), dtype=np.float32),
    }
    for name, value in changes.items():
        if value is None:
            del tensors[name]
        else:
            tensors[name][-1, 5] = value
    header = DynamicsHeader(dataset="glyphs", class_ids=SAMPLES.class_ids, config=path.stem)
    write_dynamics(path, header, ids, labels, tensors)
    return path
