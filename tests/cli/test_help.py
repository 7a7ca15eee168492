"""The help of every command: an example that can be pasted, and says only options that there are."""

from __future__ import annotations

import shlex

import pytest
from command_line import run

from dlth_bench.cli.main import COMMANDS, load_command


def commands() -> list[tuple[str, ...]]:
    """The words of every command, those of groups included."""
    found: list[tuple[str, ...]] = []
    for name in COMMANDS:
        inner = getattr(load_command(name), "commands", None)
        found += [(name,)] if inner is None else [(name, each) for each in inner]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_own_help_says(name: str) -> None:
    """The list is written without loading any command, so nothing else keeps the two alike."""
    assert " ".join(load_command(name).help.partition("\n\n")[0].split()) == COMMANDS[name]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
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
