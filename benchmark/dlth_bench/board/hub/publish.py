"""Publishing the board with its card: one commit to a dataset repository, one to a static Space."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from dlth_bench.board.hub.repository import Committed, Head, HubRepository, Patience, commit_files, shown_paths
from dlth_bench.board.submission_folder import MAX_BYTES, StoredSubmission, plain_file, real_folder
from dlth_bench.util.errors import InputError

SUBMISSIONS = "submissions"
"""Folder of the submissions in the dataset repository, laid out as on disk."""

_SPACE_CARD = """\
---
title: {title}
emoji: 🎟️
colorFrom: indigo
colorTo: gray
sdk: static
app_file: index.html
pinned: false
---

A static site written by `dlth-bench leaderboard`; edits are lost.
"""


def publish_board(
    repository: HubRepository,
    submissions: Sequence[StoredSubmission],
    tables: Mapping[str, bytes],
    *,
    prune: bool = False,
    patience: Patience | None = None,
) -> Committed:
    """Make a dataset repository hold the submissions and the files made from them.

    Args:
        submissions: checked.
        tables: the dataset card and the board, by path.
        prune: whether submissions of the repository that are not among these are deleted. Otherwise they are an error:
            others may have added them since this folder was fetched.

    Raises:
        InputError: see ``commit_files``; or the repository holds submissions that are not here.
    """
    files = {**submission_files(submissions), **tables}

    def check(head: Head) -> Iterable[str]:
        stray = sorted(path for path in head.files if is_of_submission(path) and path not in files)
        here = {_folder(path) for path in files}
        lost = sorted({_folder(path) for path in stray} - here)
        if lost and not prune:
            message = f"holds submissions that are not here: {shown_paths(lost)}"
            advice = f"fetch them with: dlth-bench leaderboard --pull {repository.id}, or delete them with --prune"
            raise InputError(f"{repository}: {message}; {advice}")
        return stray

    count = "1 submission" if len(submissions) == 1 else f"{len(submissions)} submissions"
    return commit_files(repository, files, f"Leaderboard of {count}", check=check, patience=patience)


def publish_site(
    repository: HubRepository, files: Mapping[str, bytes], *, title: str, patience: Patience | None = None
) -> Committed:
    """Make a static Space hold a site; it gets the card that a Space needs unless the site has one.

    Args:
        files: content by path, with an ``index.html``.
        title: of the Space, when it gets a card; plain words.

    Raises:
        InputError: see ``commit_files``; or there is no ``index.html``.
    """
    if "index.html" not in files:
        raise InputError(f"{repository}: the site has no index.html")
    if re.fullmatch(r"[\w .-]+", title) is None:
        raise InputError(f"{repository}: the title of a Space is plain words")
    whole = {"README.md": _SPACE_CARD.format(title=title).encode(), **files}
    return commit_files(repository, whole, "Leaderboard site", patience=patience)


def submission_files(submissions: Iterable[StoredSubmission]) -> dict[str, bytes]:
    """The files of submissions by their path in the repository.

    Raises:
        InputError: one has become a link, or too large, since it was checked.
    """
    found = {}
    for stored in submissions:
        names = sorted(entry.name for entry in real_folder(stored.folder).iterdir() if entry.name in MAX_BYTES)
        for name in names:
            path = f"{SUBMISSIONS}/{stored.metadata.protocol_name}/{stored.metadata.name}/{name}"
            found[path] = plain_file(stored.folder / name, MAX_BYTES[name]).read_bytes()
    return found


def is_of_submission(path: str) -> bool:
    """Whether a path of the repository lies within a submission, and not, as a README may, beside them."""
    return path.startswith(f"{SUBMISSIONS}/") and path.count("/") >= 3


def _folder(path: str) -> str:
    """``submissions/<protocol>/<name>`` of a path within it."""
    return "/".join(path.split("/")[:3])


_CARD = """\
---
license: apache-2.0
pretty_name: dlth-bench leaderboard
tags:
- benchmark
- leaderboard
- dlth-bench
configs:
- config_name: leaderboard
  default: true
  data_files:
  - split: train
    path: leaderboard.parquet
---

# dlth-bench leaderboard

Does a small subset of a dataset rank training recipes the way the whole dataset does?
Each row of the table is a subset that was submitted to a protocol, with the correlation between the accuracies that a
grid of training recipes reaches on the subset and on the full data, its 95 % interval, and what the subset saved.
Rows whose `status` is `reported` are figures of a publication that no results stand behind.

```python
from datasets import load_dataset

board = load_dataset("{repository}", split="train")
```

| Protocol | Submissions |
|---|---:|
{protocols}

- `leaderboard.parquet`, `leaderboard.csv`, `leaderboard.json`: the same table; CSV leads texts that a spreadsheet would
  take for a formula with an apostrophe.
- `submissions/<protocol>/<name>/`: subset, metadata, all results and their score.

To rebuild the board from the submissions: `dlth-bench leaderboard --pull {repository}`.
To propose one: `dlth-bench submit --subset my-classes.txt --name mine --hub {repository}`.

This file is written by `dlth-bench leaderboard --publish`; edits are lost.
"""


def dataset_card(repository: str, submissions: Mapping[str, int]) -> bytes:
    """The card of a repository.

    Args:
        repository: ``ORG/NAME``.
        submissions: their number by the key of their protocol; no text of a submitter.
    """
    rows = [f"| {protocol} | {count} |" for protocol, count in submissions.items() if count]
    return _CARD.format(repository=repository, protocols="\n".join(rows) or "| – | 0 |").encode()
