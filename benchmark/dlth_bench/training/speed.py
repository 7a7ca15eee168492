"""How much of the hardware a config's training step uses: the whole step against the bare networks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor

from dlth_bench.datasets.dataset import Dataset, DataSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.runs.run import Run
from dlth_bench.training import loop
from dlth_bench.training.cpu_speed.grouped_views import GroupedViews
from dlth_bench.training.loop import OnePass, StepViews, Trainer
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Frozen

REST = "the rest, as dropping gradients"
FORWARD, BACKWARD = "forward and loss", "backward"
KEPT = 8
"""Of so many rounds the fastest one counts; all parts are means over the same rounds, so that they add up."""


class PartTime(Frozen):
    """A part of a step, in microseconds a step."""

    part: str
    step: float
    """In the whole step."""
    bare: float
    """In the bare step."""


class StepProfile(Frozen):
    """The parts of one config's step, on a CPU."""

    config: str
    parts: tuple[PartTime, ...]

    @property
    def total(self) -> PartTime:
        step, bare = (sum(getattr(part, which) for part in self.parts) for which in ("step", "bare"))
        return PartTime(part="together", step=step, bare=bare)


class PartClock:
    """Processor time of nested calls: each moment counts for the innermost part alone."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = defaultdict(int)
        """Nanoseconds by part."""
        self._open: list[str] = []
        self._since = 0

    @contextmanager
    def inside(self, part: str) -> Iterator[None]:
        """What runs in the block counts for ``part``, save parts inside of it."""
        self._book()
        self._open.append(part)
        try:
            yield
        finally:
            self._book()
            self._open.pop()

    def _book(self) -> None:
        now = time.process_time_ns()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def timing(self, owner: Any, name: str, part: str) -> Iterator[None]:
        """Inside the block, calls of a function that an object or a module has under a name count for a part."""
        function, own = getattr(owner, name), name in vars(owner)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.inside(part):
                return function(*args, **kwargs)

        setattr(owner, name, timed)
        try:
            yield
        finally:
            if own:
                setattr(owner, name, function)
            else:
                delattr(owner, name)


def _views_of(trainer: Trainer) -> StepViews | GroupedViews:
    """What makes the views of a trainer whose steps are not divided."""
    if not isinstance(trainer.gradients, OnePass):
        raise TypeError("a step that is divided is not timed")
    return trainer.gradients.views


def timed_parts(trainer: Trainer) -> list[tuple[Any, str, str]]:
    """What is timed of a trainer's step: who has the function, its name there, and the part that it counts for."""
    method = trainer.stage.method
    parts: list[tuple[Any, str, str]] = [
        (_views_of(trainer), "at", "order and gathering of samples"),
        (method, "views", "views"),
        (method, "forward", FORWARD),
        (Tensor, "backward", BACKWARD),
        (trainer.optimizer, "step", "optimizer"),
        (method, "before_step", "the method's own updates"),
        (method, "after_step", "the method's own updates"),
    ]
    parts += [(loop, name, "seeds and schedules") for name in ("stream_seed", "seed_model_draws", "set_rates")]
    parts += [(loop, name, "clipping") for name in ("clip_each_gradient", "clip_gradients")]
    average = getattr(method, "average", None)
    return [*parts, (average, "update", "moving average")] if hasattr(average, "update") else parts


def profile_parts(
    trainer: Trainer, whole_round: Callable[[int], None], bare_round: Callable[[int], None], rounds: int
) -> tuple[PartTime, ...]:
    """The parts of both steps, in rounds of a number each that alternate; see `profile_step`."""
    clock = PartClock()
    whole: list[dict[str, int]] = []
    alone: list[dict[str, int]] = []
    with ExitStack() as stack:
        for owner, name, part in timed_parts(trainer):
            stack.enter_context(clock.timing(owner, name, part))
        for number in range(rounds):
            for one_round, found in ((whole_round, whole), (bare_round, alone)):
                clock.spent = defaultdict(int)
                with clock.inside(REST):
                    one_round(number)
                found.append(clock.spent)
    step, bare_step = _fastest(whole), _fastest(alone)
    names = sorted(step | bare_step, key=lambda name: -step.get(name, 0.0))
    return tuple(PartTime(part=name, step=step.get(name, 0.0), bare=bare_step.get(name, 0.0)) for name in names)


