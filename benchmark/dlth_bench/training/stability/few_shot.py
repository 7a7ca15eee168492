"""The ticket trained on a few samples of each class (stability paper, table 4)."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.measurement import FewShotSpec
from dlth_bench.spec.metric import Measured
from dlth_bench.training.flops import stage_flops
from dlth_bench.training.pruning.masking import Masking
from dlth_bench.training.seeds import stream_seed
from dlth_bench.training.stability.subject import Finding, Subject, valued


def measure_few_shot(spec: FewShotSpec, subject: Subject) -> Finding:
    """Validation accuracy after the whole schedule of the spec, from the weights of the rewind point.

    Raises:
        InputError: the samples do not fill a batch of two.
    """
    dense, trainer = subject.trainer.dense, subject.trainer
    name = f"few-shot-{spec.per_class}"
    chosen = few_of_each(dense.labels, spec.per_class, stream_seed(subject.seed, name))
    if len(chosen) < 2:
        raise InputError(f"{name}: {len(chosen)} training sample; a batch norm needs two")
    method = subject.network()
    train = spec.train.model_copy(update={"batch_size": min(spec.train.batch_size, len(chosen))})
    stage = replace(
        dense,
        name=name,
        method=method,
        samples=dense.samples[chosen],
        labels=dense.labels[chosen],
        spec=train,
        start=0,
        stop=None,
        masking=Masking(method, subject.mask),
    )
    history = subject.train(stage)
    (metric,) = spec.metrics
    measured = Measured(kind=spec.kind, values=(valued(metric, trainer.class_accuracy(method)),))
    flops = stage_flops(stage, lambda: trainer.new_method("init"))
    return Finding(measured, stage.updates * train.batch_size, flops, history.seconds)


def few_of_each(labels: Tensor, per_class: int, seed: int) -> Tensor:
    """Positions of ``per_class`` random samples of each class, of fewer where there are fewer; sorted, int64.

    They are nested: the samples of a smaller number are among those of a larger one of the same seed.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    own = labels.cpu()[order]
    chosen = [order[own == label][:per_class] for label in range(int(labels.max()) + 1)]
    return torch.cat(chosen).sort().values.to(labels.device)
