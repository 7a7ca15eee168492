"""One pruning: from a network and its mask to a sparser mask, by the score that a spec names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.batchnorm import _NormBase

from dlth_bench.protocols.tickets import GraspScore, ScoreSpec, SnipScore
from dlth_bench.training.data import shuffled_classes
from dlth_bench.training.loop import Diverged
from dlth_bench.training.methods.method import Method
from dlth_bench.training.methods.supervised import Supervised, as_classifier
from dlth_bench.training.random import global_stream, stream_generator
from dlth_bench.training.samples import Images, StageSamples, TokenSamples
from dlth_bench.training.tickets.masks import Mask, ScoresNotFinite, keep_highest, prunable_weights
from dlth_bench.training.views.augment import Pixels, unaugmented


def magnitude_scores(method: Method) -> dict[str, Tensor]:
    """By name of the weight, a score of its shape."""
    return {name: weight.detach().abs() for name, weight in prunable_weights(method).items()}


def synflow_scores(method: Supervised, channels: int, size: int) -> dict[str, Tensor]:
    """w dR/dw by name of the weight, float64 on the CPU; R is the sum of the outputs for an image of ones.

    All parameters take their absolute value, and batch norms in evaluation mode the statistics (0, 1), so that all
    that flows is positive. In float64, since R of a deep network overflows float32. The method becomes that network;
    give it a copy.

    Args:
        channels, size: of the image that the network takes, its side in pixels.
    """
    linear = method.cpu().double().eval()
    with torch.no_grad():
        for parameter in linear.parameters():
            parameter.abs_()
    for module in linear.modules():
        if isinstance(module, _NormBase):
            module.reset_running_stats()
    weights = prunable_weights(linear)
    flow = linear.logits(torch.ones(1, channels, size, size, dtype=torch.float64)).sum()
    return _products(weights, torch.autograd.grad(flow, list(weights.values())))


def _products(weights: Mapping[str, Tensor], factors: Iterable[Tensor]) -> dict[str, Tensor]:
    """Each weight, by its name, times what there is of it, in the same order."""
    return {name: (weight * each).detach() for (name, weight), each in zip(weights.items(), factors, strict=True)}


def random_mask(mask: Mask, count: int, generator: torch.Generator) -> Mask:
    """``count`` of the live weights, all alike."""
    return keep_highest(_noise(mask, generator), mask, count)


def random_erk_mask(mask: Mask, count: int, generator: torch.Generator) -> Mask:
    """``count`` of all weights: as many of each layer as the Erdos-Renyi kernel rule says, random within it."""
    counts = erk_counts({name: live.shape for name, live in mask.live.items()}, count)
    noise = _noise(mask, generator)
    layers = {name: Mask({name: torch.ones_like(live)}) for name, live in mask.live.items()}
    return Mask({name: keep_highest(noise, layer, counts[name]).live[name] for name, layer in layers.items()})


def erk_densities(shapes: dict[str, torch.Size], count: int) -> dict[str, float]:
    """Layer densities in proportion to (sum of the shape) / (its product), at most 1, that keep ``count`` weights.

    Layers that the rule would more than fill are dense, and the rest solved again (Evci et al. 2020, appendix and
    code). With a shape (out, in, height, width) this is the kernel version, with (out, in) the plain one.
    """
    raw = {name: sum(shape) / math.prod(shape) for name, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        sparse = [name for name in shapes if name not in dense]
        left = count - sum(math.prod(shapes[name]) for name in dense)
        factor = left / sum(sum(shapes[name]) for name in sparse) if sparse else 0.0
        overfull = {name for name in sparse if factor * raw[name] > 1}
        if not overfull:
            return {name: 1.0 if name in dense else factor * raw[name] for name in shapes}
        dense |= overfull


def erk_counts(shapes: dict[str, torch.Size], count: int) -> dict[str, int]:
    """Weights to keep of each layer, ``count`` together: `erk_densities` rounded down, the largest remainders up."""
    exact = {name: density * math.prod(shapes[name]) for name, density in erk_densities(shapes, count).items()}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}  # 1e-9: of what rounding makes of a whole
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: count - sum(counts.values())]:
        counts[name] += 1
    return counts


def permuted_in_layers(mask: Mask, generator: torch.Generator) -> Mask:
    """The same number of live weights in each layer, at random places."""
    return Mask(
        {
            name: live.flatten()[torch.randperm(live.numel(), generator=generator)].view(live.shape)
            for name, live in mask.live.items()
        }
    )


def _noise(mask: Mask, generator: torch.Generator) -> dict[str, Tensor]:
    # float64: in float32 one of some millions of draws in four would be a tie, which order would then break.
    return {name: torch.rand(live.shape, generator=generator, dtype=torch.float64) for name, live in mask.live.items()}


SCORING_BATCH = 256
"""At most so many at once: gradients of gradients take much memory."""


@dataclass(frozen=True)
class ScoringBatch:
    """Normalised images (batch, channels, height, width), their int64 labels, and their share of all samples."""

    images: Tensor
    labels: Tensor
    share: float


def scoring_batches(
    samples: StageSamples, labels: Tensor, pixels: Pixels, *, per_class: int, generator: torch.Generator
) -> list[ScoringBatch]:
    """Random samples, ``per_class`` of each class or all that there are, in batches of about equal size.

    Those without a label, -1, are left out.

    Batches mix the classes, since networks normalise over them.

    Args:
        samples: uint8 images, as a stage has them.
        generator: on the CPU.
    """
    if isinstance(samples, TokenSamples):
        raise TypeError("scores are of networks for images")
    chosen = torch.cat([members[:per_class] for members in shuffled_classes(labels, generator)])
    chosen = chosen[torch.randperm(len(chosen), generator=generator)]
    batches = []
    for part in chosen.tensor_split(-(-len(chosen) // SCORING_BATCH)):
        positions = part.to(labels.device)
        images: Images = samples[positions]
        batches.append(ScoringBatch(unaugmented(images, pixels), labels[positions], len(part) / len(chosen)))
    return batches


def snip_scores(method: Supervised, batches: Sequence[ScoringBatch]) -> dict[str, Tensor]:
    """|dL/dm| at the mask's present values, which is |w dL/dw|, of the mean cross-entropy; by name of the weight.

    The network is in training mode, so its norms see the batch: at the start there are no statistics yet. The
    method's batch-norm statistics change; give it a copy.
    """
    weights = prunable_weights(method)
    totals = [torch.zeros_like(weight) for weight in weights.values()]
    method.train()
    for batch in batches:
        loss = batch.share * F.cross_entropy(method.logits(batch.images), batch.labels)
        torch._foreach_add_(totals, list(torch.autograd.grad(loss, list(weights.values()))))
    return {name: product.abs() for name, product in _products(weights, totals).items()}


def grasp_scores(method: Supervised, batches: Sequence[ScoringBatch], temperature: float) -> dict[str, Tensor]:
    """w (H g) by name of the weight: to remove it changes g'g by about minus twice that (equation 8).

    The paper's score is the negative, of which it removes the highest. Scores have signs: weights that are pruned
    already must stay so by the mask, a score of 0 would bring them back. H and g are those of the cross-entropy of
    logits / ``temperature``, over all weights of more than one dimension, the classifier's too, as in the original
    code. The method's batch-norm statistics change; give it a copy.
    """
    flow = [weight for weight in method.parameters() if weight.requires_grad and weight.ndim > 1]
    method.train()

    def gradient(batch: ScoringBatch, *, differentiable: bool) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(method.logits(batch.images) / temperature, batch.labels)
        return torch.autograd.grad(batch.share * loss, flow, create_graph=differentiable)

    mean = [torch.zeros_like(weight) for weight in flow]
    for batch in batches:
        torch._foreach_add_(mean, list(gradient(batch, differentiable=False)))
    weights = prunable_weights(method)
    products = [torch.zeros_like(weight) for weight in weights.values()]
    for batch in batches:
        pairs = zip(gradient(batch, differentiable=True), mean, strict=True)
        inner = torch.stack([(one * other).sum() for one, other in pairs]).sum()
        torch._foreach_add_(products, list(torch.autograd.grad(inner, list(weights.values()))))
    return _products(weights, products)


@dataclass(frozen=True)
class Scorer:
    """Scores of one run: by which rule, on which samples, and from which seed.

    Attributes:
        samples, labels: what the search is trained on.
    """

    spec: ScoreSpec
    samples: StageSamples
    labels: Tensor
    pixels: Pixels
    seed: int

    def prune(self, method: Method, mask: Mask, count: int, level: int) -> Mask:
        """The mask of the ``count`` highest scores among the live weights of ``method``, which becomes useless.

        Args:
            level: the round, for what is drawn.

        Raises:
            Diverged: the scores are not finite.
        """
        generator = stream_generator(self.seed, "score", level)
        match self.spec.kind:
            case "random":
                return random_mask(mask, count, generator)
            case "random_erk":
                return random_erk_mask(mask, count, generator)
        shots = self.spec.shots if self.spec.kind == "synflow" else 1
        scores = self._scores(method, generator)
        with global_stream(self.seed, "score/model"):  # dropout and stochastic depth
            for target in shot_counts(mask.count, count, shots):
                mask.apply(method)
                try:
                    mask = keep_highest(scores(), mask, target)
                except ScoresNotFinite as error:
                    raise Diverged(str(error)) from None
        return mask

    def _scores(self, method: Method, generator: torch.Generator) -> Callable[[], dict[str, Tensor]]:
        spec, pixels = self.spec, self.pixels
        if isinstance(spec, SnipScore | GraspScore):
            per_class = spec.samples_per_class
            batches = scoring_batches(self.samples, self.labels, pixels, per_class=per_class, generator=generator)
            if isinstance(spec, SnipScore):
                return lambda: snip_scores(as_classifier(method), batches)
            return lambda: grasp_scores(as_classifier(method), batches, spec.temperature)
        if spec.kind == "synflow":
            return lambda: synflow_scores(as_classifier(method), pixels.channels, pixels.input_size)
        return lambda: magnitude_scores(method)


def shot_counts(live: int, count: int, shots: int) -> list[int]:
    """How many weights are left after each of some scorings: an exponential path to ``count`` (Tanaka et al. 2020)."""
    return [round(live * (count / live) ** (shot / shots)) for shot in range(1, shots)] + [count]
