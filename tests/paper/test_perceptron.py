"""The teacher-student perceptron: simulation and analysis agree where both are, and the command tells both."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog
from typer.testing import CliRunner

from dlth_bench.cli.main import app
from dlth_bench.paper.perceptron import (
    RULES,
    MarginSelection,
    Rule,
    Setting,
    analytic_error,
    generalisation_error,
    max_margin_overlap,
    ridge_overlap,
    simulated,
)


def test_hebb_on_all_data_is_the_textbook_s() -> None:
    """R = sqrt(2 alpha / (2 alpha + pi)) (Vallet 1989), and the limit of a large penalty."""
    for alpha in (0.3, 1, 7):
        assert ridge_overlap(alpha, math.inf) == pytest.approx(math.sqrt(2 * alpha / (2 * alpha + math.pi)))
        assert ridge_overlap(alpha, 1e7) == pytest.approx(ridge_overlap(alpha, math.inf), rel=1e-5)


def test_known_limits() -> None:
    """All samples are a margin subset of share 1; little data teach little; the largest margin errs as .5 / alpha."""
    for penalty in (0.0, 0.3, math.inf):
        whole = ridge_overlap(4, penalty, MarginSelection(1 - 1e-9, by_margin=True, angle=0.6))
        assert whole == pytest.approx(ridge_overlap(4, penalty), abs=1e-4)
    assert max_margin_overlap(1e-3) == pytest.approx(math.sqrt(2e-3 / math.pi), rel=0.02)
    # Opper et al. 1990: 0.5005 / alpha for many samples.
    assert generalisation_error(max_margin_overlap(200)) * 200 == pytest.approx(0.5005, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("angle", [0.0, 20.0, 60.0])
def test_simulation_and_analysis_agree(angle: float) -> None:
    """With 200 dimensions, on full data, a random subset and one of small margins, to a point."""
    rules = [rule for rule in RULES if rule.penalty is not None]
    setting = Setting(200, 8.0, (0.5,), math.radians(angle))
    runs = list(simulated(setting, rules, range(6)))
    for name, selection in setting.selections.items():
        means = np.mean([run[name] for run in runs], axis=0)
        exact = [analytic_error(setting, selection, rule) for rule in rules]
        assert means == pytest.approx(exact, abs=0.01), name


def test_largest_margin_agrees_with_its_analysis() -> None:
    """On full data, where it is known; on margin subsets nothing is claimed."""
    rule = Rule("max margin", None)
    setting = Setting(60, 4.0, (0.5,), 0.3)
    means = np.mean([run["full data"] for run in simulated(setting, [rule], range(6))])
    assert means == pytest.approx(generalisation_error(max_margin_overlap(4.0)), abs=0.015)
    assert analytic_error(setting, setting.selections["margin 50 %"], rule) is None


def test_largest_margin_is_the_largest() -> None:
    """No other weights of its length have a larger margin: a linear program around it finds no better direction."""
    from dlth_bench.paper.perceptron import _max_margin

    rng = np.random.default_rng(3)
    inputs = rng.standard_normal((60, 8))
    labels = np.where(inputs[:, 0] >= 0, 1.0, -1.0)
    weights = _max_margin(inputs, labels)
    margins = labels * (inputs @ weights)
    assert margins.min() == pytest.approx(1)
    # Optimal: weights are a combination of the samples on the margin with multipliers that are not negative.
    support = (labels[:, None] * inputs)[np.isclose(margins, 1)]
    assert linprog(np.zeros(len(support)), A_eq=support.T, b_eq=weights, bounds=(0, None)).status == 0


def test_command_writes_figure_and_json(tmp_path: Path) -> None:
    """The same seeds give the same numbers; the figure comes as SVG and PNG; the full data agree with themselves."""
    given = ["theory", "--dimensions", "20", "--samples-per-dimension", "4", "--kept", "0.5", "--seeds", "2", "--json"]
    found = [CliRunner().invoke(app, [*given, "--output", str(tmp_path / name)]) for name in "ab"]
    assert [one.exit_code for one in found] == [0, 0], found[0].output
    assert found[0].stdout == found[1].stdout
    told = json.loads(found[0].stdout)
    assert [line["data"] for line in told["lines"]] == ["full data", "margin 50 %", "random 50 %"]
    assert told["lines"][0]["spearman"] == 1
    assert told["lines"][1]["analytic_error"][-1] is None
    assert {path.name for path in tmp_path.iterdir()} == {"a.svg", "a.png", "b.svg", "b.png"}


def test_a_share_that_is_none_is_refused(tmp_path: Path) -> None:
    """One line, before anything is simulated or written."""
    result = CliRunner().invoke(app, ["theory", "--kept", "1.5", "--output", str(tmp_path / "x")])
    assert "--kept" in str(result.exception)
    assert not list(tmp_path.iterdir())
