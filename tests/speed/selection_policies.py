"""How long every selection policy takes on input as large as ImageNet-1K, and how much memory.

    python tests/speed/selection_policies.py [--folder DIR] [--samples 1281167] [--only kcenter ...]

Makes synthetic input (about 2 GB in a temporary folder unless one is named), then calls ``dlth-bench select`` once a
policy, each in a process of its own, and prints its wall time, its CPU time and the most memory it held (Linux).
Files that are mapped count as memory as far as they were read.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tabulate import tabulate

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.runs.dynamics_file import DynamicsHeader, write_dynamics
from dlth_bench.selection.registry import class_policies, sample_policies

SELECT = """
import re, sys
from pathlib import Path
from dlth_bench.cli.main import main
try:
    main()
finally:
    peak = re.search(r"VmHWM:\\s*([0-9]+)", Path("/proc/self/status").read_text())
    sys.stderr.write("\\n" + peak[1])
"""
"""A process that ends by telling its own peak memory in KiB; what the parent can ask for includes the parent's."""

EPOCHS, DIMENSIONS, EMBEDDING, CONFIGS = 90, 64, 768, 4
COLUMNS = ("policy", "seconds", "CPU seconds", "GiB", "")
IMAGENET = class_catalog("imagenet").ids


def make_classes(folder: Path, rng: np.random.Generator) -> None:
    """Accuracies of ``CONFIGS`` models on each class, better from model to model, and embeddings."""
    difficulty = rng.uniform(0.1, 0.9, len(IMAGENET))
    for model in range(CONFIGS):
        rows = np.clip(difficulty + 0.03 * model + rng.normal(0, 0.02, len(IMAGENET)), 0, 1)
        lines = (f"{item},{accuracy:.4f}\n" for item, accuracy in zip(IMAGENET, rows, strict=True))
        (folder / f"model{model}.csv").write_text("class,accuracy\n" + "".join(lines))
    np.save(folder / "embeddings.npy", rng.normal(size=(len(IMAGENET), EMBEDDING)))


def make_samples(folder: Path, rng: np.random.Generator, count: int) -> None:
    """Dynamics of a model with everything, of ``CONFIGS`` models with correctness alone, and tables."""
    labels = np.sort(rng.integers(len(IMAGENET), size=count))
    ids = [f"{IMAGENET[label]}/{IMAGENET[label]}_{number}" for number, label in enumerate(labels.tolist())]
    (folder / "samples.csv").write_text("sample\n" + "".join(f"{item}\n" for item in ids))
    ease = rng.normal(0.5, 1.0, count).astype(np.float32)
    for model in range(CONFIGS):
        header = DynamicsHeader(dataset="imagenet", class_ids=IMAGENET, config=f"model{model}")
        correct = np.empty((EPOCHS, count), dtype=np.uint8)
        for epoch in range(EPOCHS):
            noise = rng.standard_normal(count, dtype=np.float32)
            correct[epoch] = ease + 0.2 * model + 2 * epoch / EPOCHS - 1 + noise > 0
        write_dynamics(folder / f"model{model}.safetensors", header, ids, labels, {"correct": correct})
    scores = {
        name: rng.random((EPOCHS, count), dtype=np.float32).astype(np.float16)
        for name in ("error_norm", "entropy", "confidence", "margin")
    }
    centres = rng.standard_normal((len(IMAGENET), DIMENSIONS), dtype=np.float32)
    features = (centres[labels] + rng.standard_normal((count, DIMENSIONS), dtype=np.float32)).astype(np.float16)
    tensors = {"correct": correct, **scores, "features": features}
    header = DynamicsHeader(dataset="imagenet", class_ids=IMAGENET, config="whole")
    write_dynamics(folder / "whole.safetensors", header, ids, labels, tensors)


def arguments(folder: Path, count: int) -> dict[str, list[str]]:
    """How each policy is asked, by name."""
    size, table = ["--size", str(count // 10)], ["--samples", str(folder / "samples.csv")]
    whole = [*size, "--dynamics", str(folder / "whole.safetensors")]
    pool = [word for model in range(CONFIGS) for word in ("--accuracies", str(folder / f"model{model}.csv"))]
    runs = [word for model in range(CONFIGS) for word in ("--dynamics", str(folder / f"model{model}.safetensors"))]
    classes = {policy.name: ["--size", "100"] for policy in class_policies()}
    for name in classes:
        classes[name] += pool[:2] if name.startswith("pd-") else []
    classes["erc"] += pool
    classes["sec"] += ["--embeddings", str(folder / "embeddings.npy")]
    samples = {policy.name: whole for policy in sample_policies() if "search" not in policy.needs}
    samples |= {"rs": ["--unit", "sample", *size, *table], "rs-balanced": [*size, *table], "nir": [*size, *table]}
    samples |= {"consistent": [*size, *runs], "kcenter": [*whole, "--balanced"]}
    return {f"{name} (classes)": [name, *words] for name, words in classes.items()} | {
        f"{name} (samples)": [name, *words] for name, words in samples.items()
    }


def measured(words: list[str], output: Path) -> tuple[float, float, float, str]:
    """Wall and CPU seconds and peak memory in GiB of one selection in a process of its own, and what went wrong."""
    command = [sys.executable, "-c", SELECT, "select", *words, "-d", "imagenet", "-o", str(output)]
    before, started = os.times(), time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    *told, peak = done.stderr.strip().splitlines()
    verdict = "" if done.returncode == 0 else f"FAILED: {told[-1] if told else done.returncode}"
    return seconds, cpu, int(peak) / 2**20, verdict


def main() -> None:
    """Make what is not there yet, run every policy, print a table; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the input lies or is made")
    parser.add_argument("--samples", type=int, default=1_281_167)
    parser.add_argument("--only", nargs="*", default=[], help="only these policies")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "whole.safetensors").exists():
            make_classes(folder, np.random.default_rng(0))
            make_samples(folder, np.random.default_rng(1), asked.samples)
        rows = []
        for name, words in arguments(folder, asked.samples).items():
            if not asked.only or words[0] in asked.only:
                rows.append((name, *measured(words, folder / "chosen.txt")))
                sys.stdout.write("{}: {:.1f} s, CPU {:.1f} s, {:.2f} GiB {}\n".format(*rows[-1]))
                sys.stdout.flush()
    sys.stdout.write("\n" + tabulate(rows, COLUMNS, floatfmt=("", ".1f", ".1f", ".2f")) + "\n")
    sys.exit(any(verdict for *_, verdict in rows))


if __name__ == "__main__":
    main()
