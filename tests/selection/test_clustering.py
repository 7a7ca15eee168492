"""WEC and SEC: one class of each cluster of embeddings."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.selection.policy import Algorithm
from dlth_bench.selection.wec_sec import (
    cluster_classes,
    describe_classes,
    embed_names,
    encode_with_model,
    kmedoids,
    read_embeddings,
)
from dlth_bench.util.errors import InputError

GLYPHS = class_catalog("glyphs")


def directions(counts: list[int], spread: float = 0.02) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Points around as many orthogonal directions as there are counts, of any length; and their directions."""
    rng = np.random.default_rng(3)
    groups = [group for group, count in enumerate(counts) for _ in range(count)]
    points = np.eye(len(counts), 8)[groups] + rng.normal(0, spread, size=(len(groups), 8))
    return points * rng.uniform(0.5, 5, size=(len(groups), 1)), groups


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_class_of_each_cluster(algorithm: Algorithm, seed: int) -> None:
    """Directions that lie apart give one class each, whatever the length of the vectors and the seed."""
    points, groups = directions([5, 1, 9, 3])
    ids = [f"{index:02d}" for index in range(len(points))]
    chosen = cluster_classes(points, ids, 4, seed, algorithm)
    assert sorted(groups[int(item)] for item in chosen) == [0, 1, 2, 3]
    assert chosen == cluster_classes(points, ids, 4, seed, algorithm)


def test_nearest_to_the_centre_is_taken() -> None:
    """Of a cluster the class nearest to its centre is chosen; of equals the first."""
    angles = np.array([0.0, 0.1, 0.2, 1.4, 1.5, 1.6, 1.5])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert cluster_classes(points, list("gfedcba"), 2, 0) == ("c", "f")
    assert cluster_classes(points, list("gfedcba"), 2, 0, Algorithm.KMEDOIDS) == ("c", "f")


def test_medoids_are_the_best_of_all() -> None:
    """On a small set the medoids have the least cost of all pairs of points."""
    points = np.random.default_rng(1).normal(size=(14, 3))
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    costs = {(i, j): distances[:, [i, j]].min(axis=1).sum() for i in range(14) for j in range(i)}
    found = kmedoids(points, 2, seed=0)
    assert distances[:, found].min(axis=1).sum() == pytest.approx(min(costs.values()))


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_as_many_clusters_as_classes(algorithm: Algorithm) -> None:
    """K equal to the number of classes takes all; more, or more than distinct embeddings, is refused."""
    points, _ = directions([2, 2, 2], spread=0.3)
    ids = list("abcdef")
    assert cluster_classes(points, ids, 6, 0, algorithm) == tuple(ids)
    with pytest.raises(InputError, match="there are 6 classes"):
        cluster_classes(points, ids, 7, 0, algorithm)
    points[3] = 2 * points[0]
    with pytest.raises(InputError, match="only 5 of the 6 classes' embeddings are distinct"):
        cluster_classes(points, ids, 6, 0, algorithm)
    assert len(cluster_classes(points, ids, 5, 0, algorithm)) == 5


def saved(folder: Path, array: object) -> Path:
    path = folder / "e.npy"
    np.save(path, np.asarray(array), allow_pickle=True)
    return path


def test_embeddings_of_a_file(tmp_path: Path) -> None:
    """Whole numbers and any precision are read as they are."""
    array = np.arange(len(GLYPHS) * 3, dtype=np.float16).reshape(-1, 3)
    read = read_embeddings(saved(tmp_path, array), GLYPHS)
    assert read.dtype == np.float64
    assert np.array_equal(read, array)


def bad_rows() -> npt.NDArray[np.float64]:
    array = np.ones((len(GLYPHS), 4))
    array[3, 1], array[5, 0] = np.nan, np.inf
    return array


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.ones((24, 4)), "has 24 rows; glyphs has 246 classes"),
        (np.ones(246), r"has shape \(246,\); expected \(246, dimensions\)"),
        (np.ones((246, 0)), r"has shape \(246, 0\)"),
        (bad_rows(), r"row 3 \(class U\+0024\) holds NaN or infinity, and so do 1 more"),
        (np.array([["a"]]), "one array of real numbers"),
        (np.ones((246, 2), dtype=complex), "one array of real numbers"),
        (np.array([{"a": 1}], dtype=object), "is not a .npy file of numbers"),
    ],
)
def test_bad_embeddings(array: npt.NDArray[np.generic], words: str, tmp_path: Path) -> None:
    """Wrong length, shape or numbers are one line each, and nothing is unpickled."""
    with pytest.raises(InputError, match=f"e.npy: .*{words}|e.npy: {words}"):
        read_embeddings(saved(tmp_path, array), GLYPHS)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_no_npy(content: bytes, tmp_path: Path) -> None:
    """Any other file is refused."""
    path = tmp_path / "e.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"e.npy: is not a \.npy file"):
        read_embeddings(path, GLYPHS)
    with pytest.raises(InputError, match="no such file"):
        read_embeddings(tmp_path / "f.npy", GLYPHS)


def test_names_are_embedded_without_a_download() -> None:
    """Each character has an embedding of its own, and accents of a letter are nearer to it than other signs are."""
    embeddings, origin = embed_names(GLYPHS)
    assert origin == "TF-IDF and SVD of names and tree"
    assert embeddings.shape == (246, 100)
    rows = {name: embeddings[GLYPHS.ids.index(f"U+{ord(name):04X}")] for name in "eé7Ж"}

    def cosine(one: str, other: str) -> float:
        return float(rows[one] @ rows[other] / np.linalg.norm(rows[one]) / np.linalg.norm(rows[other]))

    assert cosine("e", "é") > max(cosine("e", "7"), cosine("e", "Ж"))


def test_imagenet_is_described_by_definitions() -> None:
    """ImageNet's texts hold WordNet's definitions, which timm serves."""
    texts, contents = describe_classes(class_catalog("imagenet"))
    assert contents.startswith("names, tree and definitions (timm ")
    assert texts[0].startswith("tench entity ")
    assert "freshwater" in texts[0]


def test_encoder_without_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sentence-transformers the message says what to install and what works without."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match=r"pip install 'dlth-bench\[encoders\]', or leave it out for TF-IDF"):
        encode_with_model("a/model", GLYPHS)


def test_clip_text_features(tmp_path: Path) -> None:
    """A local CLIP model gives its own projected text features, whatever their dimension."""
    pytest.importorskip("sentence_transformers")
    transformers = pytest.importorskip("transformers")
    import torch

    signs = [chr(point) for point in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *signs, *(f"{sign}</w>" for sign in signs)]
    (tmp_path / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = transformers.CLIPTokenizer(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    tokenizer.save_pretrained(tmp_path)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = small | {"vocab_size": len(words), "bos_token_id": 0, "eos_token_id": 1}
    vision = small | {"image_size": 8, "patch_size": 4}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    model = transformers.CLIPModel(config).eval()
    model.save_pretrained(tmp_path)
    embeddings, origin = encode_with_model(str(tmp_path), GLYPHS)
    assert origin == f"names by {tmp_path.name}"
    tokens = tokenizer([GLYPHS.classes[100].name], return_tensors="pt")
    with torch.inference_mode():
        features = model.get_text_features(**tokens)
    expected = features if torch.is_tensor(features) else features.pooler_output
    assert embeddings.shape == (246, 12)
    assert embeddings[100] == pytest.approx(expected[0].numpy(), abs=1e-5)
