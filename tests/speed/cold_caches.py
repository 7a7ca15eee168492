"""What parts of a step cost by themselves and with caches that hold something else, and page faults of a step.

    python tests/speed/cold_caches.py [--protocol glyphs-ssl@3] [--configs moco-v2-long dino-small mae-linear]

Microseconds of processor time, of 60 tries the seventh fastest. Cold: 64 MiB are written before each try, as a
network's step does with its activations. `as one tensor`: the optimizer's kernel on all weights in one piece, which
rounds otherwise. Page faults are of a whole step, first with the C library's own habits, then with freed memory kept.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import torch
from tabulate import tabulate
from torch import Tensor

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Run
from dlth_bench.training.cpu_speed.allocator import keep_freed_memory
from dlth_bench.training.environment import quiet_libraries
from dlth_bench.training.loop import Trainer
from dlth_bench.training.run_context import prepare_run

TRIES, KEPT, STEPS = 60, 6, 8
COLD_BYTES = 2**26


def microseconds(work: Callable[[], object], cold: Tensor | None) -> float:
    found = []
    for _ in range(TRIES):
        if cold is not None:
            cold.add_(1)
        began = time.process_time_ns()
        work()
        found.append(time.process_time_ns() - began)
    return sorted(found)[KEPT] / 1e3


def faults(trainer: Trainer) -> tuple[float, float]:
    """Page faults of a step and the milliseconds that the system works in it."""
    for step in range(STEPS):
        trainer.step(step)
    before = resource.getrusage(resource.RUSAGE_SELF)
    for step in range(STEPS, 3 * STEPS):
        trainer.step(step)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_minflt - before.ru_minflt) / 2 / STEPS, 1e3 * (after.ru_stime - before.ru_stime) / 2 / STEPS


def kernel(trainer: Trainer, *, joined: bool) -> Callable[[], None]:
    """The update of all weights of the trainer's optimizer, in as many tensors as there are or in one."""
    state = trainer.optimizer.state
    weights = [parameter for parameter in trainer.trained if parameter.grad is not None]
    adam = "exp_avg" in state[weights[0]]
    lists = [weights, [weight.grad for weight in weights]]
    lists += [
        [state[w][slot] for w in weights] for slot in (("exp_avg", "exp_avg_sq") if adam else ("momentum_buffer",))
    ]
    lists = [[tensor.detach().clone() for tensor in each if tensor is not None] for each in lists]
    if joined:
        lists = [[torch.cat([tensor.flatten() for tensor in each])] for each in lists]
    rates = {"lr": 1e-3, "weight_decay": 1e-4, "maximize": False}
    if not adam:
        return lambda: torch._fused_sgd_(
            *lists, momentum=0.9, dampening=0.0, nesterov=False, is_first_step=False, **rates
        )
    steps = [torch.ones(())] * len(lists[0])
    betas = {"beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "amsgrad": False}
    return lambda: torch._fused_adamw_(*lists, [], steps, **betas, **rates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", default="glyphs-ssl@3")
    parser.add_argument("--configs", nargs="+", default=["moco-v2-long", "dino-small", "mae-linear"])
    asked = parser.parse_args()
    quiet_libraries()
    torch.set_num_threads(1)
    protocol = find_protocol(asked.protocol)
    dataset, cold, trainers = protocol_dataset(protocol.data), torch.zeros(COLD_BYTES // 4), {}
    for config in protocol.configs:
        if config.name in asked.configs:
            run = Run(data=protocol.data, config=config, class_ids=dataset.catalog.ids[:12], seed=0)
            context = prepare_run(run, dataset, device="cpu")
            trainers[config.name] = Trainer(context.first_stage(), context.fabric)
    plain = {name: faults(trainer) for name, trainer in trainers.items()}
    keep_freed_memory()
    rows: list[list[object]] = []
    for name, trainer in trainers.items():
        stage, generator = trainer.stage, torch.Generator().manual_seed(0)
        images = stage.samples[: stage.spec.batch_size]
        parts: dict[str, Callable[[], object]] = {
            "views of one step": lambda: stage.method.views(images, generator),  # noqa: B023  # used before the next
            "optimizer": trainer.optimizer.step,
            "its kernel alone": kernel(trainer, joined=False),
            "as one tensor": kernel(trainer, joined=True),
        }
        for part, work in parts.items():
            rows.append([name, part, f"{microseconds(work, None):.0f}", f"{microseconds(work, cold):.0f}"])
        texts = (f"{count:.0f} ({milliseconds:.1f} ms)" for count, milliseconds in (plain[name], faults(trainer)))
        rows.append([name, "page faults: as it is / kept", *texts])
    sys.stdout.write(tabulate(rows, ["config", "part", "by itself", "cold"]) + "\n")


if __name__ == "__main__":
    main()
