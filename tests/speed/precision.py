"""Forward and backward of each config's networks: single precision, bf16 autocast, and compiled.

    python tests/speed/precision.py [--configs ...] [--rounds 30] [--compile]

Processor time of the fastest round of each, in turns. No protocol trains in bf16 or compiled: both change results. The
first compiled step includes the compilation; ``pays back`` says after how many steps it has made up for that.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

import torch
from tabulate import tabulate

from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Run
from dlth_bench.training.cpu_speed.allocator import keep_freed_memory
from dlth_bench.training.environment import quiet_libraries
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.stage import Batches, Stage


def step_of(stage: Stage, forward: Callable[..., torch.Tensor], *, bf16: bool = False) -> Callable[[], None]:
    """Loss and gradients on views made before."""
    views = stage.method.views(stage.samples[Batches(stage).at(0)], torch.Generator().manual_seed(0))
    labels = stage.labels[: stage.spec.batch_size]
    trained = [parameter for parameter in stage.method.parameters() if parameter.requires_grad]

    def step() -> None:
        for parameter in trained:
            parameter.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = forward(views, labels, Moment(0, 100))
        loss.backward()

    return step


def seconds(step: Callable[[], None]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", nargs="+", default=["moco-v2-long", "dino-small", "mae-linear"])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--compile", action="store_true")
    asked = parser.parse_args()
    quiet_libraries()
    keep_freed_memory()
    torch.set_num_threads(1)
    protocol = find_protocol("glyphs-ssl@3")
    dataset = protocol_dataset(protocol.data)
    rows = []
    for config in protocol.configs:
        if config.name not in asked.configs:
            continue
        run = Run(data=protocol.data, config=config, class_ids=dataset.catalog.ids[:24], seed=0)
        stage = prepare_run(run, dataset, device="cpu").first_stage()
        steps = {"fp32": step_of(stage, stage.method), "bf16": step_of(stage, stage.method, bf16=True)}
        spent = 0.0
        if asked.compile:
            steps["compiled"] = step_of(stage, torch.compile(stage.method))
            began = time.perf_counter()
            seconds(steps["compiled"])
            spent = time.perf_counter() - began
        for step in steps.values():
            seconds(step)
        rounds = [[seconds(step) for step in steps.values()] for _ in range(asked.rounds)]
        best = dict(zip(steps, map(min, zip(*rounds, strict=True)), strict=True))
        row: list[object] = [config.name, 1e3 * best["fp32"], best["fp32"] / best["bf16"]]
        if asked.compile:
            gain = best["fp32"] - best["compiled"]
            row += [best["fp32"] / best["compiled"], spent, round(spent / gain) if gain > 0 else "never"]
        rows.append(row)
    headers = ["config", "fp32 ms a step", "bf16 x", "compiled x", "compile s", "pays back (steps)"]
    sys.stdout.write(tabulate(rows, headers[: len(rows[0])], floatfmt=".2f") + "\n")


if __name__ == "__main__":
    main()
