"""What ``leaderboard`` and ``submit`` do on the Hub, and what they tell about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dlth_bench.board.board import Board
from dlth_bench.board.check import check_submission
from dlth_bench.board.data_files import record_files, records
from dlth_bench.board.hub.propose import propose_submission
from dlth_bench.board.hub.publish import dataset_card, publish_board, publish_site
from dlth_bench.board.hub.pull import pull_submissions
from dlth_bench.board.hub.repository import HubRepository, Patience, create_repository, hub_repository
from dlth_bench.board.site.build import site_pages
from dlth_bench.board.submission_folder import StoredSubmission, read_submission
from dlth_bench.protocols.protocol_file import find_protocol
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable

HubOption = Annotated[
    str | None,
    typer.Option("--hub", metavar="ORG/REPO", help="Open a pull request on this dataset repository of the Hub."),
]


def require_writable(option: str, name: str | None) -> None:
    """Refuse before any work is done what the Hub would refuse after it; no request is made.

    Raises:
        InputError: the name is not one of a repository, or nobody is logged in.
    """
    if name is not None:
        hub_repository(name, option=option, writes=True)


@dataclass(frozen=True)
class BoardOnHub:
    """The options that fetch the submissions of a board from the Hub, and publish it there.

    Raises:
        InputError: an option says nothing without another one, or a name is one that the Hub would refuse.
    """

    pull_from: Annotated[
        str | None,
        typer.Option(
            "--pull", metavar="ORG/REPO", help="First fetch the submissions of this dataset repository of the Hub."
        ),
    ] = None
    revision: Annotated[
        str | None, typer.Option(help="With --pull: a branch, tag or commit. Default: the main branch.")
    ] = None
    replace: Annotated[
        bool,
        typer.Option("--replace", help="With --pull: replace submissions in the folder that differ from the Hub's."),
    ] = False
    publish_to: Annotated[
        str | None,
        typer.Option("--publish", metavar="ORG/REPO", help="Publish the board to this dataset repository of the Hub."),
    ] = None
    space: Annotated[
        str | None,
        typer.Option(metavar="ORG/SPACE", help="With --publish: publish the website to this static Space, too."),
    ] = None
    create: Annotated[
        bool,
        typer.Option("--create", help="With --publish: make the repositories that are not there, open to everybody."),
    ] = False
    prune: Annotated[
        bool, typer.Option("--prune", help="With --publish: delete submissions on the Hub that are not in the folder.")
    ] = False

    def __post_init__(self) -> None:
        for option, there, needing in (
            ("--pull", self.pull_from, ("revision", "replace")),
            ("--publish", self.publish_to, ("space", "create", "prune")),
        ):
            lonely = next((name for name in needing if getattr(self, name)), None)
            if lonely is not None and not there:
                raise InputError(f"--{lonely} goes with {option}")
        require_writable("--publish", self.publish_to)
        require_writable("--space", self.space)

    def publish(self, dataset: str, submissions: Sequence[StoredSubmission], boards: Sequence[Board]) -> list[str]:
        """Publish the boards, and the website if there is a Space for it; a line about each.

        Raises:
            InputError: a name or permission is wrong, or the Hub cannot be reached.
        """
        board = hub_repository(dataset, option="--publish", writes=True)
        counts = Counter(stored.metadata.protocol for stored in submissions)
        tables = {**record_files(records(boards)), "README.md": dataset_card(board.id, counts)}
        pages = {} if self.space is None else site_pages(boards)
        app = None if self.space is None else hub_repository(self.space, "space", option="--space", writes=True)
        patience = _told()
        for repository in (board, app):
            if self.create and repository is not None:
                create_repository(repository, patience)
        done = publish_board(board, submissions, tables, prune=self.prune, patience=patience)
        lines = [_line(board, done.changed, done.commit)]
        if app is not None:
            done = publish_site(app, pages, title="dlth-bench leaderboard", patience=patience)
            lines.append(_line(app, done.changed, done.commit))
        return lines

    def pull(self, dataset: str, root: Path) -> str:
        """Fetch the submissions of a repository into a folder; a line about it.

        Raises:
            InputError: one of them is not valid, or differs from the folder's.
        """
        repository = hub_repository(dataset, option="--pull")
        done = pull_submissions(
            repository, root, _check, revision=self.revision, replace=self.replace, patience=_told()
        )
        counts = f"{done.new} new, {done.replaced} replaced, {done.same} unchanged"
        return f"{printable(str(root))}: {counts}, from {repository.url} at {done.commit[:12]}"


def propose(dataset: str, folder: Path, *, replace: bool) -> str:
    """Check a submission and open a pull request with it; a line about it.

    Raises:
        InputError: it is not valid, or the Hub cannot take it.
    """
    repository = hub_repository(dataset, option="--hub", writes=True)
    stored = read_submission(folder)
    _check(stored)
    done = propose_submission(repository, stored, replace=replace, patience=_told())
    if done.opened:
        return f"opened a pull request: {done.url}"
    return f"nothing to do, it is already there: {done.url}"


def _check(stored: StoredSubmission) -> None:
    check_submission(stored, find_protocol(stored.metadata.protocol))


def _told() -> Patience:
    return Patience(tell=lambda line: typer.echo(line, err=True))


def _line(repository: HubRepository, changed: bool, commit: str) -> str:
    state = f"published at {commit[:12]}" if changed else "up to date, nothing published"
    return f"{repository.url}: {state}"
