"""MoCo's loss, queue and momentum encoder do what the paper and the original builder say."""

from __future__ import annotations

import math
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import NTXentLoss
from tiny_training import GREY, IDENTITY, RESNET, moco_spec, random_images, random_views
from torch import Tensor, nn

from dlth_bench.training.methods.method import Moment
from dlth_bench.training.methods.moco import MoCo, info_nce
from dlth_bench.training.networks import build_backbone
from dlth_bench.training.views.augment import to_float

MOMENT = Moment(0, 10)
LABELS = torch.zeros(4, dtype=torch.long)


def _moco(**changes: object) -> MoCo:
    backbone = build_backbone(RESNET, 32, 1)
    return MoCo(moco_spec(**changes), backbone, 16, GREY).train()


def _apart(method: MoCo) -> MoCo:
    """The query networks moved away from the key networks, as after some training."""
    with torch.no_grad():
        for parameter in [*method.encoder.parameters(), *method.head.parameters()]:
            parameter.add_(0.3 * torch.randn_like(parameter))
    return method


def _unit(*shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape), dim=1)


@pytest.mark.parametrize("seed", range(36))
def test_info_nce_equals_lightly_s(seed: int) -> None:
    """Loss and gradient equal NT-Xent's with a memory bank that holds the same negatives."""
    torch.manual_seed(seed)
    batch, dim, queue = (int(torch.randint(1, bound, ())) for bound in (9, 33, 65))
    temperature = float(torch.rand(()) * 0.5 + 0.05)
    queries, keys, negatives = _unit(batch, dim).requires_grad_(), _unit(batch, dim), _unit(queue, dim)
    loss = info_nce(queries, keys, negatives, temperature)
    (gradient,) = torch.autograd.grad(loss, queries)

    oracle = NTXentLoss(temperature=temperature, memory_bank_size=(queue, dim))
    oracle.memory_bank.bank = negatives.clone()
    theirs = queries.detach().clone().requires_grad_()
    expected = oracle(theirs, keys)
    (raw,) = torch.autograd.grad(expected, theirs)
    torch.testing.assert_close(loss, expected)
    # NT-Xent normalises inside, so its gradient has no part along the query.
    along = (gradient * queries).sum(1, keepdim=True) * queries
    torch.testing.assert_close(gradient - along, raw, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("size", "batch"), [(12, 4), (10, 4), (7, 3), (5, 5)])
def test_queue_is_first_in_first_out(size: int, batch: int) -> None:
    """The oldest keys go first, also when batches do not divide the queue and wrap around its end."""
    method = _moco(queue=size)
    ring = list(method.queue.clone())
    for start in range(0, 7 * batch, batch):
        keys = _unit(batch, 8)
        method._enqueue(keys)
        for place, key in enumerate(keys, start):
            ring[place % size] = key
        assert torch.equal(method.queue, torch.stack(ring))


def test_queue_survives_a_checkpoint() -> None:
    """The queue and its start are in the state dict; without them a resumed run would forget its negatives."""
    method, other = _moco(), _moco()
    for _ in range(3):
        method._enqueue(_unit(8, 8))
    other.load_state_dict(method.state_dict())
    assert torch.equal(other.queue, method.queue)
    assert int(other.queue_start) == 24 % 20
    keys = _unit(8, 8)
    method._enqueue(keys)
    other._enqueue(keys)
    assert torch.equal(other.queue, method.queue)


def test_queue_starts_as_unit_vectors() -> None:
    """The first negatives are random directions of length one, as in the original."""
    torch.testing.assert_close(_moco().queue.norm(dim=1), torch.ones(20))


def test_keys_take_no_gradient() -> None:
    """Only the query side is trained: no key parameter is trainable or ever gets a gradient."""
    method = _moco()
    method((random_views(4), random_views(4, seed=1)), LABELS, MOMENT).backward()
    key_side = [*method.key_encoder.parameters(), *method.key_head.parameters()]
    assert all(not parameter.requires_grad and parameter.grad is None for parameter in key_side)
    query_side = [*method.encoder.parameters(), *method.head.parameters()]
    assert all(parameter.grad is not None for parameter in query_side)
    assert method.head[0].weight.grad.abs().sum() > 0
    assert not method.queue.requires_grad


def test_momentum_update_comes_between_query_and_key() -> None:
    """Keys are made by the key encoder *after* it has moved, queries by the query encoder as it is."""
    method = _apart(_moco(momentum=0.6))
    views = random_views(4), random_views(4, seed=1)
    before = deepcopy(method)
    old_queue = method.queue.clone()
    loss = method(views, LABELS, MOMENT)

    stale = F.normalize(before.key_head(before.key_encoder(views[1])), dim=1)
    moved = deepcopy(before)
    with torch.no_grad():
        for key, query in (
            *zip(moved.key_encoder.parameters(), moved.encoder.parameters(), strict=True),
            *zip(moved.key_head.parameters(), moved.head.parameters(), strict=True),
        ):
            key.copy_(0.6 * key + 0.4 * query)
    keys = F.normalize(moved.key_head(moved.key_encoder(views[1])), dim=1)
    assert not torch.allclose(stale, keys, atol=1e-3)
    torch.testing.assert_close(method.queue[:4], keys, atol=1e-5, rtol=1e-4)
    queries = F.normalize(before.head(before.encoder(views[0])), dim=1)
    logits = torch.cat([(queries * keys).sum(1, keepdim=True), queries @ old_queue.T], 1) / 0.2
    torch.testing.assert_close(loss, -logits.log_softmax(1)[:, 0].mean(), atol=1e-5, rtol=1e-5)


