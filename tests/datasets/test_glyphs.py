"""What users of Glyphs rely on: frozen pixels, unseen designs in validation, sound images, plain addressing."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from build_glyphs import characters
from build_glyphs import characters as similarity
from build_glyphs.frozen_files import write_arrays
from dlth_bench.datasets.catalog import Split, read_table
from dlth_bench.datasets.dataset import ImageDataset
from dlth_bench.datasets.glyphs.classes import FOLDER
from dlth_bench.datasets.glyphs.dataset import ARRAYS, Glyphs, digest, read_array
from dlth_bench.datasets.glyphs.dataset import FACES as FACES_FILE
from dlth_bench.util.errors import InputError

DIGEST = "4e99b24d79d5eec3870a6242c083c0a3645f703135c1a8d2f7d265e87c1c3c5e"
SPLITS: tuple[Split, ...] = ("train", "val")
FACES = read_table(FOLDER / FACES_FILE)


@pytest.fixture(scope="module")
def glyphs() -> Glyphs:
    return Glyphs()


@pytest.fixture(scope="module")
def images(glyphs: Glyphs) -> dict[Split, np.ndarray]:
    """uint8 (classes, faces, 32, 32) of each split."""
    loaded = {split: glyphs.load(split, glyphs.catalog.ids).images for split in SPLITS}
    return {split: loaded[split].reshape(len(glyphs.catalog), -1, 32, 32) for split in SPLITS}


def test_digest_is_the_frozen_one(glyphs: Glyphs) -> None:
    """Results of different days are comparable: neither pixels, classes, faces nor split change unnoticed."""
    assert glyphs.computed_digest() == glyphs.manifest_digest == DIGEST


@pytest.mark.parametrize("change", ["pixel", "class order", "face", "split"])
def test_digest_sees_every_kind_of_change(change: str) -> None:
    """The digest covers what the samples show, not the pixels alone."""
    arrays: dict[Split, np.ndarray] = {split: np.zeros((2, 2, 4, 4), dtype=np.uint8) for split in SPLITS}
    classes, faces = ["U+0041", "U+0042"], {"train": ["a", "b"], "val": ["c", "d"]}
    before = digest(arrays, classes, faces)
    if change == "pixel":
        arrays["val"][0, 0, 0, 0] = 17
    elif change == "class order":
        classes.reverse()
    elif change == "face":
        faces["train"][0] = "e"
    else:
        faces = {"train": faces["val"], "val": faces["train"]}
    assert digest(arrays, classes, faces) != before


def test_array_file_is_reproducible(tmp_path: Path) -> None:
    """Building anew from equal fonts leaves the file in version control as it is."""
    arrays: dict[Split, np.ndarray] = {split: read_array(FOLDER / ARRAYS, split)[:3] for split in SPLITS}
    write_arrays(tmp_path / "first.npz", arrays)
    write_arrays(tmp_path / "second.npz", {split: arrays[split].copy() for split in reversed(SPLITS)})
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    assert np.array_equal(read_array(tmp_path / "first.npz", "val"), arrays["val"])


@pytest.mark.parametrize("column", ["design", "family"])
def test_validation_shows_unseen_designs(column: str) -> None:
    """Validation accuracy is about unseen typefaces: no family or design is on both sides."""
    by_split = {split: {row[column] for row in FACES if row["split"] == split} for split in SPLITS}
    assert len(by_split["val"]) >= 10
    assert not by_split["train"] & by_split["val"]


def test_no_near_copy_of_a_face_in_validation(images: dict[Split, np.ndarray]) -> None:
    """Nor do clones under another name leak: measured on pixels, faces across the split are far apart."""
    both = np.concatenate([images["train"], images["val"]], axis=1)
    distance = similarity.face_distances(both[::6])
    train = images["train"].shape[1]
    assert distance[:train, train:].min() > 0.35


def test_no_duplicate_faces(images: dict[Split, np.ndarray]) -> None:
    """k samples of a class are k different images, also where two packages ship one face."""
    for split in SPLITS:
        distance = similarity.face_distances(images[split][::6])
        np.fill_diagonal(distance, 1)
        assert distance.min() > 0.15


def test_every_image_has_ink_and_none_is_clipped(images: dict[Split, np.ndarray]) -> None:
    """No blank cell, no glyph cut off by the frame."""
    for split in SPLITS:
        assert images[split].max(axis=(2, 3)).min() > 0
        framed = images[split].copy()
        framed[:, :, 1:-1, 1:-1] = 0
        assert framed.max() == 0


def test_letters_are_of_readable_size(images: dict[Split, np.ndarray], glyphs: Glyphs) -> None:
    """A broken or shrunken letter of a font does not slip in: each spans at least 8 of the 32 rows."""
    letters = [label for label, info in enumerate(glyphs.catalog) if info.tree[1].endswith("case letter")]
    for split in SPLITS:
        inked = images[split][letters].max(axis=3) > 0
        span = 32 - inked.argmax(axis=2) - inked[:, :, ::-1].argmax(axis=2)
        assert span.min() >= 8


def test_every_class_can_be_told_from_the_others(images: dict[Split, np.ndarray], glyphs: Glyphs) -> None:
    """Classes differ: no two look the same in most faces, and none of different scripts in over a tenth."""
    rates = similarity.look_alike_rate(images["train"])
    np.fill_diagonal(rates, 0)
    scripts = np.array([characters.script(chr(int(class_id[2:], 16))) for class_id in glyphs.catalog.ids])
    across = scripts[:, None] != scripts[None, :]
    assert rates.max() < 0.5
    assert rates[across].max() < 0.15


def test_first_faces_are_of_different_designs(glyphs: Glyphs) -> None:
    """A protocol that takes only the first k samples of a class sees as many designs as it can."""
    design_of = {row["face"]: row["design"] for row in FACES}
    for split in SPLITS:
        designs = [design_of[face] for face in glyphs.face_ids[split]]
        count = len(set(designs))
        assert len(set(designs[:count])) == count


def test_load_labels_follow_the_request(glyphs: Glyphs) -> None:
    """Labels are positions in the requested list, samples come class by class and are the named cells."""
    ids = ["U+0042", "U+0041"]
    loaded = glyphs.load("val", ids, images_per_class=3)
    faces = glyphs.face_ids["val"][:3]
    assert loaded.images.shape == (6, 1, 32, 32)
    assert loaded.images.dtype == np.uint8
    assert loaded.labels.dtype == np.int64
    assert loaded.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert loaded.sample_ids == tuple(f"{class_id}/{face}" for class_id in ids for face in faces)
    stored = read_array(FOLDER / ARRAYS, "val")
    assert np.array_equal(loaded.images[3, 0], stored[glyphs.catalog.ids.index("U+0041"), 0])


def test_load_hands_out_a_copy(glyphs: Glyphs) -> None:
    """Whoever augments in place does not change the data of the next caller."""
    first = glyphs.load("val", ["U+0041"])
    first.images[:] = 0
    assert glyphs.load("val", ["U+0041"]).images.max() > 0


def test_load_accepts_more_images_than_there_are(glyphs: Glyphs) -> None:
    """``images_per_class`` is a cap, not a demand."""
    assert len(glyphs.load("val", ["U+0041"], images_per_class=10_000).labels) == len(glyphs.face_ids["val"])


@pytest.mark.parametrize(
    ("class_ids", "per_class", "named"), [(["U+0041", "U+FFFF"], None, "U+FFFF"), (["U+0041"], 0, "0")]
)
def test_load_names_what_is_wrong(glyphs: Glyphs, class_ids: list[str], per_class: int | None, named: str) -> None:
    """A class that does not exist, or no images at all, is the user's error and is named."""
    with pytest.raises(InputError, match=named.replace("+", r"\+")):
        glyphs.load("train", class_ids, per_class)


