"""``extends:`` in protocol files: what is merged how, and that errors name the file and line of what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from dlth_bench.protocols.protocol_file import MAX_BASES, read_extended, read_protocol
from dlth_bench.util.errors import InputError
from tiny_grid import tiny_text

CHANGED = "extends: tiny.yaml\nname: mine\nsubset: {maximum: 5}\nseeds: [7]\ntitle: Mine\n"


def write(folder: Path, **texts: str) -> Path:
    """The folder with a YAML file of each name."""
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def read(folder: Path, **texts: str) -> object:
    """The document in ``mine.yaml``, without the keys that hold anchors."""
    document, _ = read_extended(write(folder, **texts) / "mine.yaml")
    return {key: value for key, value in document.items() if not key.startswith("x-")}


def refusal(folder: Path, **texts: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read_protocol(write(folder, **texts) / "mine.yaml")
    assert str(caught.value).isprintable()
    return caught.value


def test_a_protocol_in_two_files_is_that_in_one(tmp_path: Path) -> None:
    """The digest is that of what the files say together, so that parts can be moved to a base at any time."""
    write(tmp_path, tiny=tiny_text(), mine=CHANGED)
    whole = yaml.safe_load(tiny_text()) | {"name": "mine", "seeds": [7], "title": "Mine"}
    whole["subset"] = whole["subset"] | {"maximum": 5}
    write(tmp_path, whole=yaml.safe_dump(whole))
    mine, same = read_protocol(tmp_path / "mine.yaml"), read_protocol(tmp_path / "whole.yaml")
    assert mine == same
    assert mine.digest == same.digest


def test_mappings_are_merged_and_all_else_is_replaced(tmp_path: Path) -> None:
    """Keys of a base stay unless the file says otherwise, at any depth; a list is the file's own, null is a value."""
    base = "a: {b: {c: 1, d: 2}, e: [1, 2]}\nf: {g: 1}\nh: 1\ni: {j: 1}\n"
    mine = "extends: base.yaml\na: {b: {d: 3}, e: [4]}\nf: 5\nh: null\ni: {k: 2}\n"
    expected = {"a": {"b": {"c": 1, "d": 3}, "e": [4]}, "f": 5, "h": None, "i": {"j": 1, "k": 2}}
    assert read(tmp_path, base=base, mine=mine) == expected


def test_what_a_merge_key_brings_counts_as_the_files_own(tmp_path: Path) -> None:
    """``<<`` in a file stands for the pairs that it brings, which win over the base as those written out do."""
    mine = "extends: base.yaml\nx-a: &new {rate: 2, decay: 2}\na: {<<: *new, decay: 3}\n"
    assert read(tmp_path, base="a: {rate: 1, decay: 1, kind: sgd}\n", mine=mine) == {
        "a": {"rate": 2, "decay": 3, "kind": "sgd"}
    }


def test_anchors_of_bases_can_be_used(tmp_path: Path) -> None:
    """Also before ``extends`` and those of a base's base; a file's own anchor of the same name wins."""
    root = "x-r: [&one 1, &two {k: 2}]\n"
    base = "extends: root.yaml\nx-b: &three {<<: *two, n: 3}\n"
    mine = "a: [*one, {<<: *three, m: 4}]\nb: &one 9\nc: *one\nextends: base.yaml\n"
    assert read(tmp_path, root=root, base=base, mine=mine) == {"a": [1, {"k": 2, "n": 3, "m": 4}], "b": 9, "c": 9}


def test_of_two_bases_the_later_wins(tmp_path: Path) -> None:
    """In values and anchors; one base may come in by two ways."""
    texts = {
        "root": "a: 0\nd: 0\n",
        "first": "extends: root.yaml\na: 1\nb: 1\nx-a: &v 1\n",
        "second": "extends: root.yaml\nb: 2\nx-a: &v 2\n",
        "mine": "extends: [first.yaml, second.yaml]\nc: *v\n",
    }
    assert read(tmp_path, **texts) == {"a": 0, "b": 2, "c": 2, "d": 0}


