"""The ImageNet-1K catalog, the dataset registry and the shipped subsets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from dlth_bench.datasets.imagenet.classes import imagenet_catalog
from dlth_bench.datasets.registry import class_catalog, dataset_names, image_dataset
from dlth_bench.subsets.find import find_subset, read_subset, shipped_subsets
from dlth_bench.subsets.subset import SubsetCard, load_card, parse_subset
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import shipped_folder

SIZES = {"cmc-100": 100, "erc-155": 155, "imagenette": 10, "imagewoof": 10, "pd-bottom": 100, "scan-100": 100}
SIZES |= {"first-100": 100, "wnh-100": 100} | {f"rs-{seed}": 100 for seed in range(5)}


def test_labels_are_the_usual_ones() -> None:
    """Label k is the k-th sorted WordNet ID, as every ImageNet-1K model has it."""
    catalog = imagenet_catalog()
    assert len(catalog) == 1000
    assert list(catalog.ids) == sorted(set(catalog.ids))
    assert (catalog.ids[0], catalog.ids[999]) == ("n01440764", "n15075141")


def test_order_agrees_with_timm() -> None:
    """The class order equals the one that timm's pre-trained models predict."""
    timm = find_spec("timm")  # found, not imported: importing it would load torch
    assert timm is not None and timm.origin is not None
    synsets = Path(timm.origin).parent / "data" / "_info" / "imagenet_synsets.txt"
    assert list(imagenet_catalog().ids) == synsets.read_text().split()


@pytest.mark.parametrize(
    "spelling",
    [
        "n01484850",
        "2",
        "great white shark",
        "great white shark, white shark, man-eater, man-eating shark, Carcharodon carcharias",
    ],
)
def test_every_spelling_names_the_class(spelling: str) -> None:
    """WordNet ID, index, torchvision label and lemma string are accepted."""
    assert imagenet_catalog().index(spelling) == 2


def test_every_index_and_every_unambiguous_label_is_accepted() -> None:
    """No class is out of reach by index, and none is named by another's label."""
    catalog = imagenet_catalog()
    for label, info in enumerate(catalog):
        assert catalog.index(str(label)) == label
        assert catalog.index(info.name) == label or info.id in catalog.ambiguous(info.name)


@pytest.mark.parametrize(
    ("label", "candidates"),
    [("crane", ("n02012849", "n03126707")), ("maillot", ("n03710637", "n03710721"))],
)
def test_shared_labels_are_refused(label: str, candidates: tuple[str, str]) -> None:
    """A label that two classes share in common lists selects neither, and the message names both."""
    catalog = imagenet_catalog()
    assert catalog.index(label) is None
    assert catalog.ambiguous(label) == candidates
    with pytest.raises(InputError, match=f"s.txt:1: '{label}' is ambiguous: write {' or '.join(candidates)}"):
        parse_subset(label, catalog, source="s.txt")


def test_case_tells_classes_apart() -> None:
    """Cardigan is a dog, cardigan is clothing."""
    catalog = imagenet_catalog()
    assert catalog.index("Cardigan") == 264
    assert catalog.index("cardigan") == 474


def test_tree_runs_from_the_root_to_the_parent() -> None:
    """Each class hangs in WordNet by its first-listed hypernyms."""
    catalog = imagenet_catalog()
    assert all(info.tree[0] == "entity" for info in catalog)
    # An accordion is a keyboard instrument too, but that hypernym is listed second.
    assert catalog.classes[401].tree[-2:] == ("wind instrument", "free-reed instrument")
    assert catalog.classes[0].tree[-4:] == ("teleost fish", "soft-finned fish", "cypriniform fish", "cyprinid")


def test_wordnet_licence_comes_along() -> None:
    """WordNet's terms ask that the licence goes with every copy."""
    import dlth_bench.datasets.imagenet.classes as package

    assert "WordNet 3.0 Copyright" in (Path(package.__file__).parent / "WORDNET_LICENSE.txt").read_text()


# --- registry -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", dataset_names())
def test_every_dataset_has_a_catalog_of_its_own(name: str) -> None:
    """Each registered name yields the classes of that dataset, each ID naming its own class."""
    catalog = class_catalog(name)
    assert catalog.dataset == name
    assert [catalog.index(item) for item in catalog.ids] == list(range(len(catalog)))
    assert parse_subset("\n".join(catalog.ids), catalog).ids == tuple(sorted(catalog.ids))


@pytest.mark.parametrize("look_up", [class_catalog, image_dataset])
def test_unknown_dataset_lists_the_valid_ones(look_up: Callable[[str], object]) -> None:
    """A mistyped dataset says which there are."""
    known = "valid are agnews, cifar10, cifar100, glyphs, imagenet"
    with pytest.raises(InputError, match=rf"unknown dataset 'imagnet', {known}; did you mean 'imagenet'\?"):
        look_up("imagnet")


