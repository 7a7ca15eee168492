"""Short runs that prune: how they are made, compared, watched and killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_gradient_scores import WIDE
from tiny_training import EVERYTHING, SGD, tiny_run, train_spec
from torch import Tensor

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.methods import SupervisedSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.tickets import PruningSpec
from dlth_bench.runs.run import Result
from dlth_bench.training import loop
from dlth_bench.training import train_stage as stage_files
from dlth_bench.training.run_context import RunContext, prepare_run
from dlth_bench.training.tickets import masks as mask_file
from dlth_bench.training.tickets import search
from dlth_bench.training.tickets.masks import Mask

STEPS, REWIND = 12, 3
IMP = {"rounds": 2, "rate": 0.6, "rewind": {"steps": REWIND}}


def config(**pruning: Any) -> Config:
    """A ResNet trained for 12 steps with clipped gradients, pruned in two rounds to 16 % by default."""
    return Config(
        name="ticket",
        title="Ticket",
        backbone=WIDE,
        method=SupervisedSpec(kind="supervised", augment=EVERYTHING),
        train=train_spec(SGD.model_copy(update={"clip_grad": 0.5}), STEPS),
        pruning=PruningSpec.model_validate(IMP | pruning),
    )


def rewound(kind: str, **changes: Any) -> Config:
    """Pruned once, at initialisation."""
    score = {"kind": kind} | ({"shots": 5} if kind == "synflow" else {})
    return config(scored="rewound", rewind=None, score=score, **changes)


def prepared(given: Config, glyphs: Glyphs, folder: Path | None = None, **options: Any) -> RunContext:
    return prepare_run(tiny_run(given), glyphs, folder=folder, device="cpu", checkpoint_seconds=0, **options)


def outcome(result: Result) -> dict[str, Any]:
    """All of a result that must not depend on when and how it was computed."""
    assert result.ticket is not None
    assert result.cost is not None
    kept = {"status", "run", "accuracy", "class_accuracy", "train_accuracy", "curves"}
    facts = result.ticket.model_dump(exclude={"scoring_seconds": True, "levels": True, "prac": {"device_seconds"}})
    levels = [level.model_dump(exclude={"device_seconds"}) for level in result.ticket.levels]
    cost = {"images": result.cost.images, "flops": result.cost.flops}
    return result.model_dump(include=kept) | facts | cost | {"levels": levels}


class Saved:
    """Every file of tensors that a run writes, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: list[tuple[str, dict[str, Tensor]]] = []
        for module in (stage_files, mask_file):
            self._watch(monkeypatch, module, module.save_tensors)

    def _watch(self, monkeypatch: pytest.MonkeyPatch, module: Any, original: Callable[..., None]) -> None:
        def save(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
            self.files.append((path.name, {name: tensor.clone() for name, tensor in tensors.items()}))
            original(path, tensors, header)

        monkeypatch.setattr(module, "save_tensors", save)


class Killed(Exception):
    """What the tests raise in the middle of a run."""


def kill_at(moments: set[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each of the named moments of a run kills it once; returns what happened so far, in all attempts."""
    happened: list[str] = []
    set_rates, save_mask, prune = loop.set_rates, search.save_mask, search.Scorer.prune

    def happens(moment: str) -> None:
        happened.append(moment)
        if moment in moments:
            moments.remove(moment)
            raise Killed(moment)

    def rates(*given: Any) -> None:
        happens(f"update {len([each for each in happened if each.startswith('update')])}")
        set_rates(*given)

    def save(path: Path, mask: Mask, header: dict[str, Any]) -> None:
        happens(f"before {path.stem}")
        save_mask(path, mask, header)
        happens(f"after {path.stem}")

    def scored(self: Any, method: Any, mask: Mask, count: int, level: int) -> Mask:
        happens(f"prune {level}")
        return prune(self, method, mask, count, level)

    monkeypatch.setattr(loop, "set_rates", rates)
    monkeypatch.setattr(search, "save_mask", save)
    monkeypatch.setattr(search.Scorer, "prune", scored)
    return happened


def persistent(attempt: Callable[[], Result]) -> Iterator[Result]:
    """The result of trying again after every kill."""
    while True:
        try:
            yield attempt()
            return
        except Killed:
            torch.rand(3)  # another process would be in another random state
