"""``dlth-bench submit``: make a submission of a subset whose runs are stored."""

from __future__ import annotations

import datetime
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

import dlth_bench
from dlth_bench.board.submission import Submission
from dlth_bench.board.submission_folder import write_submission
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.hub import HubOption, propose, require_writable
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import DEFAULT_PROTOCOL, find_protocol, is_draft
from dlth_bench.runs.plan import Plan, make_plan, subset_for
from dlth_bench.runs.score import score_results, stored_results
from dlth_bench.runs.store import DEFAULT_STORE, Store
from dlth_bench.scoring.scorecard import Scorecard
from dlth_bench.subsets.find import SubsetFile
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted, subset_size

_NAMED = 5
"""Missing runs that an error lists before it only counts."""


@dataclass(frozen=True)
class About:
    """The options that say what the subset is and who made it."""

    policy: Annotated[
        str | None, typer.Option(help="How the members were selected, e.g. RS. Default: as on its card.")
    ] = None
    authors: Annotated[str, typer.Option(help="Names, separated by commas.")] = ""
    description: Annotated[str, typer.Option(help="One line for readers of the board.")] = ""
    url: Annotated[str, typer.Option(help="A page about the subset, https only.")] = ""
    selection_cost: Annotated[
        str | None,
        typer.Option(
            help="What choosing the subset took, apart from its runs: images=N,flops=X,device_seconds=S, or none."
        ),
    ] = None

    def fields(self, file: SubsetFile) -> dict[str, Any]:
        """Of the submission's metadata; the policy is by default that on the subset's card."""
        policy = "unstated" if file.card is None else file.card.policy
        return asdict(self) | {
            "policy": policy if self.policy is None else self.policy,
            "authors": tuple(options.split_names(self.authors) or ()),
            "selection_cost": _selection_cost(self.selection_cost),
        }


@options.with_groups
def submit(
    subset: options.Subset,
    name: Annotated[str, typer.Option("--name", help="Name on the board: lower-case letters, digits, . _ and -.")],
    protocol: options.Protocol = DEFAULT_PROTOCOL,
    exponent: options.Exponent = 0.0,
    about: About = About(),
    missing: Annotated[
        str | None, typer.Option(help="Submit without the runs that are not stored; say why they are not.")
    ] = None,
    out: options.Store = DEFAULT_STORE,
    submissions: options.Submissions = options.DEFAULT_SUBMISSIONS,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace this name's submission of another subset.")
    ] = False,
    hub: HubOption = None,
) -> None:
    """Make a submission folder from the stored runs of a subset; nothing is trained.

    Example: dlth-bench submit --subset my-classes.txt --name mine --policy RS

    Example: dlth-bench submit --subset my-classes.txt --name mine --hub my-lab/board
    """
    require_writable("--hub", hub)
    spec = find_protocol(protocol)
    if is_draft(spec):
        score = shlex.join(["dlth-bench", "score", "--subset", subset, "--protocol", protocol, "--out", str(out)])
        raise InputError(f"{spec.key} is a draft, which may still change and has no board; score it with: {score}")
    file = subset_for(subset, spec)
    given = {"name": name, "exponent": exponent, **about.fields(file)}
    store = Store(out)
    plan = make_plan(spec, file.subset, store, exponent=exponent)
    if missing is not None:
        given["missing"] = _absent(plan, store, missing)
    metadata = _metadata(spec, file, given)
    if missing is None:
        train = ["dlth-bench", "run", "--subset", subset, "--protocol", protocol, "--out", str(out)]
        train += ["--exponent", f"{exponent:g}"] if exponent else []
        _require_all_runs(plan, shlex.join(train))
    results = stored_results(spec, file.subset, store, exponent)
    scorecard = score_results(spec, file.subset, results, exponent)
    folder = submissions / spec.name / metadata.name
    write_submission(folder, metadata, file.subset, results, scorecard, replace=replace)
    _tell(folder, scorecard, then="" if hub else "then: commit the folder and open a pull request with it")
    if hub:
        typer.echo(propose(hub, folder, replace=replace))


def _absent(plan: Plan, store: Store, reason: str) -> list[dict[str, Any]]:
    """The runs that are not stored."""
    runs = [run for run in plan.runs if store.result(run.digest) is None]
    return [{"config": run.config.name, "seed": run.seed, "reason": reason} for run in runs]


def _tell(folder: Path, scorecard: Scorecard, then: str) -> None:
    """What was written and what to do with it."""
    console = Console()
    size = subset_size(scorecard.classes, scorecard.samples)
    told = f"wrote {printable(str(folder))}: {size} under {scorecard.protocol}"
    if not scorecard.complete:
        told += "; incomplete or underfit, so it will have no rank"
    check = shlex.join(["dlth-bench", "check", str(folder)])
    board = shlex.join(["dlth-bench", "leaderboard", "--submissions", str(folder.parent.parent)])
    lines = (told, f"next: check it as a reviewer will: {check}", f"or see it on the board with: {board}", then)
    for line in filter(None, lines):
        console.print(Text(line), soft_wrap=True)


def _metadata(protocol: Protocol, file: SubsetFile, given: dict[str, Any]) -> Submission:
    """The metadata of what the options say; an InputError names the option that is wrong."""
    try:
        return Submission(
            protocol=protocol.key,
            protocol_digest=protocol.digest,
            dataset=file.subset.dataset,
            subset_digest=file.subset.digest,
            classes=len(file.subset.class_ids),
            samples=file.subset.samples,
            date=datetime.datetime.now(datetime.UTC).date(),
            package=dlth_bench.__version__,
            **given,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise InputError(f"--{option}: {first['msg']}") from None


def _selection_cost(text: str | None) -> dict[str, str | int] | None:
    """The fields of a cost from ``flops=1e15,device_seconds=60``; what is left out is nothing.

    Raises:
        InputError: a part is not NAME=NUMBER with a known name.
    """
    if text is None:
        return None
    found: dict[str, str | int] = {"images": 0, "flops": 0, "device_seconds": 0}
    for part in [] if text.strip() == "none" else options.split_names(text) or []:
        name, equals, number = part.partition("=")
        if not equals or name.strip() not in found:
            known = ", ".join(f"{known}=NUMBER" for known in found)
            raise InputError(f"--selection-cost: {quoted(part)} is none of {known}; nothing spent is: none")
        found[name.strip()] = number.strip()
    return found


def _require_all_runs(plan: Plan, command: str) -> None:
    missing = [planned.run.label for planned in plan.planned if not planned.stored]
    if not missing:
        return
    named = ", ".join(missing[:_NAMED])
    rest = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    counted = f"{len(missing)} of {len(plan.planned)} runs are missing or broke down"
    raise InputError(f"{counted}: {named}{rest}; train them with: {command}")
