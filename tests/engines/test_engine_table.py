"""Engines by name: what is missing is said in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dlth_bench.engines import engine as registry
from dlth_bench.engines.engine import ENGINES, check_engine
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import import_attribute


@pytest.mark.parametrize(("engine", "library"), [("slurm", "submitit"), ("ray", "ray")])
def test_a_missing_library_is_named_with_what_installs_it(
    engine: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(InputError) as caught:
        check_engine(engine)
    assert str(caught.value) == f"--engine {engine} needs {library}: pip install 'dlth-bench[{engine}]'"


def test_an_unknown_engine_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match="'dask' is none of local, slurm, ray"):
        check_engine("dask")


def test_no_cluster_library_is_loaded_before_it_is_asked_for() -> None:
    """The command line starts as fast with the extras as without."""
    code = "import sys, dlth_bench.cli.main; print({'ray', 'submitit', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_engine_can_be_made(name: str) -> None:
    """What an entry names is there, though it is imported only when its engine is asked for."""
    assert callable(import_attribute(ENGINES[name].make))
