"""``dlth-bench verify``: train drawn cells of a submission again and test what it claims of them."""

from __future__ import annotations

import datetime
import os
import re
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from dlth_bench.bench import Place, Training
from dlth_bench.board import submission_folder
from dlth_bench.board.check import check_submission
from dlth_bench.board.verification import Commitment, Verification, commitment_of
from dlth_bench.board.verify import Drawn, draw_cells, noise_of, verification_of
from dlth_bench.cli.shared import options
from dlth_bench.cli.shared.train import train_plan
from dlth_bench.protocols.measurements import Metric
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.plan import make_plan
from dlth_bench.runs.run import Result
from dlth_bench.runs.store import Store
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import read_text_file, write_atomically
from dlth_bench.util.text import printable, quoted

_MAX_COMMITMENT_BYTES = 1 << 14


class _RetrainByDefault(TyperGroup):
    """``verify SUBMISSION`` is ``verify retrain SUBMISSION``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "-h", "--help"}:
            args = ["retrain", *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    add_completion=False,
    name="verify",
    cls=_RetrainByDefault,
    help="Train drawn cells of a submission again, and test its claims against seed noise.",
    no_args_is_help=True,
)

SubmissionArgument = Annotated[Path, typer.Argument(help="Folder of the submission.", show_default=False)]


@app.command("commit")
def commit(
    submission: SubmissionArgument,
    output: Annotated[
        Path | None, typer.Option("--output", help="The commitment, to publish. Default: NAME.commitment.json.")
    ] = None,
    nonce_file: Annotated[
        Path | None, typer.Option("--nonce-file", help="The nonce, to keep secret. Default: NAME.nonce.")
    ] = None,
) -> None:
    """Draw a secret nonce and commit to it: publish the commitment before you train anything again.

    Example: dlth-bench verify commit submissions/glyphs-ssl/rs-0
    """
    stored, protocol = _valid(submission)
    name = stored.metadata.name
    public, secret = output or Path(f"{name}.commitment.json"), nonce_file or Path(f"{name}.nonce")
    for path in (public, secret):
        if path.exists():
            raise InputError("is there already; a second draw would let you choose", source=printable(str(path)))
    nonce = secrets.token_hex(32)
    commitment = Commitment(
        protocol=protocol.key,
        name=name,
        claim_digest=stored.claim_digest,
        commitment=commitment_of(nonce, stored.claim_digest),
        date=datetime.datetime.now(datetime.UTC).date(),
    )
    secret.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(nonce + "\n")
    write_atomically(public, (commitment.model_dump_json(indent=2) + "\n").encode())
    typer.echo(f"publish {printable(str(public))}; keep {printable(str(secret))} secret until the verification is out")


ByOption = Annotated[str, typer.Option("--by", help="Your name, as the board shows it.", show_default=False)]
CellsOption = Annotated[int, typer.Option("--cells", min=1, help="How many runs to train again.")]
CommitmentOption = Annotated[
    Path | None, typer.Option("--commitment", help="Default: NAME.commitment.json, if it is there.")
]
NonceFileOption = Annotated[Path | None, typer.Option("--nonce-file", help="Default: NAME.nonce, if it is there.")]
PointsOption = Annotated[
    str, typer.Option("--points", help="Sizes of frauds, in points, to say how surely they are caught.")
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", help="Store of the retrained runs; not one that others write to.")
]


@app.command("retrain")
def retrain(
    context: typer.Context,
    submission: SubmissionArgument,
    by: ByOption,
    cells: CellsOption = 2,
    commitment: CommitmentOption = None,
    nonce_file: NonceFileOption = None,
    points: PointsOption = "1,2,5,10",
    out: OutOption = Path("verification-runs"),
    workers: options.Workers = None,
    device: options.Device = "auto",
    data_dir: options.DataDir = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Train drawn runs of a submission again, test its claims, and write verification.json beside it.

    Exit code 0: verified; 1: disputed, inconclusive, or a run broke down.

    Example: dlth-bench verify retrain submissions/glyphs-ssl/rs-0 --by "Ada L."
    """
    stored, protocol = _valid(submission)
    sizes = _sizes(points)
    name = stored.metadata.name
    drawn = draw_cells(stored, *_opened(name, commitment, nonce_file), cells)
    if dry_run:
        for claim in drawn.claims:
            typer.echo(f"{claim.config} seed {claim.seed}")
        return
    options.use_data_dir(context, protocol.data.dataset, data_dir)
    training = Training(Store(out), Place(device=device, workers=workers))
    retrained = _retrained(stored, protocol, drawn, training, Console(stderr=as_json))
    noise = noise_of(stored, protocol)
    try:
        found = verification_of(stored, drawn, retrained, noise, by=by, points=sizes)
    except ValueError:
        raise InputError(f"--by: {quoted(by)} must be a name of at most 80 characters on one line") from None
    submission_folder.write_verification(submission, found)
    typer.echo(found.model_dump_json(indent=2)) if as_json else _tell(found, name, protocol.metric)
    if found.verdict != "verified":
        raise typer.Exit(1)


