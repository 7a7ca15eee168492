"""Finding a subset by name or path, with its card; using one elsewhere: ImageFolder export, `datasets` filter."""

from __future__ import annotations

import difflib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.datasets.registry import class_catalog, dataset_names, sample_catalog
from dlth_bench.subsets.subset import (
    MAX_SUBSET_BYTES,
    Subset,
    SubsetCard,
    count_known,
    load_card,
    parse_subset,
    subset_entries,
)
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import is_file, read_text_file, shipped_folder
from dlth_bench.util.text import listed, quoted


@dataclass(frozen=True)
class SubsetFile:
    """A subset read from a file, the dataset's classes, and the list's card if one lies beside it."""

    path: Path
    subset: Subset
    catalog: ClassCatalog
    card: SubsetCard | None

    @property
    def name(self) -> str:
        return self.path.stem


def shipped_subsets(dataset: str | None = None) -> tuple[SubsetFile, ...]:
    """The subsets that come with the package, by dataset and name; those of one dataset if it is given.

    Raises:
        InputError: no such dataset.
    """
    return tuple(read_subset(path, path.parent.name) for path in _shipped_paths(dataset))


def find_subset(name_or_path: str, dataset: str | None = None, images_per_class: int | None = None) -> SubsetFile:
    """A shipped subset by its name (``pd-bottom``, ``imagenet/pd-bottom``), or any subset file by its path.

    A shipped name wins over a file of that name in the working folder, which is still there as ``./pd-bottom``.

    Args:
        images_per_class: samples are chosen from the first so many training samples of each class; None: from all.

    Raises:
        InputError: neither, or not a valid subset of the dataset.
    """
    shipped = _shipped_paths(dataset)
    matches = [path for path in shipped if _is_named(path, name_or_path)]
    if len(matches) > 1:
        choices = " or ".join(f"{path.parent.name}/{path.stem}" for path in matches)
        raise InputError(f"{quoted(name_or_path)} is a subset of several datasets: write {choices}")
    if matches:
        return read_subset(matches[0], matches[0].parent.name, images_per_class)
    folder = name_or_path.rpartition("/")[0]
    looks_like_a_name = folder in ("", *dataset_names()) and not Path(name_or_path).suffix
    if looks_like_a_name and not is_file(Path(name_or_path)):
        elsewhere = [path.parent.name for path in _shipped_paths(None) if _is_named(path, name_or_path)]
        if elsewhere:
            raise InputError(f"{quoted(name_or_path)} is a subset of {elsewhere[0]}, but this dataset is {dataset}")
        near = difflib.get_close_matches(name_or_path, _names(shipped, bool(folder)), n=1)
        guess = f"; did you mean {quoted(near[0])}?" if near else "; the command 'subsets list' shows the names"
        raise InputError(f"{quoted(name_or_path)} is neither a file nor a shipped subset{guess}")
    return read_subset(name_or_path, dataset, images_per_class)


def read_subset(path: Path | str, dataset: str | None = None, images_per_class: int | None = None) -> SubsetFile:
    """The subset in a file, of the given dataset or of the one that knows most of its IDs.

    A file of the same name that ends in ``.yaml`` is taken for its card.

    Args:
        images_per_class: samples are chosen from the first so many training samples of each class; None: from all.

    Raises:
        InputError: the file is unreadable or no valid subset, or its card is not valid or of another list.
    """
    path = Path(path)
    if dataset is not None:
        class_catalog(dataset)  # a wrong dataset name is the first thing to say
    text = read_text_file(path, MAX_SUBSET_BYTES)
    catalog = class_catalog(dataset) if dataset is not None else _likeliest_catalog(text, path)
    others = [class_catalog(name) for name in dataset_names() if name != catalog.dataset]
    samples = partial(sample_catalog, catalog.dataset, images_per_class)
    subset = parse_subset(text, catalog, samples=samples, source=path, other_catalogs=others)
    return SubsetFile(path=path, subset=subset, catalog=catalog, card=_card_beside(path, subset))


def _card_beside(path: Path, subset: Subset) -> SubsetCard | None:
    sidecar = path.with_suffix(".yaml")
    if sidecar == path or not is_file(sidecar):
        return None
    card = load_card(sidecar)
    if card.digest != subset.digest:
        message = f"is the card of another list: {quoted(path.name)} has digest {subset.digest}"
        raise InputError(message, source=sidecar)
    return card


def _likeliest_catalog(text: str, path: Path) -> ClassCatalog:
    """The catalog that knows most of the listed IDs; two that know equally many cannot be told apart."""
    entries = subset_entries(text)
    ranked = sorted(
        ((count_known(entries, catalog), catalog) for catalog in map(class_catalog, dataset_names())),
        key=lambda pair: -pair[0],
    )
    (most, catalog), (second, runner_up) = ranked[:2]
    if not entries:
        return catalog  # parsing says that nothing is listed
    if most == 0:
        first = entries[0]
        message = f"{quoted(first.spelling)} is not a class or sample of any dataset ({', '.join(dataset_names())})"
        raise InputError(message, source=path, line=first.line)
    if most == second:
        message = f"could be classes of {catalog.dataset} or of {runner_up.dataset}: name the dataset with --dataset"
        raise InputError(message, source=path)
    return catalog


