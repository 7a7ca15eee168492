"""A subset from list to score, in Python: train what is missing, show progress, read the scorecard.

    python examples/score_a_subset.py --classes A B C D E F G H I J K L

With the defaults it trains the 21 runs of the laptop protocol, some minutes on two cores, and goes on where it was
when it is called again.
"""

from __future__ import annotations

import argparse

import dlth_bench
from dlth_bench.bench import BenchEvent, Planned
from dlth_bench.engines.engine import Finished
from dlth_bench.subsets.subset import Subset


def show(event: BenchEvent) -> None:
    """One line a run; other events are ignored."""
    if isinstance(event, Planned):
        print(f"{len(event.plan.pending)} of {len(event.plan.planned)} runs to train")
    elif isinstance(event, Finished):
        accuracy = event.result.accuracy
        print(event.run.config.name, event.run.seed, event.result.status if accuracy is None else f"{accuracy:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", nargs="+", default=list("ABCDEFGHIJKL"), help="characters of Glyphs")
    parser.add_argument("--protocol", default="glyphs-ssl", help="a name, or the path of a .yaml file")
    parser.add_argument("--store", default="runs", help="folder of the store of runs")
    asked = parser.parse_args()

    subset = Subset(dataset="glyphs", ids=tuple(sorted(f"U+{ord(character):04X}" for character in asked.classes)))
    card = dlth_bench.run(subset, asked.protocol, store=asked.store, on_event=show)

    for config in card.configs:
        print(f"{config.title}: {config.mean} on the subset, {config.reference_mean:.3f} on the full data")
    print(f"rank correlation {card.spearman.value}, over seeds [{card.spearman.low}, {card.spearman.high}]")
    if card.decision is not None:
        print(f"the subset picks {card.decision.picked}; regret {100 * card.decision.regret:.1f} points")


if __name__ == "__main__":
    main()
