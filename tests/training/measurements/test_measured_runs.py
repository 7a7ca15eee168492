"""Runs that measure: the values are what an independent computation gives, and a kill changes none of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from tiny_training import CLASSES, GREY, IMAGES_PER_CLASS, RESNET, SGD, tiny_run, train_spec

from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.protocols.methods import SupervisedSpec
from dlth_bench.protocols.protocol import Config
from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.runs.run import Result, Run
from dlth_bench.subsets.subset import Replaced, Subset
from dlth_bench.training import loop
from dlth_bench.training.dynamics import DynamicsRecorder
from dlth_bench.training.evaluation import extract_features, in_batches, top1
from dlth_bench.training.loop import AfterStep, train
from dlth_bench.training.measurements.barrier import interpolated
from dlth_bench.training.measurements.frozen_ticket import block_features
from dlth_bench.training.run_context import RunContext, prepare_run
from dlth_bench.training.stage import Stage
from dlth_bench.training.train_run import evaluate_untrained, train_prepared, train_run
from dlth_bench.training.train_stage import Checkpoints

PROBE = {"duration": {"steps": 20}, "batch_size": 8, "optimizer": {"kind": "sgd", "lr": 0.5}}
DENSE: tuple[dict[str, Any], ...] = (
    {"kind": "forgetting"},
    {"kind": "convergence", "splits": ["train", "val"]},
    {"kind": "barrier", "start": {"steps": 4}, "points": 5},
    {"kind": "first_stable_point", "parts": 4, "points": 3, "threshold": 0.2},
)
OF_TICKET: tuple[dict[str, Any], ...] = (
    {"kind": "barrier", "points": 3, "calibration_samples": 10},
    {"kind": "few_shot", "per_class": 2, "train": PROBE | {"batch_size": 32}},
    {"kind": "ticket_probe", "blocks": [1, 2], "train": PROBE},
    {
        "kind": "transfer", "dataset": "glyphs", "classes": ["U+0044", "U+0045"], "images_per_class": 8,
        "pixel_mean": [0.1], "pixel_std": [0.3], "train": PROBE,
    },
)  # fmt: skip
PRUNING = {"rounds": 2, "rate": 0.5, "rewind": {"steps": 3}}


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs()


@pytest.fixture(autouse=True, scope="module")
def _few_records() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "CURVE_POINTS", 4)
        yield


def config(measure: Sequence[dict[str, Any]] = (), **given: Any) -> Config:
    """A ResNet of two blocks trained for twelve steps, three an epoch."""
    fields = {
        "name": "measured",
        "title": "Measured",
        "backbone": RESNET,
        "method": SupervisedSpec(kind="supervised", augment=AugmentSpec(crop_scale=(0.5, 1.0))),
        "train": train_spec(SGD.model_copy(update={"lr": 0.2})),
        "measure": list(measure),
    }
    return Config.model_validate(fields | given)


def prepared(given: Config, glyphs: Glyphs, folder: Path | None = None, **options: Any) -> RunContext:
    return prepare_run(tiny_run(given), glyphs, folder=folder, device="cpu", checkpoint_seconds=0, **options)


def values(result: Result) -> dict[str, float]:
    assert result.status == "finished", result.reason
    return {value.name: value.value for one in result.measured for value in one.values}


def series(result: Result, kind: str) -> dict[str, tuple[float, ...]]:
    return next(one.series for one in result.measured if one.kind == kind)


@pytest.fixture(scope="module")
def dense(glyphs: Glyphs) -> Result:
    return train_prepared(prepared(config(DENSE), glyphs))


@pytest.fixture(scope="module")
def ticket(glyphs: Glyphs) -> Result:
    return train_prepared(prepared(config(OF_TICKET, pruning=PRUNING), glyphs))


def test_measuring_does_not_change_training(dense: Result, glyphs: Glyphs) -> None:
    """The accuracy, its curve and its classes are those of the same config without measurements."""
    plain = train_prepared(prepared(config(), glyphs))
    assert plain.class_accuracy == dense.class_accuracy
    assert plain.curves == dense.curves
    assert dense.cost is not None
    assert plain.cost is not None
    assert plain.run != dense.run
    assert dense.cost.images > plain.cost.images


def test_every_metric_of_the_config_is_in_the_result(dense: Result, ticket: Result) -> None:
    """By the names, units and directions that a protocol may rank by; one that has no value is told of in a note."""
    for result, given in ((dense, config(DENSE)), (ticket, config(OF_TICKET, pruning=PRUNING))):
        said = [value.metric for one in result.measured for value in one.values]
        notes = [note for one in result.measured if one.kind == "convergence" for note in one.notes]
        none = {f"{note.partition(':')[0]}-convergence-auc" for note in notes}  # where the accuracy ends as it began
        assert said == [metric for metric in given.metrics[1:] if metric.name not in none]


def test_forgetting_events_are_those_of_the_recorded_presentations(dense: Result, glyphs: Glyphs) -> None:
    """Counted again from the table of all presentations that the dynamics recorder keeps."""
    recorders: list[DynamicsRecorder] = []

    def watch(stage: Stage) -> AfterStep:
        recorders.append(DynamicsRecorder(stage, GREY, "minibatch"))
        return recorders[-1].after_step

    train_prepared(prepared(config(), glyphs, watch=watch))
    right = recorders[0].tensors()["correct"]  # (epochs, samples)
    events = [sum(a == 1 and b == 0 for a, b in pairwise(column)) for column in right.T]
    learned = right.any(0)
    found = values(dense)
    assert found["forgetting-events"] == pytest.approx(sum(events) / 24)
    expected = sum(own and not count for own, count in zip(learned, events, strict=True)) / 24
    assert found["unforgettable-share"] == pytest.approx(expected)
    assert found["never-learned-share"] == pytest.approx(1 - learned.mean())
    assert sum(series(dense, "forgetting")["samples_by_events"]) == 24


def test_convergence_ends_at_the_accuracies_of_the_result(dense: Result, glyphs: Glyphs) -> None:
    """Its curves begin with the untrained network and end with what the result says."""
    curves = series(dense, "convergence")
    assert len(curves["val_accuracy"]) == 1 + 4
    assert curves["val_accuracy"][-1] == dense.accuracy
    assert curves["train_accuracy"][-1] == dense.train_accuracy
    assert curves["val_accuracy"][0] == evaluate_untrained(tiny_run(config()), glyphs, device="cpu")


def test_barrier_is_that_of_two_trainings_from_one_point(dense: Result, glyphs: Glyphs) -> None:
    """Trained and interpolated by hand: a common start, then two orders of the samples."""
    run = prepared(config(), glyphs)
    fabric, data = Fabric(accelerator="cpu", devices=1), run.data.search
    start = replace(run.first_stage(), stop=4)
    train(start, fabric, Checkpoints())
    children = []
    for child in "ab":
        stage = replace(run.first_stage(), name=f"barrier-4-{child}", start=4)
        stage.method.load_state_dict(start.method.state_dict())
        train(stage, fabric, Checkpoints())
        children.append(stage.method.state_dict())
    method, errors = run.new_method(), []
    for alpha in (0, 0.25, 0.5, 0.75, 1):
        method.load_state_dict(interpolated(*children, alpha))
        method.eval()
        logits = in_batches(method.logits, data.val_images, GREY)  # type: ignore[operator]
        errors.append(1 - top1(logits, data.val_labels))
    assert series(dense, "barrier")["error"] == pytest.approx(errors, abs=1e-12)
    assert values(dense)["barrier"] == pytest.approx(max(errors) - (errors[0] + errors[-1]) / 2)
    assert any(not torch.equal(tensor, children[1][key]) for key, tensor in children[0].items())


def test_all_probes_of_the_search_are_in_the_result(dense: Result) -> None:
    """Whoever doubts a first stable point sees what it rests on."""
    probed = series(dense, "first_stable_point")
    assert len(probed["probed_fraction"]) == len(probed["probed_barrier"]) >= 2
    assert probed["probed_fraction"][0] == 0
    stable = [f for f, b in zip(probed["probed_fraction"], probed["probed_barrier"], strict=True) if b < 0.2]
    assert values(dense)["first-stable-point"] == min(stable, default=1.0)


def test_the_last_block_s_features_are_the_pooled_ones(glyphs: Glyphs) -> None:
    """A probe at the last block sees what a linear evaluation would."""
    run = prepared(config(), glyphs)
    encoder, data = run.new_method().encoder, run.data.search
    first, last = block_features(encoder, [1, 2], data.val_images, GREY)
    torch.testing.assert_close(last, extract_features(encoder, data.val_images, GREY, "pooled"))
    assert (first.shape[1], last.shape[1]) == RESNET.widths


def test_costs_count_what_measurements_train(ticket: Result, glyphs: Glyphs) -> None:
    """Two children of nine steps, twenty steps on six few-shot samples, and two sets of features."""
    plain = train_prepared(prepared(config(pruning=PRUNING), glyphs))
    assert plain.cost is not None
    assert ticket.cost is not None
    assert ticket.cost.images - plain.cost.images == 2 * 9 * 8 + 20 * 6 + 24 + 16
    assert ticket.cost.flops > plain.cost.flops
    assert ticket.ticket is not None
    assert plain.ticket is not None
    assert ticket.ticket.mask_digest == plain.ticket.mask_digest


class Killed(Exception):
    """What stops a run in the middle."""


@pytest.mark.parametrize(
    ("given", "kills"),
    [(config(DENSE), (5, 14, 30, 55)), (config(OF_TICKET, pruning=PRUNING), (40, 50, 63, 80))],
    ids=["dense", "ticket"],
)
def test_a_killed_run_measures_the_same(
    given: Config, kills: tuple[int, ...], glyphs: Glyphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while events are counted, between the children of a pair and inside a probe: the same values."""
    whole = train_prepared(prepared(given, glyphs))
    steps, pending, rates = [0], list(kills), loop.set_rates

    def counted(*args: Any) -> None:
        steps[0] += 1
        if pending and steps[0] == pending[0]:
            pending.pop(0)
            raise Killed
        rates(*args)

    monkeypatch.setattr(loop, "set_rates", counted)
    result = None
    while result is None:
        try:
            result = train_prepared(prepared(given, glyphs, tmp_path))
        except Killed:
            torch.rand(3)  # another process would be in another random state
    assert not pending
    assert result.measured == whole.measured
    assert result.class_accuracy == whole.class_accuracy


