"""Write docs/cli.md from the commands: their help, arguments, options and examples.

    python docs/make_cli.py [--check]

The page depends on nothing but the commands: not on the terminal, nor on how a version of typer draws help.
"""

from __future__ import annotations

import argparse
import inspect
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from dlth_bench.cli.main import COMMANDS, load_command

PAGE = Path(__file__).parent / "cli.md"
WIDTH = 118
KINDS = {int: "N", float: "X", Path: "PATH"}

GROUPS = {
    "Train and score": ("run", "score", "status", "collect", "reference", "power", "doctor", "bench"),
    "Choose a subset": ("select", "subsets", "evaluate-classes", "embed-classes", "record-dynamics"),
    "Protocols": ("protocols",),
    "Submit and verify": ("submit", "check", "verify", "schemas"),
    "The board": ("leaderboard", "plot"),
    "The paper": ("paper", "theory"),
}

START = """# Every command

Written by `python docs/make_cli.py` from the commands themselves. `dlth-bench COMMAND --help` shows the same in a
terminal. The [front page of the documents](index.md#which-command) says which command is for what.

| command | what it does |
|---|---|"""


def page() -> str:
    """The text of docs/cli.md."""
    grouped = [name for names in GROUPS.values() for name in names]
    if sorted(grouped) != sorted(COMMANDS):
        raise SystemExit(f"in GROUPS or in the commands alone: {sorted(set(grouped) ^ set(COMMANDS))}")
    lines = [START, *(f"| [{name}](#dlth-bench-{name}) | {COMMANDS[name]} |" for name in grouped)]
    for title, names in GROUPS.items():
        lines += ["", f"## {title}"]
        for name in names:
            lines += command_lines(load_command(name), ("dlth-bench", name))
    return "\n".join(lines) + "\n"


def command_lines(command: Any, words: tuple[str, ...]) -> Iterator[str]:
    """A command, or a group and all of its commands."""
    paragraphs = [" ".join(part.split()) for part in (command.help or "").split("\n\n")]
    examples = [part.removeprefix("Example: ") for part in paragraphs if part.startswith("Example: ")]
    yield from ("", f"{'#' * (len(words) + 1)} {' '.join(words)}")
    for part in paragraphs:
        if not part.startswith("Example: "):
            yield from ("", *wrapped(part))
    if examples:
        yield from ("", "```console", *(f"$ {example}" for example in examples), "```")
    if not hasattr(command, "commands"):
        signature = inspect.signature(command.callback, eval_str=True).parameters
        known = [each for each in command.params if each.name in signature]
        yield ""
        for each in known:
            yield from parameter_lines(each, signature[each.name].annotation)
    for part in (command.epilog or "").split("\n\n"):  # the policies of select, each a paragraph after a heading
        name, _, text = part.partition(": ")
        if text:
            yield from wrapped(f"`{name}`: {escaped(text)}", "- ")
        elif part:
            yield from ("", *wrapped(escaped(part)), "")
    for name, inner in getattr(command, "commands", {}).items():
        yield from command_lines(inner, (*words, name))


def parameter_lines(parameter: Any, annotation: Any) -> Iterator[str]:
    """``- `--size`, `-n` N: how many. Default: `24`.``"""
    if getattr(parameter, "hidden", False):
        return
    if parameter.param_type_name == "argument":
        names = f"`{parameter.name.upper()}`"
    else:
        value = "" if parameter.is_flag else f" {value_name(parameter, annotation)}"
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)) + value
    notes = " Required." if parameter.required else ""
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    if not parameter.required and isinstance(default, str | int | float | Path) and not isinstance(default, bool):
        notes = f" Default: `{default}`." if str(default) else ""
    yield from wrapped(f"{names}: {escaped(help_of(parameter, annotation)).rstrip('.')}.{notes}", "- ")


def help_of(parameter: Any, annotation: Any) -> str:
    """The text of an option or argument; older versions of typer keep an argument's with its annotation alone."""
    told = (getattr(each, "help", None) for each in getattr(annotation, "__metadata__", ()))
    return parameter.help or next(filter(None, told), "")


def value_name(parameter: Any, annotation: Any) -> str:
    """What stands for the option's value: its choices, or the kind of value."""
    if parameter.metavar:
        return str(parameter.metavar)
    for kind in leaf_types(annotation):
        if get_origin(kind) is Literal:
            return "|".join(map(str, get_args(kind)))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return "|".join(str(each.value) for each in kind)
        if kind in KINDS:
            return KINDS[kind]
    return "TEXT"


def leaf_types(annotation: Any) -> Iterator[Any]:
    """The types in an annotation, without `Annotated`, `None` and `list`."""
    if get_origin(annotation) is Annotated:
        yield from leaf_types(get_args(annotation)[0])
    elif get_origin(annotation) is Literal or not get_args(annotation):
        yield annotation
    else:
        for each in get_args(annotation):
            yield from leaf_types(each)


def escaped(text: str) -> str:
    """Text that Markdown would take for HTML or emphasis, as it is."""
    return text.replace("<", r"\<").replace("*", r"\*")


def wrapped(text: str, mark: str = "") -> list[str]:
    """Lines of the page."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark), break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="Write nothing; exit code 1 when the page is not fresh.")
    text = page()
    if parser.parse_args().check:
        sys.exit(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
