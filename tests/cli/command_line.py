"""The command line as a user calls it, in this process."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from dlth_bench.cli.main import app
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.util.errors import InputError

GLYPHS_SSL = find_protocol("glyphs-ssl").key
"""The default protocol, as name@version."""


def run(*arguments: object, code: int = 0) -> Result:
    """The outcome of a command that ends with ``code``."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def refused(*arguments: object) -> InputError:
    """The error that ``main`` prints as one line, with exit code 2; nothing was printed before it."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, InputError), (result.output, result.exception)
    assert result.output.strip() == ""  # before rich 14.3 a progress bar that is taken away leaves an empty line
    return result.exception
