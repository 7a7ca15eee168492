"""The loop's promises: a killed run ends as an unkilled one, draws come from the seed alone, divergence is said."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from lightning.fabric import Fabric
from safetensors.torch import load_file
from tiny_training import BATCH, CONFIGS, GREY, IMAGES_PER_CLASS, RESNET, SGD, random_images, tiny_run, train_spec
from torch import Tensor, nn

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.run import Result
from dlth_bench.training import loop
from dlth_bench.training.checkpoint import load_tensors
from dlth_bench.training.loop import Diverged, train
from dlth_bench.training.methods.method import Method, Moment
from dlth_bench.training.methods.supervised import Supervised
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.random import global_stream, stream_seed
from dlth_bench.training.run_context import RunContext, prepare_run
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.training.train_run import train_prepared, train_run
from dlth_bench.training.train_stage import Checkpoints

KINDS = tuple(CONFIGS)
EVERY = 3
"""Steps between records, and so between checkpoints, of the 12 steps of a stage."""


class Killed(Exception):
    """What the tests raise in the middle of a run."""


class Kills:
    """Counts optimizer updates over all attempts at a run, and kills it in those of the given numbers."""

    def __init__(self, at: Sequence[int] = ()) -> None:
        self.at = set(at)
        self.updates = 0

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = loop.set_rates

        def set_rates(*args: object) -> None:
            self.updates += 1
            if self.updates in self.at:
                raise Killed
            original(*args)

        monkeypatch.setattr(loop, "set_rates", set_rates)


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs()


@pytest.fixture(autouse=True)
def _few_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CURVE_POINTS", 12 // EVERY)


def _prepared(config: Config, dataset: Glyphs, folder: Path | None = None, seed: int = 0) -> RunContext:
    return prepare_run(tiny_run(config, seed), dataset, folder=folder, device="cpu", checkpoint_seconds=0)


def _persistent(attempt: Callable[[], Result]) -> tuple[Result, int]:
    """The result of trying again after every kill, and how often it was killed."""
    kills = 0
    while True:
        try:
            return attempt(), kills
        except Killed:
            kills += 1
            torch.rand(kills)  # another process would be in another random state, too


def _outcome(result: Result) -> dict[str, object]:
    """All of a result that must not depend on when and how it was computed."""
    kept = {"accuracy", "class_accuracy", "class_counts", "train_accuracy", "curves", "status", "run"}
    assert result.cost is not None
    return result.model_dump(include=kept) | {"images": result.cost.images, "flops": result.cost.flops}


def _weights(folder: Path) -> dict[str, Tensor]:
    """The final weights of all stages of a run."""
    files = [path for path in sorted(folder.glob("*.safetensors")) if "checkpoint" not in path.name]
    assert files
    return {f"{path.stem}/{name}": tensor for path in files for name, tensor in load_file(path).items()}


def _assert_equal_weights(first: Path, second: Path) -> None:
    ours, theirs = _weights(first), _weights(second)
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert different == []


# --- a killed run ends as an unkilled one -------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_killed_run_equals_an_uninterrupted_one(
    kind: str, glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in random updates of every stage and continued, a run has the same weights, curves and accuracies
    to the last bit, and loses no more work than since its last checkpoint."""
    config = CONFIGS[kind]
    whole = train_prepared(_prepared(config, glyphs, tmp_path / "whole"))
    stages = 1 if config.evaluation is None else 2
    # Updates are counted over attempts, so six kills fall into all parts of both stages, also just after resuming.
    kills = Kills(random.Random(kind).sample(range(2, 12 * stages + 6), 6))
    kills.watch(monkeypatch)
    resumed, times = _persistent(lambda: train_prepared(_prepared(config, glyphs, tmp_path / "killed")))
    assert times == 6
    assert whole.status == "finished"
    assert _outcome(resumed) == _outcome(whole)
    _assert_equal_weights(tmp_path / "whole", tmp_path / "killed")
    assert 12 * stages + 6 <= kills.updates <= 12 * stages + 6 * EVERY


