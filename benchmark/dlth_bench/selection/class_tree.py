"""Class trees as parent pointers: where they come from, and what a tree must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlth_bench.selection.table_file import read_csv_table
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted

ROOT = ""
"""The node above all roots, so that a forest is a tree; sorts before every other."""

_PATH_SEPARATOR = "\x1f"


@dataclass(frozen=True)
class ClassTree:
    """A tree whose leaves are the classes, without the branches that hold none.

    class_ids: the classes in the dataset's order.
    parent: of every class and inner node below ``ROOT``.
    """

    class_ids: tuple[str, ...]
    parent: Mapping[str, str]

    @classmethod
    def from_parents(cls, parents: Mapping[str, str], class_ids: Sequence[str]) -> ClassTree:
        """The part of ``parents`` (child to parent) that lies above the classes; chains of only children stay.

        Raises:
            InputError: a class is not in the tree, the pointers run in a circle, or a class lies above another.
        """
        kept: dict[str, str] = {}
        for class_id in class_ids:
            if class_id not in parents:
                raise InputError(f"class {quoted(class_id)} has no parent in the class tree")
            path = _path_to_root(class_id, parents)
            kept.update(zip(path, [*path[1:], ROOT], strict=True))
        inner = set(kept.values())
        for class_id in class_ids:
            if class_id in inner:
                raise InputError(f"class {quoted(class_id)} lies above another class; classes must be leaves")
        return cls(tuple(class_ids), kept)

    def children(self) -> dict[str, list[str]]:
        """The children of every inner node, in the order in which the classes reach them."""
        found: dict[str, list[str]] = {}
        for child, parent in self.parent.items():
            found.setdefault(parent, []).append(child)
        return found

    def path(self, node: str) -> list[str]:
        """``node``, its parent, and so on to ``ROOT``."""
        path = [node]
        while path[-1] != ROOT:
            path.append(self.parent[path[-1]])
        return path


def tree_of(catalog: ClassCatalog) -> ClassTree:
    """The tree that comes with a dataset: WordNet's first-listed hypernyms for ImageNet, else ``ClassInfo.tree``."""
    if catalog.dataset == "imagenet":
        from dlth_bench.datasets.imagenet.catalog import first_hypernyms

        return ClassTree.from_parents(first_hypernyms(), catalog.ids)
    parents: dict[str, str] = {}
    for info in catalog:
        nodes = [_PATH_SEPARATOR.join(info.tree[:depth]) for depth in range(len(info.tree) + 1)]
        parents.update((child, parent) for parent, child in zip(nodes, [*nodes[1:], info.id], strict=True))
    return ClassTree.from_parents(parents, catalog.ids)


def read_tree(path: Path, catalog: ClassCatalog) -> ClassTree:
    """The tree in a CSV file with columns ``child,parent``; classes are written by ID, inner nodes as one likes.

    Raises:
        InputError: with the file: wrong columns, a node with two parents, a circle, or a class that is missing.
    """
    table = read_csv_table(path)
    if not {"child", "parent"} <= set(table.columns):
        raise InputError("needs the columns child and parent", source=path, line=table.header_line)
    parents: dict[str, str] = {}
    for line, row in table.rows():
        child, parent = row["child"], row["parent"]
        if not child or not parent:
            raise InputError("needs a child and a parent; a root is simply no child", source=path, line=line)
        if parents.setdefault(child, parent) != parent:
            raise InputError(f"{quoted(child)} has a second parent; in a tree it has one", source=path, line=line)
    try:
        return ClassTree.from_parents(parents, catalog.ids)
    except InputError as error:
        raise InputError(error.message, source=path) from None


def _path_to_root(node: str, parents: Mapping[str, str]) -> list[str]:
    """``node`` and its ancestors; ends below ``ROOT``."""
    path, seen = [node], {node}
    while (above := parents.get(path[-1], ROOT)) != ROOT:
        if above in seen:
            circle = [*path[path.index(above) :], above]
            shown = " -> ".join(circle if len(circle) <= 6 else [*circle[:3], "...", circle[-1]])
            raise InputError(f"the class tree runs in a circle: {shown}")
        path.append(above)
        seen.add(above)
    return path
