"""How much of the hardware a config's training step uses: the whole step against the bare networks."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from lightning.fabric import Fabric

from dlth_bench.datasets.base import Dataset
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.protocol import Config, DataSpec
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
    model_images_per_second: float
    ratio: float
    """Whole step / bare networks; the median over rounds in which both were timed one after the other."""


def bench_step(config: Config, data: DataSpec, dataset: Dataset, *, device: str, rounds: int, steps: int) -> StepBench:
    """Time whole training steps against forward and backward of the same networks on resident views.

    The whole step has order, augmentation, loss, backward, optimizer, schedules and moving averages. The bare one has
    the method's networks and loss on views made before, and their backward; MoCo's moving average and queue, which
    belong between query and key, are in both. Rounds of both alternate, so that the
    ratio holds on a machine whose speed drifts.
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
    return StepBench(
        config=config.name,
        batch_size=stage.spec.batch_size,
        step_images_per_second=images / median(a for a, _ in pairs),
        model_images_per_second=images / median(b for _, b in pairs),
        ratio=median(b / a for a, b in pairs),
    )


def _bare_step(stage: Stage, fabric: Fabric) -> Callable[[int], None]:
    picked = Batches(stage).at(0)
    generator = torch.Generator(device=fabric.device).manual_seed(0)
    views, labels = stage.method.views(stage.samples[picked], generator), stage.labels[picked]

    def step(number: int) -> None:
        stage.method.zero_grad(set_to_none=True)
        stage.method(views, labels, Moment(number % stage.steps, stage.steps)).backward()

    return step


def _timed(step: Callable[[int], object], fabric: Fabric) -> Callable[[int, int], float]:
    def seconds(first: int, steps: int) -> float:
        started = time.perf_counter()
        for number in range(first, first + steps):
            step(number)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)
        return time.perf_counter() - started

    return seconds
