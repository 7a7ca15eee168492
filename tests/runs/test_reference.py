"""The reference that runs on all classes amount to."""

from __future__ import annotations

import datetime

import pytest

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.run import Environment, Result, Run
from dlth_bench.runs.score import make_reference
from dlth_bench.util.errors import InputError
from tiny_grid import CLASSES, broken, finished

DATE = datetime.date(2026, 1, 2)
ENVIRONMENT = Environment(
    package="0.1.0", commit="c0ffee", python="3.12.1", torch="2.11", timm="1.0.20", platform="Linux", device="CPU",
    threads=1,
)  # fmt: skip


def run_of(protocol: Protocol, config: str, seed: int) -> Run:
    return Run(data=protocol.data, config=protocol.config(config), class_ids=CLASSES, seed=seed)


def results_of(protocol: Protocol) -> list[Result]:
    """Three finished seeds a config, the last one first, with accuracies .5, .6 and .7 by seed."""
    return [
        finished(run_of(protocol, config.name, seed), 0.5 + seed / 10).model_copy(update={"environment": ENVIRONMENT})
        for config in protocol.configs
        for seed in (2, 1, 0)
    ]


def test_reference_sums_up_the_runs(tiny: Protocol) -> None:
    """Accuracies stand by seed, costs are summed over the seeds, and it says what measured them."""
    reference = make_reference(tiny, results_of(tiny), DATE)
    assert set(reference.configs) == {"moco", "mae", "supervised"}
    for entry in reference.configs.values():
        assert entry.accuracies == (0.5, 0.6, 0.7)
        assert entry.cost is not None
        assert (entry.cost.images, entry.cost.flops, entry.cost.device_seconds) == (300, 3e7, 1.5)
    assert (reference.date, reference.commit, reference.hardware) == (DATE, "c0ffee", "CPU, 1 thread a run")
    assert reference.versions == {"dlth-bench": "0.1.0", "python": "3.12.1", "torch": "2.11", "timm": "1.0.20"}


def test_reference_fits_its_protocol(tiny: Protocol) -> None:
    """What is printed can be pasted into the protocol's file."""
    document = make_reference(tiny, results_of(tiny), DATE).model_dump(mode="json", exclude_defaults=True)
    whole = Protocol.model_validate(tiny.model_dump(mode="json") | {"reference": document})
    assert whole.reference == make_reference(tiny, results_of(tiny), DATE)


def test_mixed_environments_are_all_named(tiny: Protocol) -> None:
    """Runs of two machines are not passed off as those of one."""
    results = results_of(tiny)
    other = ENVIRONMENT.model_copy(update={"device": "GPU"})
    results[-1] = results[-1].model_copy(update={"environment": other})
    assert make_reference(tiny, results, DATE).hardware == "CPU, 1 thread a run; GPU, 1 thread a run"


@pytest.mark.parametrize("status", ["missing", "diverged", "failed"])
def test_fewer_than_three_finished_seeds(tiny: Protocol, status: str) -> None:
    """Two seeds say too little about noise, and a diverged run is not a seed."""
    results = [result for result in results_of(tiny) if (result.config, result.seed) != ("mae", 1)]
    if status != "missing":
        results.append(broken(run_of(tiny, "mae", 1), status))
    with pytest.raises(InputError, match="mae has 2 finished seeds on all classes; a reference needs at least 3"):
        make_reference(tiny, results, DATE)
