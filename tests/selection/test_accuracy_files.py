"""Per-class accuracy tables: what is understood, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlth_bench.datasets.catalog import ClassCatalog, ClassInfo
from dlth_bench.datasets.registry import class_catalog
from dlth_bench.selection.accuracies import read_class_accuracies, read_pool
from dlth_bench.selection.pd import Pattern, performance_driven
from dlth_bench.util.errors import InputError

# The class called 1 stands at index 2, as digits do among Glyphs.
CATALOG = ClassCatalog(
    "toys",
    "a name",
    (ClassInfo("x", "ex", ("both",)), ClassInfo("y", "why", ("both",)), ClassInfo("1", "one", ("uno",))),
)
RIGHT = {"x": 0.5, "y": 0.25, "1": 1.0}


def written(folder: Path, text: str, name: str = "net.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "class,accuracy\nx,0.5\ny,0.25\n1,1\n",
        "# a remark\nwnid,accuracy,comment\nuno,1.0,a\n\nx,.5,b\ny,0.25,c\n",
        "index,correct,total\n0,25,50\n1,1,4\n2,7,7\n",
        "\ufeffaccuracy,index,wnid\r\n0.5,0,x\r\n0.25,1,y\r\n1,2,1\r\n",
        "# percent\nclass,accuracy\nx,50\ny,25\n1,100\n",
        'name,class,resnet\nex,"x",0.5\n"w,h,y",y,0.25\none,1,1\n',
        " Class , Accuracy \n x , 0.5 \ny,0.25\n1,1\n",
        "SYNSET,top1\nx,0.5\ny,0.25\n1,1.0\n",
        "Class Index,Correct,Total\n0.0,25,50\n1.0,1.0,4.0\n2,7,7\n",
        ",wnid,accuracy\n2,x,0.5\n0,y,0.25\n1,1,1\n",
        "class,accuracy\nx,50\ny,25\n1,100\n",
        "class,Accuracy (%)\nx,50\ny,25\n1,100\n",
        "class,accuracy_percent\nx,50\ny,25\n1,100\n",
        "index,class,accuracy\n0,both,0.5\n1,both,0.25\n2,1,1\n",
    ],
)
def test_layouts(text: str, tmp_path: Path) -> None:
    """Every documented layout gives the same accuracies, in the dataset's order."""
    found = read_class_accuracies(written(tmp_path, text), CATALOG)
    assert found == RIGHT
    assert list(found) == list(CATALOG.ids)


def test_pool_of_columns_and_files(tmp_path: Path) -> None:
    """A pool is a column a model, a file a model, or both."""
    wide = written(tmp_path, "class,a,b\nx,0.5,0.1\ny,0.25,0.2\n1,1,0.3\n", "wide.csv")
    single = written(tmp_path, "index,correct,total\n0,25,50\n1,1,4\n2,7,7\n", "c.csv")
    pool = read_pool([wide, single], CATALOG)
    assert pool == {"a": RIGHT, "b": {"x": 0.1, "y": 0.2, "1": 0.3}, "c": RIGHT}
    assert read_class_accuracies(wide, CATALOG, "b") == pool["b"]
    with pytest.raises(InputError, match=r"wide.csv: has several models, name one with --model: a, b"):
        read_class_accuracies(wide, CATALOG)
    with pytest.raises(InputError, match=r"wide.csv: has no model 'z'; there are a, b"):
        read_class_accuracies(wide, CATALOG, "z")
    with pytest.raises(InputError, match="has a model 'a', as another file has"):
        read_pool([wide, wide], CATALOG)


HEAD = "class,accuracy\nx,0.5\ny,0.25\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD, "net.csv: 1 of 3 classes of toys are missing: 1"),
        (HEAD + "1,nan\n", "net.csv:4: 'accuracy' is nan; every class needs an accuracy"),
        (HEAD + "1,inf\n", "net.csv:4: 'accuracy' is inf"),
        (HEAD + "1,\n", "net.csv:4: 'accuracy' is empty"),
        (HEAD + "1,high\n", "net.csv:4: 'accuracy': 'high' is not a number"),
        (
            HEAD + "1,98.5\n",
            "net.csv:4: accuracy 98.5 is not between 0 and 1; for percent, call the column accuracy_percent",
        ),
        (HEAD + "1,-0.1\n", "net.csv:4: accuracy -0.1 is not between 0 and 1"),
        ("# percent\n" + HEAD + "1,101\n", "net.csv:5: accuracy 101 is not between 0 and 100$"),
        (HEAD + "x,0.5\n", "net.csv:4: class x stands here and on line 2"),
        (HEAD + "UNO,0.5\n", "net.csv:4: 'UNO' is not a class of toys; did you mean 'uno'"),
        (HEAD + "both,0.5\n", "net.csv:4: 'both' is ambiguous: write x or y"),
        (HEAD + "1\n", "net.csv:4: has 1 fields where the header has 2"),
        (HEAD + '"1,0.5\n', "net.csv:4: is not CSV"),
        ("index,accuracy\n3,0.5\n", "net.csv:2: index '3' is not a whole number from 0 to 2"),
        ("index,accuracy\n-1,0.5\n", "net.csv:2: index '-1' is not a whole number"),
        ("index,class,accuracy\n0,y,0.5\n", "net.csv:2: class 'y' and index '0' are different classes"),
        ("index,correct,total\n0,5,4\n", "net.csv:2: 5 correct of 4 is no count"),
        ("index,correct,total\n0,0,0\n", "net.csv:2: 0 correct of 0 is no count"),
        ("index,correct,total\n0,0.5,1\n", "net.csv:2: 0.5 correct of 1 is no count"),
        ("class,accuracy\nx,50\ny,25\n1,101\n", "net.csv:4: accuracy 101 is not between 0 and 100$"),
        ("index,accuracy\n1.5,0.5\n", "net.csv:2: index '1.5' is not a whole number"),
        ("Accuracy,class,accuracy\n1,x,1\n", "net.csv:1: has the column 'accuracy' twice"),
        (",accuracy\n0,0.5\n", "net.csv:1: needs a column class, wnid or index"),
        ("label,accuracy\nx,0.5\n", "net.csv:1: needs a column class, wnid or index"),
        ("# hi\nclass,name\nx,ex\n", "net.csv:2: needs a column class, wnid or index, and accuracy"),
        ("class,accuracy,accuracy\nx,1,1\n", "net.csv:1: has the column 'accuracy' twice"),
        ("class,accuracy,\nx,1,1\n", "net.csv:1: column 3 has no name"),
        ("\n", "net.csv: is empty"),
    ],
)
def test_bad_tables(text: str, words: str, tmp_path: Path) -> None:
    """What is wrong is said in one line with file and line, and no accuracy is made up."""
    with pytest.raises(InputError, match=words) as caught:
        read_class_accuracies(written(tmp_path, text), CATALOG)
    assert str(caught.value).isprintable()


