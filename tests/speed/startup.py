"""The CPU time of ``dlth-bench --version`` and ``--help`` beside that of importing typer and rich, and of typer's help.

    python tests/speed/startup.py [--pairs 15]

Each program is a fresh Python. They run in turn, so that what else the machine does falls on all alike; a ratio is the
median over the rounds. ``typer's own --help`` is a program of one command without options: no help that typer draws is
made in less.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "benchmark"
PROGRAMS = {
    "import typer, rich": ["-c", "import typer, rich"],
    "dlth-bench --version": ["-m", "dlth_bench", "--version"],
    "dlth-bench --help": ["-m", "dlth_bench", "--help"],
    "typer's own --help": ["-c", "import typer; typer.run(lambda: None)", "--help"],
}


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of a Python with these arguments, its end included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(PACKAGE)}
    subprocess.run([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=15)
    rounds = parser.parse_args().pairs
    for arguments in PROGRAMS.values():  # bytecode and file caches
        cpu_seconds(arguments)
    times = [[cpu_seconds(arguments) for arguments in PROGRAMS.values()] for _ in range(rounds)]
    for index, name in enumerate(PROGRAMS):
        seconds = statistics.median(row[index] for row in times)
        ratio = statistics.median(row[index] / row[0] for row in times)
        print(f"{name:22} {1000 * seconds:5.0f} ms  {ratio:.2f} x")  # noqa: T201


if __name__ == "__main__":
    main()
