"""What ``dlth-bench bench step`` measures, and how it shows it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.table import Table

from dlth_bench.datasets.base import Dataset
from dlth_bench.spec.protocol import Config, Protocol

if TYPE_CHECKING:  # they come with torch
    from dlth_bench.training.step_bench import StepBench
    from dlth_bench.training.step_profile import StepProfile


def measured_steps(
    protocol: Protocol,
    configs: Sequence[Config],
    dataset: Dataset,
    *,
    device: str,
    rounds: int,
    steps: int,
    threads: int,
    profile: bool,
) -> tuple[Table, list[dict[str, Any]]]:
    """Measure each config's step, in this process: as a table, and as values for JSON."""
    import torch

    from dlth_bench.training.allocator import keep_freed_memory
    from dlth_bench.training.quiet import quiet_libraries
    from dlth_bench.training.step_bench import bench_step, profile_step

    quiet_libraries()
    keep_freed_memory()
    torch.set_num_threads(threads)
    if profile:
        look = partial(profile_step, data=protocol.data, dataset=dataset, device=device, rounds=rounds, steps=steps)
        profiles = [look(config) for config in configs]
        return profile_table(profiles), [one.model_dump(mode="json") for one in profiles]
    time = partial(bench_step, data=protocol.data, dataset=dataset, device=device, rounds=rounds, steps=steps)
    ratios = [time(config) for config in configs]
    return ratio_table(ratios), [one.model_dump(mode="json") for one in ratios]


def ratio_table(found: Sequence[StepBench]) -> Table:
    """A row a config."""
    table = Table("Config", "Batch", "Step img/s", "Model img/s", "Ratio")
    for one in found:
        rates = (f"{one.step_images_per_second:.0f}", f"{one.model_images_per_second:.0f}", f"{one.ratio:.3f}")
        table.add_row(one.config, str(one.batch_size), *rates)
    return table


def profile_table(found: Sequence[StepProfile]) -> Table:
    """A row a part of each config's step, and one with their sums."""
    table = Table("Config", "Part", "Step µs", "Bare µs", "Difference")
    for one in found:
        for number, part in enumerate((*one.parts, one.total)):
            times = (f"{part.step:.0f}", f"{part.bare:.0f}", f"{part.step - part.bare:.0f}")
            table.add_row("" if number else one.config, part.part, *times, end_section=number == len(one.parts))
    return table
