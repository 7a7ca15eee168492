"""Files of training dynamics: what is written is read, and what is wrong with one is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_dynamics import CLASSES, made, sample_ids
from safetensors.numpy import save_file

from dlth_bench.runs.dynamics_file import read_dynamics
from dlth_bench.util.errors import InputError

CORRECT = [[0, 1, 1], [1, 1, 0]]
HEADER: dict[str, Any] = {"dataset": "glyphs", "class_ids": CLASSES, "config": "made"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Header, samples, and each tensor an epoch at a time, whatever its precision."""
    entropy = np.array([[0.5, 0.25, 0.0], [1.5, 0.125, 2.0]])
    features = np.arange(6, dtype=np.float16).reshape(3, 2)
    tensors = {"entropy": entropy.astype(np.float16), "features": features}
    read = made(tmp_path / "a.safetensors", CORRECT, [2, 0, 1], seed=7, convention="minibatch", tensors=tensors)
    assert (read.header.seed, read.header.convention, read.epochs) == (7, "minibatch", 2)
    assert list(read.samples.sample_ids) == sample_ids([2, 0, 1])
    assert list(read.samples.labels) == [2, 0, 1]
    assert [row.tolist() for row in read.correct()] == [[False, True, True], [True, True, False]]
    assert np.array_equal(list(read.score("entropy")), entropy)
    assert np.array_equal(list(read.score("entropy", 1)), entropy[1:])
    assert np.array_equal(read.features(np.array([2, 0])), features[[2, 0]])


def stored(path: Path, header: object = HEADER, **tensors: np.ndarray | None) -> Path:
    """A file with these tensors in place of good ones; None leaves one out."""
    good: dict[str, Any] = {
        "sample_ids": np.frombuffer("\n".join(sample_ids([0, 1, 1])).encode(), dtype=np.uint8),
        "labels": np.array([0, 1, 1]),
        "correct": np.array(CORRECT, dtype=np.uint8),
    }
    kept = {name: tensor for name, tensor in (good | tensors).items() if tensor is not None}
    save_file(kept, path, metadata={"json": json.dumps(header)})
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"header": {}}, "header is not one of training dynamics: dataset: Field required"),
        ({"header": HEADER | {"format": 2}}, "header is not one of training dynamics: format: Input should be 1"),
        ({"header": HEADER | {"colour": "red"}}, "colour: Extra inputs are not permitted"),
        ({"labels": None}, "holds no tensor 'labels'"),
        ({"labels": np.array([0, 1])}, "labels are int64 (2,); expected whole numbers (3,)"),
        ({"labels": np.array([0, 1, 3])}, "a label is not a position from 0 to 2"),
        ({"labels": np.array([0, 1, 2])}, "sample 'U+0042/face2' has the label of U+0043"),
        ({"sample_ids": np.frombuffer(b"U+0041/a\nU+0042/b\nU+0042/b", np.uint8)}, "lists sample 'U+0042/b' twice"),
        (
            {"sample_ids": np.frombuffer(b"U+0041/a\nU+0042/b c\nU+0042/b", np.uint8)},
            "sample 'U+0042/b c': an ID is <class ID>/<name>, the name without slash or white space",
        ),
        ({"sample_ids": np.frombuffer(b"\xff\n\n", np.uint8)}, "sample IDs are not UTF-8"),
        ({"correct": np.zeros((2, 4), np.uint8)}, "correct is uint8 (2, 4); expected uint8 (epochs, 3)"),
        ({"correct": np.zeros((0, 3), np.uint8)}, "holds no tensor 'correct'"),
        ({"correct": np.zeros((2, 3), np.float32)}, "correct is float32 (2, 3)"),
        ({"entropy": np.zeros((3, 3), np.float32)}, "entropy is float32 (3, 3); expected floats (2, 3)"),
        ({"margin": np.zeros((2, 3), np.int32)}, "margin is int32 (2, 3); expected floats (2, 3)"),
        ({"features": np.zeros((2, 8), np.float16)}, "features are float16 (2, 8); expected floats (3, dimensions)"),
    ],
)
def test_wrong_files(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    """What does not fit is found when the file is opened, and named."""
    path = stored(tmp_path / "bad.safetensors", **changes)
    with pytest.raises(InputError) as caught:
        read_dynamics(path)
    assert words in caught.value.message
    assert caught.value.source == str(path)


def test_no_dynamics_at_all(tmp_path: Path) -> None:
    """A missing file, text, and a truncated file are not read."""
    whole = stored(tmp_path / "whole.safetensors").read_bytes()
    for name, data in (("text", b"sample,correct\n"), ("empty", b""), ("cut", whole[:-1])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="is not a safetensors file of training dynamics"):
            read_dynamics(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        read_dynamics(tmp_path / "none.safetensors")


def test_wrong_values_are_found_where_they_are_read(tmp_path: Path) -> None:
    """A NaN or a correctness of 2 names the sample and the epoch."""
    entropy = np.array([[1, 2, 3], [4, np.nan, 6]], dtype=np.float32)
    features = np.array([[1.0], [2.0], [np.inf]], dtype=np.float32)
    read = made(tmp_path / "a.safetensors", [[0, 1, 0], [0, 2, 0]], tensors={"entropy": entropy, "features": features})
    with pytest.raises(InputError, match=r"correct of 'U\+0041/face1' in epoch 2 is 2"):
        list(read.correct())
    with pytest.raises(InputError, match=r"entropy of 'U\+0041/face1' in epoch 2 is NaN"):
        list(read.score("entropy", 1))
    with pytest.raises(InputError, match=r"features of 'U\+0041/face2' hold NaN"):
        read.features(np.array([1, 2]))
    assert read.features(np.array([0, 1])).tolist() == [[1.0], [2.0]]
    with pytest.raises(InputError, match="holds no margin; it has correct, entropy, features, labels, sample_ids"):
        list(read.score("margin"))