def _valid(folder: Path) -> tuple[submission_folder.StoredSubmission, Protocol]:
    """A submission that passes the check, a verification in it apart, and its protocol."""
    folder = folder.absolute()  # its name is checked, and "." has none
    stored = replace(submission_folder.read_submission(folder), verification=None)
    protocol = find_protocol(stored.metadata.protocol)
    check_submission(stored, protocol)
    return stored, protocol


def _sizes(text: str) -> list[float]:
    names = options.split_names(text) or []
    wrong = [name for name in names if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", name) or not 0 < float(name) <= 100]
    if wrong or not names or len(names) > 100:
        raise InputError(f"--points: {quoted(text)} is not a list of points above 0 and up to 100, such as 1,2,5")
    return [float(name) for name in names]


def _opened(name: str, commitment: Path | None, nonce_file: Path | None) -> tuple[str, Commitment | None]:
    """The nonce and what was published of it; a fresh nonce where nothing was."""
    public, secret = commitment or Path(f"{name}.commitment.json"), nonce_file or Path(f"{name}.nonce")
    if commitment is None and nonce_file is None and not (public.exists() or secret.exists()):
        typer.echo("no commitment: readers must take your word that you drew only once", err=True)
        return secrets.token_hex(32), None
    data = submission_folder.plain_file(public, _MAX_COMMITMENT_BYTES).read_bytes()
    nonce = read_text_file(secret, _MAX_COMMITMENT_BYTES).strip()
    if not re.fullmatch("[0-9a-f]{64}", nonce):
        raise InputError("is not a nonce, which is 64 hexadecimal digits", source=printable(str(secret)))
    return nonce, submission_folder.parse_json(Commitment, data, public)


def _retrained(
    stored: submission_folder.StoredSubmission, protocol: Protocol, drawn: Drawn, training: Training, console: Console
) -> dict[str, Result]:
    """The results of the drawn runs, trained here; by digest.

    Raises:
        InputError: one broke down, so that nothing can be said of it.
    """
    store, wanted = training.store, {claim.run for claim in drawn.claims}
    whole = make_plan(protocol, stored.subset, store, exponent=stored.metadata.exponent)
    plan = replace(whole, planned=tuple(planned for planned in whole.planned if planned.run.digest in wanted))
    train_plan(training, plan, console)
    results = {run.digest: store.settled(run.digest) for run in plan.runs}
    broken = [run.label for run in plan.runs if results[run.digest] is None]
    if broken:
        raise InputError(f"{', '.join(broken)} broke down, so there is nothing to compare", source=store.root)
    return {digest: result for digest, result in results.items() if result is not None}


def _tell(found: Verification, name: str, metric: Metric) -> None:
    console = Console(highlight=False)
    table = Table("Config", "Seed", "Claimed", "Retrained", "Difference", "Noise", "Verdict", box=None)
    for cell in found.cells:
        difference = cell.difference
        table.add_row(
            cell.config,
            str(cell.seed),
            _number(cell.claimed, metric),
            "diverged" if cell.retrained is None else _number(cell.retrained, metric),
            "identical" if cell.identical else "–" if difference is None else _number(difference, metric, sign="+"),
            "unknown" if cell.noise is None else _number(cell.noise, metric),
            cell.verdict,
        )
    console.print(table)
    for one in found.caught:
        told = (
            f"A fraud of {one.points:g} points would have been caught with a probability of {one.everywhere:.0%} if in "
            f"every cell, {one.one_config:.0%} if in those of one config."
        )
        console.print(Text(told), soft_wrap=True)
    if all(cell.identical for cell in found.cells):
        console.print("Every cell is what was claimed to the last digit: the noise above did not come into play.")
    console.print(Text(f"{name}: {found.verdict}; wrote verification.json"), soft_wrap=True)


def _number(value: float, metric: Metric, *, sign: str = "-") -> str:
    """Percent or points of a fraction, other values with four digits."""
    return f"{100 * value:{sign}.2f}" if metric.unit == "fraction" else f"{value:{sign}.4g}"
