"""What the board checks of a submission before it believes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_examples import FULL, OTHER_SUBSET, results_of, submit, tiny_protocol

from dlth_bench.leaderboard.submissions import read_submission
from dlth_bench.leaderboard.verification import check_submission
from dlth_bench.spec.errors import InputError


def test_edited_score_is_found(tmp_path: Path) -> None:
    """A correlation or interval that the results do not give is found out."""
    protocol = tiny_protocol()
    accuracies = {**FULL, "alpha": (0.1, 0.1)}
    stored = submit(tmp_path, "mine", results=results_of(protocol, accuracies=accuracies))
    check_submission(stored, protocol)
    document = json.loads((stored.folder / "scorecard.json").read_text())
    document["spearman"]["high"] = 1.0
    document["spearman"]["value"] = 0.99
    (stored.folder / "scorecard.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"scorecard\.json: spearman\.value is '0\.99'"):
        check_submission(read_submission(stored.folder), protocol)


def test_results_of_another_subset_are_found(tmp_path: Path) -> None:
    """Results of other classes, relabelled, are not results of this subset."""
    protocol = tiny_protocol()
    stored = submit(tmp_path, "mine", results=results_of(protocol, OTHER_SUBSET))
    with pytest.raises(InputError, match="another run than this subset's"):
        check_submission(stored, protocol)


def test_another_protocol_digest_is_found(tmp_path: Path) -> None:
    """Scores under different versions of a grid are never compared."""
    stored = submit(tmp_path, "mine")
    changed = tiny_protocol({**FULL, "alpha": (0.9, 0.91)})
    with pytest.raises(InputError, match="digest"):
        check_submission(stored, changed)


def test_too_many_classes_for_the_protocol_are_found(tmp_path: Path) -> None:
    """A subset of a size that the protocol does not take is not on its board."""
    rule = {"minimum": 4, "maximum": 5}
    protocol = tiny_protocol()
    strict = protocol.model_copy(update={"subset": protocol.subset.model_copy(update=rule)})
    stored = submit(tmp_path, "mine", protocol=strict)
    with pytest.raises(InputError, match="has 3 classes, the protocol takes 4 to 5"):
        check_submission(stored, strict)
