"""What a run takes before any of it was measured, for ``run --dry-run``: estimates per config, on GPUs by name."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dlth_bench.datasets import registry
from dlth_bench.datasets.dataset import DataSpec, TextDataset
from dlth_bench.datasets.download import dataset_folder
from dlth_bench.protocols.protocol import Config, Protocol
from dlth_bench.runs.plan import Plan, full_data
from dlth_bench.runs.run import Run
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import count, duration, printable

if TYPE_CHECKING:
    from dlth_bench.training.estimates.run import Estimate
    from dlth_bench.training.facts import RecipeFacts, StageFacts


UTILISATION = 0.5
"""Assumed share of the peak rate that training reaches; not measured."""


@dataclass(frozen=True)
class GPU:
    """A GPU's peak rate in single precision without tensor cores, in which runs are trained, and its memory."""

    name: str
    tflops: float
    gigabytes: int
    source: str


GPUS = (
    GPU("V100 SXM2 32GB", 15.7, 32, "NVIDIA V100 datasheet"),
    GPU("A100 SXM 80GB", 19.5, 80, "NVIDIA A100 datasheet"),
    GPU("RTX 4090", 82.6, 24, "NVIDIA Ada architecture whitepaper"),
    GPU("H100 SXM 80GB", 67.0, 80, "NVIDIA H100 datasheet"),
    GPU("H200 SXM 141GB", 67.0, 141, "NVIDIA H200 datasheet"),
)

LARGE_SIDE = 224
"""Side in pixels from which views are cut where images have different sizes; views have the protocol's own sizes."""


def can_estimate(protocol: Protocol) -> bool:
    """Whether costs can be estimated, and are not known better: where nobody measured them, or not in proportion.

    What pruning, removal and measurements take is no fixed share of what they take on the full data.
    """
    measured = protocol.reference is not None and all(row.cost for row in protocol.reference.configs.values())
    more = any(config.pruning or config.removal or config.measure for config in protocol.configs)
    return (more or not measured) and protocol.configs[0].method.kind != "text"


def estimates(plan: Plan) -> list[dict[str, Any]]:
    """Of each config of the plan, one run on the subset beside one on the full data.

    Raises:
        InputError: the subset has too few samples for a stage of one.
    """
    from dlth_bench.training.estimates.run import estimated
    from dlth_bench.training.estimates.step import Counts  # torch: slow to import

    data, whole = plan.protocol.data, full_data(plan.protocol)
    side = data.image_size or (
        LARGE_SIDE if registry.is_packed(data.dataset) else registry.image_dataset(data.dataset).image_size
    )
    counts = Counts(data, side)
    rows: list[dict[str, Any]] = []
    for run in {run.config.name: run for run in plan.runs}.values():
        full = Run.on(whole, data, run.config, run.seed)
        pair = [estimated(each, _sizes(each, data), counts) for each in (run, full)]
        row = [one.model_dump(exclude={"config"}) | {"gpu_hours": _gpu_hours(one)} for one in pair]
        rows.append({"config": run.config.name, "subset": row[0], "full": row[1]})
    return rows


def assumptions() -> dict[str, Any]:
    """What the estimates rest on."""
    return {"utilisation": UTILISATION, "precision": "float32", "gpus": [asdict(gpu) for gpu in GPUS]}


def show_estimates(rows: list[dict[str, Any]], runs: int, console: Console) -> None:
    """The tables of ``run --dry-run``: each config once, subset against full data; then the GPUs and the sum.

    Args:
        runs: seeds of each config.
    """
    console.print(_configs_table(rows))
    most = any(row[side]["at_most"] for row in rows for side in ("subset", "full"))
    told = [
        "one seed each on the subset; FLOP full: on the full data",
        "memory: whatever the batch, and for each sample",
    ]
    told += ["≤: at most that, since how much it takes depends on what is found on the way"] if most else []
    for line in told:
        console.print(Text(line))
    console.print(_gpus_table(rows, runs))
    console.print(Text(f"GPU time of all configs and seeds; assumed: {UTILISATION:.0%} of the peak rate"))
    console.print(Text("in single precision without tensor cores, in which runs are trained"))


