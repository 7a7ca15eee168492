"""The board as Markdown: the same submissions give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from tabulate import tabulate

from dlth_bench.board.board import Board, Reported, reported_markdown
from dlth_bench.board.cells import CellScore, all_tied, frontier, rows_by_cell, verdict
from dlth_bench.board.columns import BOARD_COLUMNS, CELL_COLUMNS, Column
from dlth_bench.board.rank import (
    Rank,
    is_random,
    random_peers,
    ranked_by_cell,
    same_cost,
    selection_cost,
    standing_among_random,
)
from dlth_bench.board.row import Row
from dlth_bench.board.submission import Submission, has_cells
from dlth_bench.board.submission_folder import StoredSubmission
from dlth_bench.protocols.measurements import ACCURACY, amount, column_title, explained
from dlth_bench.protocols.protocol import Protocol
from dlth_bench.scoring.scorecard import CorrelationScore, Scorecard
from dlth_bench.subsets.subset import REPLACED_TEXT
from dlth_bench.util.text import correlation, escaped, interval

_INTRODUCTION = """\
# Leaderboard

Does a small subset of a dataset rank training recipes the way the whole dataset does?
This file is written by `dlth-bench leaderboard`; edits are lost."""

_HOW_TO_READ = """\
Each submission is a subset of the classes on which every config of the grid was trained.
ρs (Spearman), ρp (Pearson) and τ-b (Kendall) correlate its mean accuracies with the full data's over the configs;
brackets hold the 95 % interval over seeds. Rows are ordered by ρs, then ρp. Rank gives the places that a row may truly
have: the differences of ρs of all pairs of rows are tested together, at 95 % confidence for all of them, and a row
stands below those that beat it beyond seed noise and above those that it beats. Every row of a group beats
every row of the groups after it beyond seed noise.
p is the share of all orders of the configs that reach this ρs.
Regret is the full-data accuracy, in points, that is lost by choosing the config that is best on the subset.
Pairs counts the pairs of configs that the subset orders as the full data do, out of those whose difference exceeds
the full data's seed noise. Beats RS is the share of random subsets of the same size that have a lower ρs (ties count
half); with fewer than 19 of them no share is significant. Selection is what choosing the subset took, apart from the
runs; RS at its cost is the ρs to expect from averaging as many random subsets (in brackets) as that and the runs
would pay for. Savings are relative to training the same configs on the full data with as many seeds.
Status is self-reported until somebody else has trained randomly drawn runs again: then it is verified, or disputed
where they differ beyond seed noise; docs/submitting.md says what that shows.
Submissions that lack runs (incomplete), whose runs did not fit their training data (underfit) or which are disputed
have no rank."""

_FRONTIER = """\
What random subsets of each size and length of training reach, the cheapest first. Cost is in floating-point operations
of all runs, as a share of the full data's. Brackets: 95 % interval of the mean over subsets (Student's t)."""

_TIED = "Seed noise tells no two of these apart; their order is that of chance as much as of merit."

_SAMPLE_SUBSETS = """\
A size such as 246 (1152 samples) is that of a subset of training samples: every config was trained on these alone and
evaluated on all validation samples of their classes."""


def board_markdown(boards: Sequence[Board]) -> str:
    """The whole of ``leaderboard.md``: a section for each board, in their order."""
    sections = [_section(board.protocol, board.rows, board.reported) for board in boards]
    return "\n\n".join([_INTRODUCTION, *sections]) + "\n"


def board_rows(submissions: Iterable[StoredSubmission], protocol: Protocol) -> list[Row]:
    """The rows of a protocol's table from top to bottom."""
    own = {stored.metadata.name: stored for stored in submissions if stored.metadata.protocol_digest == protocol.digest}
    trusted = [stored for stored in own.values() if stored.status != "disputed"]
    ranks = ranked_by_cell([(stored.metadata, stored.scorecard) for stored in trusted], protocol)
    random_cards = [stored.scorecard for stored in trusted if is_random(stored.metadata.policy)]
    ranks = {**ranks, **{name: None for name in sorted(own) if name not in ranks}}
    return [_row(protocol, own[name], rank, random_cards) for name, rank in ranks.items()]


def _row(protocol: Protocol, stored: StoredSubmission, rank: Rank | None, random_cards: Sequence[Scorecard]) -> Row:
    if rank is None:
        return Row(protocol, stored, rank)
    peers = random_peers(stored.scorecard, random_cards)
    cost = same_cost(stored.scorecard, selection_cost(stored.metadata), peers)
    return Row(protocol, stored, rank, standing_among_random(stored.scorecard, peers), cost)