def _fastest(rounds: list[dict[str, int]]) -> dict[str, float]:
    """Mean microseconds of a round by part, over the fastest ``1 / KEPT`` of the rounds."""
    kept = sorted(rounds, key=lambda each: sum(each.values()))[: max(1, len(rounds) // KEPT)]
    return {name: sum(each.get(name, 0) for each in kept) / len(kept) / 1e3 for name in set().union(*kept)}


class StepBench(Frozen):
    """Throughput of one config's pretraining step, in images a second."""

    config: str
    batch_size: int
    step_images_per_second: float
    """On a CPU a second of one core's time."""
    model_images_per_second: float
    ratio: float
    """Whole step / bare networks, each in its fastest round: what else the machine does only ever slows one down."""


class BareStep:
    """Forward and backward of a stage's networks, with their loss, on views made before."""

    def __init__(self, stage: Stage, fabric: Fabric) -> None:
        self.stage = stage
        picked = Batches(stage).at(0)
        generator = torch.Generator(device=fabric.device).manual_seed(0)
        self.views, self.labels = stage.method.views(stage.samples[picked], generator), stage.labels[picked]
        self.trained = [parameter for parameter in stage.method.parameters() if parameter.requires_grad]

    def __call__(self, number: int) -> None:
        for parameter in self.trained:
            parameter.grad = None
        stage = self.stage
        with torch.autocast(self.views[0].device.type, torch.bfloat16, enabled=stage.spec.precision == "bf16"):
            loss = stage.method(self.views, self.labels, Moment(number % stage.steps, stage.steps))
        loss.backward()


class _Both:
    """A config's whole and bare step, set up side by side, and rounds of both."""

    def __init__(self, config: Config, data: DataSpec, dataset: Dataset, device: str, steps: int) -> None:
        classes = max(2, -(-4 * config.train.batch_size // (data.images_per_class or 64)))
        run = Run(data=data, config=config, class_ids=dataset.catalog.ids[:classes], seed=0)
        context = prepare_run(run, dataset, device=device)
        self.fabric, self.stage = context.fabric, context.first_stage()
        self.trainer = Trainer(self.stage, self.fabric)
        self.bare = BareStep(self.stage, self.fabric)
        # Views of some steps are made in one go; a round has whole groups of such steps.
        views = _views_of(self.trainer)
        self.grouped = views if isinstance(views, GroupedViews) else None
        group = 1 if self.grouped is None else self.grouped.size
        self.steps = -(-steps // group) * group
        self.usable = max(group, self.stage.steps // group * group)

    def whole_round(self, number: int) -> None:
        if self.grouped is not None:
            self.grouped.forget()  # short stages come back to the same steps
        for step in range(number * self.steps, (number + 1) * self.steps):
            self.trainer.step(step % self.usable)

    def bare_round(self, number: int) -> None:
        for step in range(number * self.steps, (number + 1) * self.steps):
            self.bare(step)


def bench_step(config: Config, data: DataSpec, dataset: Dataset, *, device: str, rounds: int, steps: int) -> StepBench:
    """Time whole training steps against forward and backward of the same networks on resident views.

    The whole step has order, augmentation, loss, backward, optimizer, schedules and moving averages. The bare one has
    the method's networks and loss on views made before, and their backward; MoCo's moving average and queue, which
    belong between query and key, are in both, and so is what a teacher or key encoder computes. Rounds of both
    alternate. On a CPU it is this process's time on all cores that counts: other processes take none of it, and work in
    another thread does not hide.

    Args:
        steps: of a round at least.
    """
    both = _Both(config, data, dataset, device, steps)
    whole, bare = (_timed(one, both.fabric) for one in (both.whole_round, both.bare_round))
    whole(0), bare(0)
    pairs = [(whole(1 + number), bare(1 + number)) for number in range(rounds)]
    images = both.stage.spec.batch_size * both.steps
    fastest, fastest_bare = (min(seconds) for seconds in zip(*pairs, strict=True))
    return StepBench(
        config=config.name,
        batch_size=both.stage.spec.batch_size,
        step_images_per_second=images / fastest,
        model_images_per_second=images / fastest_bare,
        ratio=fastest_bare / fastest,
    )


def profile_step(
    config: Config, data: DataSpec, dataset: Dataset, *, device: str, rounds: int, steps: int
) -> StepProfile:
    """Where the processor time of both steps of `bench_step` goes; measuring takes some ten microseconds a step itself.

    Raises:
        InputError: the device is not a CPU; others work after a call has returned.
    """
    both = _Both(config, data, dataset, device, steps)
    if both.fabric.device.type != "cpu":
        raise InputError(
            f"a profile by part needs --device cpu, not {both.fabric.device.type}: others work behind calls"
        )
    both.whole_round(0)
    both.bare_round(0)
    found = profile_parts(both.trainer, both.whole_round, both.bare_round, rounds)
    parts = tuple(PartTime(part=p.part, step=p.step / both.steps, bare=p.bare / both.steps) for p in found)
    return StepProfile(config=config.name, parts=parts)


def _timed(one_round: Callable[[int], None], fabric: Fabric) -> Callable[[int], float]:
    clock = time.process_time if fabric.device.type == "cpu" else time.perf_counter

    def seconds(number: int) -> float:
        started = clock()
        one_round(number)
        if fabric.device.type == "cuda":
            torch.cuda.synchronize(fabric.device)
        return clock() - started

    return seconds
