"""Renders Glyphs from font files: ``python -m dlth_bench.datasets.glyphs.build``; needs the extra ``fonts``.

The steps: find the faces, drop the unfit and the near-duplicates, drop look-alike characters, split by design,
render what is left, write the frozen files. Equal font files give an equal digest under one version of FreeType;
``manifest.json`` names the one that was used. Another one may shift a few glyphs by a hundredth of an em.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import __version__ as pillow_version
from PIL import features
from rich.console import Console

from dlth_bench.datasets.glyphs import archive, characters, licences
from dlth_bench.datasets.glyphs.checks import reject_reason
from dlth_bench.datasets.glyphs.faces import Face, find_faces, packages_of
from dlth_bench.datasets.glyphs.render import draw_face, render_face
from dlth_bench.datasets.glyphs.similarity import distinct_across_scripts, face_distances, look_alike_rate
from dlth_bench.datasets.glyphs.split import MAX_VALIDATION_FACES, kept_by_design, round_robin, validation_designs
from dlth_bench.datasets.splits import Split


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
        {split: [faces[position] for position in order[split]] for split in archive.SPLITS},
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
    faces = {split: with_packages(selection.faces[split]) for split in archive.SPLITS}
    classes = [class_row(letter) for letter in selection.characters]
    rows = [face_row(face, split) for split in archive.SPLITS for face in faces[split]]
    arrays: dict[Split, npt.NDArray[np.uint8]] = {}
    for split in archive.SPLITS:
        arrays[split], reasons = render_all(faces[split], selection.characters)
        if reasons:
            raise RuntimeError(f"faces became unfit between trial and final rendering: {reasons}")
    face_ids = {split: [face.id for face in faces[split]] for split in archive.SPLITS}
    digest = archive.digest(arrays, [row[0] for row in classes], face_ids)
    archive.write_arrays(folder / archive.ARRAYS, arrays)
    archive.write_table(folder / archive.CLASSES, archive.CLASS_COLUMNS, classes)
    archive.write_table(folder / archive.FACES, archive.FACE_COLUMNS, rows)
    used = {face.package: face.version for split in archive.SPLITS for face in faces[split]}
    (folder / "LICENSES.md").write_text(licences.markdown(used), encoding="utf-8")
    versions = {"pillow": pillow_version, "freetype": str(features.version("freetype2"))}
    archive.write_manifest(folder / archive.MANIFEST, {"digest": digest, "rendered_with": versions})
    return digest


def main(
    fonts: Annotated[list[Path] | None, typer.Option(help="Folder with font files; may be given again.")] = None,
    output: Annotated[Path, typer.Option(help="Where the frozen files go.")] = Path(__file__).parent,
) -> None:
    """Render Glyphs and compare its digest with the recorded one."""
    console = Console()
    selection = select(fonts or [Path("/usr/share/fonts")], console)
    recorded = output / archive.MANIFEST
    before = archive.read_digest(recorded) if recorded.exists() else None
    digest = write(output, selection)
    counts = ", ".join(f"{len(selection.faces[split])} {split} faces" for split in archive.SPLITS)
    console.print(f"{len(selection.characters)} characters, {counts}")
    console.print(f"digest {digest}" + (", as recorded" if digest == before else f", before: {before}"))


if __name__ == "__main__":
    typer.run(main)
