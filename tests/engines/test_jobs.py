"""Packing: short runs share a job, and no run is lost or doubled on the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlth_bench.engines.batch import pack
from dlth_bench.runs.plan import Plan


def test_short_runs_share_a_job_and_long_ones_do_not(plan: Plan) -> None:
    """Jobs come longest first; a run longer than a job, or of unknown length, is alone."""
    a, b, c, d, e, f = plan.runs
    seconds = {a.digest: 50.0, b.digest: 700.0, c.digest: 20.0, d.digest: 40.0, e.digest: 10.0}
    assert pack(plan.runs, seconds, 100) == [[f], [b], [a, d, e], [c]]


def test_no_capacity_means_a_job_a_run(plan: Plan) -> None:
    assert sorted(map(len, pack(plan.runs, {run.digest: 1.0 for run in plan.runs}, 0))) == [1] * 6


@given(
    seconds=st.lists(st.none() | st.floats(0.01, 1e6), min_size=1, max_size=40),
    capacity=st.floats(0, 1e5),
)
def test_every_run_is_in_one_job_that_is_not_too_long(seconds: list[float | None], capacity: float) -> None:
    """Whatever runs take: each is handed in once, and jobs of several runs keep to the capacity."""
    runs = [Named(f"{index:064x}") for index in range(len(seconds))]
    known = {run.digest: cost for run, cost in zip(runs, seconds, strict=True) if cost is not None}
    jobs = pack(runs, known, capacity)  # type: ignore[arg-type]
    assert sorted(run.digest for job in jobs for run in job) == [run.digest for run in runs]
    assert all(len(job) == 1 or sum(known[run.digest] for run in job) <= capacity * (1 + 1e-9) for job in jobs)


class Named:
    """All of a run that packing looks at."""

    def __init__(self, digest: str) -> None:
        self.digest = digest