def test_paths_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to the working folder, and for a base's base to the base."""
    for folder in ("grids/parts", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    write(tmp_path, root="a: 1\n")
    write(tmp_path / "grids" / "parts", base="extends: ../../root.yaml\nb: 2\n")
    write(tmp_path / "grids", mine="extends: parts/base.yaml\nc: 3\n")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_extended(Path("../grids/mine.yaml"))[0] == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    ("base", "mine", "wrong"),
    [
        (tiny_text().replace("temperature: 0.2", "temperature: warm"), CHANGED, "base: temperature: warm"),
        (tiny_text(), CHANGED + "budget: hours\n", "mine: budget: hours"),
        (tiny_text(), CHANGED.replace("maximum: 5", "maximum: 5, minimum: 9"), "mine: minimum: 9"),
        (tiny_text().replace("minimum: 3", "minimum: many"), CHANGED, "base: minimum: many"),
        (tiny_text() + "colour: red\n", CHANGED, "base: colour: red"),
        (tiny_text() + "x-a: &low {min_train_accuracy: low}\n", CHANGED + "underfit: *low\n", "base: accuracy: low"),
        (tiny_text() + "x-a: !!python/name:os.system {}\n", CHANGED, "base: !!python"),
        (tiny_text() + "x-a: ]\n", CHANGED, "base: x-a: ]"),
        (tiny_text(), CHANGED + "x-a: *nowhere\n", "mine: *nowhere"),
        (tiny_text(), CHANGED + "x-a: &a {<<: *a}\n", "mine: *a"),
        (tiny_text(), CHANGED + "x-a: {<<: 3}\n", "mine: <<: 3"),
    ],
)  # fmt: skip
def test_an_error_names_the_file_in_which_it_stands(base: str, mine: str, wrong: str, tmp_path: Path) -> None:
    """Whoever extends a file is sent to the line to change, in whichever file that is."""
    error = refusal(tmp_path, tiny=base, mine=mine)
    name, _, marker = wrong.partition(": ")
    file, text = ("tiny.yaml", base) if name == "base" else ("mine.yaml", mine)
    assert error.source == str(tmp_path / file)
    assert error.line == [number for number, line in enumerate(text.splitlines(), 1) if marker in line][-1], error


def test_a_date_that_is_none_is_of_the_base(tmp_path: Path) -> None:
    """What YAML cannot make a value of has no line, but a file."""
    error = refusal(tmp_path, tiny=tiny_text() + "x-a: 2026-13-01\n", mine=CHANGED)
    assert error.source == str(tmp_path / "tiny.yaml")


@pytest.mark.parametrize(
    ("base", "named", "told"),
    [
        ("a: 1", "tinny.yaml", "'tinny.yaml' is no file; paths are relative to this one"),
        ("a: 1", '"a\\0\\e.yaml"', r"'a\x00\x1b.yaml' is no file"),
        ("a: 1", "a" * 500 + ".yaml", "is no file"),
        ("a: 1", "../../../../../etc/passwd", "is not the path of a .yaml file relative to this one"),
        ("a: 1", "/etc/grid.yaml", "is not the path of a .yaml file relative to this one"),
        ("a: 1", "{tiny.yaml: 1}", "must be the path of a file, or a list of paths"),
        ("a: 1", "[tiny.yaml, [tiny.yaml]]", "must be the path of a file, or a list of paths"),
        ("a: 1", "[]", "must be the path of a file, or a list of paths"),
        ("a: 1", "", "must be the path of a file, or a list of paths"),
        ("a: 1", "mine.yaml", "'mine.yaml' extends this file in turn"),
        ("- 1", "tiny.yaml", "'tiny.yaml' is no mapping"),
        ("# nothing", "tiny.yaml", "'tiny.yaml' is no mapping"),
        ("a: 1", f"[{'tiny.yaml,' * (MAX_BASES + 1)}]", "at most 16 in all"),
    ],
)
def test_what_cannot_be_extended_is_told_at_its_line(base: str, named: str, told: str, tmp_path: Path) -> None:
    """One line that says what would be right, whatever stands there."""
    error = refusal(tmp_path, tiny=base, mine=f"# my grid\nextends: {named}\n")
    assert told in error.message
    assert (error.source, error.line) == (str(tmp_path / "mine.yaml"), 2)


def test_a_circle_is_refused(tmp_path: Path) -> None:
    """Bases that extend each other are told where the circle closes, also by way of another path to the file."""
    (tmp_path / "sub").mkdir()
    error = refusal(tmp_path, mine="extends: one.yaml\n", one="a: 1\nextends: sub/../mine.yaml\n")
    assert (error.source, error.line) == (str(tmp_path / "one.yaml"), 2)
    assert "'sub/../mine.yaml' extends this file in turn" in error.message


def test_bases_of_bases_are_counted_together(tmp_path: Path) -> None:
    """Each of five files names the next twice: 2 + 4 + 8 + 16 files would be read."""
    chain = {f"f{index}": f"extends: [f{index + 1}.yaml, f{index + 1}.yaml]\n" for index in range(4)}
    assert "at most 16 in all" in refusal(tmp_path, mine=chain["f0"], **chain, f4="a: 1\n").message


def test_small_files_that_stand_for_huge_ones_are_read_at_once(tmp_path: Path) -> None:
    """Sixty doublings, by aliases or by ``<<``, in the file and in its base: each part is merged once."""
    doubled = "".join(f"x-{n}: &a{n} {{l: *a{n - 1}, r: *a{n - 1}}}\n" for n in range(1, 60))
    merged = "".join(f"y-{n}: &b{n} {{<<: [*b{n - 1}, *b{n - 1}]}}\n" for n in range(1, 60))
    text = "x-0: &a0 {k: 1}\n" + doubled + "y-0: &b0 {k: 1}\n" + merged + "z: *a59\n"
    document, _ = read_extended(write(tmp_path, base=text, mine="extends: base.yaml\n" + text) / "mine.yaml")
    assert document["y-59"] == {"k": 1}
    assert document["z"]["l"] is document["z"]["r"]
