"""The options of ``dlth-bench select``, one entry each, in the panels of its ``--help``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from dlth_bench.selection.policy import Algorithm, Option, Representative, Ties
from dlth_bench.selection.samples.request import Criterion, Draw, NeverLearned


def _option(kind: object, flag: str, panel: str, text: str, **further: Any) -> object:
    return Annotated[kind, typer.Option(flag, help=text, rich_help_panel=panel, **further)]


_RANDOM = "Drawing"
_ACCURACY = "By accuracy: pd-*, erc, consistent"
_CLUSTER = "By class tree or embedding: wnh, wec, sec"
_DYNAMICS = "By training dynamics: forgetting, el2n, entropy, svp, kcenter, herding, easy, hard, consistent"
_SEARCH = "By a search for a ticket: prac"
_POOL = "Which samples there are"

OPTIONS: dict[Option, object] = {
    "seed": _option(int | None, "--seed", _RANDOM, "Of what is drawn at random; default 0.", min=0),
    "balanced": _option(bool | None, "--balanced", _RANDOM, "The same number of samples of each class."),
    "draw": _option(Draw | None, "--draw", _RANDOM, "nir: which samples of a class; default random."),
    "accuracies": _option(
        list[Path] | None,
        "--accuracies",
        _ACCURACY,
        "CSV or Parquet of per-class accuracies; erc: repeat it.",
    ),
    "model": _option(
        str | None,
        "--model",
        _ACCURACY,
        "pd-*: the column to take; erc: those to compare, with commas.",
    ),
    "correctness": _option(
        list[Path] | None, "--correctness", _ACCURACY, "consistent: CSV or Parquet sample,CONFIG,...; may be repeated."
    ),
    "ties": _option(
        Ties | None, "--ties", _ACCURACY, "Whether equal accuracies keep the order; erc: strict, consistent: allow."
    ),
    "margin": _option(float | None, "--margin", _ACCURACY, "Differences up to this are ties, e.g. 0.02."),
    "threshold": _option(
        int | None, "--threshold", _ACCURACY, "erc: draw only from more than this; default twice the size.", min=1
    ),
    "tree": _option(Path | None, "--tree", _CLUSTER, "wnh: CSV child,parent in place of the own."),
    "representative": _option(Representative | None, "--representative", _CLUSTER, "wnh: which class of a group."),
    "embeddings": _option(Path | None, "--embeddings", _CLUSTER, "wec, sec: .npy with a row for each class in order."),
    "encoder": _option(str | None, "--encoder", _CLUSTER, "wec: text model by Hub name or folder; none: TF-IDF."),
    "algorithm": _option(Algorithm | None, "--algorithm", _CLUSTER, "wec, sec: the clustering."),
    "dynamics": _option(
        list[Path] | None, "--dynamics", _DYNAMICS, "What record-dynamics wrote; repeat it for several trainings."
    ),
    "search": _option(
        Path | None, "--search", _SEARCH, "A stored run of a config that prunes with prac: its folder or result.json."
    ),
    "never_learned": _option(
        NeverLearned | None, "--never-learned", _DYNAMICS, "forgetting, svp: where such samples rank; default first."
    ),
    "epochs": _option(int | None, "--epochs", _DYNAMICS, "el2n: mean over so many first epochs; default 10.", min=1),
    "criterion": _option(Criterion | None, "--criterion", _DYNAMICS, "svp: default least-confidence."),
    "protocol": _option(
        str | None, "--protocol", _POOL, "Choose among its training samples; for glyphs by default glyphs-ssl."
    ),
    "samples": _option(
        Path | None, "--samples", _POOL, "CSV or Parquet with a column 'sample', for a dataset not at hand."
    ),
}


def with_policy_options(command: Callable[..., None]) -> Callable[..., None]:
    """The command with all of ``OPTIONS`` in place of its ``**given``; those a user left out arrive as None."""
    named = [
        item
        for item in inspect.signature(command, eval_str=True).parameters.values()
        if item.kind is not item.VAR_KEYWORD
    ]
    further = [
        inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for option, annotation in OPTIONS.items()
    ]
    command.__signature__ = inspect.Signature([*named, *further])  # type: ignore[attr-defined]
    return command
