"""Values of a protocol's metric as people read them; number_text has all other numbers."""

from __future__ import annotations

from dlth_bench.leaderboard.number_text import percent, points
from dlth_bench.spec.metric import ACCURACY, Metric


def amount(mean: float | None, std: float | None = None, metric: Metric = ACCURACY) -> str:
    """``61.3 ± 0.4``: a value and its spread, fractions in percent, others with three digits."""
    if metric.unit == "fraction" or mean is None:
        return percent(mean, std)
    return f"{mean:.3g}" if std is None else f"{mean:.3g} ± {std:.2g}"


def difference(gap: float, noise: float | None = None, metric: Metric = ACCURACY) -> str:
    """``+3.1 ± 0.9``: a difference of values and half its interval, of fractions in points."""
    if metric.unit == "fraction":
        return points(gap, noise)
    return f"{gap:+.3g}" if noise is None else f"{gap:+.3g} ± {noise:.2g}"


def size(gap: float, metric: Metric = ACCURACY) -> str:
    """``2.3 points``, ``.4 events``: how large a difference is."""
    if metric.unit == "fraction":
        return f"{100 * gap:.1f} points"
    return f"{gap:.3g} events" if metric.unit == "events" else f"{gap:.3g}"


def column_title(metric: Metric) -> str:
    """``top-1 %``, ``barrier %``, ``forgetting events``: the metric over a column of its values."""
    return f"{metric.title} %" if metric.unit == "fraction" else metric.title


def explained(metric: Metric) -> str:
    """``barrier, a fraction (shown in %), lower is better``."""
    unit = {"fraction": "a fraction (shown in %)", "events": "events a sample", "ratio": "a ratio"}[metric.unit]
    return f"{metric.title}, {unit}, {metric.direction} is better"
