"""What an installed package must do: carry its data, start fast, and work outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.run import Result
from dlth_bench.runs.store import Store
from dlth_bench.subsets.find import find_subset

CHECKOUT = Path(__file__).parents[1]


def python(code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT / "benchmark")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_command_line_starts_without_heavy_libraries() -> None:
    """``dlth-bench --help`` loads no library but the command line's own, and of the package next to nothing."""
    code = (
        "import sys; from dlth_bench.cli.main import main\n"
        "sys.argv = ['dlth-bench', '--help']\n"
        "try: main()\n"
        "except SystemExit: print('LOADED', *sys.modules)"
    )
    loaded = python(code).partition("LOADED")[2].split()
    assert not {"torch", "numpy", "scipy", "sklearn", "matplotlib", "pydantic", "yaml"}.intersection(loaded)
    assert len([name for name in loaded if name.startswith("dlth_bench")]) < 10


def test_scoring_needs_no_torch() -> None:
    """Scoring stored results loads no torch, so it is done in a moment."""
    code = "import sys, dlth_bench.runs.score; print('torch' in sys.modules)"
    assert python(code).strip() == "False"


def test_a_run_with_everything_stored_loads_no_torch(tmp_path: Path) -> None:
    """The score comes at once where nothing is left to train."""
    folder = CHECKOUT / "submissions" / "glyphs-ssl" / "rs-0"
    protocol, store = find_protocol("glyphs-ssl@3"), Store(tmp_path / "runs")
    subset = find_subset(str(folder / "subset.txt"), "glyphs").subset
    lines = (folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
    results = {result.run: result for result in map(Result.model_validate_json, lines)}
    for run in grid_runs(protocol, subset):
        store.save(run, results[run.digest])
    words = ["dlth-bench", "run", "--subset", str(folder / "subset.txt"), "--out", str(store.root)]
    code = (
        "import sys; from dlth_bench.cli.main import main\n"
        f"sys.argv = {words}\n"
        "try: main()\n"
        "except SystemExit as end: print('ENDED', end.code, 'torch' in sys.modules)"
    )
    assert python(code).strip().endswith("ENDED None False")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the installed wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True)
    return folder / "site"


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["protocols", "check"], "glyphs-ssl@1: locked"),
        (["protocols", "show", "cifar10-tickets-prac"], "cifar10-tickets-prac@1"),
        (["subsets", "lint", "list.txt"], "OK"),
        (["run", "--subset", "list.txt", "--dry-run"], "21 of 21 runs to train"),
        (["paper", "--table", "13"], "7 of 7 ρp follow"),
        (["leaderboard", "--submissions", ".", "--site", "site"], "0 submissions valid; wrote leaderboard.md, site"),
    ],
)
def test_wheel_works_outside_the_checkout(site: Path, tmp_path: Path, command: list[str], told: str) -> None:
    """An installed wheel carries protocols, subsets, Glyphs and page templates, and finds them from any folder."""
    (tmp_path / "list.txt").write_text("\n".join("ABCDEFGHIJKL"))
    # -P and an empty PYTHONPATH but for the site: the checkout must not be what is imported.
    environment = os.environ | {"PYTHONPATH": str(site), "COLUMNS": "120"}
    run = [sys.executable, "-P", "-m", "dlth_bench.cli.main", *command]
    done = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
    where = [sys.executable, "-P", "-c", "import dlth_bench; print(dlth_bench.__file__)"]
    imported = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout
    assert Path(imported.strip()).is_relative_to(site)
