"""ImageNet from the Hugging Face Hub, where its owners give access to those who accept their terms."""

from __future__ import annotations

from pathlib import Path

from dlth_bench.datasets.location import DATA_VARIABLE
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable

HUB_ID = "ILSVRC/imagenet-1k"
REVISION = "49e2ee26f3810fb5a7536bbf732a7b07389a47b5"
"""The commit with 294 train and 14 validation files of Parquet, pinned so that data cannot change under a result."""

_ELSEWHERE = f"or name a folder that has them by --data-dir or {DATA_VARIABLE}"


def hub_folder() -> Path:
    """The Parquet files of both splits, in the Hub's local cache; about 150 GB are downloaded when they are not there.

    Raises:
        InputError: no token, no access, no connection, or no space.
    """
    try:
        from huggingface_hub import get_token, snapshot_download
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        message = (
            f"imagenet is not here, and the Hub needs huggingface_hub: pip install 'dlth-bench[datasets]', {_ELSEWHERE}"
        )
        raise InputError(message) from None
    patterns = ["data/train-*.parquet", "data/validation-*.parquet"]
    try:
        return Path(snapshot_download(HUB_ID, repo_type="dataset", revision=REVISION, allow_patterns=patterns))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError) as error:
        if get_token() is None:
            advice = "accept its terms there and log in (hf auth login)"
        elif isinstance(error, GatedRepoError):
            advice = "your token has no access: accept its terms there"
        else:
            advice = f"the Hub says: {printable(str(error).strip().partition(chr(10))[0])}; try again"
        where = f"https://huggingface.co/datasets/{HUB_ID}"
        raise InputError(f"imagenet is not on this machine but at {where}: {advice}, {_ELSEWHERE}") from None
