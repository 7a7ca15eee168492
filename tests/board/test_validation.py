"""What the board checks of a submission before it believes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_examples import COST, FULL, OTHER_SUBSET, SUBSET, metadata_of, results_of, submit, tiny_protocol

from dlth_bench.board.check import check_submission, content_findings
from dlth_bench.board.check_results import result_findings
from dlth_bench.board.submission_folder import read_submission, write_submission
from dlth_bench.datasets.dataset import DataSpec
from dlth_bench.datasets.registry import image_dataset
from dlth_bench.runs.run import Curves
from dlth_bench.runs.score import score_results
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError

TRUE_COST = COST.model_copy(update={"images": 24, "flops": COST.flops * 24 / COST.images})


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
        ({"accuracy": 0.99}, "mean is not its accuracy; it is 0.8"),
        ({"class_accuracy": (0.801, 0.8, 0.8)}, "no share of its class's samples"),
        ({"class_counts": (1, 1)}, "counts of samples that do not fit its classes"),
        ({"class_accuracy": ()}, "has 0 accuracies for 3 classes"),
        ({"train_accuracy": 0.9}, "no share of its 24 training samples"),
        ({"cost": COST.model_copy(update={"images": 7})}, "saw 7 images in training, the run takes 24"),
        ({"cost": TRUE_COST.model_copy(update={"flops": 1e7})}, "FLOPs for 24 images; at the reference's rate"),
        ({"cost": TRUE_COST.model_copy(update={"device_seconds": 0.0})}, "no device is as fast as that"),
        ({"manifest_digest": "1" * 64}, "is of other data"),
    ],
)
def test_results_that_contradict_themselves_are_found(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    """Accuracies must follow from the classes', and costs from what the run trains on."""
    protocol = tiny_protocol()
    protocol = protocol.model_copy(update={"data": protocol.data.model_copy(update={"images_per_class": 8})})
    results = results_of(protocol, train_accuracy=0.875)
    assert results[0].cost == TRUE_COST
    check_submission(submit(tmp_path, "true", protocol=protocol, results=results), protocol)
    edited = [results[0].model_copy(update=changes), *results[1:]]
    scorecard = score_results(protocol, SUBSET, results)
    folder = tmp_path / "tiny" / "edited"
    write_submission(folder, metadata_of(protocol, SUBSET, "edited"), SUBSET, edited, scorecard)
    found = list(content_findings(read_submission(folder), protocol))
    assert any(told in finding.told and finding.file.name == "results.jsonl" for finding in found), found


def test_counts_are_those_of_the_dataset(tmp_path: Path) -> None:
    """Where the data are at hand, accuracies on more samples than there are cannot be claimed."""
    protocol = tiny_protocol()
    data = protocol.data.model_copy(update={"manifest_digest": image_dataset("glyphs").manifest_digest})
    protocol = protocol.model_copy(update={"data": data})
    stored = submit(tmp_path, "mine", protocol=protocol)
    told = {finding.told for finding in content_findings(stored, protocol)}
    assert "config 'alpha' seed 0: says 100 validation samples of U+0041; glyphs has 61" in told


def test_an_open_digest_is_held_to_published_sizes() -> None:
    """Without the data: runs on another number of images than classes of their published sizes have are found."""
    protocol, subset = tiny_protocol(), Subset(dataset="cifar100", ids=("apple", "bear"))
    data = DataSpec(dataset="cifar100", pixel_mean=(0.5,) * 3, pixel_std=(0.5,) * 3)
    protocol = protocol.model_copy(update={"data": data})
    results = results_of(protocol, subset)  # on 1,000 images
    assert not list(result_findings(results, protocol, subset, Path("results.jsonl")))
    half = COST.model_copy(update={"images": 500, "flops": COST.flops / 2})
    edited = [results[0].model_copy(update={"cost": half}), *results[1:]]
    (finding,) = result_findings(edited, protocol, subset, Path("results.jsonl"))
    assert "saw 500 images in training, the run takes 984 to 1000, by the published sizes" in finding.told
    large = [c.model_copy(update={"train": c.train.model_copy(update={"batch_size": 2048})}) for c in protocol.configs]
    protocol = protocol.model_copy(update={"configs": tuple(large)})  # 1,000 images fill no batch: the size is refused
    assert not list(result_findings(results_of(protocol, subset), protocol, subset, Path("results.jsonl")))


def test_missing_runs_must_be_declared(tmp_path: Path) -> None:
    """A hole is a mistake unless it is declared with a reason; what is declared must truly be missing."""
    protocol = tiny_protocol()
    results = results_of(protocol)[1:]
    stored = submit(tmp_path, "holes", results=results)
    assert [finding.told for finding in content_findings(stored, protocol)] == [
        "config 'alpha' seed 0 has no result; train it, or declare it under missing in submission.yaml"
    ]
    missing = [{"config": "alpha", "seed": 0, "reason": "the machine was lost"}]
    check_submission(submit(tmp_path, "declared", results=results, missing=missing), protocol)
    wrong = [*missing, {"config": "beta", "seed": 0, "reason": "?"}, {"config": "omega", "seed": 0, "reason": "?"}]
    stored = submit(tmp_path, "wrong", results=results, missing=[*wrong, *missing])
    assert [finding.problem.split(": ", 1)[1] for finding in content_findings(stored, protocol)] == [
        "config 'beta' seed 0 has a result",
        "config 'omega' seed 0 is not part of tiny@1",
        "config 'alpha' seed 0 is declared twice",
    ]


def test_copied_seeds_are_found(tmp_path: Path) -> None:
    """One run cannot pass for two seeds."""
    protocol = tiny_protocol()
    results = results_of(protocol)
    curves = Curves(pretrain_steps=(1, 2), pretrain_loss=(2.5, 1.25))
    copied = [result.model_copy(update={"curves": curves}) for result in results[:2]]
    stored = submit(tmp_path, "mine", results=[*copied, *results[2:]])
    assert [finding.told for finding in content_findings(stored, protocol)] == [
        "config 'alpha' seed 1 has the losses of seed 0; each seed is a run of its own"
    ]
