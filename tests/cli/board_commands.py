"""A command line of the board's commands alone, in a folder with a protocol, a class list and stored runs."""

from __future__ import annotations

from pathlib import Path

import typer
import yaml
from board_examples import SUBSET, results_of, tiny_protocol
from typer.testing import CliRunner, Result

from dlth_bench.cli import leaderboard, plot, submit
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Run
from dlth_bench.runs.store import Store
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError

app = typer.Typer()
app.command("leaderboard")(leaderboard.leaderboard)
app.command("plot")(plot.plot)
app.command("submit")(submit.submit)


def run(*arguments: object) -> Result:
    """The outcome of a command that succeeds."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def refused(*arguments: object) -> str:
    """The line that ``main`` prints, with exit code 2."""
    error = CliRunner().invoke(app, [str(argument) for argument in arguments]).exception
    assert isinstance(error, InputError), error
    assert str(error).isprintable()
    return str(error)


def write_protocol(folder: Path, protocol: Protocol | None = None) -> Path:
    """The tiny protocol as a file."""
    protocol = protocol or tiny_protocol()
    path = folder / f"{protocol.name}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(protocol.model_dump(mode="json", exclude_defaults=True)))
    return path


def write_subset(folder: Path, subset: Subset = SUBSET) -> Path:
    path = folder / "mine.txt"
    path.write_text(subset.canonical_text())
    return path


def store_runs(root: Path, subset: Subset = SUBSET, leave_out: int = 0) -> None:
    """All results of a subset under the tiny protocol in a store, but the first ``leave_out``."""
    protocol, store = tiny_protocol(), Store(root)
    for result in results_of(protocol, subset)[leave_out:]:
        config = protocol.config(result.config)
        store.save(Run.on(subset, protocol.data, config, result.seed), result)
