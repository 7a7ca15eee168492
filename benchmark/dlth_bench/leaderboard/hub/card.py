"""The dataset card: what the repository holds, and which file ``datasets.load_dataset`` reads."""

from __future__ import annotations

from collections.abc import Mapping

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
