"""A digest of what short trainings leave: weights, loss curves, scores and FLOPs, of every config of some protocols.

    python tests/speed/result_digests.py [--protocols glyphs-ssl@3 glyphs-supervised@1] [--classes 10] [--epochs 3]

A change that is for speed alone must leave every line as it is. Run it before and after, on the same CPU:

    python tests/speed/result_digests.py > after
    PYTHONPATH=OLD/benchmark python tests/speed/result_digests.py > before; diff before after
"""

from __future__ import annotations

import argparse
import sys
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from dlth_bench.datasets.dataset import Dataset
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import Duration
from dlth_bench.runs.run import Result, Run
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.environment import quiet_libraries
from dlth_bench.training.train_run import train_run


def shortened(config: Config, epochs: int) -> Config:
    """The config with its stages cut to some epochs; schedules shrink along."""
    train = config.train.model_copy(update={"duration": Duration(epochs=epochs)})
    evaluation = config.evaluation
    if evaluation is not None:
        short = evaluation.train.model_copy(update={"duration": Duration(epochs=epochs)})
        evaluation = evaluation.model_copy(update={"train": short})
    return config.model_copy(update={"train": train, "evaluation": evaluation})


def executed(run: Run, dataset: Dataset, folder: Path) -> Result:
    """Without checkpoints, whose steps depend on the clock."""
    return train_run(run, dataset, folder=folder, keep_encoder=True, device="cpu", checkpoint_seconds=1e9)


def without_times(facts: Any) -> Any:
    """A result, or a part of it, without all that is in seconds, which no two runs have in common."""
    if isinstance(facts, dict):
        return {key: without_times(value) for key, value in facts.items() if not key.endswith("seconds")}
    return type(facts)(without_times(each) for each in facts) if isinstance(facts, list | tuple) else facts


def digest_of(folder: Path, result: bytes) -> str:
    """Of all tensors that a run left in its folder, and of its result."""
    state = blake2b(result, digest_size=12)
    for path in sorted(folder.glob("*.safetensors")):
        tensors, header = load_tensors(path) or ({}, {})
        state.update(repr(header.get("curve_loss")).encode())
        for name in sorted(tensors):
            state.update(name.encode() + np.ascontiguousarray(tensors[name].numpy()).tobytes())
    return state.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocols", nargs="+", default=["glyphs-ssl@3", "glyphs-supervised@1"])
    parser.add_argument("--configs", nargs="+", help="all by default")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=3)
    asked = parser.parse_args()
    quiet_libraries()
    torch.set_num_threads(1)
    for key in asked.protocols:
        protocol = find_protocol(key)
        dataset = protocol_dataset(protocol.data)
        for config in protocol.configs:
            if asked.configs and config.name not in asked.configs:
                continue
            short = shortened(config, asked.epochs)
            run = Run(data=protocol.data, config=short, class_ids=dataset.catalog.ids[: asked.classes], seed=0)
            with TemporaryDirectory() as folder:
                result = executed(run, dataset, Path(folder))
                facts = without_times(result.model_dump(exclude={"environment", "peak_memory_bytes"}))
                digest = digest_of(Path(folder), repr(facts).encode())
            sys.stdout.write(f"{protocol.key} {config.name} {digest} {result.accuracy}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
