"""Subsets: what a file may look like, what is refused with which words, and when two subsets are the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo
from dlth_bench.subsets.subset import SizeRange, Subset, check_size, load_subset, parse_subset
from dlth_bench.util.errors import InputError


def _glyph(character: str) -> ClassInfo:
    name = unicodedata.name(character)
    return ClassInfo(id=f"U+{ord(character):04X}", name=name, aliases=(character, name))


GLYPHS = ClassCatalog("glyphs", "a code point such as U+0041", tuple(map(_glyph, '!"#$ABCXYZabcxyzéÅ')))
ANIMALS = ClassCatalog(
    "animals",
    "a word such as tench",
    (
        ClassInfo("tench", "tench", aliases=("0", "fish")),
        ClassInfo("shark", "shark", aliases=("1", "fish", "tench")),
        ClassInfo("crane", "crane", aliases=("2", "A")),
    ),
)


def _refusal(text: str, catalog: ClassCatalog = GLYPHS) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_subset(text, catalog, source="mine.txt", other_catalogs=(GLYPHS, ANIMALS))
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value


# --- what is accepted ---------------------------------------------------------------------------------------


def test_ids_aliases_comments_and_blanks_are_read() -> None:
    """A file may mix IDs, characters and names, with notes, blank lines and white space around them."""
    text = "# my subset\n\n  U+0041  \nb # the letter\n\tLATIN SMALL LETTER C\t# third\n   # indented\n"
    subset = parse_subset(text, GLYPHS, source="mine.txt")
    assert subset.ids == ("U+0041", "U+0062", "U+0063")
    assert (subset.dataset, subset.unit, len(subset)) == ("glyphs", "class", 3)


@pytest.mark.parametrize("encode", [lambda t: t, lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n")])
def test_windows_files_are_read(encode: Callable[[str], str], tmp_path: Path) -> None:
    """A byte order mark and CRLF line ends do not change the subset."""
    path = tmp_path / "s.txt"
    path.write_bytes(encode("U+0041\nU+0042\n").encode())
    assert load_subset(path, GLYPHS).ids == ("U+0041", "U+0042")


def test_hash_inside_a_line_is_not_a_comment() -> None:
    """Only a # at the start or after white space starts a comment."""
    assert "'A#b'" in str(_refusal("A#b\nB\nC\n"))


def test_decomposed_text_names_the_same_class() -> None:
    """An é that an editor saved as e plus accent is the class é."""
    assert parse_subset("e\u0301\n", GLYPHS).ids == ("U+00E9",)


def test_an_id_is_never_taken_for_another_class_alias() -> None:
    """In a catalog where one class lists another's ID as an alias, the ID wins."""
    assert parse_subset("tench\n", ANIMALS).ids == ("tench",)


@given(st.sets(st.sampled_from(GLYPHS.ids), min_size=1))
def test_canonical_text_round_trips(ids: set[str]) -> None:
    """What the bench writes, it reads back as the same subset."""
    subset = Subset(dataset="glyphs", ids=tuple(ids))
    assert parse_subset(subset.canonical_text(), GLYPHS) == subset


@given(
    st.lists(st.sampled_from(GLYPHS.classes), min_size=1, unique=True).flatmap(
        lambda chosen: st.tuples(st.just(chosen), st.permutations(chosen))
    ),
    st.data(),
)
def test_order_spelling_and_comments_do_not_change_the_digest(
    orders: tuple[list[ClassInfo], list[ClassInfo]], data: st.DataObject
) -> None:
    """Two files that name the same classes are the same subset, however they are written."""
    chosen, shuffled = orders
    comment = st.sampled_from(["", " # note", "\t#", "\r", "\n\n# a line"])
    lines = [data.draw(st.sampled_from([info.id, info.name])) + data.draw(comment) + "\n" for info in shuffled]
    written = parse_subset("".join(lines), GLYPHS)
    assert written.digest == Subset(dataset="glyphs", ids=tuple(info.id for info in chosen)).digest


def test_digest_is_pinned() -> None:
    """The digest of a subset does not change between versions: results of old days keep their subset."""
    subset = Subset(dataset="glyphs", ids=("U+0042", "U+0041"))
    assert subset.digest == "55b3517c143ff9f1ac39bd67006204571fe1045d9a1ac230cc5269941ed00c97"


def test_digest_tells_datasets_and_units_apart() -> None:
    """The same IDs of another dataset or unit are another subset."""
    variants = [
        Subset(dataset="a", ids=("x/1",)),
        Subset(dataset="b", ids=("x/1",)),
        Subset(dataset="a", unit="sample", ids=("x/1",)),
    ]
    assert len({variant.digest for variant in variants}) == 3


# --- what is refused ----------------------------------------------------------------------------------------


def test_unknown_id_names_file_line_and_neighbour() -> None:
    """A typo is found where it stands, with what was probably meant."""
    assert str(_refusal("A\nB\nU+0O43\n")) == "mine.txt:3: 'U+0O43' is not a class of glyphs; did you mean 'U+0043'?"


def test_unknown_id_without_neighbour_says_what_an_id_looks_like() -> None:
    """Where nothing is near, the message shows the form of an ID, and which look-alike a character is."""
    message = "mine.txt:2: 'А' (U+0410) is not a class of glyphs; write a code point such as U+0041"
    assert str(_refusal("A\n\u0410\n")) == message


