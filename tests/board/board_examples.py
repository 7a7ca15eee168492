"""A tiny protocol on real classes, with results, scorecards and submissions that need no training."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dlth_bench.board.board import Board, Reported
from dlth_bench.board.figures.drawing import Material
from dlth_bench.board.markdown import board_markdown, board_rows
from dlth_bench.board.row import Row
from dlth_bench.board.submission import Submission
from dlth_bench.board.submission_folder import StoredSubmission, read_submission, write_submission
from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.protocols.methods import SupervisedSpec
from dlth_bench.protocols.protocol import Config, ConfigReference, Cost, Protocol, Reference, UnderfitGate
from dlth_bench.protocols.recipe import AugmentSpec, Duration, OptimizerSpec, ResNetSpec, TrainSpec
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Environment, Result
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.scorecard import ConfigScore, CorrelationScore, Scorecard
from dlth_bench.subsets.subset import Subset, SubsetRule

SUBSET = Subset(dataset="glyphs", ids=("U+0041", "U+0042", "U+0043"))
OTHER_SUBSET = Subset(dataset="glyphs", ids=("U+0041", "U+0042", "U+0044"))

FULL = {"alpha": (0.80, 0.81), "beta": (0.60, 0.61), "gamma": (0.40, 0.42), "delta": (0.20, 0.21)}
"""Accuracies of the full data, two seeds a config."""

COST = Cost(images=1000, flops=2e9, device_seconds=10.0)


DEVICE = "Abacus 3000"
ENVIRONMENT = Environment(
    package="0.1.0", python="3.11.0", torch="2.11.0", timm="1.0.0", platform="Linux", device=DEVICE, threads=1
)


def tiny_config(name: str, lr: float) -> Config:
    train = TrainSpec(duration=Duration(epochs=1), batch_size=8, optimizer=OptimizerSpec(kind="sgd", lr=lr))
    return Config(
        name=name,
        title=f"{name.capitalize()} net",
        backbone=ResNetSpec(kind="resnet", widths=(4,), blocks=(1,)),
        method=SupervisedSpec(kind="supervised", augment=AugmentSpec()),
        train=train,
    )


def tiny_protocol(full: Mapping[str, tuple[float, ...]] = FULL, name: str = "tiny") -> Protocol:
    """Four configs, two seeds, a measured reference that cost ten times what a subset's runs do."""
    whole = Cost(images=20_000, flops=4e10, device_seconds=200.0)
    entries = {config: ConfigReference(accuracies=values, cost=whole) for config, values in full.items()}
    return Protocol(
        name=name,
        version=1,
        title="Tiny",
        data=DataSpec(dataset="glyphs", manifest_digest="0" * 64, pixel_mean=(0.5,), pixel_std=(0.25,)),
        budget="epochs",
        seeds=(0, 1),
        subset=SubsetRule(minimum=2, maximum=10),
        underfit=UnderfitGate(min_train_accuracy=0.1),
        configs=tuple(tiny_config(config, lr=0.1 * (index + 1)) for index, config in enumerate(full)),
        reference=Reference(source="measured", date="2026-01-02", hardware=f"{DEVICE}, 1 thread", configs=entries),
    )


def results_of(
    protocol: Protocol,
    subset: Subset = SUBSET,
    accuracies: Mapping[str, Sequence[float]] = FULL,
    train_accuracy: float = 1.0,
) -> list[Result]:
    """One finished result a config and seed."""
    runs = grid_runs(protocol, subset)
    return [
        Result(
            run=run.digest,
            config=run.config.name,
            seed=run.seed,
            status="finished",
            accuracy=accuracy,
            class_accuracy=(accuracy,) * len(run.class_ids),
            class_counts=(100,) * len(run.class_ids),
            train_accuracy=train_accuracy,
            cost=_cost(run.images_seen),
            environment=ENVIRONMENT,
        )
        for run in runs
        for accuracy in [accuracies[run.config.name][protocol.seeds.index(run.seed)]]
    ]


