"""What the board checks of a submission before it believes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_examples import COST, FULL, OTHER_SUBSET, results_of, submit, tiny_protocol

from dlth_bench.leaderboard.submissions import read_submission
from dlth_bench.leaderboard.verification import check_submission
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.pruning import Level, PruningSpec, TicketFacts


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


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"accuracy": 0.99}, "not the mean of its class accuracies"),
        ({"class_counts": (1, 1)}, "3 class accuracies and 2 counts for 3 classes"),
        ({"cost": COST.model_copy(update={"images": 7})}, "saw 7 images in training, the run takes 24"),
    ],
)
def test_results_that_contradict_themselves_are_found(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    """Accuracies must follow from the classes', and costs from what the run trains on."""
    protocol = tiny_protocol()
    protocol = protocol.model_copy(update={"data": protocol.data.model_copy(update={"images_per_class": 8})})
    true_cost = COST.model_copy(update={"images": 24})
    results = [result.model_copy(update={"cost": true_cost}) for result in results_of(protocol)]
    check_submission(submit(tmp_path, "true", protocol=protocol, results=results), protocol)
    edited = [results[0].model_copy(update=changes), *results[1:]]
    with pytest.raises(InputError, match=told):
        check_submission(submit(tmp_path, "edited", protocol=protocol, results=edited), protocol)


TICKET = TicketFacts(
    rewind_step=0,
    prunable_weights=1000,
    live_weights=640,
    density=0.64,
    total_density=0.7,
    mask_digest="0" * 64,
    levels=(Level(density=1.0, accuracy=0.5), Level(density=0.8, accuracy=0.5)),
)


@pytest.mark.parametrize(
    ("ticket", "told"),
    [
        (None, "lacks the ticket that its config is to find"),
        (
            TICKET.model_copy(update={"live_weights": 900}),
            "has 900 of 1000 weights after 2 levels, the config leaves 640",
        ),
        (TICKET.model_copy(update={"levels": ()}), "640 of 1000 weights after 0 levels, the config leaves 640 after 2"),
    ],
)
def test_tickets_of_another_size_are_found(tmp_path: Path, ticket: TicketFacts | None, told: str) -> None:
    """A denser ticket than the config's, which would do better, or one found in fewer rounds, is not its result."""
    protocol = tiny_protocol()
    first = protocol.configs[0].model_copy(update={"pruning": PruningSpec(rounds=2)})
    protocol = protocol.model_copy(update={"configs": (first, *protocol.configs[1:])})
    results = [
        result.model_copy(update={"ticket": TICKET if result.config == first.name else None})
        for result in results_of(protocol)
    ]
    check_submission(submit(tmp_path, "true", protocol=protocol, results=results), protocol)
    edited = [results[0].model_copy(update={"ticket": ticket}), *results[1:]]
    with pytest.raises(InputError, match=told):
        check_submission(submit(tmp_path, "edited", protocol=protocol, results=edited), protocol)


def test_ticket_of_a_config_that_does_not_prune_is_found(tmp_path: Path) -> None:
    """Results say what their runs do."""
    protocol = tiny_protocol()
    results = results_of(protocol)
    edited = [results[0].model_copy(update={"ticket": TICKET}), *results[1:]]
    with pytest.raises(InputError, match="has a ticket, but its config does not prune"):
        check_submission(submit(tmp_path, "edited", protocol=protocol, results=edited), protocol)