def _configs_table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Config", overflow="fold")  # a name that --configs takes is never cut
    for title in ("Images", "Steps", "FLOP", "FLOP full", "Memory", "a sample"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        own, full = row["subset"], row["full"]
        bound, full_bound = ("≤" if side["at_most"] else "" for side in (own, full))
        table.add_row(
            Text(printable(row["config"])),
            f"{bound}{count(own['images'])}",
            f"{bound}{count(own['steps'])}",
            f"{bound}{count(own['flops'])}",
            f"{full_bound}{count(full['flops'])}",
            f"{count(own['fixed_bytes'])}B",
            f"{count(own['image_bytes'])}B",
        )
    return table


def _gpus_table(rows: list[dict[str, Any]], runs: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("GPU", no_wrap=True)
    for title in ("Peak", "Subset", "Full data"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Peak rate from")
    for gpu in GPUS:
        hours = (runs * sum(row[side]["gpu_hours"][gpu.name] for row in rows) for side in ("subset", "full"))
        table.add_row(gpu.name, f"{gpu.tflops:g} TFLOP/s", *map(_gpu_time, hours), gpu.source)
    return table


def _gpu_time(hours: float) -> str:
    """``0.35 s``, ``3 min 20 s``, ``2 h 5 min``, ``1,250 h``."""
    seconds = 3600 * hours
    if seconds < 10:
        return f"{seconds:.2g} s"
    return duration(seconds) if hours < 100 else f"{hours:,.0f} h"


def _sizes(run: Run, data: DataSpec) -> tuple[int, ...]:
    return registry.train_sizes(data.dataset, len(run.class_ids), data.images_per_class)


def _gpu_hours(one: Estimate) -> dict[str, float]:
    return {gpu.name: one.flops / (gpu.tflops * 1e12 * UTILISATION) / 3600 for gpu in GPUS}


def recipe_details(protocol: Protocol) -> list[RecipeFacts]:
    """The facts of every config on the protocol's full data; imports torch.

    Raises:
        InputError: the number of the dataset's training images is not known.
    """
    from dlth_bench.training.facts import recipe_facts

    data, classes = protocol.data, len(registry.class_catalog(protocol.data.dataset))
    published = registry.published_size(data.dataset)
    samples = None if published is None else published.train
    if data.images_per_class is not None:
        samples = classes * data.images_per_class
    if samples is None:
        raise InputError(f"the number of training images of {data.dataset} is not known")
    return [
        recipe_facts(config, data, samples=samples, classes=classes, **_input_size(config, data.dataset))
        for config in protocol.configs
    ]


def _input_size(config: Config, name: str) -> dict[str, int]:
    """What a network's size depends on: the side of images, or the vocabulary of texts (0 where they are not here)."""
    if config.eval_view is not None:
        return {"image_size": 0}
    if config.method.kind == "text" and dataset_folder(name) is None and registry.hub_files(name).cached() is None:
        return {"image_size": 0, "vocabulary": 0}  # showing a protocol downloads nothing
    dataset = registry.dataset_named(name)
    if isinstance(dataset, TextDataset):
        return {"image_size": 0, "vocabulary": dataset.vocabulary_size}
    return {"image_size": dataset.image_size}


def print_details(facts: list[RecipeFacts], console: Console) -> None:
    """One paragraph a config."""
    for fact in facts:
        console.print()
        console.print(Text(printable(fact.config), style="bold"))
        encoder, trained = count(fact.encoder_parameters), count(fact.trained_parameters)
        lines = [f"parameters: {encoder} evaluated, {trained} trained{_embeddings(fact)}", *fact.views]
        lines += [f"training: {line}" for line in _stage(fact.train)]
        if fact.evaluation is not None:
            lines += [f"evaluation: {line}" for line in _stage(fact.evaluation)]
        lines += [f"note: {printable(note, 500)}" for note in fact.notes]
        for line in lines:
            console.print(Text(f"  {line}"), soft_wrap=True)


def _embeddings(fact: RecipeFacts) -> str:
    """What the numbers leave out where the vocabulary is not known."""
    if fact.values_a_word is None:
        return ""
    return f", and {fact.values_a_word} for each word of the training texts, which are not at hand"


def _stage(stage: StageFacts) -> list[str]:
    rates = ", ".join(f"{epoch}: {rate:.4g}" for epoch, rate in stage.rates.items())
    steps = f"{stage.epoch_steps:,} steps an epoch of batch {stage.batch_size:,}, {stage.steps:,} in all"
    return [steps, f"learning rate by epoch {rates}"]