def _cost(images: int | None) -> Cost:
    """`COST` at so many images, at the same FLOPs an image."""
    share = 1.0 if images is None else images / COST.images
    return COST if images is None else COST.model_copy(update={"images": images, "flops": COST.flops * share})


def metadata_of(protocol: Protocol, subset: Subset, name: str, **given: object) -> Submission:
    fields = {
        "name": name,
        "protocol": protocol.key,
        "protocol_digest": protocol.digest,
        "dataset": subset.dataset,
        "subset_digest": subset.digest,
        "classes": len(subset.class_ids),
        "samples": subset.samples,
        "policy": "RS",
        "date": datetime.date(2026, 1, 3),
        "package": "0.1.0",
    }
    return Submission.model_validate(fields | given)


def submit(
    root: Path,
    name: str,
    *,
    protocol: Protocol | None = None,
    subset: Subset = SUBSET,
    results: list[Result] | None = None,
    **given: object,
) -> StoredSubmission:
    """A valid submission in ``root``, written and read back; its score is computed from its results."""
    protocol = protocol or tiny_protocol()
    results = results_of(protocol, subset) if results is None else results
    folder = root / protocol.name / name
    scorecard = score_results(protocol, subset, results)
    write_submission(folder, metadata_of(protocol, subset, name, **given), subset, results, scorecard)
    return read_submission(folder)


def card_with(
    spearman: float | None,
    low: float | None = None,
    high: float | None = None,
    *,
    pearson: float = 0.5,
    **given: object,
) -> Scorecard:
    """A scorecard of the tiny protocol with chosen correlations, where only those matter."""
    protocol = tiny_protocol()
    scores = tuple(
        ConfigScore(
            config=config.name, title=config.title, accuracies=(0.5,), mean=0.5, std=None, reference_mean=0.5,
            reference_std=None,
        )
        for config in protocol.configs
    )  # fmt: skip
    fields = {
        "package": "0.1.0",
        "protocol": protocol.key,
        "protocol_digest": protocol.digest,
        "manifest_digest": protocol.data.manifest_digest,
        "subset_digest": SUBSET.digest,
        "classes": len(SUBSET),
        "configs": scores,
        "pearson": CorrelationScore(value=pearson),
        "spearman": CorrelationScore(value=spearman, low=low, high=high),
        "kendall": CorrelationScore(value=spearman),
        "complete": True,
    }
    return Scorecard.model_validate(fields | given)


def card_of(accuracies: Mapping[str, Sequence[float]], full: Mapping[str, tuple[float, ...]] = FULL) -> Scorecard:
    """The scorecard of given accuracies by config."""
    protocol = tiny_protocol(full)
    return score_results(protocol, SUBSET, results_of(protocol, accuracies=accuracies))


def stored_with(name: str, scorecard: Scorecard, **given: object) -> StoredSubmission:
    """A submission in memory whose scorecard is made up; for what only reads metadata and scorecard."""
    return StoredSubmission(metadata_of(tiny_protocol(), SUBSET, name, **given), SUBSET, (), scorecard, Path(name))


def material_with(scorecards: Mapping[str, Scorecard], protocol: Protocol | None = None) -> Material:
    """What figures are drawn from: rows without a rank, whose names may be what no submission's can be."""
    stored = stored_with("any", card_with(0.5))
    rows = [
        Row(
            protocol or tiny_protocol(),
            replace(stored, metadata=stored.metadata.model_copy(update={"name": name}), scorecard=card),
            None,
        )
        for name, card in scorecards.items()
    ]
    return Material(protocol or tiny_protocol(), rows)


def markdown_of(
    submissions: Sequence[StoredSubmission],
    protocols: Sequence[Protocol],
    reported: Mapping[str, Sequence[Reported]] | None = None,
) -> str:
    """``leaderboard.md`` of submissions under these protocols."""
    unverified = reported or {}
    boards = [Board(each, board_rows(submissions, each), unverified.get(each.key, ())) for each in protocols]
    return board_markdown(boards)
