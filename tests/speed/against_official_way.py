"""Our training step at 224 pixels against the official repositories' (`official_way`), one after the other.

    python tests/speed/against_official_way.py --device cuda [--images FOLDER] [--precision bf16] [--json FILE]

For DINO ViT-S/16, MAE ViT-B/16 and MoCo v2 ResNet-50 of imagenet-ssl@1: images a second

- of the official way, from JPEG files through a DataLoader with --workers processes;
- of ours from the packed cache, from memory of the GPU where it fits there, and read ahead from its files;
- of ours from JPEG files, over all epochs of the config and over one alone: packing is done once, with all cores;
- of the bare networks, forward and backward on views made before (what a teacher or key encoder computes is in all).

Backbones, batches and precision are the same in all ways. Precision is the protocol's, single; torch then computes
convolutions in TF32 where the GPU can, and matrix products do not. --precision bf16 has autocast in all ways; with
official, MAE is in fp16 with scaled gradients in the official way and in bf16 in ours, the others in single precision.

Batches are those that one GPU of the official runs had (DINO and MAE 64), or all eight together (MoCo 256: ours has
batch norm in eight groups, as those GPUs had; the official way on one GPU has one). `busy` is the share of time in
which something runs on the GPU, `of peak` the networks' operations over its best rate in the arithmetic they run in,
`waits` how often a step makes the host wait. Images are generated, as large and as costly to decode as ImageNet's,
unless a folder with train and val is given. --tiny is for trying the script: small networks, views and files.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from gpu_use import Use, counted_flops, fastest_convolutions, peak, use
from imagenet_jpegs import write_jpegs
from official_way import Official
from tiny_official import SIZES, tiny
from ways_compared import Comparison, Row, shown

from dlth_bench.datasets.download import located
from dlth_bench.datasets.imagenet.classes import imagenet_catalog
from dlth_bench.datasets.packed.cache import PackedFiles, PackedImages
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.engines.smoke import temporary_cache
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.run import Run
from dlth_bench.training.data import run_samples
from dlth_bench.training.environment import quiet_libraries
from dlth_bench.training.loop import Trainer
from dlth_bench.training.methods.method import Moment
from dlth_bench.training.run_context import RunContext, prepare_run
from dlth_bench.training.samples import FileSamples
from dlth_bench.training.stage import Batches, Stage

PROTOCOL = find_protocol("imagenet-ssl@1")
BATCHES = {"dino_vit-s16_800ep": 64, "mae_vit-b16_800ep_linear": 64, "moco-v2_r50_200ep": 256}

Half = torch.dtype | None
"""What autocast computes in; None: there is none."""


@dataclass
class Bench:
    """A config on the images of a run, in every way.

    traced: further steps whose kernels are looked at, and as many whose waits are.
    """

    run: Run
    files: list[Path]
    device: torch.device
    official: Half
    ours: Half
    workers: int
    steps: int
    traced: int
    packing: float
    """Images a second."""

    def compared(self) -> Comparison:
        """Everything measured, each way after the one before is done."""
        config, dataset = self.run.config, protocol_dataset(self.run.data)
        context = prepare_run(self.run, dataset, device=self.device.type)
        rows = [Row.of("official, JPEG", self._official(context))]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # whether images fit on the GPU depends on what is free
        stage = context.first_stage()
        rows += self._ours(context, stage, packed_files(self.run))
        bare = bare_step(stage, self.ours)
        flops = counted_flops(bare) / config.train.batch_size
        rows.append(Row.of("bare networks", self._use(bare)))
        best = peak(self.device, half=self.ours is not None, convolutions=config.backbone.kind != "vit")
        names = dict.fromkeys(str(half or "single").removeprefix("torch.") for half in (self.official, self.ours))
        precision = " against ".join(names)
        return Comparison(config.name, config.train.batch_size, precision, flops, best, self.packing, rows)

    def _official(self, context: RunContext) -> Use:
        # Workers have two batches each ready when the clock starts, at most; as many steps use them up before.
        warm_up, steps = 2 * max(2, self.workers), max(self.steps, 4 * self.workers)
        total = warm_up + steps + 2 * self.traced
        with fastest_convolutions():
            way = Official(self.run.config, context.pixels, self.device, 10 * total, self.official)
            batches = way.batches(self.files, total, self.workers)
            return self._use(lambda: way.update(next(batches)), warm_up, steps)

    def _ours(self, context: RunContext, stage: Stage, packed: PackedFiles) -> Iterator[Row]:
        if not isinstance(stage.samples, FileSamples):
            yield Row.of("ours, cache on the GPU", self._use(our_step(stage, context)))
        in_files = replace(stage, samples=FileSamples(packed, self.device))
        read = self._use(our_step(in_files, context))
        yield Row.of("ours, cache in files", read)
        epochs = self.run.config.train.duration.epochs or 1
        for times in dict.fromkeys((epochs, 1)):
            rate = 1 / (1 / read.images_per_second + 1 / (times * self.packing))
            yield Row(f"ours, JPEG, {times:g} epoch{'s' if times > 1 else ''}", rate)

    def _use(self, step: Callable[[], object], warm_up: int = 5, steps: int | None = None) -> Use:
        images = self.run.config.train.batch_size
        return use(step, images, self.device, warm_up=warm_up, steps=steps or self.steps, traced=self.traced)


def packed_files(run: Run) -> PackedFiles:
    """The run's training images in the cache, after packing those that are not."""
    arrays, _ = run_samples(protocol_dataset(run.data), run)
    if not isinstance(arrays.images, PackedImages):
        raise TypeError(f"{run.data.dataset} is not packed")
    return arrays.images.files()


