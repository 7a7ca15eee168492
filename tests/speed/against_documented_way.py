"""Our steps against the same methods as plain scripts (`documented_way`), in one run, in turns.

    python tests/speed/against_documented_way.py [--configs moco-v2-long dino-small] [--rounds 3] [--grid]
        [--precision bf16]

A round is an epoch of each. What counts is the processor time of all processes of a way, its DataLoader's workers too,
in its fastest round: other load takes none of it, and on a machine whose cores all work it is what an image costs. Each
way has a process of its own; ours keeps what it frees, as our workers do, and the scripts' does what Python's does.

`--grid` measures the second stages as well and says what the 21 runs of demo-24 take on two cores, from these steps:
ours two runs at a time, MAE pretrained once for both of its evaluations; the scripts one after the other, with their
workers on the other core, taken to overlap perfectly.

`--precision bf16` trains ours so, which changes results; the scripts stay in single precision, as they are written.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch
from documented_way import Script, evaluation, pretraining
from lightning.fabric import Fabric
from PIL import Image
from precisions import in_precision
from tabulate import tabulate
from torch import Tensor

from dlth_bench.datasets.dataset import Dataset
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.protocols.methods import LinearSpec
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Run
from dlth_bench.training.cpu_speed.allocator import keep_freed_memory
from dlth_bench.training.environment import quiet_libraries
from dlth_bench.training.evaluation import extract_features, finetune_method, linear_probe
from dlth_bench.training.loop import Trainer
from dlth_bench.training.run_context import prepare_run
from dlth_bench.training.stage import Stage
from dlth_bench.training.views.augment import Pixels

DEMO_CLASSES, CORES, SEEDS = 24, 2, 3


@dataclass(frozen=True)
class Cost:
    """Processor milliseconds of an image: of the process that trains, and of its workers."""

    main: float
    workers: float = 0.0

    @property
    def total(self) -> float:
        return self.main + self.workers

    @property
    def overlapped(self) -> float:
        """Wall time on two cores when workers never keep the training waiting unless they are the slower half."""
        return max(self.main, self.total / CORES)


def cost(work: Callable[[], int]) -> Cost:
    """What an image of ``work`` takes; ``work`` returns how many there were."""
    before = _spent()
    images = work()
    main, children = (now - then for now, then in zip(_spent(), before, strict=True))
    return Cost(1e3 * main / images, 1e3 * children / images)


def _spent() -> tuple[float, float]:
    """Processor seconds of this process, and of those of its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, children = (used.ru_utime + used.ru_stime for used in both)
    return own, children


class Apart(AbstractContextManager["Apart"]):
    """Work in a forked process of its own, so that how one way keeps its memory is none of the other's business."""

    def __init__(self, work: Callable[[], int], prepare: Callable[[], object] = lambda: None) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        # Not a daemon, which could have no DataLoader's workers.
        self.process = context.Process(target=_serve, args=(theirs, work, prepare))
        self.process.start()

    def cost(self) -> Cost:
        """What an image takes now."""
        self.pipe.send("again")
        found: Cost = self.pipe.recv()
        return found

    def __exit__(self, *_: object) -> None:
        self.pipe.send("enough")
        self.process.join()


def _serve(pipe: Connection, work: Callable[[], int], prepare: Callable[[], object]) -> None:
    prepare()
    while pipe.recv() == "again":
        pipe.send(cost(work))


def in_turns(ours: Callable[[], int], theirs: Callable[[], int], rounds: int) -> tuple[Cost, Cost]:
    """The cheapest round of each, after one that does not count."""
    with Apart(ours, keep_freed_memory) as mine, Apart(theirs) as scripts:
        mine.cost(), scripts.cost()
        pairs = [(mine.cost(), scripts.cost()) for _ in range(rounds)]
    return min((a for a, _ in pairs), key=lambda c: c.total), min((b for _, b in pairs), key=lambda c: c.total)


def epoch_of(stage: Stage, fabric: Fabric) -> Callable[[], int]:
    """An epoch of our loop, again and again."""
    trainer = Trainer(stage, fabric)

    def epoch() -> int:
        for step in range(stage.epoch_steps):
            trainer.step(step)
        return stage.epoch_steps * stage.spec.batch_size

    return epoch


