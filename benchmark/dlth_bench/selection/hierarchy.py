"""WNH: coarse groups of a class tree, one class of each (WordNet hierarchy, section 3.3 of the DLTH paper).

The paper merges "leaf nodes that have a common parent" and repeats "until obtaining enough coarse classes", which
leaves the order open. Here: (1) in each round every node whose children are all coarse leaves absorbs them, all such
nodes at once, as long as K or more groups remain; (2) in the last round one node at a time, the smallest first, and a
node that would overshoot merges only its smallest children. Merging the deepest siblings first instead would leave
one group of all animals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlth_bench.selection.class_tree import ClassTree, read_tree, tree_of
from dlth_bench.selection.policy import Choice, Policy, Representative, Request, size_within


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