def test_catalogs_load_no_torch() -> None:
    """Looking at class lists starts at once: it does not import torch."""
    code = (
        "import sys; from dlth_bench.subsets.find import shipped_subsets; "
        "import dlth_bench.cli.subsets; shipped_subsets(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- shipped subsets ----------------------------------------------------------------------------------------


def test_every_shipped_list_is_valid_and_has_its_card() -> None:
    """Each shipped list parses, and its card (terms included) is the card of exactly this list."""
    files = shipped_subsets()
    assert {file.name: len(file.subset) for file in files if file.subset.dataset == "imagenet"} == SIZES
    for file in files:
        assert file.card is not None, file.path
        assert file.card.digest == file.subset.digest, file.path


def test_nothing_else_lies_among_the_shipped_lists() -> None:
    """No folder of an unknown dataset, no card without a list."""
    root = shipped_folder("subsets")
    assert {path.name for path in root.iterdir() if path.is_dir()} <= set(dataset_names())
    assert all(path.with_suffix(".txt").is_file() for path in root.glob("*/*.yaml"))


def test_published_overlaps_hold() -> None:
    """The lists overlap as their published sources do, so none was swapped or cut."""
    ids = {file.name: set(file.subset.ids) for file in shipped_subsets("imagenet")}
    assert len(ids["pd-bottom"] & ids["erc-155"]) == 1
    assert len(ids["cmc-100"] & ids["pd-bottom"]) == 10
    assert len(ids["cmc-100"] & ids["erc-155"]) == 18
    assert len(ids["cmc-100"] & ids["scan-100"]) == 12
    assert not ids["cmc-100"] & ids["imagenette"]


def test_shipped_name_misspelt() -> None:
    """A mistyped name of a shipped subset gets the right one."""
    with pytest.raises(
        InputError, match=r"'pd-botom' is neither a file nor a shipped subset; did you mean 'pd-bottom'\?"
    ):
        find_subset("pd-botom")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "no/such/folder.txt", "", "."])
def test_impossible_names(name: str) -> None:
    """Whatever is given as a name, the answer is an input error of one short line."""
    with pytest.raises(InputError) as caught:
        find_subset(name)
    assert str(caught.value).isprintable()


def test_name_and_path_find_the_same_subset() -> None:
    """A shipped subset is the same by name and by path."""
    by_name = find_subset("erc-155")
    assert find_subset(str(by_name.path)).subset == by_name.subset


def test_dataset_is_inferred_from_the_ids(tmp_path: Path) -> None:
    """Without a dataset, the one that knows most of the IDs is taken, and the odd one out is an error there."""
    path = tmp_path / "s.txt"
    path.write_text("n01440764\nn01443537\nU+0041\n")
    with pytest.raises(InputError, match=r"s.txt:3: 'U\+0041' is not a class of imagenet"):
        read_subset(path)


def test_undecidable_dataset_is_asked_for(tmp_path: Path) -> None:
    """Digits are glyphs and ImageNet indices: the bench asks rather than guesses."""
    path = tmp_path / "s.txt"
    path.write_text("1\n2\n3\n")
    with pytest.raises(InputError, match="could be classes of glyphs or of imagenet: name the dataset with --dataset"):
        read_subset(path)
    assert read_subset(path, "imagenet").subset.ids == ("n01443537", "n01484850", "n01491361")


def test_no_dataset_knows_it(tmp_path: Path) -> None:
    """A list of nothing known says so at its first line."""
    path = tmp_path / "s.txt"
    path.write_text("\nhello\n")
    with pytest.raises(InputError, match=r"s\.txt:2: 'hello' is not a class or sample of any dataset"):
        read_subset(path)


CARD = f"policy: RS\nsource: here\nlicence: CC0\ndigest: {'a' * 64}\n"


def test_card_reads(tmp_path: Path) -> None:
    """A minimal card needs no notes."""
    path = tmp_path / "s.yaml"
    path.write_text(CARD)
    assert load_card(path) == SubsetCard(policy="RS", source="here", licence="CC0", digest="a" * 64)


def test_card_of_another_list(tmp_path: Path) -> None:
    """A list that was edited without its card is noticed."""
    (tmp_path / "s.txt").write_text("tench\n")
    (tmp_path / "s.yaml").write_text(CARD)
    with pytest.raises(InputError, match=r"s.yaml: is the card of another list: 's.txt' has digest [0-9a-f]{64}"):
        read_subset(tmp_path / "s.txt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("policy: [\n", "s.yaml:2: is not valid YAML"),
        ("\x07", "s.yaml: is not valid YAML"),
        ("", "s.yaml: card: "),
        ("- a\n", "s.yaml: card: "),
        (CARD.replace("licence", "license"), "s.yaml: licence: Field required"),
        (CARD + "stars: 5\n", "s.yaml: stars: Extra inputs are not permitted"),
        (CARD.replace("here", '"\\e[31m"'), "s.yaml: source: Value error, must be one line"),
        ("[" * 20_000, "is not valid YAML"),
        ("policy: !!python/object/apply:os.getcwd []\n", "s.yaml:1: is not valid YAML"),
    ],
)
def test_bad_card(text: str, words: str, tmp_path: Path) -> None:
    """A bad card names the file and the field in one printable line, and executes nothing."""
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_card(path)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
