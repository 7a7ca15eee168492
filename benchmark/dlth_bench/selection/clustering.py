"""Clusters of class embeddings, and one class of each.

Rows are scaled to unit length, so that distances follow cosines. Of each cluster the highest-ranked class is taken: the
nearest to the centre of k-means, or the medoid; the first of the dataset's order among equals. (The DLTH paper,
section 3.3, ranks by "label quality" and does not define it.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dlth_bench.selection.policy import Algorithm, size_within
from dlth_bench.spec.errors import InputError

Matrix = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]

_STARTS = 10
_MAX_ROUNDS = 300
_DECIMALS = 9
"""Distances that agree to so many decimals are equal: what remains is rounding, which differs between machines."""


def cluster_classes(
    embeddings: Matrix, class_ids: Sequence[str], size: int, seed: int, algorithm: Algorithm = Algorithm.KMEANS
) -> tuple[str, ...]:
    """One class of each of ``size`` clusters, in sorted order.

    Args:
        embeddings: (classes, dimensions), finite.
        seed: of the clustering's starts.

    Raises:
        InputError: ``size`` is not between 1 and the number of classes, or fewer embeddings than that are distinct.
    """
    size_within(size, len(class_ids))
    points = _unit_rows(embeddings)
    distinct = len(np.unique(np.round(points, _DECIMALS), axis=0))
    if distinct < size:
        raise InputError(f"size {size}: only {distinct} of the {len(class_ids)} classes' embeddings are distinct")
    cluster = _kmeans_representatives if algorithm is Algorithm.KMEANS else kmedoids
    return tuple(sorted(class_ids[position] for position in cluster(points, size, seed)))


def kmedoids(points: Matrix, count: int, seed: int) -> Positions:
    """The positions of ``count`` medoids, ascending, by alternating assignment and update (Park & Jun 2009).

    The best of ten starts, each seeded as k-means++ is: the next medoid is drawn with a probability proportional to
    the squared distance to the nearest so far. The cost is the sum of distances to the nearest medoid.

    Args:
        points: (points, dimensions), at least ``count`` of them distinct.
    """
    from scipy.spatial.distance import cdist

    distances = np.round(cdist(points, points), _DECIMALS)
    rng = np.random.default_rng(seed)
    best, least = np.empty(0, dtype=np.intp), np.inf
    for _ in range(_STARTS):
        medoids = _settle(distances, _spread_start(distances, count, rng))
        cost = float(np.round(distances[:, medoids].min(axis=1).sum(), _DECIMALS - 3))
        if cost < least:
            best, least = medoids, cost
    return best


def _spread_start(distances: Matrix, count: int, rng: np.random.Generator) -> Positions:
    """Medoids that lie apart, drawn as the centres of k-means++."""
    chosen = [int(rng.integers(len(distances)))]
    while len(chosen) < count:
        weights = distances[:, chosen].min(axis=1) ** 2
        chosen.append(int(rng.choice(len(distances), p=weights / weights.sum())))
    return np.sort(np.array(chosen, dtype=np.intp))


def _settle(distances: Matrix, medoids: Positions) -> Positions:
    """Alternate until no medoid moves; the sum of distances falls in every round, so it ends."""
    for _ in range(_MAX_ROUNDS):
        nearest = distances[:, medoids].argmin(axis=1)
        moved = []
        for cluster in range(len(medoids)):
            members = np.flatnonzero(nearest == cluster)
            sums = np.round(distances[np.ix_(members, members)].sum(axis=1), _DECIMALS - 3)
            moved.append(members[sums.argmin()])
        updated = np.sort(np.array(moved, dtype=np.intp))
        if np.array_equal(updated, medoids):
            break
        medoids = updated
    return medoids


def _kmeans_representatives(points: Matrix, count: int, seed: int) -> Positions:
    """The point nearest to each centre of scikit-learn's k-means, among the points of its cluster."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # The order in which threads add up changes the last digits, and with them, rarely, a cluster.
    with threadpool_limits(limits=1):
        fitted = KMeans(count, n_init=_STARTS, max_iter=_MAX_ROUNDS, random_state=seed).fit(points)
    chosen = []
    for cluster in range(count):
        members = np.flatnonzero(fitted.labels_ == cluster)
        if not len(members):
            raise InputError(f"size {count}: k-means left a cluster empty; try another --seed or --algorithm kmedoids")
        away = np.linalg.norm(points[members] - fitted.cluster_centers_[cluster], axis=1)
        chosen.append(members[np.round(away, _DECIMALS).argmin()])
    return np.array(chosen, dtype=np.intp)


def _unit_rows(embeddings: Matrix) -> Matrix:
    """Rows of length one; a row of zeros stays."""
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(lengths > 0, lengths, 1.0)
