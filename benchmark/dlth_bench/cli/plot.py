"""``dlth-bench plot``: the board's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.board.figures import Kind, find_kind
from dlth_bench.board.figures.drawing import Material, Resource
from dlth_bench.board.markdown import board_rows
from dlth_bench.board.row import Row
from dlth_bench.board.submission_folder import read_submissions
from dlth_bench.cli.shared import options
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol, reference_results_path
from dlth_bench.runs.plan import chosen_configs
from dlth_bench.runs.run import Result
from dlth_bench.runs.score import full_data_results
from dlth_bench.selection.accuracies import read_results
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted

_RESOURCES: tuple[Resource, ...] = ("images", "flops", "device-time")

KindArgument = Annotated[
    str, typer.Argument(help="trends, classes, consistency, radar, loss, forest, pareto or frontier, as above.")
]
NamesOption = Annotated[
    str | None,
    typer.Option("--names", help="Only these submissions, separated by commas. Default: the best, or all."),
]
PlotConfigsOption = Annotated[
    str | None, typer.Option("--configs", help="classes, loss: only these configs, separated by commas.")
]
CostOption = Annotated[str | None, typer.Option("--cost", help="pareto: images (default), flops or device-time.")]
FigureOption = Annotated[
    Path | None, typer.Option("--output", help="The files to write, without .svg and .png. Default: the kind.")
]


def plot(
    kind: KindArgument = "trends",
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    submissions: options.Submissions = options.DEFAULT_SUBMISSIONS,
    names: NamesOption = None,
    configs: PlotConfigsOption = None,
    cost: CostOption = None,
    output: FigureOption = None,
) -> None:
    """Draw a figure of the board, as SVG and PNG.

    trends: accuracy of each config, a line a subset (the default)

    classes: full-data accuracy of each class under a few configs (the paper's Fig. 3)

    consistency: what one change of the recipe gains on each subset (Fig. 6)

    radar: several indicators of a few subsets (Fig. 7)

    loss: pretraining loss on full data, random and chosen subsets (Fig. 1)

    forest: ρ of all submissions with intervals and noise ceiling

    pareto: ρ against cost

    frontier: ρ of random subsets of each size and length of training against cost

    Example: dlth-bench plot --names my-classes --output trends

    Example: dlth-bench plot loss --names my-classes,rs-0 --configs dino-small
    """
    asked = find_kind(kind)
    _check_taken(asked, configs, cost)
    material = _material(
        asked, find_protocol(protocol), submissions, options.split_names(names), options.split_names(configs), cost
    )
    base = Path(asked.name) if output is None else output
    base = base.with_suffix("") if base.suffix in {".svg", ".png"} else base
    for path in asked.draw(material, base):
        typer.echo(f"wrote {printable(str(path))}")


def _material(
    asked: Kind, spec: Protocol, submissions: Path, names: list[str] | None, configs: list[str] | None, cost: str | None
) -> Material:
    """What the figure is drawn from.

    Raises:
        InputError: there is no submission, or a name is of none.
    """
    only = None if configs is None else [config.name for config in chosen_configs(spec, configs)]
    rows = board_rows(read_submissions(submissions, spec.name), spec)
    if not rows:
        raise InputError(f"no submission of {spec.key}", source=printable(str(submissions)))
    random = [row for row in rows if row.is_random]
    return Material(
        protocol=spec,
        rows=_chosen(rows, random, names, asked, spec),
        random=random,
        full=_full_results(spec) if asked.needs_full_results else (),
        configs=only,
        cost=_resource(cost),
    )


def _check_taken(kind: Kind, configs: str | None, cost: str | None) -> None:
    given = {"configs": configs, "cost": cost}
    for option, value in given.items():
        if value is not None and option not in kind.takes:
            raise InputError(f"--{option}: the figure {kind.name} does not take it")


def _resource(text: str | None) -> Resource:
    if text is None:
        return "images"
    for resource in _RESOURCES:
        if text == resource:
            return resource
    raise InputError(f"--cost: {quoted(text)} is none of {', '.join(_RESOURCES)}")


def _chosen(rows: list[Row], random: list[Row], names: list[str] | None, kind: Kind, protocol: Protocol) -> list[Row]:
    """The rows of the given names in their order; without names the best, as many as the kind shows well."""
    known = {row.submission.metadata.name: row for row in rows}
    if names is not None:
        unknown = [name for name in names if name not in known]
        if unknown:
            listed = printable(", ".join(sorted(known)), 400)
            raise InputError(f"--names: no submission {quoted(unknown[0])} of {protocol.key}; there are {listed}")
        return [known[name] for name in dict.fromkeys(names)]
    candidates = [row for row in rows if row not in random] if kind.shows_random else rows
    if kind.most is not None and len(candidates) > kind.most:
        typer.echo(f"the best {kind.most} of {len(candidates)} submissions; choose others with --names", err=True)
    return candidates[: kind.most]


def _full_results(protocol: Protocol) -> list[Result]:
    return full_data_results(protocol, read_results(reference_results_path(protocol)))
