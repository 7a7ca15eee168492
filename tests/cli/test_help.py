"""The help of every command: an example that can be pasted, and says only options that there are."""

from __future__ import annotations

import shlex

import pytest
import typer
from command_line import run

from dlth_bench.cli.main import app


def commands(group: typer.Typer, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command, groups of commands included."""
    own = [(*before, str(command.name)) for command in group.registered_commands]
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        own += commands(inner.typer_instance, (*before, str(inner.typer_instance.info.name)))
    return own


@pytest.mark.parametrize("words", commands(app), ids=" ".join)
def test_every_command_has_an_example_on_one_line(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns each example stands whole on a line of its own, and its options exist."""
    monkeypatch.setenv("COLUMNS", "80")
    text = run(*words, "--help").output
    examples = [line.strip() for line in text.splitlines() if "Example" in line]
    assert examples
    for example in examples:
        start = " ".join(("Example: dlth-bench", *words))
        assert example.startswith(start)
        options = [word for word in shlex.split(example.removeprefix(start)) if word.startswith("-")]
        described = text.replace(example, "")
        assert all(f" {option} " in described for option in options)


def test_help_starts_with_what_to_do() -> None:
    """The first screen says what the program is for and where to begin."""
    text = " ".join(run("--help").output.split())
    assert "Does a small subset of a dataset rank training recipes the way the whole dataset does?" in text
    assert "dlth-bench run --subset" in text
