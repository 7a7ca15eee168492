"""AG News: its classes, its files as they are on the Hub, its tokens, and what is said when files are broken."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from agnews_files import TOPICS, generated, write_dataset, write_file

from dlth_bench.datasets.agnews import AGNEWS
from dlth_bench.datasets.parquet import ParquetTexts
from dlth_bench.datasets.registry import class_catalog, image_dataset
from dlth_bench.datasets.tokens import basic_english, build_vocabulary, encode
from dlth_bench.util.errors import InputError

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "agnews", train=6, test=3, words=12)


def test_classes_are_the_four_topics() -> None:
    """In the Hub's order; an ID has no slash, since a slash divides the class from the sample in a sample's ID."""
    assert class_catalog("agnews").ids == ("World", "Sports", "Business", "Sci-Tech")


# --- tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Wall St. Bears Claw Back", ["wall", "st", ".", "bears", "claw", "back"]),
        ("AP - Oil's price, up 3%!", ["ap", "-", "oil", "'", "s", "price", ",", "up", "3%", "!"]),
        ('say "no" (Reuters): why?', ["say", "no", "(", "reuters", ")", "why", "?"]),
        ("one;two<br />three:four", ["one", "two", "three", "four"]),
        ("a\\b  \t c\n", ["a\\b", "c"]),
        ("", []),
    ],
)
def test_basic_english(text: str, tokens: list[str]) -> None:
    """What torchtext's ``basic_english`` splits, keeps and drops, worked out by hand from its rules."""
    assert basic_english(text) == tokens


def test_vocabulary_is_by_frequency_and_unknown_words_are_zero() -> None:
    """Token 0 is for words that the training split lacks; then the most frequent tokens, ties by code point."""
    vocabulary = build_vocabulary(["b a b", "c a b"])
    assert vocabulary == {"<unk>": 0, "b": 1, "a": 2, "c": 3}
    sequences = encode(["c x a", "", "b"], vocabulary)
    assert sequences.tokens.tolist() == [3, 0, 2, 1]
    assert sequences.offsets.tolist() == [0, 3, 3, 4]
    chosen = sequences[[2, 0, 1]]
    assert (chosen.tokens.tolist(), chosen.offsets.tolist()) == ([1, 3, 0, 2], [0, 1, 4, 4])


def test_a_subset_is_encoded_with_the_vocabulary_of_the_whole_training_split(folder: Path) -> None:
    """As the original does: the IDs of a text's tokens do not depend on which samples are asked for."""
    whole = ParquetTexts(AGNEWS, folder).load("train", class_catalog("agnews").ids)
    part = ParquetTexts(AGNEWS, folder).load("train", ["Business"])
    rows = [whole.sample_ids.index(sample_id) for sample_id in part.sample_ids]
    np.testing.assert_array_equal(part.images.tokens, whole.images[rows].tokens)
    texts, _ = generated("train", 6, 12)
    assert ParquetTexts(AGNEWS, folder).vocabulary_size == 1 + len(
        Counter(token for text in texts for token in text.split())
    )


# --- samples ------------------------------------------------------------------------------------------------


def test_load_gives_the_texts_in_order(folder: Path) -> None:
    """Samples come class by class as asked for, in the files' order, with IDs that name their row."""
    texts, labels = generated("train", 6, 12)
    arrays = ParquetTexts(AGNEWS, folder).load("train", ["Sci-Tech", "World"], images_per_class=2)
    rows = [*np.flatnonzero(np.array(labels) == 3)[:2], *np.flatnonzero(np.array(labels) == 0)[:2]]
    assert arrays.labels.tolist() == [0, 0, 1, 1]
    names = ["Sci-Tech"] * 2 + ["World"] * 2
    assert arrays.sample_ids == tuple(f"{name}/{row:06d}" for name, row in zip(names, rows, strict=True))
    assert np.diff(arrays.images.offsets).tolist() == [len(texts[row].split()) for row in rows]


def test_samples_are_those_that_load_gives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalog of samples lists the IDs of all classes' training samples, without reading a text."""
    loaded = ParquetTexts(AGNEWS, folder).load("train", class_catalog("agnews").ids)
    monkeypatch.setattr(ParquetTexts, "_texts_in", None)
    samples = ParquetTexts(AGNEWS, folder).samples()
    assert samples.sample_ids == loaded.sample_ids
    assert list(samples.labels) == loaded.labels.tolist()


def test_digest_is_of_texts_and_labels_not_of_files(folder: Path, tmp_path: Path) -> None:
    """Two files for one split give the same digest; one changed letter another."""
    for split, per_class in (("train", 6), ("test", 3)):
        texts, labels = generated(split, per_class, 12)
        write_file(tmp_path / "same" / f"{split}-0.parquet", texts[:5], labels[:5])
        write_file(tmp_path / "same" / f"{split}-1.parquet", texts[5:], labels[5:])
        write_file(tmp_path / "other" / f"{split}.parquet", [texts[0] + "s", *texts[1:]], labels)
    assert ParquetTexts(AGNEWS, tmp_path / "same").manifest_digest == ParquetTexts(AGNEWS, folder).manifest_digest
    assert ParquetTexts(AGNEWS, tmp_path / "other").manifest_digest != ParquetTexts(AGNEWS, folder).manifest_digest


def test_without_a_folder_the_pinned_revision_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub is asked for one commit of the dataset, so that a result cannot change with the repository."""
    asked = []

    def snapshot_download(repository: str, **options: object) -> str:
        asked.append((repository, options["revision"], options["repo_type"]))
        return str(folder)

    monkeypatch.delenv("DLTH_BENCH_DATA", raising=False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert len(ParquetTexts(AGNEWS).load("val", ["World"]).labels) == 3
    assert asked == [("fancyzhx/ag_news", AGNEWS.hub_files().revision, "dataset")]


def test_broken_files_are_named(folder: Path, tmp_path: Path) -> None:
    """A missing split, a foreign file, other label names, a label or text that is none: one line with file and row."""
    with pytest.raises(InputError, match=r"no train\*\.parquet here; AG News is one such file a split"):
        ParquetTexts(AGNEWS, tmp_path).load("train", ["World"])
    path = tmp_path / "train.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        ParquetTexts(AGNEWS, tmp_path).load("train", ["World"])
    for texts, labels, names, message in (
        (["a", "b"], [0, 4], None, "row 1: the label '4' is not 0 to 3"),
        (["a", None], [0, 2], TOPICS, "row 1: the text is 'None', not a string"),
        (["a", "b"], [0, 1], ("neg", "pos"), "its label has other names than AG News's, such as 'neg'"),
        (["a", "b"], [0, 1], TOPICS[::-1], "in another order or number"),
        (["a", "b"], [0, 1], TOPICS, "the train split has no texts of Business"),
    ):
        write_file(path, texts, labels, names)
        with pytest.raises(InputError, match=message):
            ParquetTexts(AGNEWS, tmp_path).load("train", ["Business"])
    with pytest.raises(InputError, match="agnews has no class 'Sport'; did you mean 'Sports'"):
        ParquetTexts(AGNEWS, folder).load("train", ["Sport"])
    with pytest.raises(InputError, match="agnews has texts; this needs images"):
        image_dataset("agnews")


def test_the_catalog_needs_no_numpy() -> None:
    """A lookup of classes stays cheap: it imports neither numpy nor pyarrow."""
    code = "import sys; from dlth_bench.datasets.registry import class_catalog; class_catalog('agnews'); "
    code += "sys.exit(bool({'numpy', 'pyarrow', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
