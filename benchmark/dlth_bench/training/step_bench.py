"""How much of the hardware a config's training step uses: the whole step against the bare networks."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from lightning.fabric import Fabric

from dlth_bench.datasets.base import Dataset
from dlth_bench.spec.data import DataSpec
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.protocol import Config
from dlth_bench.spec.run import Run
from dlth_bench.training.execute import Execution
from dlth_bench.training.loop import Trainer
from dlth_bench.training.methods.base import Moment
from dlth_bench.training.stage import Batches, Stage


class StepBench(Frozen):
    """Throughput of one config's pretraining step, in images a second."""

    config: str
    batch_size: int
    step_images_per_second: float
    """On a CPU a second of one core's time."""
    model_images_per_second: float
    ratio: float
    """Whole step / bare networks, each in its fastest round: what else the machine does only ever slows one down."""


def bench_step(config: Config, data: DataSpec, dataset: Dataset, *, device: str, rounds: int, steps: int) -> StepBench:
    """Time whole training steps against forward and backward of the same networks on resident views.

    The whole step has order, augmentation, loss, backward, optimizer, schedules and moving averages. The bare one has
    the method's networks and loss on views made before, and their backward; MoCo's moving average and queue, which
    belong between query and key, are in both, and so is what a teacher or key encoder computes. Rounds of both
    alternate. On a CPU it is this process's time on all cores that counts: other processes take none of it, and work in
    another thread does not hide.
    """
    classes = max(2, -(-4 * config.train.batch_size // (data.images_per_class or 64)))
    run = Run(data=data, config=config, class_ids=dataset.catalog.ids[:classes], seed=0)
    execution = Execution(run, dataset, device=device)
    stage = execution.pretrain_stage()
    trainer = Trainer(stage, execution.fabric)
    whole = _timed(lambda number: trainer.step(number % stage.steps), execution.fabric)
    bare = _timed(_bare_step(stage, execution.fabric), execution.fabric)
    whole(0, 3), bare(0, 3)
    pairs = [(whole(3 + i * steps, steps), bare(3 + i * steps, steps)) for i in range(rounds)]
    images = stage.spec.batch_size * steps
    fastest, fastest_bare = (min(seconds) for seconds in zip(*pairs, strict=True))
    return StepBench(
        config=config.name,
        batch_size=stage.spec.batch_size,
        step_images_per_second=images / fastest,
        model_images_per_second=images / fastest_bare,
        ratio=fastest_bare / fastest,
    )


def _bare_step(stage: Stage, fabric: Fabric) -> Callable[[int], None]:
    picked = Batches(stage).at(0)
    generator = torch.Generator(device=fabric.device).manual_seed(0)
    views, labels = stage.method.views(stage.samples[picked], generator), stage.labels[picked]

    trained = [parameter for parameter in stage.method.parameters() if parameter.requires_grad]

    def step(number: int) -> None:
        for parameter in trained:
            parameter.grad = None
        stage.method(views, labels, Moment(number % stage.steps, stage.steps)).backward()

    return step


def _timed(step: Callable[[int], object], fabric: Fabric) -> Callable[[int, int], float]:
    clock = time.process_time if fabric.device.type == "cpu" else time.perf_counter

    def seconds(first: int, steps: int) -> float:
        started = clock()
        for number in range(first, first + steps):
            step(number)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)
        return clock() - started

    return seconds
