"""Which faces are kept, which are for validation, and in which order they come."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.glyphs.designs import Design
from dlth_bench.datasets.glyphs.faces import Face

NEAR_DUPLICATE = 0.2
"""Of faces nearer than this (neighbouring weights, clones) one is kept."""

LEAK = 0.4
"""Designs with faces nearer than this are kept on one side of the split."""

MAX_FACES = 24
"""Most faces of one design, so that families with many weights do not outweigh the others."""

VALIDATION_SHARE = 0.3
"""Fraction of the faces of each style class that are for validation."""

MAX_VALIDATION_FACES = 8
"""Most faces of one design in validation, so that accuracy is not that of two or three large families."""

_FIRST_STYLES = ("Regular", "Book", "Roman")


def spread_order(faces: Sequence[Face], distance: npt.NDArray[np.float64]) -> list[int]:
    """Positions of a design's faces, each the farthest from all before it, until near-duplicates are left.

    The first is an upright of normal weight where there is one. distance: (faces, faces).
    """
    start = min(range(len(faces)), key=lambda i: (faces[i].style not in _FIRST_STYLES, faces[i].id))
    order = [start]
    nearest = distance[start].copy()
    while len(order) < MAX_FACES:
        farthest = int(nearest.argmax())
        if nearest[farthest] < NEAR_DUPLICATE:
            break
        order.append(farthest)
        nearest = np.minimum(nearest, distance[farthest])
    return order


def kept_by_design(faces: Sequence[Face], distance: npt.NDArray[np.float64]) -> dict[Design, list[int]]:
    """Positions of the faces to keep of each design, the most different first. distance: (faces, faces)."""
    members: dict[Design, list[int]] = defaultdict(list)
    for position, face in enumerate(faces):
        members[face.design].append(position)
    return {
        design: [own[i] for i in spread_order([faces[i] for i in own], distance[np.ix_(own, own)])]
        for design, own in members.items()
    }


def tied_designs(kept: dict[Design, list[int]], distance: npt.NDArray[np.float64]) -> list[list[Design]]:
    """The designs, those that are too near each other together. distance: (faces, faces)."""
    ties: list[list[Design]] = []
    for design, own in kept.items():
        near = [tie for tie in ties if any(distance[np.ix_(own, kept[other])].min() < LEAK for other in tie)]
        ties = [tie for tie in ties if tie not in near]
        ties.append([design, *(other for tie in near for other in tie)])
    return ties


def validation_designs(kept: dict[Design, list[int]], distance: npt.NDArray[np.float64]) -> frozenset[Design]:
    """The designs of the validation split: a share of the faces of each style class, drawn by hash of the name."""
    room: dict[str, float] = defaultdict(float)
    for design, own in kept.items():
        room[design.style_class] += VALIDATION_SHARE * len(own)
    chosen: set[Design] = set()
    for tie in sorted(tied_designs(kept, distance), key=lambda tie: min(map(_hash, tie))):
        sizes: dict[str, int] = defaultdict(int)
        for design in tie:
            sizes[design.style_class] += min(len(kept[design]), MAX_VALIDATION_FACES)
        if all(size <= room[style] + 1 for style, size in sizes.items()):  # 1: a class of few faces has a part too
            chosen.update(tie)
            for style, size in sizes.items():
                room[style] -= size
    return frozenset(chosen)


def round_robin(kept: dict[Design, list[int]], designs: Iterable[Design], max_faces: int = MAX_FACES) -> list[int]:
    """Face positions, one of each design in turn, so that the first k are as different as k faces can be."""
    queues = [kept[design][:max_faces] for design in sorted(designs, key=_hash)]
    longest = max(map(len, queues))
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _hash(design: Design) -> str:
    return hashlib.sha256(design.name.encode()).hexdigest()