def test_average_is_exact_and_of_parameters_only() -> None:
    """key <- m key + (1 - m) query for every parameter; batch-norm statistics stay the key encoder's own."""
    method = _apart(_moco(momentum=0.9))
    for buffer in method.encoder.buffers():
        buffer.fill_(100)  # would show up in the key encoder if buffers were averaged
    keys = [p.clone() for p in (*method.key_encoder.parameters(), *method.key_head.parameters())]
    queries = [p.clone() for p in (*method.encoder.parameters(), *method.head.parameters())]
    method._update_keys(MOMENT)
    method._keys(random_views(4))  # whose batch statistics are the key encoder's
    now = [*method.key_encoder.parameters(), *method.key_head.parameters()]
    for new, key, query in zip(now, keys, queries, strict=True):
        torch.testing.assert_close(new, 0.9 * key + 0.1 * query, atol=1e-7, rtol=1e-6)
    assert all(buffer.max() < 50 for buffer in method.key_encoder.buffers())


def test_backward_sees_the_old_queue() -> None:
    """The new keys enter the queue before backward, and the gradient is still that of the old negatives."""
    method = _moco()
    twin = deepcopy(method)
    views = random_views(4), random_views(4, seed=1)
    method(views, LABELS, MOMENT).backward()
    queue_after = method.queue.clone()
    queries = F.normalize(twin.head(twin.encoder(views[0])), dim=1)
    info_nce(queries, method.queue[:4], twin.queue, 0.2).backward()
    for ours, expected in zip(method.head.parameters(), twin.head.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad)
    assert torch.equal(method.queue, queue_after)


def test_two_views_of_each_sample() -> None:
    """Query and key are two views of the same sample, row by row, with draws of their own."""
    images = random_images(6)
    query, key = _moco(augment=IDENTITY).views(images, torch.Generator().manual_seed(0))
    assert torch.equal(query, GREY.normalized(to_float(images)))
    assert torch.equal(key, query)
    query, key = _moco().views(images, torch.Generator().manual_seed(0))
    assert (query - key).flatten(1).norm(dim=1).min() > 1


def test_heads_of_v1_and_v2() -> None:
    """v1 projects linearly; v2 puts a hidden layer as wide as the features and a ReLU before."""
    assert [(type(layer), layer.weight.shape) for layer in _moco(mlp=False).head] == [(nn.Linear, (8, 16))]
    hidden, relu, out = _moco(mlp=True).head
    assert (hidden.weight.shape, type(relu), out.weight.shape) == ((16, 16), nn.ReLU, (8, 16))


def test_key_networks_start_as_copies() -> None:
    """At the start keys and queries come from equal, unshared weights."""
    method = _moco()
    pairs = zip(
        (*method.encoder.parameters(), *method.head.parameters()),
        (*method.key_encoder.parameters(), *method.key_head.parameters()),
        strict=True,
    )
    assert all(torch.equal(query, key) and query is not key for query, key in pairs)


# --- v2+ ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_symmetric_loss_is_the_mean_of_both_directions(seed: int) -> None:
    """Each view's queries meet the other view's keys and that view's queue, as in solo-learn's v2+."""
    torch.manual_seed(seed)
    method = _apart(_moco(symmetric=True, hidden_dim=12))
    views = random_views(4, seed=seed), random_views(4, seed=seed + 100)
    queues = method.first_view_queue.clone(), method.queue.clone()
    twin = deepcopy(method)
    loss = method(views, LABELS, MOMENT)

    twin._update_keys(MOMENT)
    queries = [F.normalize(twin.head(twin.encoder(view)), dim=1) for view in views]
    keys = [F.normalize(twin.key_head(twin.key_encoder(view)), dim=1) for view in views]
    terms = []
    for own, other in ((0, 1), (1, 0)):
        for query, key in zip(queries[own], keys[other], strict=True):
            logits = torch.stack([query @ key, *(query @ negative for negative in queues[other])]) / 0.2
            terms.append(-logits.log_softmax(0)[0])
    torch.testing.assert_close(loss, torch.stack(terms).mean(), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(method.first_view_queue[:4], keys[0])
    torch.testing.assert_close(method.queue[:4], keys[1])
    assert int(method.queue_start) == 4


@pytest.mark.parametrize("step", [0, 5, 10])
def test_momentum_grows_along_a_cosine(step: int) -> None:
    """From .9 to .99 over training where the spec has an end; the queue survives as two buffers."""
    method = _apart(_moco(momentum=0.9, final_momentum=0.99, symmetric=True))
    key, query = method.key_head[0].weight.clone(), method.head[0].weight.clone()
    method._update_keys(Moment(step, 11))
    momentum = 0.99 - 0.09 * (1 + math.cos(math.pi * step / 10)) / 2
    torch.testing.assert_close(method.key_head[0].weight, momentum * key + (1 - momentum) * query)
    assert {"queue", "first_view_queue", "queue_start"} <= method.state_dict().keys()


def test_head_of_v2_plus_is_as_wide_as_the_spec_says() -> None:
    """The hidden layer's width is an option; by default it is the features'."""
    hidden, _, out = _moco(hidden_dim=12).head
    assert (hidden.weight.shape, out.weight.shape) == ((12, 16), (8, 12))
