"""Lists of samples: how they are told from lists of classes, and what is refused with which words."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo, SampleCatalog
from dlth_bench.subsets.subset import Subset, load_subset, parse_subset
from dlth_bench.util.errors import InputError

ANIMALS = ClassCatalog(
    "animals",
    "a word such as tench",
    (
        ClassInfo("tench", "tench", aliases=("0", "/")),
        ClassInfo("shark", "shark", aliases=("[",)),
        ClassInfo("ox", "ox"),
    ),
)
PLANTS = ClassCatalog("plants", "a word such as oak", (ClassInfo("oak", "oak"), ClassInfo("elm", "elm")))
IDS = tuple(f"{name}/{number:04d}" for name in ANIMALS.ids for number in range(4))
SAMPLES = SampleCatalog("animals", IDS, array("i", (label for label in range(3) for _ in range(4))), ANIMALS.ids, 4)


def parsed(text: str) -> Subset:
    return parse_subset(text, ANIMALS, samples=lambda: SAMPLES, source="mine.txt", other_catalogs=(ANIMALS, PLANTS))


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_unit_is_told_from_the_list() -> None:
    """The same kind of file lists classes or samples, with notes; nobody has to say which."""
    subset = parsed("# mine\n\n  tench/0002\t# a note\nox/0000\ntench/0001\n")
    assert (subset.unit, subset.ids) == ("sample", ("ox/0000", "tench/0001", "tench/0002"))
    assert (subset.class_ids, subset.samples, subset.counted) == (("ox", "tench"), 3, "3 samples")
    classes = parsed("/\nox\n")
    assert (classes.unit, classes.ids) == ("class", ("ox", "tench"))
    assert (classes.class_ids, classes.samples, classes.counted) == (classes.ids, None, "2 classes")


def test_list_of_classes_never_asks_for_samples() -> None:
    """A dataset whose samples are not at hand, or a million, costs a list of classes nothing, not even with a typo."""

    def forbidden() -> SampleCatalog:
        raise AssertionError

    assert parse_subset("tench\nox\n", ANIMALS, samples=forbidden).unit == "class"
    with pytest.raises(InputError, match="'oxx' is not a class of animals"):
        parse_subset("tench\noxx\n", ANIMALS, samples=forbidden)


@pytest.mark.parametrize("encode", [lambda t: t, lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n")])
def test_windows_files_are_read(encode: Callable[[str], str], tmp_path: Path) -> None:
    """A byte order mark and CRLF line ends do not change the subset."""
    path = tmp_path / "s.txt"
    path.write_bytes(encode("ox/0001\nox/0000\n").encode())
    assert load_subset(path, ANIMALS, samples=lambda: SAMPLES).ids == ("ox/0000", "ox/0001")


@given(st.sets(st.sampled_from(IDS), min_size=1))
def test_canonical_text_round_trips(ids: set[str]) -> None:
    """What the bench writes, it reads back as the same subset."""
    subset = Subset(dataset="animals", unit="sample", ids=tuple(ids))
    assert parsed(subset.canonical_text()) == subset
    assert Subset.model_validate_json(subset.model_dump_json()) == subset


def test_digest_is_pinned() -> None:
    """The digest of a sample subset does not change between versions."""
    subset = Subset(dataset="glyphs", unit="sample", ids=("U+0042/DejaVuSans", "U+0041/DejaVuSans"))
    assert subset.digest == "a6a58c4a07c481c685a1276c88801718e4364b697ff1aa8c88630a6aec8457f4"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ox/0001\nox/00002\n", "2: 'ox/00002' is not a training sample of animals (the first 4 of each class); "
         "did you mean 'ox/0002'?"),
        ("ox/0001\nsharks/0002\n", "2: 'sharks/0002' is not a training sample of animals (the first 4 of each class); "
         "did you mean 'shark/0002'?"),
        ("ox/0001\n0/0002\n", "2: '0/0002' is not a training sample of animals (the first 4 of each class); "
         "did you mean 'tench/0002'?"),
        ("a/b\n", "1: 'a/b' is not a training sample of animals (the first 4 of each class); "
         "write an ID such as tench/0000"),
        ("ox/0001 ox/0002\n", "1: 'ox/0001 ox/0002' is not a training sample of animals (the first 4 of each class); "
         "write one ID a line, and notes after ' #'"),
        ("ox/0001\n\nox/0002\nox/0001\n", "4: 'ox/0001' is listed twice, first on line 1"),
        ("ox/0001\nox/0002\n# x\ntench\n", "4: 'tench' is a class in a list of samples; list one or the other"),
        ("ox\nox/0001\nshark\n", "2: 'ox/0001' is a sample in a list of classes; list one or the other"),
        ("ox\n[/0001\n", "2: '[/0001' is not a class of animals; write a word such as tench"),
        ("oak/1\nelm/1\n", "1: looks like a sample list of plants, but this dataset is animals"),
        ("\x1b[2J/0001\nox/0001\n", r"1: '\x1b[2J/0001' is not a training sample of animals "
         "(the first 4 of each class); write an ID such as tench/0000"),
    ],
)  # fmt: skip
def test_refusals_name_the_line(text: str, told: str) -> None:
    """A wrong entry is one line with file, line and what would be right."""
    assert refusal(text) == f"mine.txt:{told}"


def test_list_of_samples_where_only_classes_are_taken() -> None:
    """Without samples to choose from, a list of samples is refused as that and not as unknown classes."""
    with pytest.raises(InputError, match=r"s\.txt:2: lists samples; only classes can be chosen here"):
        parse_subset("# x\nox/0001\n", ANIMALS, source="s.txt")


@given(st.text(alphabet="ox/01[#\n \ufeff", max_size=60))
def test_any_text_is_a_subset_or_an_input_error(text: str) -> None:
    """No text crashes the parser."""
    try:
        subset = parsed(text)
    except InputError as error:
        assert str(error).isprintable()
    else:
        assert set(subset.ids) <= {*IDS, *ANIMALS.ids}


@pytest.mark.parametrize("item", ["ox", "ox/", "/1", "a/b/c", "a/b c"])
def test_model_refuses_what_is_no_sample_id(item: str) -> None:
    """An ID in a stranger's JSON has a class and a name, so the classes of a subset are always known."""
    with pytest.raises(ValidationError, match="which is <class ID>/<name>"):
        Subset(dataset="animals", unit="sample", ids=(item,))
