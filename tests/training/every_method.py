"""One short run of every training method, and of every part of a recipe that draws or couples samples.

As a script it trains them in however many processes it is started in and writes their results:
``torchrun --nproc_per_node 2 every_method.py results.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from tiny_training import ADAMW, CONFIGS, EVERYTHING, RESNET, SGD, VIT, dino_spec, moco_spec, tiny_run, train_spec

from dlth_bench.datasets.dataset import Dataset
from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.methods import LinearSpec, MethodSpec, SupervisedSpec, WeightAverageSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import AugmentSpec, LibrarySpec, OptimizerSpec
from dlth_bench.runs.run import Result, Run, Tuning

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))  # agnews_files, when this is a script

STEPS = 4
CALM = SGD.model_copy(update={"lr": 0.01})
"""It does not amplify rounding from step to step, as Adam does, whose first updates are signs of gradients."""

PROBE = LinearSpec(kind="linear", features="pooled", train=train_spec(CALM, STEPS))
LIBRARY = LibrarySpec(kind="timm", name="test_resnet")
_TWO_VIEWS: dict[str, dict[str, Any]] = {
    "barlow_twins": {"loss_scale": 0.1},
    "byol": {"predictor_dim": 10, "momentum": 0.9},
    "nnclr": {"predictor_dim": 10, "temperature": 0.2, "queue": 20},
    "simclr": {"temperature": 0.2},
    "simsiam": {"predictor_dim": 10},
    "swav": {"prototypes": 9, "queue": 16, "queue_start": 0.5, "freeze_prototypes": 0.3},
    "vicreg": {},
}


def _short(config: Config, batch_size: int = 8, **changes: Any) -> Config:
    train = config.train.model_copy(update={"batch_size": batch_size, "duration": PROBE.train.duration})
    if train.optimizer.kind == "sgd" or "optimizer" in changes:
        train = train.model_copy(update={"optimizer": changes.pop("optimizer", CALM)})
    evaluation = changes.pop("evaluation", config.evaluation)
    if evaluation is not None:
        evaluation = evaluation.model_copy(
            update={"train": evaluation.train.model_copy(update={"duration": PROBE.train.duration})}
        )
    return config.model_copy(update={"train": train, "evaluation": evaluation} | changes)


def _two_views(kind: str, options: dict[str, Any]) -> Config:
    values = {"kind": kind, "views": (EVERYTHING, EVERYTHING), "hidden_dim": 12, "dim": 6} | options
    method = TypeAdapter(MethodSpec).validate_python(values)
    train = train_spec(CALM, STEPS)
    return Config(name=kind, title=kind, backbone=RESNET, method=method, train=train, evaluation=PROBE)


def _supervised(name: str, backbone: Any, policy: str, optimizer: OptimizerSpec, batch_size: int) -> Config:
    """Labels, with everything that mixes, drops, erases or averages."""
    augment = AugmentSpec(crop_scale=(0.4, 1.0), flip=0.5, policy=policy, erase=0.5, erase_noise=True)
    average = WeightAverageSpec(decay=0.5, every=2)
    method = SupervisedSpec(
        kind="supervised", augment=augment, label_smoothing=0.1, mixup=0.4, cutmix=1.0, weight_average=average
    )
    train = train_spec(optimizer, STEPS, batch_size)
    return Config(name=name, title=name, backbone=backbone, method=method, train=train)


def _configs() -> dict[str, Config]:
    dropping = VIT.model_copy(update={"drop_path": 0.4})
    moco = CONFIGS["moco"]
    every = [
        _short(moco, evaluation=PROBE.model_copy(update={"augment": EVERYTHING, "batch_norm": True})),
        _short(moco, 16, name="moco-groups", backbone=LIBRARY, method=moco_spec(batch_norm_groups=4, mlp=False)),
        _short(moco, name="moco-symmetric", method=moco_spec(symmetric=True, final_momentum=1.0)),
        _short(CONFIGS["dino"], batch_size=7),
        _short(CONFIGS["dino"], name="dino-norm", backbone=dropping, method=dino_spec(head_batch_norm=True)),
        _short(CONFIGS["mae"], optimizer=CALM, backbone=dropping),
        _short(CONFIGS["supervised"], batch_size=9),
        _supervised("mixing", dropping, "randaugment", ADAMW, 8),
        _supervised("mixing-odd", RESNET, "trivialaugment", CALM, 7),
        *(_two_views(kind, options) for kind, options in _TWO_VIEWS.items()),
        _two_views("simclr", _TWO_VIEWS["simclr"]).model_copy(
            update={"name": "simclr-odd", "train": train_spec(CALM, STEPS, 7)}
        ),
    ]
    return {config.name: config for config in every}


EVERY = _configs()
NAMES = (*EVERY, "text")


def train_named(
    name: str, *, folder: Path | None = None, stop: int | None = None, tuning: Tuning = Tuning()
) -> Result | None:
    """The result of the config of a name; None when it was stopped.

    Args:
        folder: where its checkpoints stay, one a step.
        stop: step of the first stage in whose report training ends, before its checkpoint is written.
    """
    from dlth_bench.training.train_run import train_run

    def report(stage: str, step: int, total: int) -> None:
        if step == stop and stage == "pretrain":
            raise Stopped

    run, dataset = _text_run() if name == "text" else (tiny_run(EVERY[name]), Glyphs())
    options: dict[str, Any] = {"folder": folder, "tuning": tuning, "report": report, "device": "cpu"}
    try:
        return train_run(run, dataset, checkpoint_seconds=0, **options)
    except Stopped:
        return None


class Stopped(Exception):
    """Training was ended from outside."""


def _text_run() -> tuple[Run, Dataset]:
    from agnews_files import write_dataset

    from dlth_bench.datasets.agnews import AGNEWS
    from dlth_bench.datasets.parquet import ParquetTexts

    protocol = find_protocol("agnews-text")
    config = protocol.config("c1")
    train = config.train.model_copy(update={"batch_size": 15, "held_out": 0.1, "duration": PROBE.train.duration})
    run = Run(
        data=protocol.data,
        config=config.model_copy(update={"train": train}),
        class_ids=("World", "Sports", "Business"),
        seed=0,
    )
    return run, ParquetTexts(AGNEWS, write_dataset(Path(tempfile.mkdtemp()) / "agnews", train=20, test=10))


def main() -> None:
    """Train configs by name, all of them if none is named, and write their results."""
    import torch

    from dlth_bench.training.environment import quiet_libraries

    parser = argparse.ArgumentParser()
    parser.add_argument("results", type=Path)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--folder", type=Path, help="of the configs' folders, by name")
    parser.add_argument("--stop", type=int)
    given = parser.parse_args()
    quiet_libraries()
    torch.set_num_threads(1)
    tuning, documents = Tuning(devices=int(os.environ.get("WORLD_SIZE", "1"))), {}
    for name in given.names:
        folder = given.folder and given.folder / name
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        result = train_named(name, folder=folder, stop=given.stop, tuning=tuning)
        documents[name] = None if result is None else result.model_dump(mode="json", exclude_defaults=True)
    if os.environ.get("RANK", "0") == "0":
        given.results.write_text(json.dumps(documents))


if __name__ == "__main__":
    main()
