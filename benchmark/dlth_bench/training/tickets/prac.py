"""PrAC: iterative magnitude pruning on the samples that pruning finds critical (Zhang et al. 2021, algorithm 1).

Where the paper and the authors' code differ, this follows the code in what it compares (the dense level's network with
the retrained sparse one) and the paper in how much it trains (updates in proportion to the set; the code shortens both
epochs and their number).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from dlth_bench.protocols.recipe import Duration
from dlth_bench.protocols.tickets import EarlyBirdSpec, PracLevel, PracSpec
from dlth_bench.training.evaluation import in_batches
from dlth_bench.training.flops import forward_flops
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.stage import Batches, Stage
from dlth_bench.training.tickets.critical_set import CriticalSet
from dlth_bench.training.tickets.masks import Mask, Masking, keep_highest
from dlth_bench.training.tickets.scores import magnitude_scores
from dlth_bench.training.tickets.search import Found, Search, level_name, load_found


def mask_distance(one: Mask, other: Mask) -> int:
    """Hamming distance: how many weights are live in exactly one of the masks."""
    return sum(int((live ^ other.live[name]).sum()) for name, live in one.live.items())


def is_settled(distances: Sequence[float], spec: EarlyBirdSpec) -> bool:
    """Whether masks have settled after these distances of one epoch to the next.

    Those before the first large one do not count: at the small rates of a warm-up masks do not move, either.
    """
    moved = next((index for index, distance in enumerate(distances) if distance >= spec.distance), None)
    last = distances[-spec.patience :]
    if moved is None or len(distances) - moved <= spec.patience:
        return False
    return all(distance < spec.distance for distance in last)


class MaskHistory:
    """The distances of the masks of a training's epochs, each to that of the epoch before, as shares of ``live``."""

    def __init__(self, live: int) -> None:
        self.live = live
        self.mask: Mask | None = None
        self.distances: list[float] = []

    def add(self, mask: Mask) -> None:
        """Note the mask after an epoch."""
        if self.mask is not None:
            self.distances.append(mask_distance(mask, self.mask) / self.live)
        self.mask = mask

    def state(self) -> dict[str, torch.Tensor]:
        """As tensors that a checkpoint holds."""
        masks = {} if self.mask is None else {f"mask/{name}": live for name, live in self.mask.live.items()}
        return {"distances": torch.tensor(self.distances, dtype=torch.float64), **masks}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """The inverse of ``state``."""
        self.distances = state["distances"].tolist()
        live = {name.removeprefix("mask/"): mask for name, mask in state.items() if name.startswith("mask/")}
        self.mask = Mask(live) if live else None


@dataclass(frozen=True, eq=False)
class ForgettingState:
    """What a training did to each sample so far; one it was not shown is neither learned nor forgotten.

    Attributes:
        right: bool (samples,), predicted correctly when last presented.
        learned: bool (samples,), predicted correctly at least once.
        events: int32 (samples,), how often it was right when presented and wrong the next time.
    """

    right: Tensor
    learned: Tensor
    events: Tensor

    @classmethod
    def none(cls, samples: int, device: torch.device) -> Self:
        """Before the first presentation."""
        right = torch.zeros(samples, dtype=torch.bool, device=device)
        return cls(right, right.clone(), torch.zeros(samples, dtype=torch.int32, device=device))

    def present(self, positions: Tensor, correct: Tensor) -> None:
        """Note a batch: ``positions`` int64 (batch,), each once, and whether they were ``correct``, bool (batch,)."""
        self.events[positions] += (self.right[positions] & ~correct).int()
        self.learned[positions] |= correct
        self.right[positions] = correct

    def state(self) -> dict[str, Tensor]:
        """As tensors that a checkpoint holds."""
        return {"right": self.right, "learned": self.learned, "events": self.events}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of ``state``."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    def hard(self, max_forgets: int) -> Tensor:
        """Samples with more events than that, and those never learned, bool (samples,)."""
        return (self.events > max_forgets) | ~self.learned


class ForgettingObserver:
    """Watches what a stage does to its samples; an `Observer`.

    A sample is right if the stage's own forward pass for the update predicts it: augmented, with the batch's
    statistics, before the update.

    Args:
        stage: of a method that mixes no samples.
    """

    def __init__(self, stage: Stage) -> None:
        if not isinstance(stage.method, Supervised) or stage.method.mixing.active:
            raise ValueError(f"stage {stage.name} has no presentation of a single sample with a label")
        self.stage, self.batches = stage, Batches(stage)
        self.seen = ForgettingState.none(len(stage.labels), stage.labels.device)
        self._logits = torch.empty(0)
        self._hook = stage.method.head.register_forward_hook(self._keep_logits)

    def begin(self) -> None:
        """Does nothing: no sample was presented yet."""

    def after_step(self, step: int) -> bool:
        picked = self.batches.at(step)
        self.seen.present(picked, self._logits.argmax(1) == self.stage.labels[picked])
        return False

    def state(self) -> dict[str, Tensor]:
        return self.seen.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        self.seen.restore(state)

    def close(self) -> None:
        """Remove the hook from the network."""
        self._hook.remove()

    def _keep_logits(self, head: nn.Module, inputs: tuple[Tensor, ...], logits: Tensor) -> None:
        if head.training:
            self._logits = logits.detach()


