"""Natural sparsity is the share of weights that a dense training left at zero, and results tell it."""

from __future__ import annotations

import torch
from test_masks import method_of
from ticket_runs import config, prepared
from torch import nn

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.training.tickets.masks import natural_sparsity
from dlth_bench.training.train_run import train_prepared


def test_it_counts_prunable_weights_below_machine_precision() -> None:
    """Of convolutions and hidden linear layers, in absolute value; norms, biases and the classifier do not count."""
    conv, hidden, norm = nn.Conv2d(1, 2, 2, bias=False), nn.Linear(2, 1), nn.BatchNorm1d(2)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([0.0, 9e-9, -9e-9, 2e-8, -2e-8, 1.0, -1.0, 0.5]).view(2, 1, 2, 2))
        hidden.weight.copy_(torch.tensor([[0.0, 1.0]]))
        norm.weight.zero_()
        method = method_of(nn.Sequential(conv, nn.Flatten(), norm, hidden), 1)
        method.head.weight.zero_()
    assert natural_sparsity(method) == 4 / 10


def test_results_tell_it_of_the_dense_level() -> None:
    """Strong decay of weights at a high rate shrinks them to nothing; the first level says so, and no other one."""
    given = config(rewind=None)
    decayed = given.train.optimizer.model_copy(
        update={"weight_decay": 0.99, "lr": 1.0, "momentum": 0.0, "schedule": "constant", "clip_grad": 1e-12}
    )
    changed = given.model_copy(update={"train": given.train.model_copy(update={"optimizer": decayed})})
    ticket = train_prepared(prepared(changed, Glyphs())).ticket
    assert ticket is not None
    assert [level.natural_sparsity for level in ticket.levels] == [1, None]