def on_samples(replaced: Replaced, glyphs: Glyphs) -> Result:
    """The ticket run on half of the samples, which replace some of its data."""
    faces = [glyphs.load("train", [item], IMAGES_PER_CLASS).sample_ids[:4] for item in CLASSES]
    subset = Subset(dataset="glyphs", unit="sample", ids=tuple(item for ids in faces for item in ids))
    given = config(pruning=PRUNING, measure=[OF_TICKET[2]])
    run = Run.on(subset, tiny_run(given).data, given, 0, replaces=replaced)
    result = train_run(run, glyphs, device="cpu")
    assert result.replaced == replaced
    return result


def test_a_subset_replaces_the_phase_it_is_to_replace(glyphs: Glyphs) -> None:
    """Search: its own mask, trained on the full data. Sparse training: the full data's mask. Probe: nothing else."""
    full = train_prepared(prepared(config(pruning=PRUNING, measure=[OF_TICKET[2]]), glyphs))
    found: dict[str, Result] = {
        kind: on_samples(kind, glyphs) for kind in ("training", "search", "sparse_training", "probe")
    }
    masks = {kind: result.ticket.mask_digest for kind, result in found.items() if result.ticket is not None}
    assert full.ticket is not None
    assert masks["search"] == masks["training"] != full.ticket.mask_digest
    assert masks["sparse_training"] == masks["probe"] == full.ticket.mask_digest
    assert found["probe"].class_accuracy == full.class_accuracy
    assert values(found["probe"]) != values(full) == values(found["sparse_training"])
    assert len({result.run for result in found.values()}) == 4
    for kind, result in found.items():
        assert result.train_accuracy is not None
        trained_on = 12 if kind in {"training", "sparse_training"} else 24
        assert (result.train_accuracy * trained_on) == pytest.approx(round(result.train_accuracy * trained_on))
