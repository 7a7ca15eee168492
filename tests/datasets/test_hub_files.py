"""A dataset on the Hub that cannot be had: one line that says why and what to do, and no noise before it."""

from __future__ import annotations

import errno
import logging
import sys
from pathlib import Path

import pytest

from dlth_bench.datasets.download import HubFiles
from dlth_bench.util.errors import InputError

huggingface_hub = pytest.importorskip("huggingface_hub")

OPEN = HubFiles("toy", "org/toy", "0123abc", ("*.parquet",), 2e7)
GATED = HubFiles("toy", "org/toy", "0123abc", ("data/train-*.parquet",), 1.5e11, gated=True)


def refused(hub: HubFiles, error: Exception, monkeypatch: pytest.MonkeyPatch, token: str | None = None) -> str:
    """The one line that a failed download ends in."""

    def download(*args: object, **options: object) -> str:
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: token)
    with pytest.raises(InputError) as caught:
        hub.folder()
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("hub", "error", "token", "told"),
    [
        (OPEN, OSError("no route to host\nand a traceback"), None, "the Hub says: no route to host; try again"),
        (GATED, OSError("401 Client Error."), None, "accept its terms there and log in by hf auth login"),
        (GATED, OSError("503 Server Error."), "hf_x", "the Hub says: 503 Server Error.; try again"),
        (
            OPEN,
            OSError(errno.ENOSPC, "No space left on device"),
            None,
            "no space is left on the disk of the Hub's cache",
        ),
        (
            GATED,
            OSError(errno.ENOSPC, "No space left on device"),
            "hf_x",
            "give it 150 GB, or another place by HF_HOME",
        ),
    ],
)
def test_why_it_cannot_be_had(
    hub: HubFiles,
    error: Exception,
    token: str | None,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Where it is, what is wrong, what to do, and how to name a copy; the client's own warnings are not shown."""
    line = refused(hub, error, monkeypatch, token)
    assert line.startswith("toy is not on this machine but at https://huggingface.co/datasets/org/toy: ")
    assert told in line
    assert line.endswith("or name a folder that has them by --data-dir or DLTH_BENCH_DATA")
    assert capfd.readouterr().err == ""


def test_without_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's client is an extra: its absence is told with the command that installs it."""
    for module in ("huggingface_hub", "huggingface_hub.errors"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        InputError, match=r"the Hub needs huggingface_hub: pip install 'dlth-bench\[datasets\]', or name"
    ):
        OPEN.folder()
    assert OPEN.cached() is None


def test_what_is_cached_is_found_without_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the pinned commit in the Hub's cache count; a commit of which only other files are there does not."""
    asked: list[object] = []

    def local(*args: object, **options: object) -> str:
        asked.append(options["local_files_only"])
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", local)
    assert GATED.cached() is None
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00294.parquet").touch()
    assert GATED.cached() == tmp_path
    assert asked == [True, True]