def test_parquet(tmp_path: Path) -> None:
    """A Parquet table reads as the CSV table of the same cells does; a bad row is named by its number."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "net.parquet"
    parquet.write_table(pyarrow.table({"index": [2, 1, 0], "correct": [7, 1, 25], "total": [7, 4, 50]}), path)
    assert read_class_accuracies(path, CATALOG) == RIGHT
    parquet.write_table(pyarrow.table({"class": ["x", "y", "1"], "accuracy": [0.5, None, 1.0]}), path)
    with pytest.raises(InputError, match=r"net.parquet: row 2: 'accuracy' is empty"):
        read_class_accuracies(path, CATALOG)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match=r"net.parquet: is not a readable Parquet file"):
        read_class_accuracies(path, CATALOG)


def test_parquet_types(tmp_path: Path) -> None:
    """Narrow numbers mean what CSV tables write, and pandas' own column of row numbers is no model."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "net.parquet"
    columns = {
        "__index_level_0__": pyarrow.array([5, 1, 7], pyarrow.int64()),
        "Index": pyarrow.array([0, 1, 2], pyarrow.int64()),
        "a": pyarrow.array([0.82, 0.1, 0.3], pyarrow.float32()),
        "b": pyarrow.array([0.82, 0.1, 0.3], pyarrow.float64()),
    }
    parquet.write_table(pyarrow.table(columns), path)
    pool = read_pool([path], CATALOG)
    assert pool["a"] == pool["b"] == {"x": 0.82, "y": 0.1, "1": 0.3}
    names = pyarrow.array(["x", "y", "1"]).dictionary_encode()
    parquet.write_table(pyarrow.table({"wnid": names, "accuracy": pyarrow.array([50, 25, 100])}), path)
    assert read_class_accuracies(path, CATALOG) == RIGHT


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the message says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"reading Parquet needs pyarrow: pip install 'dlth-bench\[datasets\]'"):
        read_class_accuracies(tmp_path / "net.parquet", CATALOG)


def test_glyphs_index_is_a_position(tmp_path: Path) -> None:
    """Index 1 is the second character, not the digit."""
    catalog = class_catalog("glyphs")
    rows = "".join(f"{index},{index / 1000}\n" for index in range(len(catalog)))
    found = read_class_accuracies(written(tmp_path, "index,accuracy\n" + rows), catalog)
    assert found[catalog.ids[1]] == 0.001


def test_index_is_the_order_of_pretrained_models(tmp_path: Path) -> None:
    """Index k of an ImageNet table is the k-th sorted WordNet ID, so both kinds of tables choose the same classes."""
    catalog = class_catalog("imagenet")
    correct = [rank * 7919 % 51 for rank in range(len(catalog))]
    by_index = "".join(f"{index},{right},50\n" for index, right in enumerate(correct))
    pairs = list(zip(sorted(catalog.ids), correct, strict=True))
    by_wnid = "".join(f"{wnid},{right / 50}\n" for wnid, right in reversed(pairs))
    first = read_class_accuracies(written(tmp_path, "index,correct,total\n" + by_index), catalog)
    second = read_class_accuracies(written(tmp_path, "wnid,accuracy\n" + by_wnid), catalog)
    assert first == second
    # About 20 classes share each accuracy: the 100th hardest class is decided by the rule for ties.
    assert performance_driven(first, 100, "bottom") == performance_driven(second, 100, "bottom")


@pytest.mark.parametrize(("pattern", "chosen"), [("top", "ab"), ("mid", "cd"), ("bottom", "ef"), ("uniform", "be")])
def test_performance_patterns(pattern: Pattern, chosen: str) -> None:
    """The four patterns take their places in the ranking; classes of equal accuracy rank by ID."""
    accuracies = {"f": 0.1, "e": 0.5, "d": 0.5, "c": 0.5, "a": 0.9, "b": 0.8}
    assert performance_driven(accuracies, 2, pattern) == tuple(chosen)
