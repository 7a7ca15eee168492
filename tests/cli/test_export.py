"""``subsets export``: an ImageFolder of links."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from dlth_bench.cli.main import app
from dlth_bench.subsets.find import find_subset
from dlth_bench.util.errors import InputError

IDS = find_subset("imagenette").subset.ids


def full_dataset(root: Path, splits: tuple[str, ...]) -> Path:
    for split in splits:
        for class_id in (*IDS, "n00000000"):
            (root / split / class_id).mkdir(parents=True)
            (root / split / class_id / "0.JPEG").write_text(f"{split} {class_id}")
    return root


def export(source: Path, target: Path) -> str:
    arguments = ["subsets", "export", "imagenet/imagenette", "--from", str(source), "--to", str(target)]
    result = CliRunner().invoke(app, arguments)
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.exception
    return result.output


@pytest.mark.parametrize("splits", [("train", "val"), ("train",), (".",)])
def test_links_to_the_class_folders(splits: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The subset's classes, and no other, are there in every split, as links to the images."""
    full_dataset(tmp_path / "full", splits)
    monkeypatch.chdir(tmp_path)  # a relative --from must not make links that lead nowhere
    output = export(Path("full"), Path("new/subset"))
    assert f"links to {10 * len(splits)} class folders of full" in output
    for split in splits:
        folder = tmp_path / "new" / "subset" / split
        assert {item.name for item in folder.iterdir()} == set(IDS)
        assert all(item.is_symlink() for item in folder.iterdir())
        assert (folder / IDS[0] / "0.JPEG").read_text() == f"{split} {IDS[0]}"
    assert [item.name for item in (tmp_path / "new").iterdir()] == ["subset"]


def test_missing_folders_are_named(tmp_path: Path) -> None:
    """A class without a folder is named, and nothing is made."""
    source = full_dataset(tmp_path / "full", ("train", "val"))
    (source / "val" / IDS[3]).rename(source / "val" / "elsewhere")
    with pytest.raises(InputError, match=rf"full: lacks 1 of 20 class folders: val/{IDS[3]}$"):
        export(source, tmp_path / "new")
    with pytest.raises(InputError, match=r"nowhere: is not a folder of class folders"):
        export(tmp_path / "nowhere", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder with something in it, a file or a link stays as it is; an empty folder is filled."""
    source = full_dataset(tmp_path / "full", ("train",))
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    for name in ("file", "link", "full"):
        with pytest.raises(InputError, match=f"{name}: exists and is not an empty folder; nothing is overwritten"):
            export(source, tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    export(source, tmp_path / "empty")
    assert (tmp_path / "empty" / "train" / IDS[0] / "0.JPEG").is_file()
