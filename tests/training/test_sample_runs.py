"""Runs on samples: trained on exactly these, evaluated as a run on their classes is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import BATCH, CLASSES, CONFIGS, IMAGES_PER_CLASS, tiny_run

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.run import Result, Run
from dlth_bench.subsets.subset import Subset
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.train_run import train_run
from dlth_bench.util.errors import InputError

KINDS = tuple(CONFIGS)


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs()


def on_samples(config: Config, glyphs: Glyphs, faces: slice = slice(None)) -> Run:
    """The run on chosen faces of each class, of those that the tiny run trains on."""
    faces_of = [glyphs.load("train", [class_id], IMAGES_PER_CLASS).sample_ids for class_id in CLASSES]
    chosen = tuple(item for ids in faces_of for item in ids[faces])
    return Run.on(Subset(dataset="glyphs", unit="sample", ids=chosen), tiny_run(config).data, config, seed=0)


def result_of(run: Run, glyphs: Glyphs, **given: Any) -> Result:
    return train_run(run, glyphs, device="cpu", **given)


def outcome(result: Result) -> dict[str, Any]:
    """All that does not depend on the clock, the machine or the run's name."""
    document = result.model_dump(exclude={"run", "environment", "peak_memory_bytes"})
    document["cost"].pop("device_seconds")
    return document


@pytest.mark.parametrize("kind", KINDS)
def test_all_samples_of_classes_are_those_classes(kind: str, glyphs: Glyphs) -> None:
    """The list of all samples of some classes trains to the same bits as the list of these classes."""
    config = CONFIGS[kind]
    classes, samples = tiny_run(config), on_samples(config, glyphs)
    assert classes.digest != samples.digest
    assert classes.class_ids == samples.class_ids
    assert outcome(result_of(samples, glyphs)) == outcome(result_of(classes, glyphs))


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_samples(kind: str, glyphs: Glyphs) -> None:
    """Training sees the chosen samples alone, class by class; evaluation all validation samples of their classes."""
    run = on_samples(CONFIGS[kind], glyphs, slice(1, 5))
    stage = prepare_run(run, glyphs, device="cpu").first_stage()
    whole = glyphs.load("train", CLASSES, IMAGES_PER_CLASS)
    rows = [start + face for start in range(0, len(whole.labels), IMAGES_PER_CLASS) for face in range(1, 5)]
    assert torch.equal(stage.samples, torch.from_numpy(whole.images[rows]))
    assert stage.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    result = result_of(run, glyphs)
    assert result.status == "finished"
    assert list(result.class_counts) == [len(glyphs.face_ids["val"])] * 3
    assert result.cost is not None
    assert result.cost.images == run.images_seen


def test_killed_run_equals_an_uninterrupted_one(glyphs: Glyphs, tmp_path: Path) -> None:
    """Stopped in both stages and continued from its checkpoints, a run on samples ends with the same bits."""
    run = on_samples(CONFIGS["moco"], glyphs, slice(0, 6))
    stops = {("pretrain", 5), ("linear", 7)}

    class Killed(Exception):
        pass

    def report(stage: str, step: int, total: int) -> None:
        if (stage, step) in stops:
            stops.remove((stage, step))
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            result_of(run, glyphs, folder=tmp_path, checkpoint_seconds=0, report=report)
    resumed = result_of(run, glyphs, folder=tmp_path, checkpoint_seconds=0, report=report)
    assert stops == set()
    assert outcome(resumed) == outcome(result_of(run, glyphs))


def test_samples_outside_the_data(glyphs: Glyphs) -> None:
    """A run never trains on samples that the protocol's data do not have."""
    run = on_samples(CONFIGS["supervised"], glyphs)
    data = run.data.model_copy(update={"images_per_class": IMAGES_PER_CLASS - 1})
    with pytest.raises(InputError, match="is not among the samples"):
        result_of(run.model_copy(update={"data": data}), glyphs)


def test_less_than_a_batch(glyphs: Glyphs) -> None:
    """A set of samples that fills no batch is a plain sentence, wherever it comes from."""
    run = on_samples(CONFIGS["supervised"], glyphs, slice(0, 2))
    with pytest.raises(ValueError, match=f"6 training samples do not fill one batch of {BATCH}"):
        result_of(run, glyphs)