def test_wrong_case_is_recognised() -> None:
    """A name in the wrong case gets its right spelling."""
    assert "did you mean 'LATIN SMALL LETTER C'?" in str(_refusal("A\nlatin small letter c\n"))


@pytest.mark.parametrize("line", ["A, B", "A B", "U+0041\tLATIN CAPITAL LETTER A"])
def test_several_things_on_a_line(line: str) -> None:
    """A comma-separated list, or a name after the ID, is told what to do instead."""
    refusal = _refusal(f"X\nY\n{line}\n")
    assert refusal.line == 3
    assert "write one ID a line, and notes after ' #'" in str(refusal)


def test_ambiguous_alias_names_the_candidates() -> None:
    """A label that two classes share selects neither of them silently."""
    assert str(_refusal("fish\n", ANIMALS)) == "mine.txt:1: 'fish' is ambiguous: write tench or shark"


def test_duplicate_names_the_first_line() -> None:
    """A class listed twice is refused, with both lines."""
    assert str(_refusal("A\n# x\nB\n\nA\n")) == "mine.txt:5: 'A' is listed twice, first on line 1"


def test_duplicate_in_two_spellings() -> None:
    """Two spellings of one class are a duplicate too, and both are shown."""
    assert str(_refusal("B\nU+0042 # B\n")) == "mine.txt:2: 'U+0042' is the same class as 'B' on line 1"


def test_line_numbers_survive_crlf_and_odd_separators() -> None:
    """The line number is the one an editor shows: form feeds and U+2028 are no line ends."""
    assert _refusal("A\r\n\x0c\r\nB # x\u2028y\r\nnope\r\n").line == 4


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_empty_list(text: str) -> None:
    """A file that selects nothing is not a subset."""
    assert str(_refusal(text)).startswith("mine.txt: lists no class; expected one ID a line")


def test_list_of_another_dataset() -> None:
    """A list that was meant for another dataset is recognised as such instead of one unknown ID."""
    message = str(_refusal("# animals\n0\n1\nA\n"))
    assert message == "mine.txt:2: looks like a class list of animals, but this dataset is glyphs"


def test_a_few_foreign_ids_are_plain_typos() -> None:
    """One stray ID of another dataset does not turn the list into that dataset's."""
    assert "'shark' is not a class of glyphs" in str(_refusal("A\nB\nshark\n"))


def test_escape_sequences_do_not_reach_the_terminal() -> None:
    """Control characters, direction marks and line separators are shown as escapes."""
    message = str(_refusal("A\nB\n\x1b[31mred\u202e\x07\n"))
    assert r"'\x1b[31mred\u202e\x07'" in message


def test_long_text_is_shortened() -> None:
    """A line of a hundred thousand characters gives a message of one screen line or two."""
    assert len(str(_refusal("A\n" + "n" * 100_000 + "\n"))) < 200


@given(st.text(max_size=200))
def test_any_text_is_a_subset_or_an_input_error(text: str) -> None:
    """No text crashes the parser, and no message carries raw control characters."""
    try:
        subset = parse_subset(text, GLYPHS, source="mine.txt", other_catalogs=(ANIMALS,))
    except InputError as error:
        assert str(error).isprintable()
    else:
        assert set(subset.ids) <= set(GLYPHS.ids)


# --- the model and the size ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ids", [(), ("a", "b", "a"), ("",), (" a",), ("a\nb",), ("#a",), ("a #b",), ("a\x1b",)])
def test_model_refuses_what_no_file_could_hold(ids: tuple[str, ...]) -> None:
    """A subset that arrives as JSON obeys the rules of one that arrives as text."""
    with pytest.raises(ValidationError):
        Subset(dataset="glyphs", ids=ids)


@pytest.mark.parametrize("dataset", ["", "../x", "A", "a b"])
def test_model_refuses_odd_dataset_names(dataset: str) -> None:
    """A dataset name is safe to use in a path."""
    with pytest.raises(ValidationError):
        Subset(dataset=dataset, ids=("x",))


def test_model_round_trips_as_json() -> None:
    """A subset stored in a result reads back equal."""
    subset = Subset(dataset="glyphs", ids=("U+0042", "U+0041"))
    assert subset.ids == ("U+0041", "U+0042")
    assert Subset.model_validate_json(subset.model_dump_json()) == subset


@pytest.mark.parametrize(
    ("ids", "limits", "words"),
    [
        ("AB", (10, 60), "mine.txt: has 2 classes, the protocol takes 10 to 60"),
        ("A", (2, 2), "mine.txt: has 1 class, the protocol takes exactly 2"),
        ("ABCXYZ", (2, 5), "mine.txt: has 6 classes, the protocol takes 2 to 5"),
    ],
)
def test_size_outside_the_rule(ids: str, limits: tuple[int, int], words: str) -> None:
    """A subset of the wrong size says how many it has and how many are taken."""
    subset = parse_subset("\n".join(ids), GLYPHS)
    with pytest.raises(InputError) as caught:
        check_size(subset, SizeRange(minimum=limits[0], maximum=limits[1]), source="mine.txt")
    assert str(caught.value) == words


def test_size_limits_are_inclusive() -> None:
    """Both ends of the rule are allowed."""
    check_size(parse_subset("A\nB\n", GLYPHS), SizeRange(minimum=2, maximum=2))