@dataclass
class Bench:
    """One config on the images of some classes, both ways."""

    config: Config
    protocol: Protocol
    dataset: Dataset
    classes: int
    rounds: int

    def __post_init__(self) -> None:
        ids = self.dataset.catalog.ids[: self.classes]
        run = Run(data=self.protocol.data, config=self.config, class_ids=ids, seed=0)
        self.context = prepare_run(run, self.dataset, device="cpu")
        self.stage = self.context.first_stage()
        self.pixels: Pixels = self.context.pixels
        samples = self.stage.samples
        assert isinstance(samples, Tensor)
        self.images = [Image.fromarray(image[0].numpy()) for image in samples]
        self.labels = self.stage.labels.tolist()

    def pretraining(self) -> tuple[Cost, Cost]:
        script = pretraining(self.config, self.pixels)
        return in_turns(epoch_of(self.stage, self.context.fabric), self._theirs(script), self.rounds)

    def evaluation(self) -> tuple[Cost, Cost, Cost]:
        """Ours, theirs, and our extraction of features, which is done once; of fine-tuning it is nothing."""
        spec, encoder = self.config.evaluation, self.stage.method.encoder
        assert spec is not None
        samples, extraction = self.stage.samples, Cost(0.0)
        if isinstance(spec, LinearSpec):
            extract = lambda: extract_features(encoder, self.stage.samples, self.pixels, spec.features)  # noqa: E731
            samples = extract()
            extraction = min((cost(lambda: len(extract())) for _ in range(self.rounds)), key=lambda c: c.total)
            method = linear_probe(spec, encoder, samples.shape[1], self.classes, self.pixels)
            stage = Stage("linear", method, samples, self.stage.labels, spec.train, 0)
        else:
            tuned = finetune_method(spec, encoder, self.classes, self.pixels)
            stage = Stage("finetune", tuned, samples, self.stage.labels, spec.train, 0)
        script = evaluation(self.config, self.pixels, self.classes)
        ours = epoch_of(stage, self.context.fabric)
        return *in_turns(ours, self._theirs(script), self.rounds), extraction

    def _theirs(self, script: Script) -> Callable[[], int]:
        return lambda: script.epoch(self.images, self.labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--protocol", default="glyphs-ssl@3")
    parser.add_argument("--configs", nargs="+", default=["moco-v2-long", "dino-small"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--classes", type=int, default=12, help="at least 6, for a whole batch of every stage")
    parser.add_argument("--precision", choices=["single", "bf16"], default="single", help="of our side")
    parser.add_argument("--grid", action="store_true")
    asked = parser.parse_args()
    quiet_libraries()
    torch.set_num_threads(1)
    protocol = find_protocol(asked.protocol)
    dataset, rows = protocol_dataset(protocol.data), []
    ours_total = theirs_total = first_stage = 0.0
    begun: set[tuple[str, str]] = set()
    for config in protocol.configs:
        if not asked.grid and config.name not in asked.configs:
            continue
        bench = Bench(in_precision(config, asked.precision), protocol, dataset, asked.classes, asked.rounds)
        ours, theirs = bench.pretraining()
        rows.append([config.name, "pretraining", *_shown(ours, theirs)])
        if asked.grid:
            assert config.evaluation is not None
            evaluated, scripted, extraction = bench.evaluation()
            rows.append(["", config.evaluation.kind, *_shown(evaluated, scripted)])
            samples = DEMO_CLASSES * (protocol.data.images_per_class or 0)
            drawn, more = (
                train.duration.in_steps(samples, train.batch_size) * train.batch_size
                for train in (config.train, config.evaluation.train)
            )
            key = (repr(config.method), repr(config.train))
            shared, _ = key in begun, begun.add(key)
            val = 1.3  # features of training and validation images, of which there are 61 a class
            ours_total += (
                (0 if shared else ours.total * drawn) + evaluated.total * more + extraction.total * samples * (1 + val)
            )
            theirs_total += theirs.overlapped * drawn + scripted.overlapped * more
            first_stage += theirs.overlapped * drawn
        _print(rows)
    if asked.grid:
        mine = SEEDS * ours_total / 1e3 / CORES
        sys.stdout.write(
            f"21 runs of demo-24 on {CORES} cores, reckoned from these steps: ours {mine:.0f} s; the scripts one after "
            f"the other {SEEDS * theirs_total / 1e3:.0f} s, of which pretraining {SEEDS * first_stage / 1e3:.0f} s: "
            f"{SEEDS * theirs_total / 1e3 / mine:.1f} times as long\n"
        )


def _shown(ours: Cost, theirs: Cost) -> list[str]:
    both = [f"{1e3 / each.total:.0f}" for each in (ours, theirs)]
    return [*both, f"{100 * theirs.workers / theirs.total:.0f} %", f"{theirs.total / ours.total:.2f}"]


def _print(rows: list[list[str]]) -> None:
    headers = ["config", "stage", "ours, img/core s", "scripts", "of it workers", "ratio"]
    sys.stdout.write(f"{time.strftime('%H:%M:%S')}\n{tabulate(rows, headers)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
