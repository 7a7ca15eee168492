"""The recorder's promises: it changes nothing, and what it writes down is what its names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import CONFIGS, GREY, IMAGES_PER_CLASS, tiny_run

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.dynamics_file import Convention
from dlth_bench.runs.run import Result
from dlth_bench.training import train_stage as fitting
from dlth_bench.training.dynamics import DynamicsRecorder, sample_scores
from dlth_bench.training.loop import AfterStep
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.training.train_run import train_run
from dlth_bench.training.views.augment import to_float

STAGES = {"mae": "finetune", "supervised": "pretrain"}
"""Of the tiny configs that learn from labels: the stage that does. Four epochs of three steps."""


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs()


def plain(name: str) -> Config:
    """A tiny config without mixup."""
    config = CONFIGS[name]
    if config.evaluation is None:
        return config.model_copy(update={"method": config.method.model_copy(update={"mixup": 0.0})})
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"mixup": 0.0})})


def watched(
    config: Config, glyphs: Glyphs, convention: Convention, folder: Path | None = None
) -> tuple[Result, DynamicsRecorder]:
    """The result of a run under a recorder, and the recorder."""
    recorders: list[DynamicsRecorder] = []

    def watch(stage: Stage) -> AfterStep:
        if stage.name != STAGES[config.name]:
            return lambda step: None
        recorders.append(DynamicsRecorder(stage, GREY, convention))
        return recorders[-1].after_step

    result = train_run(tiny_run(config), glyphs, device="cpu", folder=folder, watch=watch)
    (recorder,) = recorders
    return result, recorder


@pytest.mark.parametrize("convention", ["epoch-end", "minibatch"])
@pytest.mark.parametrize("name", STAGES)
def test_recording_changes_nothing(name: str, convention: Convention, glyphs: Glyphs, tmp_path: Path) -> None:
    """With drop path, augmentation and batch norm, a watched run has the same digest, accuracies, curves, cost and
    weights as an unwatched one, to the last bit."""
    config = plain(name)
    alone = train_run(tiny_run(config), glyphs, device="cpu", folder=tmp_path / "alone")
    result, _ = watched(config, glyphs, convention, tmp_path / "watched")
    for each in (alone, result):
        assert each.status == "finished"
    kept = {"run", "accuracy", "class_accuracy", "class_counts", "train_accuracy", "curves"}
    assert result.model_dump(include=kept) == alone.model_dump(include=kept)
    assert result.cost is not None
    assert alone.cost is not None
    assert (result.cost.images, result.cost.flops) == (alone.cost.images, alone.cost.flops)
    for path in (tmp_path / "alone").glob("*.safetensors"):
        mine, theirs = load_file(path), load_file(tmp_path / "watched" / path.name)
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[key], theirs[key]) for key in mine)


@pytest.mark.parametrize("name", STAGES)
def test_last_epoch_is_what_the_trained_model_says(name: str, glyphs: Glyphs) -> None:
    """Every epoch has its row; the last agrees with the reported training accuracy and with the model itself, whose
    classifier turns the features into its scores."""
    result, recorder = watched(plain(name), glyphs, "epoch-end")
    tensors = recorder.tensors()
    samples = 3 * IMAGES_PER_CLASS
    for score in ("correct", "error_norm", "entropy", "confidence", "margin"):
        assert tensors[score].shape == (4, samples)
        assert np.isfinite(tensors[score]).all()
    assert tensors["correct"][-1].mean() == pytest.approx(result.train_accuracy)
    method = recorder.method
    with torch.no_grad():
        logits = method.eval().logits(GREY.normalized(to_float(recorder.stage.samples)))
        classifier = method.head.head if name == "mae" else method.head
        again = classifier(torch.from_numpy(tensors["features"]).float())
    assert torch.allclose(again, logits, atol=1e-2)
    expected = sample_scores(logits, recorder.stage.labels)
    assert all(np.allclose(tensors[key][-1], expected[key], atol=1e-6) for key in expected)


@pytest.mark.parametrize("name", STAGES)
def test_minibatch_convention_is_what_training_saw(name: str, glyphs: Glyphs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Correct at a sample's presentation, before the update, from the augmented view; kept until its next one."""
    presented: list[torch.Tensor] = []
    original = fitting.train

    def train(stage: Stage, *arguments: object) -> object:
        if stage.name == STAGES[name]:
            stage.method.head.register_forward_hook(
                lambda head, _, logits: presented.append(logits.argmax(1)) if head.training else None
            )
        return original(stage, *arguments)

    monkeypatch.setattr(fitting, "train", train)
    _, recorder = watched(plain(name), glyphs, "minibatch")
    batches, labels = Batches(recorder.stage), recorder.stage.labels
    state = torch.zeros(len(labels), dtype=torch.bool)
    rows = []
    for step in range(12):
        picked = batches.at(step)
        state[picked] = presented[step] == labels[picked]
        if step % 3 == 2:
            rows.append(state.clone())
    assert np.array_equal(recorder.tensors()["correct"], torch.stack(rows).numpy())


def test_scores_by_hand() -> None:
    """On two samples of three classes, with numbers from the definitions."""
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]]))
    scores = {name: value.tolist() for name, value in sample_scores(logits, torch.tensor([0, 1])).items()}
    assert scores["correct"] == [1, 0]
    assert scores["confidence"] == pytest.approx([0.5, 0.7])
    assert scores["error_norm"] == pytest.approx([0.375**0.5, (0.01 + 0.64 + 0.49) ** 0.5])
    assert scores["entropy"] == pytest.approx([1.5 * np.log(2), -sum(p * np.log(p) for p in (0.1, 0.2, 0.7))])
    assert scores["margin"] == pytest.approx([np.log(2), np.log(0.2 / 0.7)])


def test_certain_models_are_no_trouble() -> None:
    """Probabilities of exactly 0 and 1 give an entropy of 0, not NaN."""
    scores = sample_scores(torch.tensor([[1000.0, 0.0, -1000.0]]), torch.tensor([0]))
    assert [scores[name].item() for name in ("entropy", "error_norm", "confidence")] == [0.0, 0.0, 1.0]


def test_what_cannot_be_recorded(glyphs: Glyphs) -> None:
    """A stage without labels, presentations under mixup are refused."""
    for name, convention, words in (
        ("moco", "epoch-end", "learns without labels"),
        ("supervised", "minibatch", "a mixed batch has no presentation of a single sample"),
    ):
        stage = prepare_run(tiny_run(CONFIGS[name]), glyphs, device="cpu").first_stage()
        with pytest.raises(ValueError, match=words):
            DynamicsRecorder(stage, GREY, convention)