def test_every_spelling_names_its_class(glyphs: Glyphs) -> None:
    """A class is found by code point, bare character and Unicode name; ``#`` alone starts a comment instead."""
    for label, info in enumerate(glyphs.catalog):
        character = chr(int(info.id.removeprefix("U+"), 16))
        expected = None if character == "#" else label
        assert glyphs.catalog.index(info.id) == glyphs.catalog.index(info.name) == label
        assert glyphs.catalog.index(character) == expected
    assert glyphs.catalog.index("Б") == glyphs.catalog.ids.index("U+0411")


@pytest.mark.parametrize(
    ("class_id", "tree"),
    [
        ("U+00E9", ("Latin", "Lowercase letter", "e")),
        ("U+03A9", ("Greek", "Uppercase letter", "Ω")),
        ("U+0439", ("Cyrillic", "Lowercase letter", "и")),
        ("U+0037", ("Common", "Decimal digit", "7")),
    ],
)
def test_class_tree(glyphs: Glyphs, class_id: str, tree: tuple[str, ...]) -> None:
    """The hierarchy is script, category, base letter."""
    assert {info.id: info.tree for info in glyphs.catalog}[class_id] == tree


def test_look_alikes_across_scripts_are_one_class(glyphs: Glyphs) -> None:
    """Latin A is a class, Greek Alpha and Cyrillic A are not; O and 0, l and I stay."""
    assert {"U+0041", "U+004F", "U+0030", "U+006C", "U+0049"} <= set(glyphs.catalog.ids)
    assert not {"U+0391", "U+0410"} & set(glyphs.catalog.ids)


def test_every_face_has_a_licence_on_record() -> None:
    """Redistribution is in order: each font's package and licence is in LICENSES.md."""
    licences = (FOLDER / "LICENSES.md").read_text(encoding="utf-8")
    packages: dict[str, set[str]] = defaultdict(set)
    for row in FACES:
        packages[row["package"]].add(f"| {row['package']} | {row['package_version']} | {row['licence']} |")
    assert all(line in licences for lines in packages.values() for line in lines)


def test_package_stays_small() -> None:
    """The wheel is light: the dataset's files take at most 8 MB."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir() if path.is_file()) <= 8_000_000


def test_dataset_needs_neither_torch_nor_font_tools() -> None:
    """Listing classes starts at once: catalog and digest import no heavy package and unpack no array."""
    code = (
        "import sys; from dlth_bench.datasets.glyphs.dataset import Glyphs; g = Glyphs(); g.catalog; g.manifest_digest;"
        "print([m for m in ('torch', 'PIL', 'fontTools') if m in sys.modules], '_kept__stored' in g.__dict__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"


def test_fits_the_dataset_protocol() -> None:
    """The harness may take Glyphs wherever it takes an image dataset."""
    dataset: ImageDataset = Glyphs()
    assert (dataset.name, dataset.image_size, dataset.channels) == ("glyphs", 32, 1)
