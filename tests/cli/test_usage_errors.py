"""Wrong use of the command line: one line, exit code 2, and what was perhaps meant."""

from __future__ import annotations

import sys

import pytest

from dlth_bench.cli.main import main


def used(arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """What ``main`` prints on stdout and stderr; it exits with code 2."""
    monkeypatch.setattr(sys, "argv", ["dlth-bench", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    return printed.out, printed.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu"], "dlth-bench: no such command 'rnu'; did you mean 'run'?"),
        (["protocols", "shwo"], "dlth-bench protocols: no such command 'shwo'; did you mean 'show'?"),
        (["run", "--subst", "demo-24"], "dlth-bench run: no such option '--subst'; did you mean '--subset'?"),
        (["run", "--zzz"], "dlth-bench run: no such option '--zzz'; see dlth-bench run --help"),
        (
            ["record-dynamics", "-o", "x"],
            "dlth-bench record-dynamics: missing option '--config' / '-c'; see dlth-bench",
        ),
        (["run", "--workers", "many"], "dlth-bench run: invalid value for '--workers' / '-w': "),
        (["run", "demo-24"], "dlth-bench run: got unexpected extra argument"),
        (["run", "--\x1b[2J"], r"dlth-bench run: no such option '--\x1b[2J'"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No box, no usage text, nothing on stdout: what a script or a log can hold."""
    out, error = used(arguments, capsys, monkeypatch)
    assert out == ""
    assert error.startswith(f"error: {told}")
    assert error.endswith("\n")
    assert error[:-1].isprintable()  # which a line break is not


@pytest.mark.parametrize("arguments", [[], ["protocols"]])
def test_a_group_alone_shows_its_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone who types the name alone wants to know what there is, and sees no error."""
    out, error = used(arguments, capsys, monkeypatch)
    assert "Commands" in out
    assert error == ""
