"""How long scoring ten thousand submissions takes. Not collected by pytest; run it with:

OMP_NUM_THREADS=1 python tests/speed/scoring.py
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.scoring.interval_over_seeds import DRAWS
from dlth_bench.scoring.score import Cell, Outcomes, make_scorecards

_AT_ONCE = 250


def main() -> None:
    """Draw submissions around the reference of glyphs-ssl, score them on two processes, and say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    protocol = find_protocol("glyphs-ssl")
    begin = time.perf_counter()
    with ProcessPoolExecutor(options.workers) as pool:
        sizes = [min(_AT_ONCE, options.submissions - start) for start in range(0, options.submissions, _AT_ONCE)]
        scored = sum(pool.map(partial(score, protocol.key), sizes, range(len(sizes))))
    seconds = time.perf_counter() - begin
    print(  # noqa: T201
        f"{scored} full scorecards of {len(protocol.configs)} configs x {len(protocol.seeds)} seeds, "
        f"{DRAWS} resamples for each interval: {seconds:.1f} s on {options.workers} processes"
    )


def score(protocol_key: str, submissions: int, seed: int) -> int:
    """Score that many made-up submissions; the number of complete scorecards."""
    protocol = find_protocol(protocol_key)
    rng = np.random.default_rng(seed)
    assert protocol.reference is not None
    means = np.array([protocol.reference.configs[config.name].statistics[0] for config in protocol.configs])
    drawn = means + 0.1 * rng.standard_normal((submissions, len(means)))
    runs = np.clip(drawn[..., None] + 0.02 * rng.standard_normal((*drawn.shape, len(protocol.seeds))), 0, 1)
    tables = [
        {
            config.name: [Cell(s, float(a)) for s, a in zip(protocol.seeds, row, strict=True)]
            for config, row in zip(protocol.configs, table, strict=True)
        }
        for table in runs
    ]
    return sum(card.complete for card in make_scorecards(protocol, [Outcomes(table) for table in tables]))


if __name__ == "__main__":
    main()