def _section(protocol: Protocol, rows: Sequence[Row], reported: Sequence[Reported]) -> str:
    parts = [f"## {protocol.key}: {escaped(protocol.title)}"]
    if protocol.subset.replaces != "training":
        parts.append(f"A subset replaces {REPLACED_TEXT[protocol.subset.replaces]}.")
    if protocol.metric != ACCURACY:
        parts.append(f"Ranked by {explained(protocol.metric)}; read it where the figures say accuracy.")
    if rows:
        of_samples = any(row.submission.metadata.samples is not None for row in rows)
        how = [_HOW_TO_READ, _SAMPLE_SUBSETS if of_samples else ""]
        parts += [*how, _ceiling(rows)]
        parts += _cells(rows) if has_cells(protocol) else [_table(rows), *_random_spread(rows)]
    else:
        parts.append("No submissions yet.")
    parts += reported_markdown(reported)
    parts += _reference(protocol)
    return "\n\n".join(part for part in parts if part)


def _cells(rows: Sequence[Row]) -> list[str]:
    """The frontier over all cells, and a table a cell."""
    parts = _frontier(frontier(rows))
    for cell, some in rows_by_cell(rows).items():
        tied = all_tied(some)
        columns = [column for column in CELL_COLUMNS if not tied or column.key not in {"rank", "group"}]
        parts += [f"### {cell.title}", _TIED if tied else "", _table(some, columns)]
    return parts


def _frontier(scores: Sequence[CellScore]) -> list[str]:
    if not scores:  # no cell has a random subset with a rank
        return []
    body = [
        [
            score.cell.title,
            "–" if score.cost is None else f"{100 * score.cost:.3g}",
            str(score.count),
            f"{correlation(score.spearman)} {interval(score.low, score.high)}",
            correlation(score.worst),
            "–" if score.ceiling is None else f"{100 * score.spearman / score.ceiling:.0f}",
            "–" if score.regret is None else f"{100 * score.regret:.1f}",
        ]
        for score in scores
    ]
    titles = ["Random subsets of", "Cost %", "n", "Mean ρs [95 %]", "Lowest ρs", "Of the ceiling %", "Mean regret"]
    table = tabulate(body, titles, tablefmt="pipe", colalign=["left", *["right"] * 6], disable_numparse=True)
    return ["### How small and how short is safe", _FRONTIER, table, f"**{verdict(scores)}**"]


def _table(rows: Sequence[Row], columns: Sequence[Column] = BOARD_COLUMNS) -> str:
    body = [[_cell(column, row) for column in columns] for row in rows]
    titles = [column.title for column in columns]
    alignment = ["left" if column.foreign else "right" for column in columns]
    return tabulate(body, titles, tablefmt="pipe", colalign=alignment, disable_numparse=True)


def _cell(column: Column, row: Row) -> str:
    text = column.show(row)
    if not column.foreign:
        return text
    url = column.link(row)
    # The metadata's own check leaves nothing in a URL that could end the link; & stays an ampersand in either reading.
    return f"[{escaped(text)}](<{url}>)" if url else escaped(text)


def _ceiling(rows: Sequence[Row]) -> str:
    def told(score: Callable[[Scorecard], CorrelationScore]) -> str:
        known = sorted({correlation(score(row.submission.scorecard).ceiling) for row in rows} - {"–"})
        return "unknown" if not known else known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"

    spearman, pearson = told(lambda card: card.spearman), told(lambda card: card.pearson)
    return (
        f"**Noise ceiling: ρs {spearman}, ρp {pearson}.** So much would a repetition of the full-data grid with other\n"
        "seeds correlate with the reference on average; above it, a difference between subsets means nothing."
    )


def _random_spread(rows: Sequence[Row]) -> list[str]:
    """For each size with random subsets: how far luck alone carries."""
    cards = [row.submission for row in rows if row.rank and is_random(row.submission.metadata.policy)]
    sentences = []
    for unit, size in sorted({_size(stored.metadata) for stored in cards}):
        same_size = [stored.scorecard for stored in cards if _size(stored.metadata) == (unit, size)]
        spreads = [
            f"{name} has mean {correlation(fmean(values))} and runs from {correlation(min(values))} "
            f"to {correlation(max(values))}"
            for name, values in (
                ("ρs", [card.spearman.value for card in same_size if card.spearman.value is not None]),
                ("ρp", [card.pearson.value for card in same_size if card.pearson.value is not None]),
            )
            if values
        ]
        sentences.append(f"Random subsets (policy RS) of {size} {unit}, n = {len(same_size)}: {'; '.join(spreads)}.")
    return ["\n".join(sentences)] if sentences else []


def _size(metadata: Submission) -> tuple[str, int]:
    """What a subset is counted in, and how many it has: only subsets alike in both are compared."""
    return ("classes", metadata.classes) if metadata.samples is None else ("samples", metadata.samples)


def _reference(protocol: Protocol) -> list[str]:
    """The full data's accuracies and where they come from."""
    if protocol.reference is None:
        return ["The full-data accuracies are not measured yet."]
    body = []
    for config in protocol.configs:
        statistics = protocol.reference.configs[config.name].statistics
        body.append([escaped(config.title), amount(*statistics, protocol.metric)])
    table = tabulate(
        body,
        ["Config", f"Full data {column_title(protocol.metric)}"],
        tablefmt="pipe",
        colalign=["left", "right"],
        disable_numparse=True,
    )
    source = f"Full data ({escaped(protocol.reference.source)}, {protocol.reference.date}); mean ± std over seeds:"
    return [source, table]