class PracObserver(ForgettingObserver):
    """Watches the training of a level, which ends early once masks have settled.

    Args:
        early_bird: when that is; None: never.
        pruned: the mask that pruning would leave now.
        live: weights that are live in the level.
    """

    def __init__(
        self, stage: Stage, early_bird: EarlyBirdSpec | None, pruned: Callable[[], Mask], *, live: int
    ) -> None:
        super().__init__(stage)
        self.early_bird, self.pruned, self.masks = early_bird, pruned, MaskHistory(live)
        self._warm_from = round(stage.spec.optimizer.warmup * stage.steps)

    def after_step(self, step: int) -> bool:
        super().after_step(step)
        ends_epoch = (step + 1) % self.batches.per_epoch == 0
        if self.early_bird is None or not ends_epoch or step < self._warm_from:
            return False
        self.masks.add(self.pruned())
        return is_settled(self.masks.distances, self.early_bird)

    def state(self) -> dict[str, Tensor]:
        return super().state() | self.masks.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        super().restore(state)
        self.masks.restore(state)


@dataclass
class PracSearch(Search):
    """The search of one run on critical samples; ``find`` runs it to its end.

    Attributes:
        prac: how sets are made.
        fixed: a set found before, perhaps with another network, that all levels train on; None: each makes the next.
    """

    prac: PracSpec
    fixed: CriticalSet | None = None

    def _start(self) -> Found:
        whole = CriticalSet.whole(len(self.trainer.dense.labels))
        return Found(self.dense, critical=self.fixed or whole)

    def _train_and_prune(self, found: Found) -> Found:
        level, before = len(found.levels), _critical(found)
        stage, method = self._stage(level, found.mask, before)
        mask, count = found.mask, self.spec.live_after(level + 1, self.dense.weights)
        observer = PracObserver(
            stage, self.prac.early_bird, lambda: keep_highest(magnitude_scores(method), mask, count), live=mask.count
        )
        stage.observers = {"prac": observer}
        history = self.trainer.train(stage)
        observer.close()
        told = self._facts(found, method, history)
        following = self._prune(found, method, level + 1)
        facts = PracLevel(samples=before.count, updates=history.step - stage.start)
        if self.fixed is None:
            following, facts = self._with_next_set(following, facts, method, observer, level)
        following = replace(following, levels=(*found.levels, told.model_copy(update={"prac": facts})))
        self._save(following, level + 1)
        self._discard(stage.name)
        return following

    def _stage(self, level: int, mask: Mask, critical: CriticalSet) -> tuple[Stage, Supervised]:
        """The training of a level: on the set, with its part of the updates, from the rewind point of the schedule."""
        dense, method = self.trainer.dense, as_classifier(self.trainer.with_weights(self.origin))
        share = critical.count / len(dense.labels) if self.prac.scaled_updates else 1.0
        start = round(share * self.rewind)
        steps = max(start + 1, round(share * dense.steps))
        return replace(
            dense,
            name=level_name(level),
            method=method,
            spec=dense.spec.model_copy(update={"duration": Duration(steps=steps)}),
            start=start,
            masking=Masking(method, mask),
            only=critical.positions,
        ), method

    def _with_next_set(
        self, found: Found, facts: PracLevel, method: Supervised, observer: PracObserver, level: int
    ) -> tuple[Found, PracLevel]:
        """The set that the next level trains on, with the cost of finding it, and the facts of the level."""
        started = time.monotonic()
        before, flops = _critical(found), 0.0
        differing = torch.zeros_like(before.selected)
        if self.prac.disagreement is not None:
            predicted, flops = self._predictions(method)
            before = replace(before, dense=predicted) if level == 0 else before
            compared = before.dense
            if self.prac.disagreement == "pruned":
                found.mask.apply(method)
                compared, predicted = predicted, self._predictions(method)[0]
                flops *= 2
            differing = compared != predicted
        seen = observer.seen
        hard = seen.hard(self.prac.max_forgets).cpu()
        following = before.following(hard, seen.learned.cpu(), seen.events.cpu(), differing)
        facts = facts.model_copy(
            update={
                "hard": int((before.selected & hard).sum()),
                "disagreeing": int(differing.sum()),
                "both": int((before.selected & hard & differing).sum()),
            }
        )
        if following.count < self.trainer.dense.spec.batch_size:  # nothing could be trained on it
            following = replace(following, selected=before.selected)
        return replace(
            found,
            critical=following,
            scoring_flops=found.scoring_flops + flops,
            scoring_seconds=found.scoring_seconds + time.monotonic() - started,
        ), facts

    def _predictions(self, method: Supervised) -> tuple[Tensor, float]:
        """The class that is predicted of each sample, unaugmented, int32 (samples,), and the operations it took."""
        samples, pixels = self.trainer.dense.samples, self.trainer.pixels
        method.eval()
        predicted = in_batches(method.logits, samples, pixels).argmax(1).int().cpu()
        one = samples[:1]
        flops = forward_flops(lambda image: in_batches(method.logits, image, pixels), one, len(predicted))
        return predicted, flops

    def _save(self, found: Found, rounds: int) -> None:
        # Before the mask: where there is a mask there is the set for its level.
        if self.trainer.folder is not None and self.fixed is None:
            _critical(found).save(_set_path(self.trainer.folder, rounds))
        super()._save(found, rounds)

    def _load(self, folder: Path, rounds: int) -> Found | None:
        found = load_found(folder, rounds)
        critical = self.fixed or CriticalSet.load(_set_path(folder, rounds))
        return None if found is None or critical is None else replace(found, critical=critical)


def _set_path(folder: Path, rounds: int) -> Path:
    return folder / f"critical-{rounds}.safetensors"


def _critical(found: Found) -> CriticalSet:
    if found.critical is None:
        raise ValueError("a search on critical samples without a set")
    return found.critical
