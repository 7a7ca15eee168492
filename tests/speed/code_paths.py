"""How long the ways of a reader are: files and lines of the package, and the files that common tasks pass through.

    python tests/speed/code_paths.py [--files] [--json]

A file is passed through when one of its functions is called; importing it does not count. The tasks: ``dlth-bench run``
with every result stored, ``dlth-bench leaderboard`` (the rows of a board), one training of a short DINO, and one plain
step of its pretraining, without what stands in for parts of it on a processor (``training/cpu_speed``).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import dlth_bench
from dlth_bench.cli.main import main as command_line
from dlth_bench.datasets.registry import protocol_dataset
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.protocols.recipe import Duration
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Result, Run
from dlth_bench.runs.store import Store
from dlth_bench.subsets.find import find_subset
from dlth_bench.training import loop
from dlth_bench.training.environment import quiet_libraries
from dlth_bench.training.train_run import train_run

ROOT = Path(__file__).parents[2]
PACKAGE = Path(dlth_bench.__file__).parent
OPTIMIZED_FUNCTION = 0x02
"""Of a code object's flags: it is a function's, not a module's or a class's."""


def sizes() -> dict[str, float]:
    """Files and lines of the package."""
    lines = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py"))
    return {
        "files": len(lines),
        "lines": sum(lines),
        "median": statistics.median(lines),
        "90th percentile": lines[int(0.9 * len(lines))],
        "below 60": sum(count < 60 for count in lines),
    }


@contextmanager
def passed() -> Iterator[set[str]]:
    """Gathers the files of the package of which a function is called in the block."""
    files: set[str] = set()

    def hear(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & OPTIMIZED_FUNCTION and code.co_filename.startswith(str(PACKAGE)):
            files.add(str(Path(code.co_filename).relative_to(PACKAGE)))

    sys.setprofile(hear)
    try:
        yield files
    finally:
        sys.setprofile(None)


def of_command(*words: object) -> set[str]:
    """The files that a command passes through."""
    sys.argv = ["dlth-bench", *map(str, words)]
    with redirect_stdout(StringIO()), passed() as files:
        try:
            command_line()
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"dlth-bench {words[0]} ended with {end.code}") from None
    return files


def of_stored_run(folder: Path) -> set[str]:
    """``run`` on a subset of the board, whose results are put into a store first."""
    submission, protocol = ROOT / "submissions" / "glyphs-ssl" / "rs-0", find_protocol("glyphs-ssl@3")
    lines = (submission / "results.jsonl").read_text(encoding="utf-8").splitlines()
    results = {result.run: result for result in map(Result.model_validate_json, lines)}
    subset = find_subset(str(submission / "subset.txt"), "glyphs").subset
    for run in grid_runs(protocol, subset):
        Store(folder / "runs").save(run, results[run.digest])
    words = ("--out", folder / "runs", "--submissions", ROOT / "submissions", "--protocol", protocol.key)
    return of_command("run", "--subset", submission / "subset.txt", *words)


def dino_run() -> Run:
    """DINO for one epoch on ten classes, and its probe for one."""
    protocol = find_protocol("glyphs-ssl@3")
    config = protocol.config("dino-small")
    short = {"duration": Duration(epochs=1)}
    evaluation = config.evaluation
    assert evaluation is not None  # this config has one
    evaluation = evaluation.model_copy(update={"train": evaluation.train.model_copy(update=short)})
    config = config.model_copy(update={"train": config.train.model_copy(update=short), "evaluation": evaluation})
    ids = protocol_dataset(protocol.data).catalog.ids[:10]
    return Run(data=protocol.data, config=config, class_ids=ids, seed=0)


def of_one_step(train: Callable[[], Any]) -> set[str]:
    """A step of a training's first stage that makes its views; on a processor those of eight are made in one go."""
    found: list[set[str]] = []
    plain = loop.Trainer.step

    def traced(self: Any, step: int) -> Any:
        if step != 8 or found:
            return plain(self, step)
        with passed() as files:
            loss = plain(self, step)
        found.append(files)
        return loss

    loop.Trainer.step = traced  # type: ignore[method-assign]
    try:
        train()
    finally:
        loop.Trainer.step = plain  # type: ignore[method-assign]
    return {file for file in found[0] if not file.startswith("training/cpu_speed")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", action="store_true", help="name the files")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    quiet_libraries()
    with TemporaryDirectory() as name:
        folder = Path(name)
        stored = of_stored_run(folder)
        board = of_command("leaderboard", "--submissions", ROOT / "submissions", "--output", folder / "board.md")
    run = dino_run()
    dataset = protocol_dataset(run.data)
    with passed() as training:
        train_run(run, dataset, device="cpu")
    step = of_one_step(lambda: train_run(run, dataset, device="cpu"))
    ways = {"run, stored": stored, "leaderboard": board, "one training": training, "one step of DINO": step}
    if asked.json:
        document = {"package": sizes(), "files": {task: sorted(files) for task, files in ways.items()}}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    sys.stdout.write("".join(f"{key}: {value:g}\n" for key, value in sizes().items()))
    for task, files in ways.items():
        sys.stdout.write(f"{task}: {len(files)} files\n")
        if asked.files:
            sys.stdout.write("".join(f"    {file}\n" for file in sorted(files)))


if __name__ == "__main__":
    main()
