"""WNH: coarse groups of a class tree."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from dlth_bench.datasets.registry import class_catalog
from dlth_bench.selection.policy import Representative
from dlth_bench.selection.wnh import ClassTree, coarse_groups, hierarchy_classes, read_tree, tree_medoid, tree_of
from dlth_bench.util.errors import InputError

EXPECTED = Path(__file__).parent / "wordnet_groups_100.csv"
"""100 groups of the 1000 classes by another implementation of the rule."""

#        root
#       /    \
#      a      b
#     / \    /|\
#    c   3  4 5 6
#   / \
#  1   2
SMALL = {"1": "c", "2": "c", "c": "a", "3": "a", "4": "b", "5": "b", "6": "b", "a": "root", "b": "root"}
LEAVES = ("1", "2", "3", "4", "5", "6")


def groups_of(count: int, parents: dict[str, str] = SMALL) -> dict[str, str]:
    tree = ClassTree.from_parents(parents, LEAVES)
    return {group.node: "".join(group.class_ids) for group in coarse_groups(tree, count)}


def test_hundred_groups_of_imagenet() -> None:
    """100 groups of ImageNet are the published ones, node by node and class by class."""
    groups = coarse_groups(tree_of(class_catalog("imagenet")), 100)
    with EXPECTED.open(newline="") as file:
        expected = {row["wnid"]: row["group_wnid"] for row in csv.DictReader(file)}
    assert len(groups) == 100
    assert {class_id: group.node for group in groups for class_id in group.class_ids} == expected


@pytest.mark.parametrize("dataset", ["glyphs", "imagenet"])
@pytest.mark.parametrize("count", [1, 2, 24, 99, 245])
def test_any_number_of_groups(dataset: str, count: int) -> None:
    """Whatever K is, there are K groups that hold every class once, and K classes are chosen."""
    tree = tree_of(class_catalog(dataset))
    groups = coarse_groups(tree, count)
    assert len(groups) == count
    assert sorted(item for group in groups for item in group.class_ids) == sorted(tree.class_ids)
    for representative in Representative:
        assert len(set(hierarchy_classes(tree, count, representative))) == count


def test_rounds() -> None:
    """A round merges all ready nodes at once; the last one the smallest first, and no more than needed."""
    assert groups_of(6) == {leaf: leaf for leaf in LEAVES}
    assert groups_of(5) == {"c": "12", "3": "3", "4": "4", "5": "5", "6": "6"}
    # c, then of b's children the two smallest: b is ready, but merging all three would leave 3 groups.
    assert groups_of(4) == {"c": "12", "3": "3", "b": "45", "6": "6"}
    assert groups_of(3) == {"c": "12", "3": "3", "b": "456"}
    assert groups_of(2) == {"a": "123", "b": "456"}
    assert len(groups_of(1)) == 1


def test_chains_of_only_children_count_as_rounds() -> None:
    """An only child delays its branch by a round, as the rule keeps unary chains."""
    chained = SMALL | {"c": "x", "x": "a"}
    assert groups_of(3, chained) == {"c": "12", "3": "3", "b": "456"}
    # 'a' is ready a round later, when 'x' has replaced 'c'.
    assert groups_of(2, chained) == {"a": "123", "b": "456"}


def test_representatives() -> None:
    """The lowest class is the first in order; the medoid is nearest to all, the first of equals."""
    tree = ClassTree.from_parents(SMALL, LEAVES)
    assert hierarchy_classes(tree, 2) == ("1", "4")
    # Paths in the group of a: 1-2 are 2 apart, 3 is 3 from each, so 1 and 2 tie and 1 wins.
    assert hierarchy_classes(tree, 2, Representative.MEDOID) == ("1", "4")
    reordered = ClassTree.from_parents(SMALL, ("3", "2", "1", "6", "5", "4"))
    assert hierarchy_classes(reordered, 2) == ("3", "6")
    assert hierarchy_classes(reordered, 2, Representative.MEDOID) == ("2", "6")


def test_medoid_equals_the_least_sum_of_path_lengths() -> None:
    """The medoid of ImageNet's largest group is the one found by walking every pair of paths."""
    tree = tree_of(class_catalog("imagenet"))
    largest = max(coarse_groups(tree, 300), key=lambda group: len(group.class_ids)).class_ids

    def length(one: str, other: str) -> int:
        return len(set(tree.path(one)) ^ set(tree.path(other)))

    sums = [sum(length(one, other) for other in largest) for one in largest]
    assert tree_medoid(tree, largest) == largest[sums.index(min(sums))]


@pytest.mark.parametrize(
    ("parents", "words"),
    [
        (SMALL | {"root": "c"}, "the class tree runs in a circle: c -> a -> root -> c"),
        (SMALL | {"1": "2"}, "class '2' lies above another class"),
        ({key: value for key, value in SMALL.items() if key != "5"}, "class '5' has no parent"),
        (SMALL | {"a": "a"}, "runs in a circle: a -> a"),
    ],
)
def test_no_tree(parents: dict[str, str], words: str) -> None:
    """What is no tree above the classes is refused with the place."""
    with pytest.raises(InputError, match=words):
        groups_of(2, parents)


@pytest.mark.parametrize("count", [0, 7, -1])
def test_impossible_size(count: int) -> None:
    """More groups than classes, or none, is an input error."""
    with pytest.raises(InputError, match="there are 6 classes to choose from"):
        groups_of(count)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("child,parent\nU+0041,a\na,b\nb,a\n", "t.csv: the class tree runs in a circle: a -> b -> a|has no parent"),
        ("a,b\n1,2\n", "t.csv:1: needs the columns child and parent"),
        ("child,parent\nx,y\n\nx,z\n", "t.csv:4: 'x' has a second parent"),
        ("child,parent\nx,\n", "t.csv:2: needs a child and a parent"),
        ("child,parent\nx,y,z\n", "t.csv:2: has 3 fields where the header has 2"),
        ("", "t.csv: is empty"),
    ],
)
def test_bad_tree_file(text: str, words: str, tmp_path: Path) -> None:
    """A wrong tree file is named with its line."""
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        read_tree(path, class_catalog("glyphs"))


def test_own_tree(tmp_path: Path) -> None:
    """A tree of one's own decides the groups."""
    catalog = class_catalog("glyphs")
    path = tmp_path / "t.csv"
    rows = [f"{class_id},{'odd' if index % 2 else 'even'}\n" for index, class_id in enumerate(catalog.ids)]
    path.write_text("# by parity\nchild,parent\n" + "".join(rows))
    assert hierarchy_classes(read_tree(path, catalog), 2) == tuple(catalog.ids[:2])
