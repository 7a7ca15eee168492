"""WNH: coarse groups of a class tree, one class of each (WordNet hierarchy, section 3.3 of the DLTH paper).

The paper merges "leaf nodes that have a common parent" and repeats "until obtaining enough coarse classes", which
leaves the order open. Here: (1) in each round every node whose children are all coarse leaves absorbs them, all such
nodes at once, as long as K or more groups remain; (2) in the last round one node at a time, the smallest first, and a
node that would overshoot merges only its smallest children. Merging the deepest siblings first instead would leave
one group of all animals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.datasets.imagenet.classes import first_hypernyms
from dlth_bench.selection.policy import Choice, Policy, Representative, Request, size_within
from dlth_bench.util.errors import InputError
from dlth_bench.util.tables import read_csv_table
from dlth_bench.util.text import quoted

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
        return [*_path_to_root(node, self.parent), ROOT]


def tree_of(catalog: ClassCatalog) -> ClassTree:
    """The tree that comes with a dataset: WordNet's first-listed hypernyms for ImageNet, else ``ClassInfo.tree``."""
    if catalog.dataset == "imagenet":
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


@dataclass(frozen=True)
class Group:
    """A coarse class: the tree node that names it and its members in the dataset's order.

    A node of which only some children were merged names that group, while its other children stay by themselves.
    """

    node: str
    class_ids: tuple[str, ...]


def coarse_groups(tree: ClassTree, count: int) -> tuple[Group, ...]:
    """Exactly ``count`` groups that partition the classes, ordered by their first class.

    Raises:
        InputError: ``count`` is not between 1 and the number of classes.
    """
    size_within(count, len(tree.class_ids))
    members = {class_id: [class_id] for class_id in tree.class_ids}
    waiting = tree.children()
    while len(members) > count:
        ready = [node for node, children in waiting.items() if all(child in members for child in children)]
        if len(members) - sum(len(waiting[node]) - 1 for node in ready) < count:
            _last_round(ready, waiting, members, count)
            break
        for node in ready:
            members[node] = [item for child in waiting.pop(node) for item in members.pop(child)]
    order = {class_id: index for index, class_id in enumerate(tree.class_ids)}
    groups = (Group(node, tuple(sorted(items, key=order.__getitem__))) for node, items in members.items())
    return tuple(sorted(groups, key=lambda group: order[group.class_ids[0]]))


def _last_round(ready: Sequence[str], waiting: dict[str, list[str]], members: dict[str, list[str]], count: int) -> None:
    """Merge nodes by (classes below, name), smallest first, until exactly ``count`` groups are left in ``members``."""

    def smallest_first(node: str) -> tuple[int, str]:
        return len(members[node]), node

    def below(node: str) -> int:
        return sum(len(members[child]) for child in waiting[node])

    for node in sorted(ready, key=lambda node: (below(node), node)):
        excess = len(members) - count
        if excess == 0:
            return
        merged = sorted(waiting[node], key=smallest_first)[: excess + 1]
        members[node] = [item for child in merged for item in members.pop(child)]


def hierarchy_classes(
    tree: ClassTree, size: int, representative: Representative = Representative.LOWEST
) -> tuple[str, ...]:
    """One class of each of ``size`` coarse groups, in sorted order.

    Args:
        representative: the first class of the group in the dataset's order, or its ``tree_medoid``.

    Raises:
        InputError: ``size`` is not between 1 and the number of classes.
    """
    groups = coarse_groups(tree, size)
    if representative is Representative.LOWEST:
        return tuple(sorted(group.class_ids[0] for group in groups))
    return tuple(sorted(tree_medoid(tree, group.class_ids) for group in groups))


def tree_medoid(tree: ClassTree, class_ids: Sequence[str]) -> str:
    """The class with the least sum of path lengths to the others; the first of equals."""
    paths = [tree.path(class_id) for class_id in class_ids]
    through: dict[str, int] = {}
    for path in paths:
        for node in path:
            through[node] = through.get(node, 0) + 1
    # Path length from a to b is depth(a) + depth(b) - 2 depth(common); the nodes above both number depth(common) + 1.
    # So the sum over b is, up to what all a share, len(class_ids) * depth(a) - 2 * (paths through each node above a).
    distances = [len(paths) * len(path) - 2 * sum(through[node] for node in path) for path in paths]
    return class_ids[distances.index(min(distances))]


def _choose(request: Request) -> Choice:
    tree = tree_of(request.catalog) if request.tree is None else read_tree(request.tree, request.catalog)
    chosen = hierarchy_classes(tree, request.size, request.representative)
    return Choice(chosen, {"representative": request.representative})


WNH = Policy(
    "wnh",
    "one class of each coarse group of the class tree (WordNet for ImageNet, scripts for Glyphs)",
    _choose,
    takes=("tree", "representative"),
)
