"""PrAC: iterative magnitude pruning on the samples that pruning finds critical (Zhang et al. 2021, algorithm 1).

Where the paper and the authors' code differ, this follows the code in what it compares (the dense level's network with
the retrained sparse one) and the paper in how much it trains (updates in proportion to the set; the code shortens both
epochs and their number).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dlth_bench.spec.duration import Duration
from dlth_bench.spec.prac import PracLevel, PracSpec
from dlth_bench.spec.ticket import Level
from dlth_bench.training.evaluation.accuracy import in_batches
from dlth_bench.training.flops import forward_flops
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.pruning.critical import CriticalSet, next_set
from dlth_bench.training.pruning.magnitude import magnitude_scores
from dlth_bench.training.pruning.masking import Masking
from dlth_bench.training.pruning.masks import Mask, keep_highest
from dlth_bench.training.pruning.natural_sparsity import natural_sparsity
from dlth_bench.training.pruning.prac_observer import PracObserver
from dlth_bench.training.pruning.search import Found, Search, level_name, saved_mask
from dlth_bench.training.stage import Stage


@dataclass
class PracSearch(Search):
    """The search of one run on critical samples; ``find`` runs it to its end.

    Attributes:
        prac: how sets are made.
        fixed: a set found before, perhaps with another network, that all levels train on; None: each makes the next.
    """

    prac: PracSpec
    fixed: CriticalSet | None = None

    def _begun(self) -> Found:
        whole = CriticalSet.whole(len(self.trainer.dense.labels))
        return Found(self.dense, critical=self.fixed or whole)

    def _round(self, found: Found) -> Found:
        level, before = len(found.levels), _critical(found)
        stage, method = self._stage(level, found.mask, before)
        observer = PracObserver(
            stage, self.prac.early_bird, lambda: self._mask_now(method, found.mask, level + 1), live=found.mask.count
        )
        stage.observers = {"prac": observer}
        history = self.trainer.train(stage)
        observer.close()
        told = Level(
            density=found.mask.density,
            accuracy=self.trainer.accuracy(method),
            device_seconds=history.seconds,
            natural_sparsity=natural_sparsity(method) if level == 0 else None,
        )
        following = self._pruned(found, method, level + 1)
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

    def _mask_now(self, method: Supervised, mask: Mask, rounds: int) -> Mask:
        return keep_highest(magnitude_scores(method), mask, self.spec.live_after(rounds, self.dense.weights))

    def _with_next_set(
        self, found: Found, facts: PracLevel, method: Supervised, observer: PracObserver, level: int
    ) -> tuple[Found, PracLevel]:
        """The set that the next level trains on, saved with the cost of finding it, and what is told of the level."""
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
        hard = observer.forgetting.hard(self.prac.max_forgets).cpu()
        seen = observer.forgetting
        following = next_set(before, hard, seen.learned.cpu(), seen.events.cpu(), differing)
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

    def _saved(self, folder: Path, rounds: int) -> Found | None:
        found = saved_mask(folder, rounds)
        critical = self.fixed or CriticalSet.load(_set_path(folder, rounds))
        return None if found is None or critical is None else replace(found, critical=critical)


def _set_path(folder: Path, rounds: int) -> Path:
    return folder / f"critical-{rounds}.safetensors"


def _critical(found: Found) -> CriticalSet:
    if found.critical is None:
        raise ValueError("a search on critical samples without a set")
    return found.critical
