"""Steps of a grid: derived from the configs, so that frozen protocols have them."""

from __future__ import annotations

from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import Duration
from dlth_bench.scoring.decisions import family_of, steps_of


def _varied(config: Config, name: str, epochs: float | None = None, batch_size: int | None = None) -> Config:
    train = config.train
    if epochs is not None:
        train = train.model_copy(update={"duration": Duration(epochs=epochs)})
    if batch_size is not None:
        train = train.model_copy(update={"batch_size": batch_size})
    return config.model_copy(update={"name": name, "train": train})


def test_the_papers_axes() -> None:
    """Augmentation, budget and evaluation as in the paper's Fig. 6, the two DINOs, and what else differs in each."""
    found = steps_of(find_protocol("glyphs-ssl@1").configs)
    assert [(step.axis, step.before, step.after) for step in found] == [
        ("augmentation", "moco-v1-short", "moco-v2-short"),
        ("budget", "moco-v2-short", "moco-v2-long"),
        ("backbone + budget", "dino-small", "dino-base"),
        ("evaluation", "mae-linear", "mae-finetune"),
    ]
    assert "method.temperature" in found[0].also
    assert found[1].also == found[3].also == ()


def test_a_row_of_budgets_is_walked_in_order() -> None:
    """Budgets make steps from each to the next larger one, in whatever order they stand; no step skips one."""
    config = find_protocol("glyphs-ssl@1").config("mae-linear")
    grid = [_varied(config, "long", 32), _varied(config, "short", 4), _varied(config, "middle", 16)]
    assert [(step.before, step.after) for step in steps_of(grid)] == [("short", "middle"), ("middle", "long")]


def test_a_grid_of_two_axes_has_both() -> None:
    """Where two settings vary independently, every single change is a step, and no diagonal is."""
    config = find_protocol("glyphs-ssl@1").config("mae-linear")
    grid = [
        _varied(config, f"e{epochs}-b{size}", epochs, size)
        for epochs in (4, 8)
        for size in (16, 32)
    ]  # fmt: skip
    assert {(step.axis, step.before, step.after, step.also) for step in steps_of(grid)} == {
        ("recipe", "e4-b16", "e4-b32", ("train.batch_size",)),
        ("recipe", "e8-b16", "e8-b32", ("train.batch_size",)),
        ("budget", "e4-b16", "e8-b16", ()),
        ("budget", "e4-b32", "e8-b32", ()),
    }


def test_families() -> None:
    """Families are kinds of method; of backbone where the method is the same; none where both are."""
    configs = find_protocol("glyphs-ssl@1").configs
    assert [family_of(config, configs) for config in configs] == ["moco"] * 3 + ["dino"] * 2 + ["mae"] * 2
    assert family_of(configs[0], configs[:3]) == ""
