"""Wrong use of the command line, told in one line like any other wrong input."""

from __future__ import annotations

import difflib
from typing import Any

import typer

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
