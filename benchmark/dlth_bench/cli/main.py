"""``dlth-bench``: the entry point, and how errors reach the user."""

from __future__ import annotations

import difflib
import sys
from typing import Annotated, Any, NoReturn

import typer

import dlth_bench
from dlth_bench.cli import (
    bench,
    check,
    collect,
    doctor,
    embed_classes,
    evaluate_classes,
    leaderboard,
    paper,
    plot,
    power,
    protocols,
    record_dynamics,
    reference,
    run,
    schemas,
    score,
    select,
    status,
    submit,
    subsets,
    theory,
    verify,
)
from dlth_bench.engines.followers import follows, started_devices
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What the command-line library raises: click's own class, or that of the copy that newer versions of typer carry."""


def usage_message(error: Any) -> str:
    """What is wrong, and what was perhaps meant or where the help is; empty where the help itself was printed.

    Args:
        error: a `UsageError`.
    """
    if type(error).__name__ == "NoArgsIsHelpError":  # a command group alone: the library has shown its help
        return ""
    context = error.ctx
    message = " ".join(error.format_message().split()).rstrip(".")
    wrong = getattr(error, "option_name", None)
    if wrong is not None and message.startswith("No such option"):
        message = f"No such option '{wrong}'{_meant(wrong, context)}"
    message = message.replace(". Did you mean", "; did you mean")
    if context is None:
        return _lowered(message)
    advice = "" if message.endswith("?") else f"; see {context.command_path} --help"
    return f"{context.command_path}: {_lowered(message)}{advice}"


def _meant(wrong: str, context: Any) -> str:
    known = [] if context is None else [name for each in context.command.get_params(context) for name in each.opts]
    near = difflib.get_close_matches(wrong, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


PROGRAM = "dlth-bench"

app = typer.Typer(
    name=PROGRAM,
    help="Does a small subset of a dataset rank training recipes the way the whole dataset does?",
    epilog="Start with: dlth-bench run --subset my-classes.txt",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("collect")(collect.collect)
app.command("doctor")(doctor.doctor)
app.command("score")(score.score)
app.command("select", epilog=select.POLICY_LIST)(select.select)
app.command("evaluate-classes")(evaluate_classes.evaluate_classes)
app.command("record-dynamics")(record_dynamics.record_dynamics)
app.command("embed-classes")(embed_classes.embed_classes)
app.command("submit")(submit.submit)
app.command("check")(check.check)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("plot")(plot.plot)
app.command("paper")(paper.paper)
app.command("power")(power.power)
app.command("theory")(theory.theory)
app.command("reference")(reference.reference)
app.command("schemas")(schemas.schemas)
app.add_typer(protocols.app)
app.add_typer(subsets.app)
app.add_typer(bench.app)
app.add_typer(verify.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dlth-bench {dlth_bench.__version__}")
        raise typer.Exit


TOGETHER = ("run", "reference")
"""Commands that the processes of ``torchrun`` do together; others are done by the first of them alone."""


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if context.invoked_subcommand not in TOGETHER and follows(started_devices()):
        raise typer.Exit


def main() -> None:
    """Run the command line; wrong input or use, or a file that cannot be written, is one line and exit code 2."""
    try:
        # What it returns is None, or the code that a command exits with.
        sys.exit(app(prog_name=PROGRAM, standalone_mode=False))
    except UsageError as error:
        _refuse(usage_message(error))
    except typer.Abort:
        sys.exit(1)
    except InputError as error:
        _refuse(error.located)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        if error.filename is None:  # not about a file of the user's: the traceback says more
            raise
        _refuse(f"{error.filename}: {error.strerror}")


def _refuse(message: str) -> NoReturn:
    if message:
        sys.stderr.write(f"error: {printable(message, limit=2000)}\n")
    sys.exit(2)


if __name__ == "__main__":
    main()
