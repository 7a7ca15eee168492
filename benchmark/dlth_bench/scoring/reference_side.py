"""The full data's side of a scorecard: measured runs, or published numbers with the spread that is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from dlth_bench.scoring.correlation import FloatArray
from dlth_bench.scoring.sides import Published, padded
from dlth_bench.spec.metric import ACCURACY, Metric
from dlth_bench.spec.reference import Reference


@dataclass(frozen=True, eq=False)
class ReferenceSide:
    """Reference accuracies of some configs, in the order asked for.

    Attributes:
        scores: (configs, seeds) accuracies where all are measured, else published numbers.
        noise: for each config the standard deviation of one run that is reckoned with; None where it is unknown.
        seeds: for each config the runs behind its mean.
        note: what is taken for granted about the noise; empty if nothing is.
    """

    scores: FloatArray | Published
    noise: tuple[float | None, ...]
    seeds: tuple[int, ...]
    note: str = ""

    @property
    def exact(self) -> bool:
        """Whether the numbers are taken as free of noise because nobody says how large it is."""
        return isinstance(self.scores, Published) and not any(self.noise)


def reference_side(reference: Reference, configs: Sequence[str], metric: Metric = ACCURACY) -> ReferenceSide:
    """The reference of some configs; ``metric`` is what its values are of.

    A published number has the standard deviation that is stated with it; else the one that the protocol declares
    (``assumed_std``); else the mean of those that are stated; else none, and it is taken as exact. Each published
    number is taken for one run, so its error is that of a run.
    """
    entries = [reference.configs[config] for config in configs]
    if all(entry.accuracies for entry in entries):
        counts = tuple(len(entry.accuracies) for entry in entries)
        return ReferenceSide(padded([e.accuracies for e in entries]), tuple(e.statistics[1] for e in entries), counts)
    means, stds = zip(*(entry.statistics for entry in entries), strict=True)
    known = [std for std in stds if std is not None]
    filled, source = _fill(reference.assumed_std, known, metric)
    noise = tuple(filled if std is None else std for std in stds)
    published = Published(np.array(means), np.array(noise))
    return ReferenceSide(published, noise, (1,) * len(entries), _note(len(stds) - len(known), len(stds), source))


def _fill(assumed: float | None, known: Sequence[float], metric: Metric) -> tuple[float, str]:
    """The standard deviation of numbers that come without one, and where it is from."""
    if assumed is not None:
        return assumed, f"the protocol's declared std of {_size(assumed, metric)} is reckoned with"
    if known:
        return fmean(known), f"the mean std of the others, {_size(fmean(known), metric)}, is reckoned with"
    return 0.0, "its noise is taken as zero, no ceiling is known"


def _size(std: float, metric: Metric) -> str:
    unit = {"fraction": " points", "events": " events", "ratio": ""}[metric.unit]
    return f"{metric.shown(std):.2g}{unit}"


def _note(without: int, configs: int, source: str) -> str:
    if not without:
        return ""
    if without == configs:
        return f"the reference has no spread over seeds: {source}"
    return f"{without} of {configs} reference accuracies are printed without a spread: {source}"
