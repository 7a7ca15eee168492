"""Where the processor time of a training step goes, part by part, so that the parts add up to the step."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dlth_bench.spec.frozen import Frozen
from dlth_bench.training import loop
from dlth_bench.training.loop import Trainer

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


def timed_parts(trainer: Trainer) -> list[tuple[Any, str, str]]:
    """What is timed of a trainer's step: who has the function, its name there, and the part that it counts for."""
    method = trainer.stage.method
    parts: list[tuple[Any, str, str]] = [
        (trainer, "_views_of", "order and gathering of samples"),
        (method, "views", "views"),
        (method, "forward", FORWARD),
        (trainer, "_backward", BACKWARD),
        (trainer.optimizer, "step", "optimizer"),
        (method, "before_step", "the method's own updates"),
        (method, "after_step", "the method's own updates"),
    ]
    parts += [(loop, name, "seeds and schedules") for name in ("stream_seed", "seed_model_draws", "set_rates")]
    parts += [(loop, name, "clipping") for name in ("clip_each_gradient", "clip_gradients")]
    average = getattr(method, "average", None)
    return [*parts, (average, "update", "moving average")] if hasattr(average, "update") else parts


def profiled(
    trainer: Trainer, bare: Any, whole_round: Callable[[int], None], bare_round: Callable[[int], None], rounds: int
) -> tuple[PartTime, ...]:
    """The parts of both steps, in rounds that alternate; see `step_bench.profile_step`.

    Args:
        bare: has a method ``backward``.
        whole_round, bare_round: do the steps of a round of that number.
    """
    clock = PartClock()
    whole: list[dict[str, int]] = []
    alone: list[dict[str, int]] = []
    with ExitStack() as stack:
        for owner, name, part in [*timed_parts(trainer), (bare, "backward", BACKWARD)]:
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
