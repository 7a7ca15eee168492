"""Texts: the classifier of appendix I against an independent computation, and its schedule and clipping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from agnews_files import write_dataset
from lightning.fabric import Fabric
from torch import nn

from dlth_bench.datasets.agnews import AGNEWS
from dlth_bench.datasets.parquet import ParquetTexts
from dlth_bench.datasets.tokens import TokenSequences
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import Duration, EmbeddingBagSpec, OptimizerSpec, TrainSpec
from dlth_bench.runs.run import Run
from dlth_bench.training.loop import Trainer
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.text import TextClassifier
from dlth_bench.training.optimizers import clip_gradients, learning_rate, plateau_drops
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.samples import TokenSamples
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.training.train_run import train_run

pytest.importorskip("pyarrow")

SPEC = EmbeddingBagSpec(kind="embedding_bag", dim=3)
TEXTS = TokenSequences(np.array([4, 1, 1, 2, 3], np.int32), np.array([0, 2, 2, 5], np.int64))


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> ParquetTexts:
    return ParquetTexts(AGNEWS, write_dataset(tmp_path_factory.mktemp("data") / "agnews", train=60, test=30))


def config(name: str, **train: object) -> Config:
    """A config of the protocol with another training."""
    shipped = find_protocol("agnews-text").config(name)
    return shipped.model_copy(update={"train": shipped.train.model_copy(update=train)})


def run_of(chosen: Config) -> Run:
    data = find_protocol("agnews-text").data
    return Run(data=data, config=chosen, class_ids=("World", "Sports", "Business"), seed=0)


def test_scores_are_those_of_mean_embeddings() -> None:
    """A text's score is the linear layer of the mean of its tokens' embeddings; of an empty text, of zeros."""
    method = TextClassifier(SPEC, vocabulary=5, classes=4)
    texts = TokenSamples.of(TEXTS, torch.device("cpu"))
    table, head = method.encoder.weight.detach(), method.head
    means = torch.stack([(table[4] + table[1]) / 2, torch.zeros(3), (table[1] + table[2] + table[3]) / 3])
    torch.testing.assert_close(method.logits(texts), head(means).detach())
    torch.testing.assert_close(method.logits(texts[torch.tensor([2, 0])]), head(means[[2, 0]]).detach())
    assert method.head.bias.abs().max() == 0
    assert 0.4 < TextClassifier(SPEC, 1000, 4).encoder.weight.abs().max() <= 0.5


def test_a_step_is_that_of_dense_gradients_and_torchs_clipping() -> None:
    """Sparse gradients, their joint clipping and SGD give the weights of the original's dense computation."""
    torch.manual_seed(0)
    ours = TextClassifier(SPEC, vocabulary=5, classes=4)
    bag, head = nn.EmbeddingBag(5, 3, mode="mean"), nn.Linear(3, 4)
    bag.load_state_dict(ours.encoder.state_dict()), head.load_state_dict(ours.head.state_dict())
    labels = torch.tensor([0, 1, 3])
    tokens, offsets = torch.tensor([4, 1, 1, 2, 3]), torch.tensor([0, 2, 2])
    optimizer = torch.optim.SGD([*bag.parameters(), *head.parameters()], lr=5.0)
    spec = OptimizerSpec(kind="sgd", lr=5.0, momentum=0.0, schedule="constant", clip_joint=0.1)
    train = TrainSpec(duration=Duration(steps=3), batch_size=3, optimizer=spec)
    stage = Stage("pretrain", ours, TokenSamples.of(TEXTS, torch.device("cpu")), labels, train, 0)
    trainer = Trainer(stage, Fabric(accelerator="cpu", devices=1))
    for step in range(3):
        loss = nn.functional.cross_entropy(head(bag(tokens, offsets)), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_([*bag.parameters(), *head.parameters()], 0.1)
        optimizer.step()
        torch.testing.assert_close(trainer.step(step), loss.detach())
    torch.testing.assert_close(ours.encoder.weight, bag.weight)
    torch.testing.assert_close(ours.head.weight, head.weight)


def test_clipping_leaves_small_gradients_alone() -> None:
    """The joint norm is a bound, not a target."""
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([0.03, 0.04])
    clip_gradients([parameter], 0.1)
    torch.testing.assert_close(parameter.grad, torch.tensor([0.03, 0.04]))


def test_rate_drops_after_each_epoch_below_the_best() -> None:
    """As the tutorial steps its scheduler: not when equal, and again while the best is not reached."""
    assert [plateau_drops([0.5, 0.6, 0.6, 0.55, 0.58, 0.7][:epochs]) for epochs in range(7)] == [0, 0, 0, 0, 1, 2, 2]


def test_held_out_samples_are_not_trained_on_and_decide_the_rate(news: ParquetTexts) -> None:
    """5 % of the samples never enter a batch; their accuracy after each epoch is kept with the checkpoint."""
    prepared = prepare_run(run_of(config("c1", batch_size=16, held_out=0.1)), news, device="cpu")
    stage = prepared.first_stage()
    batches, trained = Batches(stage), set()
    for step in range(3 * stage.epoch_steps):
        trained |= set(batches.at(step).tolist())
    assert len(stage.held_out) == 18
    assert not trained & set(stage.held_out.tolist())
    trainer = Trainer(stage, prepared.fabric)
    for step in range(2 * stage.epoch_steps):
        trainer.step(step)
    assert len(trainer.held_out) == 2
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {5.0}
    trainer.held_out[:] = [0.9, 0.8]
    trainer.step(2 * stage.epoch_steps)
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {0.5}


def test_cosine_falls_epoch_by_epoch() -> None:
    """C2 has one rate an epoch: 5 at first, half of it after half of the ten epochs."""
    spec = config("c2").train.optimizer
    rates = [learning_rate(spec, Moment(step, total=100, epoch_steps=10)) for step in (0, 9, 50, 59)]
    assert rates == pytest.approx([5.0, 5.0, 2.5, 2.5])


def test_an_interrupted_run_ends_as_an_uninterrupted_one(news: ParquetTexts, tmp_path: Path) -> None:
    """Rate drops depend on the epochs before, so they come back with the checkpoint: the same weights bit for bit."""
    run = run_of(config("c1", batch_size=16, held_out=0.1))
    whole = train_run(run, news, device="cpu")

    class Stopped(Exception):
        pass

    def stop_late(stage: str, step: int, total: int) -> None:
        if step > total // 2:
            raise Stopped

    options = {"folder": tmp_path, "device": "cpu", "checkpoint_seconds": 0.0}
    with pytest.raises(Stopped):
        train_run(run, news, report=stop_late, **options)
    resumed = train_run(run, news, **options)
    assert (resumed.accuracy, resumed.curves, resumed.train_accuracy) == (
        whole.accuracy,
        whole.curves,
        whole.train_accuracy,
    )


@pytest.mark.slow
def test_trains_at_ag_newss_size(tmp_path: Path) -> None:
    """120 000 texts of 40 words and 7 600 to evaluate on, all ten epochs: well above chance."""
    folder = write_dataset(tmp_path, train=30_000, test=1_900, words=60, vocabulary=100_000)
    run = run_of(find_protocol("agnews-text").config("c1"))
    run = run.model_copy(update={"class_ids": ("World", "Sports", "Business", "Sci-Tech")})
    result = train_run(run, ParquetTexts(AGNEWS, folder), device="cpu")
    assert result.status == "finished"
    assert result.accuracy is not None and result.accuracy > 0.9
