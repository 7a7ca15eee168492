"""``sweep:`` in a protocol file: which configs it makes, and that errors name the line of what is wrong."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol, read_protocol
from dlth_bench.protocols.sweep import GENERATORS, Factor, Sweep
from dlth_bench.util.errors import InputError
from tiny_grid import tiny_text

RATES = "{name: rate, field: train.optimizer.lr, levels: {slow: 0.01, fast: 0.1}}"
CROPS = "{name: crops, field: method.augment, levels: {whole: {}, cropped: {crop_scale: [0.5, 1.0]}}}"
WIDTHS = "{name: width, field: backbone.widths, levels: {one: [8], two: [16], three: [24]}}"


def swept(folder: Path, factors: list[str], rest: str = "") -> Protocol:
    """The tiny protocol with a sweep over its first config in place of its configs."""
    whole = yaml.safe_load(tiny_text())
    base = {key: value for key, value in whole.pop("configs")[0].items() if key not in {"name", "title"}}
    whole = {key: value for key, value in whole.items() if key != "reference"}
    text = yaml.safe_dump(whole, sort_keys=False) + "sweep:\n"
    text += f"  base: {yaml.safe_dump(base, default_flow_style=True, width=10_000).strip()}\n"
    text += "  factors:\n" + "".join(f"    - {factor}\n" for factor in factors)
    text += rest
    (folder / "mine.yaml").write_text(text)
    return read_protocol(folder / "mine.yaml")


def test_every_combination_is_a_config(tmp_path: Path) -> None:
    """Names and titles are made of the levels, and the values stand where the fields say."""
    found = swept(tmp_path, [RATES, WIDTHS])
    assert [config.name for config in found.configs] == [
        *("slow-one", "slow-two", "slow-three"),
        *("fast-one", "fast-two", "fast-three"),
    ]
    last = found.configs[-1]
    assert last.title == "rate fast, width three"
    assert last.factors == {"rate": "fast", "width": "three"}
    assert (last.train.optimizer.lr, getattr(last.backbone, "widths")) == (0.1, (24,))  # noqa: B009


def test_the_digest_is_that_of_the_grid_written_out(tmp_path: Path) -> None:
    """How a grid was written is no part of what is frozen."""
    found = swept(tmp_path, [RATES, CROPS])
    document = found.model_dump(mode="json", exclude_defaults=True)
    assert Protocol.model_validate(document).digest == found.digest
    (tmp_path / "long.yaml").write_text(yaml.safe_dump(document))
    assert read_protocol(tmp_path / "long.yaml").digest == found.digest


def test_names_of_levels_are_no_part_of_a_recipe(tmp_path: Path) -> None:
    """A run is what is trained, so another name for the same level finds the stored results."""
    one = swept(tmp_path, [RATES, CROPS])
    other = swept(tmp_path, [RATES.replace("slow", "low"), CROPS])
    assert [config.recipe_digest for config in one.configs] == [config.recipe_digest for config in other.configs]


def test_rows_are_taken_as_they_stand(tmp_path: Path) -> None:
    rows = "  rows: [[slow, three], [fast, one], [slow, one]]\n"
    found = swept(tmp_path, [RATES, WIDTHS], rows)
    assert [config.name for config in found.configs] == ["slow-three", "fast-one", "slow-one"]


@pytest.mark.parametrize(("count", "p"), sorted(GENERATORS))
def test_a_fraction_keeps_main_effects_apart(count: int, p: int) -> None:
    """Every level of every factor stands in half of the configs, and with each level of any other in a quarter."""
    factors = tuple(
        Factor(name=f"f{index}", field=f"f{'abcdefgh'[index]}", levels={"low": 0, "high": 1}) for index in range(count)
    )
    sweep = Sweep(base={}, factors=factors, fraction=f"2^({count}-{p})")
    signs = np.array([[1 if level == "high" else -1 for level in row] for row in sweep.combinations()])
    assert len({tuple(row) for row in signs.tolist()}) == 2 ** (count - p)
    assert not signs.sum(0).any()
    assert not np.triu(signs.T @ signs, 1).any()


def test_a_half_of_five_factors_keeps_pairs_apart() -> None:
    """Resolution V: the effects of two pairs of factors are not mixed up with each other, or with a main effect."""
    factors = find_protocol("glyphs-tuning").configs
    names = list(factors[0].factors)
    first = {name: factors[0].factors[name] for name in names}
    signs = np.array([[1 if config.factors[name] == first[name] else -1 for name in names] for config in factors])
    pairs = np.stack([signs[:, i] * signs[:, j] for i, j in itertools.combinations(range(5), 2)], axis=1)
    effects = np.concatenate([signs, pairs], axis=1)
    assert not np.triu(effects.T @ effects, 1).any()


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (WIDTHS.replace("backbone.widths", "train.optimizer.lr"), "sets train.optimizer.lr, as the factor rate does"),
        (
            "{name: decay, field: train.optimizer, levels: {low: {momentum: 0.0}, high: {lr: 1.0}}}",
            "sets train.optimizer.lr",
        ),
        (CROPS.replace("whole: {}", "whole: {crop_scale: [0.5, 1.0]}"), "has the same value twice"),
        (WIDTHS.replace("width,", "rate,"), "two factors are called rate"),
        ("{name: flip, field: method.augment.flip, levels: {no: 0.0, yes: 0.5}}", "False is not a name for a level"),
    ],
)
def test_a_level_without_an_effect_is_refused(tmp_path: Path, second: str, problem: str) -> None:
    """Of two factors that set one field the first would change nothing, and its effect would be noise."""
    with pytest.raises(InputError, match=re.escape(problem)) as caught:
        swept(tmp_path, [RATES, second])
    lines = (tmp_path / "mine.yaml").read_text().splitlines()
    assert caught.value.line is not None
    assert second in lines[caught.value.line - 1] or "factors:" in lines[caught.value.line - 1]


def test_factors_may_share_a_mapping(tmp_path: Path) -> None:
    """Two factors of the augmentation, each with a field of its own."""
    flips = "{name: flips, field: method.augment, levels: {plain: {}, flipped: {flip: 0.5}}}"
    augment = swept(tmp_path, [CROPS, flips]).configs[-1].method.augment  # type: ignore[union-attr]
    assert (augment.crop_scale, augment.flip) == ((0.5, 1.0), 0.5)


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("  fraction: 2^(2-1)\n", "'2^(2-1)' is no fraction of 2 factors; there are none"),
        ("  rows: [[slow, wide]]\n", "crops has no level 'wide'; it has whole, cropped"),
        ("  rows: [[slow]]\n", "has 1 levels for 2 factors"),
        ("  levels: 3\n", "sweep.levels"),
    ],
)
def test_a_wrong_sweep_is_told(tmp_path: Path, rest: str, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        swept(tmp_path, [RATES, CROPS], rest)
    assert problem in f"{caught.value}"
    assert caught.value.line == len((tmp_path / "mine.yaml").read_text().splitlines())  # where ``rest`` stands


def test_a_wrong_level_is_told_with_its_line(tmp_path: Path) -> None:
    """The value of a level is checked where it stands."""
    wrong = RATES.replace("fast: 0.1", "fast: -1")
    with pytest.raises(InputError) as caught:
        swept(tmp_path, [CROPS, wrong])
    lines = (tmp_path / "mine.yaml").read_text().splitlines()
    assert caught.value.line is not None
    assert "fast: -1" in lines[caught.value.line - 1]