@pytest.mark.parametrize("kind", KINDS)
def test_run_stopped_while_reporting_is_resumed(kind: str, glyphs: Glyphs, tmp_path: Path) -> None:
    """An exception from the report, between a record and its checkpoint, costs that one stretch and nothing else."""
    config = CONFIGS[kind]
    stops = {("pretrain", 6), ("pretrain", 12)}
    stops |= set() if config.evaluation is None else {(config.evaluation.kind, 3), (config.evaluation.kind, 12)}
    expected_kills = len(stops)

    def report(stage: str, step: int, total: int) -> None:
        assert total == 12
        if (stage, step) in stops:
            stops.remove((stage, step))
            raise Killed

    def attempt() -> Result:
        return train_run(tiny_run(config), glyphs, folder=tmp_path, device="cpu", checkpoint_seconds=0, report=report)

    resumed, times = _persistent(attempt)
    assert times == expected_kills
    assert _outcome(resumed) == _outcome(train_prepared(_prepared(config, glyphs)))


def test_finished_stage_is_not_trained_again(glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose stages are all there is evaluated from their weights, without one more update."""
    first = train_prepared(_prepared(CONFIGS["dino"], glyphs, tmp_path))
    kills = Kills(at=range(1, 100))
    kills.watch(monkeypatch)
    assert _outcome(train_prepared(_prepared(CONFIGS["dino"], glyphs, tmp_path))) == _outcome(first)
    assert kills.updates == 0


def _truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def _short_by_a_byte(data: bytes) -> bytes:
    return data[:-1]


def _empty(data: bytes) -> bytes:
    return b""


def _garbage(data: bytes) -> bytes:
    return bytes(random.Random(0).randbytes(len(data)))


def _without_header(data: bytes) -> bytes:
    return data.replace(b'"json"', b'"nosj"', 1)


@pytest.mark.parametrize("damage", [_truncated, _short_by_a_byte, _empty, _garbage, _without_header])
def test_broken_checkpoint_is_ignored(
    damage: Callable[[bytes], bytes], glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that is not a whole file does not stop a run: training starts over and ends the same."""
    config = CONFIGS["supervised"]
    kills = Kills(at=[11])
    kills.watch(monkeypatch)
    with pytest.raises(Killed):
        train_prepared(_prepared(config, glyphs, tmp_path / "broken"))
    path = tmp_path / "broken" / "pretrain-checkpoint.safetensors"
    assert load_tensors(path) is not None
    path.write_bytes(damage(path.read_bytes()))
    assert load_tensors(path) is None
    again = train_prepared(_prepared(config, glyphs, tmp_path / "broken"))
    assert kills.updates == 11 + 12
    assert _outcome(again) == _outcome(train_prepared(_prepared(config, glyphs, tmp_path / "whole")))
    _assert_equal_weights(tmp_path / "whole", tmp_path / "broken")


def test_kill_while_a_checkpoint_is_written_keeps_the_old_one(
    glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-written checkpoint is never taken for one: the run goes on from the checkpoint before."""
    config = CONFIGS["supervised"]
    renames = 0
    rename = Path.replace

    def replace(path: Path, target: Path) -> Path:
        nonlocal renames
        renames += 1
        if renames == 2:
            path.write_bytes(path.read_bytes()[:100])
            raise Killed
        return rename(path, target)

    kills = Kills()
    kills.watch(monkeypatch)
    monkeypatch.setattr(Path, "replace", replace)
    resumed, times = _persistent(lambda: train_prepared(_prepared(config, glyphs, tmp_path)))
    assert times == 1
    assert kills.updates == 12 + EVERY
    assert _outcome(resumed) == _outcome(train_prepared(_prepared(config, glyphs)))


# --- draws come from the seed alone -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_seed_decides_everything(kind: str, glyphs: Glyphs) -> None:
    """The same seed gives the same run twice, whatever was drawn before; another seed gives another one."""
    config = CONFIGS[kind]
    first = _outcome(train_prepared(_prepared(config, glyphs)))
    torch.rand(17)
    assert _outcome(train_prepared(_prepared(config, glyphs))) == first
    other = train_prepared(_prepared(config, glyphs, seed=1))
    assert other.curves.pretrain_loss != first["curves"]["pretrain_loss"]


@pytest.mark.parametrize("kind", KINDS)
def test_initial_weights_are_the_seed_s(kind: str, glyphs: Glyphs) -> None:
    """Initial weights depend on the seed, not on what was drawn before, and drawing them disturbs nobody."""
    config = CONFIGS[kind]
    first = _prepared(config, glyphs).new_method().state_dict()
    torch.rand(17)
    state = torch.get_rng_state()
    second = _prepared(config, glyphs).new_method().state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = _prepared(config, glyphs, seed=1).new_method().state_dict()
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_streams_are_apart() -> None:
    """Seeds of different runs, streams and positions are all different, and fit torch's seeds."""
    seeds = {
        stream_seed(seed, stream, position)
        for seed in range(10)
        for stream in ("init", "pretrain/order", "pretrain/model", "pretrain/augmentation", "linear/order")
        for position in range(100)
    }
    assert len(seeds) == 10 * 5 * 100
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert stream_seed(1, "init", 11) != stream_seed(11, "init", 1)


def test_global_stream_is_restored_after_an_error() -> None:
    """A stream's block draws from its own seed, and gives the generator back even when it fails."""
    state = torch.get_rng_state()
    with pytest.raises(Killed), global_stream(0, "init"):
        torch.rand(3)
        raise Killed
    assert torch.equal(torch.get_rng_state(), state)


def _stage(samples: int, batch: int, seed: int = 0, name: str = "pretrain") -> Stage:
    method = Supervised(nn.Identity(), nn.Identity(), augment=CONFIGS["moco"].method.augment, pixels=GREY)
    labels = torch.zeros(samples, dtype=torch.long)
    return Stage(name, method, torch.empty(samples, 0), labels, train_spec(SGD, 50, batch), seed)


def test_every_sample_once_an_epoch_in_a_new_order() -> None:
    """An epoch visits every sample once, each epoch in another order, decided by seed, stage and epoch alone."""
    batches = Batches(_stage(24, 8))
    epochs = [torch.cat([batches.at(3 * epoch + i) for i in range(3)]) for epoch in range(6)]
    assert all(torch.equal(order.sort().values, torch.arange(24)) for order in epochs)
    assert len({tuple(order.tolist()) for order in epochs}) == 6
    resumed = Batches(_stage(24, 8))
    assert torch.equal(resumed.at(13), epochs[4][8:16])  # a resumed run starts in the middle
    assert not torch.equal(Batches(_stage(24, 8, seed=1)).at(0), epochs[0][:8])
    assert not torch.equal(Batches(_stage(24, 8, name="linear")).at(0), epochs[0][:8])


def test_incomplete_batches_are_dropped() -> None:
    """With 30 samples and batches of 8, an epoch is 3 batches of distinct samples; the rest waits for another."""
    batches = Batches(_stage(30, 8))
    seen = set()
    for epoch in range(8):
        order = torch.cat([batches.at(3 * epoch + i) for i in range(3)])
        assert len(set(order.tolist())) == 24
        seen |= set(order.tolist())
    assert seen == set(range(30))


def test_repeated_augmentation_sees_fewer_images_more_often() -> None:
    """With 4 repeats an epoch has as many steps of as many samples, of a quarter of the images, copies side by side."""
    stage = _stage(24, 8)
    stage.spec = stage.spec.model_copy(update={"repeats": 4})
    batches = Batches(stage)
    epochs = [torch.cat([batches.at(3 * epoch + i) for i in range(3)]) for epoch in range(8)]
    for order in epochs:
        assert len(order) == 24
        assert order.unique().tolist() == sorted(order[::4].tolist())
        assert torch.equal(order, order[::4].repeat_interleave(4))
    assert len(torch.cat(epochs).unique()) > 12


# --- what the loop tells ------------------------------------------------------------------------------------


class _Recorder(Method):
    """Trains one number on nothing, and notes what the loop hands it."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(1, 1)
        self.calls: list[tuple[str, int, int]] = []
        self.seen: list[tuple[Tensor, Tensor]] = []

    def views(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (images, torch.rand(3, generator=generator))

    def forward(self, views: tuple[Tensor, ...], labels: Tensor, moment: Moment) -> Tensor:
        self.calls.append(("forward", moment.step, moment.total))
        self.seen.append((views[1], torch.rand(3)))
        assert torch.equal(views[0][:, 0].long(), labels)
        return self.encoder.weight.sum() * 0 + moment.step

    def before_step(self, moment: Moment) -> None:
        assert self.encoder.weight.grad is not None
        self.calls.append(("before", moment.step, moment.total))

    def after_step(self, moment: Moment) -> None:
        self.calls.append(("after", moment.step, moment.total))


def _recorded(steps: int) -> tuple[_Recorder, loop.History, list[tuple[int, int]]]:
    method, labels = _Recorder(), torch.arange(16)
    stage = Stage("pretrain", method, labels[:, None].float(), labels, train_spec(SGD, steps, 4), 0)
    reports: list[tuple[int, int]] = []
    checkpoints = Checkpoints(report=lambda step, total: reports.append((step, total)))
    return method, train(stage, Fabric(accelerator="cpu", devices=1), checkpoints), reports


def test_method_is_called_in_order() -> None:
    """Each step is a loss, a call between backward and update, and one after it, at the same moment."""
    method, _, _ = _recorded(5)
    assert method.calls == [(call, step, 5) for step in range(5) for call in ("forward", "before", "after")]


def test_each_step_draws_anew() -> None:
    """Augmentation and model draw something else in every step, and not the same as each other."""
    method, _, _ = _recorded(9)
    draws = [tuple(draw.tolist()) for pair in method.seen for draw in pair]
    assert len(set(draws)) == 18


@pytest.mark.parametrize("steps", [1, 3, 4, 11, 13, 50])
def test_curve_is_the_mean_loss_since_the_last_record(steps: int) -> None:
    """A curve has the mean loss of each stretch of steps, ends at the last step, and reports come with it."""
    _, history, reports = _recorded(steps)
    assert history.step == history.curve_steps[-1] == steps
    assert reports == [(step, steps) for step in history.curve_steps]
    starts = [0, *history.curve_steps[:-1]]
    means = [sum(range(a, b)) / (b - a) for a, b in zip(starts, history.curve_steps, strict=True)]
    assert history.curve_loss == pytest.approx(means)
    assert len(history.curve_loss) <= 2 * loop.CURVE_POINTS


def test_divergence_is_a_result_with_a_reason(glyphs: Glyphs) -> None:
    """With an absurd learning rate a run ends as a result that says so, with stage and step, and no accuracy."""
    absurd = CONFIGS["supervised"].model_copy(update={"train": train_spec(SGD.model_copy(update={"lr": 1e30}))})
    result = train_prepared(_prepared(absurd, glyphs))
    assert result.status == "diverged"
    assert result.accuracy is None
    assert result.reason in {f"the pretrain loss is nan at step {step}" for step in (3, 6, 9, 12)}


def test_divergence_of_an_evaluation_names_it(glyphs: Glyphs) -> None:
    """A probe that diverges says that it was the probe."""
    config = CONFIGS["moco"]
    absurd = train_spec(SGD.model_copy(update={"lr": 1e38}))
    evaluation = config.evaluation.model_copy(update={"train": absurd})
    result = train_prepared(_prepared(config.model_copy(update={"evaluation": evaluation}), glyphs))
    assert result.status == "diverged"
    assert result.reason.startswith("the linear loss is ")


def test_divergence_in_the_very_last_update_is_noticed(glyphs: Glyphs) -> None:
    """Weights that the last update broke are not scored as if they had learnt to guess."""
    absurd = train_spec(SGD.model_copy(update={"lr": 1e38}), steps=1)
    result = train_prepared(_prepared(CONFIGS["supervised"].model_copy(update={"train": absurd}), glyphs))
    assert result.status == "diverged"
    assert result.reason == "the scores of the trained model are not finite"


def test_no_checkpoint_is_kept_of_a_diverged_loss(tmp_path: Path) -> None:
    """A checkpoint is written only after its record, so none holds a history with a loss that is no number."""
    labels = torch.zeros(16, dtype=torch.long)
    backbone = build_backbone(RESNET, 32, 1)
    method = Supervised(backbone, nn.Linear(16, 3), augment=CONFIGS["moco"].method.augment, pixels=GREY)
    optimizer = SGD.model_copy(update={"lr": 1e30})
    stage = Stage("pretrain", method, random_images(16), labels, train_spec(optimizer), 0)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Diverged):
        train(stage, Fabric(accelerator="cpu", devices=1), Checkpoints(path, 0))
    loaded = load_tensors(path)
    assert loaded is None or all(abs(loss) < float("inf") for loss in loaded[1]["curve_loss"])


def test_result_covers_all_validation_samples(glyphs: Glyphs) -> None:
    """Class accuracies are of every validation sample, and their mean over samples is the accuracy."""
    result = train_prepared(_prepared(CONFIGS["supervised"], glyphs))
    run = tiny_run(CONFIGS["supervised"])
    validation = glyphs.load("val", run.class_ids)
    assert sum(result.class_counts) == len(validation.labels)
    hits = sum(a * n for a, n in zip(result.class_accuracy, result.class_counts, strict=True))
    assert result.accuracy == pytest.approx(hits / len(validation.labels))
    train_samples = len(run.class_ids) * IMAGES_PER_CLASS
    assert result.train_accuracy is not None
    assert (result.train_accuracy * train_samples) == pytest.approx(round(result.train_accuracy * train_samples))
    assert result.cost is not None
    assert result.cost.images == 12 * BATCH
