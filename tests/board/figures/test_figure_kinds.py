"""Every kind of figure: drawn from a board of any shape, as the same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from board_examples import COST, FULL, OTHER_SUBSET, SUBSET, results_of, submit, tiny_protocol

from dlth_bench.board.figures import KINDS, Kind, find_kind
from dlth_bench.board.figures.drawing import Material
from dlth_bench.board.markdown import board_rows
from dlth_bench.board.submission_folder import StoredSubmission
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.runs.run import Curves, Result, Run
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError

IDS = tuple(sorted(class_catalog("glyphs").ids))
CURVES = Curves(pretrain_steps=(10, 20, 40), pretrain_loss=(3.0, 2.0, 1.0))
INCOMPLETE = Subset(dataset="glyphs", ids=("U+0041", "U+0042", "U+0045"))


def _full_results() -> list[Result]:
    """Results on all classes with curves; every config leaves its own accuracy on every class but the first."""
    protocol = tiny_protocol()
    return [
        Result(
            run=Run(data=protocol.data, config=config, class_ids=IDS, seed=seed).digest,
            config=config.name,
            seed=seed,
            status="finished",
            accuracy=accuracy,
            class_accuracy=(0.5, *[accuracy] * (len(IDS) - 1)),
            curves=CURVES,
            cost=COST,
        )
        for config in protocol.configs
        for seed, accuracy in zip(protocol.seeds, FULL[config.name], strict=True)
    ]


@pytest.fixture
def material(tmp_path: Path) -> Material:
    """A random subset, one by a policy, and one without the runs of a config."""
    protocol = tiny_protocol()
    by_policy = [result.model_copy(update={"curves": CURVES}) for result in results_of(protocol, OTHER_SUBSET)]
    stored = [
        submit(tmp_path, "lucky"),
        submit(tmp_path, "easy", subset=OTHER_SUBSET, results=by_policy, policy="pd-top"),
        submit(tmp_path, "holed", subset=INCOMPLETE, results=results_of(protocol, INCOMPLETE)[2:], policy="wnh"),
    ]
    rows = board_rows(stored, protocol)
    return Material(protocol, rows, [row for row in rows if row.is_random], _full_results())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind_is_drawn_and_redrawn_alike(kind: Kind, material: Material, tmp_path: Path) -> None:
    """Each kind writes SVG and PNG, even where a submission has holes, and the same SVG when asked again."""
    svg, png = kind.draw(material, tmp_path / "one")
    assert png.read_bytes().startswith(b"\x89PNG")
    text = svg.read_text()
    assert kind.draw(material, tmp_path / "two")[0].read_text() == text
    assert "<!-- tiny@1: " in text
    assert ("<!-- other policies -->" if kind.name == "frontier" else "<!-- easy") in text  # it names no submission


def test_random_subsets_are_drawn_together(material: Material, tmp_path: Path) -> None:
    """In loss curves and radar the random subsets are one grey thing, not names that draw the eye."""
    rows = [row for row in material.rows if not row.is_random]
    radar = find_kind("radar").draw(replace(material, rows=rows), tmp_path / "radar")[0].read_text()
    loss = find_kind("loss").draw(material, tmp_path / "loss")[0].read_text()
    assert "<!-- random: mean of 1 -->" in radar
    assert "<!-- random subsets -->" in loss
    assert "<!-- lucky" not in radar + loss


def test_incomplete_subset_is_no_bargain(material: Material, tmp_path: Path) -> None:
    """A subset that saved the runs of a config is not drawn against cost; the forest shows it without a rank."""
    assert "<!-- holed" not in find_kind("pareto").draw(material, tmp_path / "pareto")[0].read_text()
    assert "<!-- holed  – -->" in find_kind("forest").draw(material, tmp_path / "forest")[0].read_text()


def test_class_figure_counts_the_consistent_classes(material: Material, tmp_path: Path) -> None:
    """The tick row holds the classes that rank the configs as the whole: here all but the first."""
    svg = find_kind("classes").draw(material, tmp_path / "classes")[0].read_text()
    assert f"<!-- order as on all ({len(IDS) - 1}) -->" in svg
    assert f"<!-- lucky ({len(SUBSET)}) -->" in svg


def test_loss_without_curves_is_refused(material: Material, tmp_path: Path) -> None:
    """A figure without a single curve is not drawn silently."""
    bare = [result.model_copy(update={"curves": Curves()}) for result in material.full]
    with pytest.raises(InputError, match="no full-data result of tiny@1 has a loss curve"):
        find_kind("loss").draw(Material(material.protocol, material.rows, full=bare), tmp_path / "loss")


def test_cost_that_nobody_measured_is_refused(material: Material, tmp_path: Path) -> None:
    """Without costs there is no figure of costs."""

    def without_cost(stored: StoredSubmission) -> StoredSubmission:
        return replace(stored, scorecard=stored.scorecard.model_copy(update={"cost": None}))

    rows = [replace(row, submission=without_cost(row.submission)) for row in material.rows]
    with pytest.raises(InputError, match="known saving of images seen"):
        find_kind("pareto").draw(Material(material.protocol, rows), tmp_path / "pareto")


def test_unknown_kind_is_guessed() -> None:
    """A mistyped kind is an error that lists the kinds and the likely one."""
    with pytest.raises(InputError, match=r"no kind of figure 'pareta'.*did you mean 'pareto'"):
        find_kind("pareta")