def _shipped_paths(dataset: str | None) -> list[Path]:
    if dataset is not None:
        class_catalog(dataset)
    names = dataset_names() if dataset is None else (dataset,)
    return [path for name in names for path in sorted((shipped_folder("subsets") / name).glob("*.txt"))]


def _is_named(path: Path, name: str) -> bool:
    return name in (path.stem, f"{path.parent.name}/{path.stem}")


def _names(shipped: list[Path], with_dataset: bool) -> list[str]:
    return [f"{path.parent.name}/{path.stem}" if with_dataset else path.stem for path in shipped]


_SPLITS = ("train", "val")


def export_image_folder(subset: Subset, source: Path, target: Path) -> tuple[Path, ...]:
    """Make ``target`` with a symbolic link to the folder of each class of the subset; copies no image.

    Args:
        source: holds one folder a class, named by its ID, or folders ``train`` and ``val`` (or one of them) that do.
        target: must not exist, or be an empty folder. It gets the same splits as ``source``.

    Returns:
        The links, all absolute.

    Raises:
        InputError: the subset is one of samples, ``source`` is no folder or lacks a class, ``target`` holds something,
            or cannot be written. Nothing is written then.
    """
    if subset.unit != "class":
        raise InputError(f"the subset lists {subset.unit}s; only class subsets can be exported as links to folders")
    if not source.is_dir():
        raise InputError("is not a folder of class folders", source=source)
    splits = [name for name in _SPLITS if (source / name).is_dir()] or ["."]
    links = {Path(split) / item: (source / split / item).resolve() for split in splits for item in subset.ids}
    missing = [str(link) for link, folder in links.items() if not folder.is_dir()]
    if missing:
        message = f"lacks {len(missing)} of {len(links)} class folders: {listed(missing, 5)}"
        raise InputError(message, source=source)
    try:
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise InputError("exists and is not an empty folder; nothing is overwritten", source=target)
        _link_all(links, target)
    except OSError as error:
        reason = error.strerror or "input/output error"
        raise InputError(f"cannot be written: {reason}", source=target) from None
    return tuple(target / link for link in links)


def _link_all(links: dict[Path, Path], target: Path) -> None:
    """All links or none: they are made in a folder beside ``target`` that is then renamed to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    unfinished.mkdir()
    try:
        for link, folder in links.items():
            (unfinished / link).parent.mkdir(exist_ok=True)
            (unfinished / link).symlink_to(folder, target_is_directory=True)
        unfinished.replace(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def filter_dataset(dataset: Any, subset: Subset, column: str = "label") -> Any:
    """The rows of a ``datasets.Dataset`` or ``IterableDataset`` whose class is in the subset.

    Args:
        subset: of classes.
        column: of labels: whole numbers, whose names the dataset's features give where they differ from the
            benchmark's order, or class IDs and names as text.

    Returns:
        A dataset of the same kind; labels keep their numbers.

    Raises:
        InputError: the subset is one of samples, there is no such column, or its label names are other classes.
    """
    if subset.unit != "class":
        raise InputError(f"the subset lists {subset.unit}s; rows can be filtered by classes only")
    features = getattr(dataset, "features", None) or {}
    if features and column not in features:
        raise InputError(f"the dataset has no column {quoted(column)}; it has {', '.join(map(str, features))}")
    catalog = class_catalog(subset.dataset)
    names = getattr(features.get(column), "names", None)
    positions = list(range(len(catalog))) if names is None else _positions_of(names, catalog)
    chosen = {catalog.index(class_id) for class_id in subset.ids}
    wanted = [label for label, position in enumerate(positions) if position in chosen]
    spellings = [spelling for info in catalog for spelling in (info.id, *info.aliases)]
    wanted_texts = [spelling for spelling in spellings if catalog.index(spelling) in chosen]
    # A plain function and lists, since the library pickles them to name its cache.
    known = {"wanted": [*wanted, *wanted_texts]}
    return dataset.filter(_are_wanted, batched=True, input_columns=[column], fn_kwargs=known)


def _are_wanted(labels: Sequence[int | str], wanted: Sequence[int | str]) -> list[bool]:
    members = set(wanted)
    return [label in members for label in labels]


def _positions_of(names: Sequence[str], catalog: ClassCatalog) -> list[int]:
    """The catalog's position of each label of a dataset with these label names.

    Names that two classes share (``crane``) are taken to stand at their own position when all others do.
    """
    known = [catalog.index(name) for name in names]
    in_order = all(position in (None, label) for label, position in enumerate(known))
    if in_order and len(names) == len(catalog) and any(position is not None for position in known):
        return list(range(len(names)))
    positions = [position for position in known if position is not None]
    if len(positions) < len(names):
        stranger = names[known.index(None)]
        raise InputError(f"label {quoted(stranger)} names no class of {catalog.dataset}")
    return positions