def our_step(stage: Stage, context: RunContext) -> Callable[[], object]:
    """The next update of our loop, at every call."""
    trainer, numbers = Trainer(stage, context.fabric), iter(range(stage.steps))
    return lambda: trainer.step(next(numbers))


def bare_step(stage: Stage, half: Half) -> Callable[[], object]:
    """Forward and backward of our networks on views made before."""
    device, method = stage.labels.device, stage.method.train()
    picked = Batches(stage).at(0)
    views = method.views(stage.samples[picked], torch.Generator(device=device).manual_seed(0))
    labels, moment = stage.labels[picked], Moment(0, stage.steps)
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]

    def step() -> None:
        for parameter in trained:
            parameter.grad = None
        with torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None):
            loss = method(views, labels, moment)
        loss.backward()

    return step


def chosen_run(name: str, asked: argparse.Namespace, folder: Path, ours: Half) -> Run:
    """The config with the batch and the precision asked for, on some images of the folder."""
    config: Config = tiny(PROTOCOL.config(name)) if asked.tiny else PROTOCOL.config(name)
    batch = asked.batch or (config.train.batch_size if asked.tiny else BATCHES.get(name, 64))
    changes = {"batch_size": batch, "precision": "single" if ours is None else "bf16"}
    config = config.model_copy(update={"train": config.train.model_copy(update=changes)})
    ids = [class_id for class_id in imagenet_catalog().ids if (folder / "train" / class_id).is_dir()][: asked.classes]
    data = PROTOCOL.data.model_copy(update={"images_per_class": asked.images_per_class})
    return Run(data=data, config=config, class_ids=tuple(ids), seed=0)


def training_files(folder: Path, run: Run) -> list[Path]:
    """The files of the run's training images."""
    folders = (folder / "train" / class_id for class_id in run.class_ids)
    return [path for place in folders for path in sorted(place.iterdir())[: run.data.images_per_class]]


def halves(name: str, precision: str) -> tuple[Half, Half]:
    """Of the official way and of ours."""
    if precision == "official":
        mixed = PROTOCOL.config(name).method.kind == "mae"
        return (torch.float16, torch.bfloat16) if mixed else (None, None)
    half = torch.bfloat16 if precision == "bf16" else None
    return half, half


def benches(asked: argparse.Namespace, folder: Path) -> Iterator[Bench]:
    """One a config; images are packed before the first."""
    packing = 0.0
    for name in asked.configs:
        official, ours = halves(name, asked.precision)
        run = chosen_run(name, asked, folder, ours)
        began = time.perf_counter()
        packed = packed_files(run)
        packing = packing or len(packed) / (time.perf_counter() - began)
        files, device, traced = training_files(folder, run), torch.device(asked.device), 1 if asked.tiny else 5
        yield Bench(run, files, device, official, ours, asked.workers, asked.steps, traced, packing)


@contextmanager
def images(asked: argparse.Namespace) -> Iterator[Path]:
    """The folder of JPEG files, as ImageNet's place; what is packed of it is gone afterwards."""
    with ExitStack() as stack:
        stack.enter_context(temporary_cache())
        folder = asked.images
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dlth-bench-jpeg-")))
            sizes = {"sizes": SIZES} if asked.tiny else {}
            write_jpegs(folder, imagenet_catalog().ids[: asked.classes], asked.images_per_class, **sizes)
        stack.enter_context(located("imagenet", folder))
        yield folder


def options(words: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--configs", nargs="+", choices=[c.name for c in PROTOCOL.configs], default=list(BATCHES))
    parser.add_argument("--batch", type=int, help="of all configs, instead of the official ones; MoCo: divides 65,536")
    parser.add_argument("--steps", type=int, default=50, help="timed; the official way makes at least 4 a worker")
    parser.add_argument("--workers", type=int, default=min(16, os.cpu_count() or 1), help="of the official DataLoader")
    parser.add_argument("--precision", choices=("single", "bf16", "official"), default="single")
    parser.add_argument("--images", type=Path, help="folder with train and val, such as ImageNet's")
    parser.add_argument("--classes", type=int, default=8, help="how many of its classes are read")
    parser.add_argument("--images-per-class", type=int, default=128)
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--tiny", action="store_true")
    return parser.parse_args(words)


def compared(asked: argparse.Namespace) -> Iterator[Comparison]:
    """Each config as it is done."""
    with images(asked) as folder:
        for bench in benches(asked, folder):
            yield bench.compared()


def main() -> None:
    asked = options()
    quiet_libraries()
    found: list[Comparison] = []
    device = torch.cuda.get_device_name() if asked.device == "cuda" else "CPU"
    sys.stdout.write(f"{device}, {os.cpu_count()} cores, torch {torch.__version__}, {asked.workers} workers\n")
    for each in compared(asked):
        found.append(each)
        sys.stdout.write(f"{shown(found)}\n\n")
        sys.stdout.flush()
    if asked.json is not None:
        asked.json.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
