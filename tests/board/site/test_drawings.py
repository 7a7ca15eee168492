"""Positions in the site's drawings, and its BibTeX entries."""

from __future__ import annotations

from board_examples import SUBSET, metadata_of, tiny_protocol
from site_examples import AUTHOR

from dlth_bench.board.site.charts import correlation_scale, path, trend_chart
from dlth_bench.board.site.templates import bibtex
from dlth_bench.scoring.scorecard import ConfigScore, CorrelationScore


def _score(mean: float | None, reference: float) -> ConfigScore:
    return ConfigScore(
        config="a", title="A, b", accuracies=(), mean=mean, std=None, reference_mean=reference, reference_std=0.1
    )


def test_trend_has_a_gap_where_a_mean_is_missing() -> None:
    """A config that was not trained is not drawn, and no line runs through its place."""
    chart = trend_chart([_score(0.5, 0.9), _score(None, 0.8), _score(0.6, 0.7), _score(0.7, 0.6)])
    assert chart.subset[1] is None
    assert path(chart.subset).count("M") == 2
    heights = [point.y for point in chart.full if point is not None]
    assert heights == sorted(heights)


def test_names_of_lines_that_end_together_stand_apart() -> None:
    """Both names can be read, the higher line's above the other's."""
    for subset in (0.70, 0.71, 0.69):
        full_end, subset_end = trend_chart([_score(0.2, 0.9), _score(subset, 0.70)]).ends
        assert full_end is not None
        assert subset_end is not None
        assert abs(full_end.y - subset_end.y) >= 14
        assert subset <= 0.70 or subset_end.y < full_end.y


def test_scale_holds_every_bar() -> None:
    """A negative interval moves the left end of the axis for the whole table; 1 is always its right end."""
    scale = correlation_scale([CorrelationScore(value=0.4, low=-0.2), CorrelationScore(value=None)])
    assert (scale.low, scale.high) == (-0.5, 1.0)
    assert correlation_scale([]).low == 0


def test_bibtex_is_inert() -> None:
    """A submitter's name runs no LaTeX command, ends no field and stays one author."""
    entry = bibtex(metadata_of(tiny_protocol(), SUBSET, "my-set.2", authors=[AUTHOR, "Ada Lovelace"]))
    assert entry.startswith("@misc{dlth-tiny-1-my-set-2,\n")
    assert r"\textbackslash{}input\{/etc/passwd\}" in entry
    assert entry.count("} and {") == 1
    unescaped = entry.replace(r"\{", "").replace(r"\}", "")
    assert unescaped.count("{") == unescaped.count("}")
