"""Renders Glyphs from font files: ``PYTHONPATH=benchmark python -m build_glyphs.build``; needs the extra ``fonts``.

The steps: find the faces, drop the unfit and the near-duplicates, drop look-alike characters, split by design,
render what is left, write the frozen files. Equal font files give an equal digest under one version of FreeType;
``manifest.json`` names the one that was used. Another one may shift a few glyphs by a hundredth of an em.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image, features
from PIL import __version__ as pillow_version
from rich.console import Console

from build_glyphs import characters
from build_glyphs import faces as licences
from build_glyphs.characters import distinct_across_scripts, face_distances, look_alike_rate, script
from build_glyphs.faces import Design, Face, find_faces, packages_of
from build_glyphs.frozen_files import CLASS_COLUMNS, FACE_COLUMNS, write_arrays, write_manifest, write_table
from build_glyphs.render import Ink, draw_face, render_face
from dlth_bench.datasets.catalog import Split
from dlth_bench.datasets.glyphs.classes import CLASSES, FOLDER
from dlth_bench.datasets.glyphs.dataset import ARRAYS, FACES, MANIFEST, SPLITS, digest, read_digest

NEAR_DUPLICATE = 0.2
"""Of faces nearer than this (neighbouring weights, clones) one is kept."""

LEAK = 0.4
"""Designs with faces nearer than this are kept on one side of the split."""

MAX_FACES = 24
"""Most faces of one design, so that families with many weights do not outweigh the others."""

VALIDATION_SHARE = 0.3
"""Fraction of the faces of each style class that are for validation."""

MAX_VALIDATION_FACES = 8
"""Most faces of one design in validation, so that accuracy is not that of two or three large families."""

_FIRST_STYLES = ("Regular", "Book", "Roman")


def spread_order(faces: Sequence[Face], distance: npt.NDArray[np.float64]) -> list[int]:
    """Positions of a design's faces, each the farthest from all before it, until near-duplicates are left.

    The first is an upright of normal weight where there is one. distance: (faces, faces).
    """
    start = min(range(len(faces)), key=lambda i: (faces[i].style not in _FIRST_STYLES, faces[i].id))
    order = [start]
    nearest = distance[start].copy()
    while len(order) < MAX_FACES:
        farthest = int(nearest.argmax())
        if nearest[farthest] < NEAR_DUPLICATE:
            break
        order.append(farthest)
        nearest = np.minimum(nearest, distance[farthest])
    return order


def kept_by_design(faces: Sequence[Face], distance: npt.NDArray[np.float64]) -> dict[Design, list[int]]:
    """Positions of the faces to keep of each design, the most different first. distance: (faces, faces)."""
    members: dict[Design, list[int]] = defaultdict(list)
    for position, face in enumerate(faces):
        members[face.design].append(position)
    return {
        design: [own[i] for i in spread_order([faces[i] for i in own], distance[np.ix_(own, own)])]
        for design, own in members.items()
    }


def tied_designs(kept: dict[Design, list[int]], distance: npt.NDArray[np.float64]) -> list[list[Design]]:
    """The designs, those that are too near each other together. distance: (faces, faces)."""
    ties: list[list[Design]] = []
    for design, own in kept.items():
        near = [tie for tie in ties if any(distance[np.ix_(own, kept[other])].min() < LEAK for other in tie)]
        ties = [tie for tie in ties if tie not in near]
        ties.append([design, *(other for tie in near for other in tie)])
    return ties


def validation_designs(kept: dict[Design, list[int]], distance: npt.NDArray[np.float64]) -> frozenset[Design]:
    """The designs of the validation split: a share of the faces of each style class, drawn by hash of the name."""
    room: dict[str, float] = defaultdict(float)
    for design, own in kept.items():
        room[design.style_class] += VALIDATION_SHARE * len(own)
    chosen: set[Design] = set()
    for tie in sorted(tied_designs(kept, distance), key=lambda tie: min(map(_hash, tie))):
        sizes: dict[str, int] = defaultdict(int)
        for design in tie:
            sizes[design.style_class] += min(len(kept[design]), MAX_VALIDATION_FACES)
        if all(size <= room[style] + 1 for style, size in sizes.items()):  # 1: a class of few faces has a part too
            chosen.update(tie)
            for style, size in sizes.items():
                room[style] -= size
    return frozenset(chosen)


def round_robin(kept: dict[Design, list[int]], designs: Iterable[Design], max_faces: int = MAX_FACES) -> list[int]:
    """Face positions, one of each design in turn, so that the first k are as different as k faces can be."""
    queues = [kept[design][:max_faces] for design in sorted(designs, key=_hash)]
    longest = max(map(len, queues))
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _hash(design: Design) -> str:
    return hashlib.sha256(design.name.encode()).hexdigest()


_CASE_LETTERS = "abdeghnqrt"
"""Letters whose lower case is another shape than their upper case."""

_SAME_LETTER = 0.35
"""Relative distance of a stretched small capital from the capital; that of true lower case is over 0.6."""

_MIN_PEAK = 128
"""Grey level that the strokes of a typical character must reach; hairlines at 32 pixels do not."""


def reject_reason(characters: Sequence[str], inks: Sequence[Ink], images: npt.NDArray[np.uint8]) -> str | None:
    """Why the face is no good, or None. images: (characters, 32, 32)."""
    ink_of = dict(zip(characters, inks, strict=True))
    small_capitals = sum(_is_small_capital(ink_of[lower], ink_of[lower.upper()]) for lower in _CASE_LETTERS)
    if small_capitals > len(_CASE_LETTERS) // 2:
        return "its lower case is small capitals"
    shrunken = [letter for letter in characters if letter.isalpha() and _is_shrunken(ink_of, letter)]
    if shrunken:
        return f"its {shrunken[0]} is far too small"
    shared = _shared_shape(ink_of)
    if shared is not None:
        return f"it draws {shared[0]} and {shared[1]} alike"
    if float(np.median(images.max(axis=(1, 2)))) < _MIN_PEAK:
        return "its strokes are too thin for 32 pixels"
    return None


def _is_small_capital(lower: Ink, upper: Ink) -> bool:
    """True when the lower-case letter is the upper-case one, whatever its size."""
    height, width = upper.bitmap.shape
    stretched = Image.fromarray(lower.bitmap).resize((width, height), Image.Resampling.BILINEAR)
    difference = np.asarray(stretched, dtype=np.float64) - upper.bitmap
    return float(np.linalg.norm(difference)) < _SAME_LETTER * float(np.linalg.norm(upper.bitmap.astype(np.float64)))


def _is_shrunken(ink_of: dict[str, Ink], letter: str) -> bool:
    """True when a letter is less than half as high as an H or x of its face."""
    return 2 * ink_of[letter].height < ink_of["H" if letter.isupper() else "x"].height


def _shared_shape(ink_of: dict[str, Ink]) -> tuple[str, str] | None:
    """Two letters of one script and case with the same pixels in the same place: a stand-in for what the font lacks."""
    seen: dict[tuple[str, bool, int, bytes], str] = {}
    for character, ink in ink_of.items():
        if not character.isalpha():
            continue
        key = (script(character), character.isupper(), ink.top, ink.bitmap.tobytes())
        if key in seen:
            return seen[key], character
        seen[key] = character
    return None


@dataclass(frozen=True)
class Selection:
    """What is rendered: the characters, and the faces of each split in order."""

    characters: tuple[str, ...]
    faces: dict[Split, list[Face]]


def rendered(path: Path, letters: Sequence[str]) -> npt.NDArray[np.uint8] | str:
    """All characters of one font file, uint8 (characters, 32, 32), or why the face is unfit."""
    inks = draw_face(path, letters)
    if inks is None:
        return "a character is blank or the .notdef box"
    images = render_face(inks)
    return reject_reason(letters, inks, images) or images


def render_all(faces: Sequence[Face], letters: Sequence[str]) -> tuple[npt.NDArray[np.uint8], dict[str, str]]:
    """The fit faces: uint8 (characters, fit faces, 32, 32), in order; and the reasons against the others by face."""
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = list(pool.map(partial(rendered, letters=letters), [face.path for face in faces], chunksize=4))
    reasons = {face.id: result for face, result in zip(faces, results, strict=True) if isinstance(result, str)}
    return np.stack([result for result in results if not isinstance(result, str)], axis=1), reasons


def select(folders: Sequence[Path], console: Console) -> Selection:
    """Chooses characters and faces from trial renderings of all."""
    letters = characters.candidates()
    faces = find_faces(folders, letters)
    images, reasons = render_all(faces, letters)
    for face, reason in reasons.items():
        console.print(f"{face} is left out: {reason}", markup=False)
    faces = [face for face in faces if face.id not in reasons]
    distance = face_distances(images)
    kept = kept_by_design(faces, distance)
    held_out = validation_designs(kept, distance)
    order = {
        "train": round_robin(kept, kept.keys() - held_out),
        "val": round_robin(kept, held_out, MAX_VALIDATION_FACES),
    }
    rates = look_alike_rate(images[:, order["train"] + order["val"]])
    distinct = distinct_across_scripts(rates, [characters.script(letter) for letter in letters])
    nearest = distance[np.ix_(order["train"], order["val"])].min()
    console.print(f"nearest faces across the split are {nearest:.3f} apart")
    return Selection(
        tuple(letters[position] for position in distinct),
        {split: [faces[position] for position in order[split]] for split in SPLITS},
    )


def with_packages(faces: Sequence[Face]) -> list[Face]:
    """The faces with the Debian package and version of their files."""
    owners = packages_of([face.path for face in faces])
    return [replace(face, package=owners[face.path][0], version=owners[face.path][1]) for face in faces]


def class_row(letter: str) -> tuple[str, ...]:
    """One line of classes.csv."""
    return (
        characters.class_id(letter),
        unicodedata.name(letter),
        characters.script(letter),
        characters.category(letter),
        characters.letter(letter),
    )


def face_row(face: Face, split: Split) -> tuple[str, ...]:
    """One line of faces.csv."""
    licence = licences.LICENCES[face.package].short
    design = (face.design.style_class, face.design.name)
    return (face.id, face.family, face.style, *design, split, face.package, face.version, face.path.name, licence)


def write(folder: Path, selection: Selection) -> str:
    """Renders the selection and writes the frozen files; returns the digest."""
    faces = {split: with_packages(selection.faces[split]) for split in SPLITS}
    classes = [class_row(letter) for letter in selection.characters]
    rows = [face_row(face, split) for split in SPLITS for face in faces[split]]
    arrays: dict[Split, npt.NDArray[np.uint8]] = {}
    for split in SPLITS:
        arrays[split], reasons = render_all(faces[split], selection.characters)
        if reasons:
            raise RuntimeError(f"faces became unfit between trial and final rendering: {reasons}")
    face_ids = {split: [face.id for face in faces[split]] for split in SPLITS}
    found = digest(arrays, [row[0] for row in classes], face_ids)
    write_arrays(folder / ARRAYS, arrays)
    write_table(folder / CLASSES, CLASS_COLUMNS, classes)
    write_table(folder / FACES, FACE_COLUMNS, rows)
    used = {face.package: face.version for split in SPLITS for face in faces[split]}
    (folder / "LICENSES.md").write_text(licences.markdown(used), encoding="utf-8")
    versions = {"pillow": pillow_version, "freetype": str(features.version("freetype2"))}
    write_manifest(folder / MANIFEST, {"digest": found, "rendered_with": versions})
    return found


def main(
    fonts: Annotated[list[Path] | None, typer.Option(help="Folder with font files; may be given again.")] = None,
    output: Annotated[Path, typer.Option(help="Where the frozen files go.")] = FOLDER,
) -> None:
    """Render Glyphs and compare its digest with the recorded one."""
    console = Console()
    selection = select(fonts or [Path("/usr/share/fonts")], console)
    recorded = output / MANIFEST
    before = read_digest(recorded) if recorded.exists() else None
    found = write(output, selection)
    counts = ", ".join(f"{len(selection.faces[split])} {split} faces" for split in SPLITS)
    console.print(f"{len(selection.characters)} characters, {counts}")
    console.print(f"digest {found}" + (", as recorded" if found == before else f", before: {before}"))


if __name__ == "__main__":
    typer.run(main)
