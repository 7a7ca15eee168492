"""``dlth-bench``: the entry point, and how errors reach the user."""

from __future__ import annotations

import difflib
import os
import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

import dlth_bench
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


COMMANDS = {
    "run": "Train a subset under every config of a protocol, score it, and rank it among the submissions.",
    "status": "Say how far batches are: which runs have finished, are trained, wait, or were lost.",
    "collect": "Show what run or reference would have shown, for a batch that was handed to a cluster.",
    "doctor": "Check versions, devices, data and digests, and train one run whose outcome is known.",
    "score": "Score a subset against the protocol's full-data reference, without training.",
    "select": "Choose classes or samples by a policy and write them as a subset file whose header says how.",
    "evaluate-classes": (
        "Write the accuracy on each class of a config (mean over seeds), a stored run, or a pretrained model."
    ),
    "record-dynamics": (
        "Train a config and record for each training sample and epoch whether the model was right, and how sure."
    ),
    "embed-classes": (
        "Write the mean feature of each class's validation images: float32, a row a class in the dataset's order."
    ),
    "submit": "Make a submission folder from the stored runs of a subset; nothing is trained.",
    "check": (
        "Check submissions: files, digests, subset, results, costs, score, and whether another has the same results."
    ),
    "leaderboard": "Check every submission, write the leaderboard as Markdown, and show it.",
    "plot": "Draw a figure of the board, as SVG and PNG.",
    "paper": "Print the paper's Tables 2, 3, 4 and 13 next to what our scorer finds from the printed numbers.",
    "power": (
        "Say how many seeds tell two subsets apart on a protocol's configs, and how many configs it takes beyond these."
    ),
    "theory": (
        "Simulate the teacher-student perceptron: does a subset of small margins rank rules of training as all data do?"
    ),
    "reference": "Train every config on all classes and print the reference as YAML, ready for the protocol's file.",
    "schemas": "Write the JSON Schema of submissions, results, scorecards, cards, protocols and verifications.",
    "protocols": "List, show and check the frozen protocols.",
    "subsets": "Look at the shipped subsets, and check your own.",
    "bench": "Measure how fast this machine trains.",
    "verify": "Train drawn cells of a submission again, and test its claims against seed noise.",
}
"""Every command and what it does, in the order of ``--help``; it is the first sentence of the command's own help.

A command stands in the module of its name, as a function of this name or as ``app``: a group of commands, or a command
with more settings. The module is imported when the command is used or its own help is asked for.
"""


def load_command(name: str) -> Any:
    """Import a command's module; returns what the command-line library runs.

    Args:
        name: a key of `COMMANDS`.
    """
    module = import_module(f"dlth_bench.cli.{name.replace('-', '_')}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False)
        app.command(name)(getattr(module, name.replace("-", "_")))
    return typer.main.get_command(app)


class LazyGroup(TyperGroup):
    """All commands by name and one sentence, of which the one that is used is imported."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, text in COMMANDS.items():
            self.add_command(TyperCommand(name, help=text))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if command is None else load_command(str(command.name)), rest


app = typer.Typer(
    name=PROGRAM,
    cls=LazyGroup,
    help="Does a small subset of a dataset rank training recipes the way the whole dataset does?",
    epilog="Start with: dlth-bench run --subset my-classes.txt",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    if "TORCHELASTIC_RUN_ID" in os.environ and context.invoked_subcommand not in TOGETHER:
        from dlth_bench.engines.followers import follows, started_devices  # only where torchrun started this

        if follows(started_devices()):
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
