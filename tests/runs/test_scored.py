"""Scores of stored results: what may stand in one scorecard."""

from __future__ import annotations

import pytest

from dlth_bench.protocols.protocol import Protocol
from dlth_bench.runs.plan import grid_runs
from dlth_bench.runs.score import score_results
from dlth_bench.scoring.score import NotScorable
from dlth_bench.subsets.subset import Subset
from tiny_grid import CLASSES, finished, with_reference

SUBSET = Subset(dataset="glyphs", ids=CLASSES)


def unpinned(protocol: Protocol) -> Protocol:
    """The protocol without the digest of its data, as one whose data are not at hand when it is written."""
    data = protocol.data.model_copy(update={"manifest_digest": None})
    return with_reference(protocol).model_copy(update={"data": data})


def test_data_found_by_the_runs_stand_in_the_scorecard(tiny: Protocol) -> None:
    """Where the protocol leaves the data's digest open, the scorecard has that of the results."""
    protocol = unpinned(tiny)
    accuracies = (0.5, 0.5, 0.6, 0.6, 0.7, 0.7)
    results = [finished(run, accuracy) for run, accuracy in zip(grid_runs(protocol, SUBSET), accuracies, strict=True)]
    assert score_results(protocol, SUBSET, results).manifest_digest is None
    found = [result.model_copy(update={"manifest_digest": "a" * 64}) for result in results]
    assert score_results(protocol, SUBSET, found).manifest_digest == "a" * 64


@pytest.mark.parametrize("pinned", [True, False])
def test_results_of_other_data_are_not_mixed(tiny: Protocol, pinned: bool) -> None:
    """Runs on another version of the dataset than the others, or than the protocol's, are not scored."""
    protocol = with_reference(tiny) if pinned else unpinned(tiny)
    results = [finished(run) for run in grid_runs(protocol, SUBSET)]
    digests = ["a" * 64] + ["b" * 64 if not pinned else "a" * 64] * (len(results) - 1)
    found = [
        result.model_copy(update={"manifest_digest": digest}) for result, digest in zip(results, digests, strict=True)
    ]
    with pytest.raises(NotScorable, match="different data: glyphs with the digests"):
        score_results(protocol, SUBSET, found)
