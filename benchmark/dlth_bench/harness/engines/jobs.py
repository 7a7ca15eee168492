"""Which runs share a job: a scheduler takes seconds to start one, so short runs go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dlth_bench.spec.run import Run


def pack(runs: Sequence[Run], seconds: Mapping[str, float], capacity: float) -> list[list[Run]]:
    """Runs in jobs of at most ``capacity`` expected seconds, the longest job first.

    A run goes into the first job that has room for it, the longest run first (first fit decreasing). One that is
    longer than the capacity, or whose time nobody has measured, has a job of its own.

    Args:
        seconds: expected time of a run, by its digest.
        capacity: expected seconds of a job.
    """
    known = [run for run in runs if run.digest in seconds]
    jobs: list[list[Run]] = []
    totals: list[float] = []
    for run in sorted(known, key=lambda run: -seconds[run.digest]):
        cost = seconds[run.digest]
        place = next((index for index, total in enumerate(totals) if total + cost <= capacity), None)
        if place is None:
            jobs.append([run])
            totals.append(cost)
        else:
            jobs[place].append(run)
            totals[place] += cost
    order = sorted(range(len(jobs)), key=lambda index: -totals[index])
    unmeasured = [[run] for run in runs if run.digest not in seconds]
    return unmeasured + [jobs[index] for index in order]
