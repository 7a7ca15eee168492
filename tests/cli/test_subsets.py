"""The ``subsets`` commands: what they print, for people and as JSON, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dlth_bench.cli.subsets import app, tree_summary
from dlth_bench.datasets.catalog import ClassInfo
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.subsets.find import find_subset
from dlth_bench.subsets.subset import Subset
from dlth_bench.util.errors import InputError


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result


def _refused(*arguments: str) -> InputError:
    """The error that ``main`` prints as one line, with exit code 2."""
    error = CliRunner().invoke(app, list(arguments)).exception
    assert isinstance(error, InputError), error
    assert str(error).isprintable()
    return error


def test_list_names_every_shipped_subset() -> None:
    """The table has a line for each shipped list with its size and policy."""
    lines = _run("list", "--dataset", "imagenet").output.splitlines()
    for words in (["pd-bottom", "100", "PD-Bottom"], ["erc-155", "155", "ERC"], ["imagewoof", "10"]):
        assert any(all(word in line for word in ["imagenet", *words]) for line in lines)


def test_list_json_is_machine_readable() -> None:
    """The JSON listing carries digest, source and licence of each list."""
    listed = json.loads(_run("list", "--json").output)
    entry = next(item for item in listed if item["name"] == "cmc-100")
    assert (entry["dataset"], entry["size"], entry["policy"]) == ("imagenet", 100, "RS")
    assert entry["digest"] == find_subset("cmc-100").subset.digest
    assert "HobbitLong/CMC" in entry["source"]
    assert entry["licence"]


def test_list_of_an_unknown_dataset() -> None:
    """A mistyped dataset is an error, not an empty table."""
    assert "valid are agnews, cifar10, cifar100, glyphs, imagenet" in str(_refused("list", "--dataset", "imagenet21k"))


def test_show_prints_classes_tree_and_origin() -> None:
    """A person sees which classes, whence in the tree, and who chose them."""
    output = _run("show", "imagewoof").output
    assert "n02115641" in output
    assert "dingo" in output
    assert "policy: hand-picked" in output
    assert "fastai/imagenette" in output
    assert find_subset("imagewoof").subset.digest in output
    assert "terrier" in output


def test_show_json_holds_every_class(tmp_path: Path) -> None:
    """The JSON view of a user's own file has IDs and names in the dataset's order, and no invented origin."""
    path = tmp_path / "mine.txt"
    path.write_text("goldfish\n0 # tench\nn01484850\n")
    shown = json.loads(_run("show", str(path), "--dataset", "imagenet", "--json").output)
    assert [item["name"] for item in shown["classes"]] == ["tench", "goldfish", "great white shark"]
    assert shown["classes"][0]["tree"][0] == "entity"
    assert (shown["name"], shown["size"], shown["policy"]) == ("mine", 3, None)


def test_show_prints_a_strangers_card_as_plain_text(tmp_path: Path) -> None:
    """Text of a card that the terminal library would read as markup is shown as it is."""
    (tmp_path / "mine.txt").write_text("[\n]\n/\n")
    digest = Subset(dataset="glyphs", ids=("U+002F", "U+005B", "U+005D")).digest
    card = f"policy: '[bold]RS[/nope]'\nsource: here\nlicence: CC0\ndigest: {digest}\n"
    (tmp_path / "mine.yaml").write_text(card)
    output = _run("show", str(tmp_path / "mine.txt")).output
    assert "policy: [bold]RS[/nope]" in output
    assert "U+005B" in output


def test_show_unknown_name() -> None:
    """A mistyped name of a shipped list is an error with the right name."""
    assert "did you mean 'imagewoof'?" in str(_refused("show", "imagewof"))


def test_lint_says_ok_with_size_and_digest(tmp_path: Path) -> None:
    """A good list gives one line that can be compared between machines."""
    path = tmp_path / "mine.txt"
    path.write_text("# fish\nn01440764\nn01443537\n")
    output = _run("lint", str(path)).output
    assert output.count("\n") == 1
    assert output.startswith(f"OK: {path}: 2 classes of imagenet, digest ")


def test_lint_of_the_other_dataset(tmp_path: Path) -> None:
    """A list of ImageNet given as one of Glyphs is recognised, in a line with file and line number."""
    path = tmp_path / "mine.txt"
    path.write_text("n01440764\nn01443537\n")
    message = f"{path}:1: looks like a class list of imagenet, but this dataset is glyphs"
    assert str(_refused("lint", str(path), "--dataset", "glyphs")) == message


def test_lint_bad_list(tmp_path: Path) -> None:
    """A bad list is an InputError that names file and line."""
    path = tmp_path / "mine.txt"
    path.write_text("U+0041\nA\n")
    assert str(_refused("lint", str(path))) == f"{path}:2: 'A' is the same class as 'U+0041' on line 1"


@pytest.mark.parametrize("command", ["list", "show", "lint"])
def test_help_has_an_example(command: str) -> None:
    """The help of each command shows how it is called."""
    assert f"Example: dlth-bench subsets {command}" in _run(command, "--help").output


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 1000])
@pytest.mark.parametrize("name", ["imagewoof", "erc-155"])
def test_tree_summary_counts_every_class_once(name: str, limit: int) -> None:
    """The branches of the summary add up to the subset and stay within the limit."""
    file = find_subset(name)
    members = tuple(info for info in file.catalog if info.id in file.subset.ids)
    groups = tree_summary(members, limit)
    assert sum(count for _, count in groups) == len(members)
    assert 1 <= len(groups) <= limit


def test_tree_summary_of_classes_at_different_depths() -> None:
    """A class directly below a node is counted beside the node's branches; a class without a tree is the root's."""
    members = (
        ClassInfo("1", "1", tree=("a",)),
        ClassInfo("2", "2", tree=("a", "b")),
        ClassInfo("3", "3", tree=("a", "b")),
        ClassInfo("4", "4"),
    )
    assert tree_summary(members) == [("a / b", 2), ("(root)", 1), ("a", 1)]


def test_tree_summary_of_glyphs() -> None:
    """Glyphs are grouped by script and kind of character."""
    members = tuple(info for info in class_catalog("glyphs") if info.id in {"U+0041", "U+0042", "U+0061"})
    assert tree_summary(members, 2) == [("Latin / Uppercase letter", 2), ("Latin / Lowercase letter", 1)]
