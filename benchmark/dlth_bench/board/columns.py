"""The columns of the board: one entry each says what it holds and how each place shows it.

The places are Markdown and the terminal, the JSON of ``dlth-bench leaderboard``, the site, and the data files (CSV,
JSON, Parquet). A column that only the data files have is an entry without a title.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

from dlth_bench.board.rank import RANDOM_POLICY, Rank, selection_cost
from dlth_bench.board.row import (
    Row,
    among_random_text,
    classes_text,
    correlation_facts,
    correlation_text,
    flags,
    regret,
    regret_text,
    same_cost_text,
    selection_cost_text,
    status_facts,
    status_text,
)
from dlth_bench.protocols.protocol import Cost
from dlth_bench.scoring.comparison import AmongRandom
from dlth_bench.scoring.scorecard import CorrelationScore, CostScore, DecisionScore, Scorecard
from dlth_bench.util.text import correlation, factor, percent, probability

FieldValue = str | int | float | bool | None
SortValue = str | float | None
Kind = Literal["string", "int64", "double", "bool"]


@dataclass(frozen=True)
class Field:
    """A value of a row in the data files.

    Attributes:
        key: its name.
        kind: its type in Parquet.
        meaning: what it holds, with the unit; for the table's documentation.
        value: None when unknown or when it does not apply.
    """

    key: str
    kind: Kind
    meaning: str
    value: Callable[[Row], FieldValue]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the board.

    Attributes:
        key: its name in JSON and on the site.
        title: its heading; empty: it is in the data files only.
        value: what the command's JSON carries; None when unknown.
        show: what tables show, as plain text.
        link: where Markdown links the text to; empty: nowhere.
        foreign: whether the text is the submitter's; it is aligned to the left, escaped and sorted as text.
        narrow: whether a table for a terminal of 80 columns has it too.
        stored: kind and meaning of the value in the data files, where these have it under the column's key.
        fields: its further values in the data files.
        meaning: one sentence below the site's table; empty: the site does not have it.
        site_title: its heading on the site; empty: ``title``.
        sort: what the site sorts by; None goes to the end either way.
        high_first: whether the first click there puts the largest on top.
        minor: left out on a narrow screen; the submission's page has it.
    """

    key: str
    title: str = ""
    value: Callable[[Row], Any] = lambda row: None
    show: Callable[[Row], str] = lambda row: ""
    link: Callable[[Row], str] = lambda row: ""
    foreign: bool = False
    narrow: bool = False
    stored: tuple[Kind, str] | None = None
    fields: tuple[Field, ...] = ()
    meaning: str = ""
    site_title: str = ""
    sort: Callable[[Row], SortValue] = lambda row: None
    high_first: bool = False
    minor: bool = False

    @property
    def heading(self) -> str:
        """Its heading on the site."""
        return self.site_title or self.title

    @property
    def all_fields(self) -> tuple[Field, ...]:
        """All its values in the data files."""
        return self.fields if self.stored is None else (Field(self.key, *self.stored, self.value), *self.fields)


T = TypeVar("T")


def _of_decision(read: Callable[[DecisionScore], T]) -> Callable[[Row], T | None]:
    return lambda row: None if row.card.decision is None else read(row.card.decision)


def _of_cost(read: Callable[[CostScore], T]) -> Callable[[Row], T | None]:
    return lambda row: None if row.card.cost is None else read(row.card.cost)


def _of_selection(read: Callable[[Cost], T]) -> Callable[[Row], T | None]:
    return lambda row: None if (cost := selection_cost(row.metadata)) is None else read(cost)


def _of_rank(read: Callable[[Rank], T]) -> Callable[[Row], T | None]:
    return lambda row: None if row.rank is None else read(row.rank)


def _of_random(read: Callable[[AmongRandom], T]) -> Callable[[Row], T | None]:
    return lambda row: None if row.random is None else read(row.random)


def _fields(
    of: Callable[[Callable[[T], FieldValue]], Callable[[Row], FieldValue]],
    *found: tuple[str, Kind, str, Callable[[T], FieldValue]],
) -> tuple[Field, ...]:
    """Values of one part of a row, which may lack it: key, type in Parquet, meaning, and what is read from the part."""
    return tuple(Field(key, kind, meaning, of(read)) for key, kind, meaning, read in found)


def _data_file(key: str, kind: Kind, meaning: str, value: Callable[[Row], FieldValue]) -> Column:
    """A column of the data files only."""
    return Column(key=key, value=value, stored=(kind, meaning))


def _correlation(key: str, name: str, score: Callable[[Scorecard], CorrelationScore]) -> tuple[Field, ...]:
    def of(read: Callable[[CorrelationScore], FieldValue]) -> Callable[[Row], FieldValue]:
        return lambda row: read(score(row.card))

    return _fields(
        of,
        (key, "double", f"{name} of subset and full-data accuracies over the configs", lambda c: c.value),
        (f"{key}_low", "double", f"lower end of {name}'s 95 % interval over seeds", lambda c: c.low),
        (f"{key}_high", "double", "upper end of that interval", lambda c: c.high),
        (f"{key}_configs_low", "double", f"lower end of {name}'s 95 % interval over configs", lambda c: c.configs_low),
        (f"{key}_configs_high", "double", "upper end of that interval", lambda c: c.configs_high),
        (f"{key}_p_value", "double", f"share of config orders that reach {name}", lambda c: c.p_value),
        (f"{key}_ceiling", "double", f"noise ceiling: {name} of two full-data replicates", lambda c: c.ceiling),
    )


def _flags_text(row: Row) -> str:
    return ", ".join(flags(row))


def _seeds(row: Row) -> int:
    """Of the config that has the fewest."""
    return min(len(score.accuracies) for score in row.card.configs)


COLUMNS: tuple[Column, ...] = (
    _data_file("protocol", "string", "name@version of the protocol", lambda row: row.protocol.key),
    _data_file("protocol_digest", "string", "SHA-256 of the protocol", lambda row: row.protocol.digest),
    _data_file("dataset", "string", "dataset of the protocol", lambda row: row.protocol.data.dataset),
    Column(
        key="name",
        title="Submission",
        value=lambda row: row.metadata.name,
        show=lambda row: row.metadata.name,
        link=lambda row: row.metadata.url,
        foreign=True,
        narrow=True,
        stored=("string", "name of the submission"),
        meaning="a subset of the dataset, on which every config of the grid was trained.",
        sort=lambda row: row.metadata.name,
    ),
    Column(
        key="status",
        title="Status",
        value=status_facts,
        show=status_text,
        foreign=True,
        fields=(
            Field(
                "status",
                "string",
                "self-reported, verified or disputed; reported: printed in a publication, without results",
                lambda row: row.status,
            ),
            Field("status_note", "string", "who verified, when and how much", lambda row: row.status_note),
        ),
        meaning="self-reported: the score follows from the submitted results, which nobody has repeated; verified: "
        "others retrained runs drawn at random and got the same; disputed: they did not. Submissions that lack runs "
        "(incomplete) or whose runs did not fit their training data (underfit) have no rank.",
        sort=lambda row: " ".join(dict.fromkeys([row.status, *flags(row)])),
    ),
    Column(
        key="rank",
        title="Rank",
        value=_of_rank(lambda rank: [rank.first, rank.last]),
        show=lambda row: "–" if row.rank is None else str(row.rank),
        narrow=True,
        fields=_fields(
            _of_rank,
            ("rank_first", "int64", "best place it may truly have", lambda rank: rank.first),
            ("rank_last", "int64", "worst place it may truly have", lambda rank: rank.last),
        ),
        meaning="the places that a submission may truly have: the differences of ρs of all pairs are tested together, "
        "at 95 % confidence for all of them. Every submission of a tie group beats every one of the groups below "
        "beyond seed noise.",
        sort=_of_rank(lambda rank: rank.first + rank.last / 1e6),
    ),
    Column(
        key="group",
        title="Group",
        value=_of_rank(lambda rank: rank.group),
        show=lambda row: "–" if row.rank is None else str(row.rank.group),
        stored=("int64", "number of its tie group, 1 for the top"),
    ),
    Column(
        key="policy",
        title="Policy",
        value=lambda row: row.metadata.policy,
        show=lambda row: row.metadata.policy,
        foreign=True,
        narrow=True,
        stored=("string", "how the members were selected"),
        meaning=f"how its members were selected; {RANDOM_POLICY} is random sampling.",
        sort=lambda row: row.metadata.policy.casefold(),
        minor=True,
    ),
    _data_file("authors", "string", "submitters, separated by semicolons", lambda row: "; ".join(row.metadata.authors)),
    _data_file("description", "string", "one line of the submitters'", lambda row: row.metadata.description),
    _data_file("url", "string", "page about the subset", lambda row: row.metadata.url),
    _data_file("date", "string", "day of the submission, ISO 8601", lambda row: row.metadata.date.isoformat()),
    Column(
        key="classes",
        title="Classes",
        value=lambda row: row.metadata.classes,
        show=classes_text,
        narrow=True,
        stored=("int64", "classes in the subset"),
        fields=(
            Field(
                "samples",
                "int64",
                "samples in a sample subset; none: all of its classes",
                lambda row: row.metadata.samples,
            ),
        ),
        meaning="how many classes it has, and in brackets how many samples if it is not all of theirs.",
        sort=lambda row: row.metadata.samples or row.metadata.classes,
        minor=True,
    ),
    _data_file(
        "exponent",
        "double",
        "of the training's length: (N/n)^exponent times the full data's epochs",
        lambda row: row.metadata.exponent,
    ),
    _data_file("configs", "int64", "configs of the grid", lambda row: len(row.protocol.configs)),
    _data_file("seeds", "int64", "seeds of the config that has the fewest", _seeds),
    Column(
        key="spearman",
        title="ρs [95 %]",
        value=lambda row: correlation_facts(row.card.spearman),
        show=lambda row: correlation_text(row.card.spearman),
        narrow=True,
        fields=_correlation("spearman", "Spearman's ρ", lambda card: card.spearman),
        site_title="ρs",
        meaning="Spearman's correlation of subset and full-data accuracies over the configs. The bar is its 95 % "
        "interval over seeds, the dashed line the noise ceiling: what a repetition of the full-data grid with other "
        "seeds would reach on average.",
        sort=lambda row: row.card.spearman.value,
        high_first=True,
    ),
    Column(
        key="pearson",
        title="ρp [95 %]",
        value=lambda row: correlation_facts(row.card.pearson),
        show=lambda row: correlation_text(row.card.pearson),
        fields=_correlation("pearson", "Pearson's ρ", lambda card: card.pearson),
        site_title="ρp",
        meaning="Pearson's correlation of the same accuracies, with its 95 % interval over seeds.",
        sort=lambda row: row.card.pearson.value,
        high_first=True,
    ),
    Column(
        key="kendall",
        title="τ-b",
        value=lambda row: correlation_facts(row.card.kendall),
        show=lambda row: correlation(row.card.kendall.value),
        fields=_correlation("kendall", "Kendall's τ-b", lambda card: card.kendall),
    ),
    Column(
        key="p_value",
        title="p (ρs)",
        value=lambda row: row.card.spearman.p_value,
        show=lambda row: probability(row.card.spearman.p_value),
    ),
    _data_file("picked", "string", "config that is best on the subset", _of_decision(lambda found: found.picked)),
    _data_file("best", "string", "config that is best on the full data", _of_decision(lambda found: found.best)),
    Column(
        key="regret_points",
        title="Regret",
        value=regret,
        show=regret_text,
        narrow=True,
        stored=("double", "full-data accuracy (or the protocol's other metric) lost by that pick, fractions in points"),
        meaning="full-data accuracy, in points, lost by choosing the config that is best on the subset.",
        sort=_of_decision(lambda found: found.regret),
    ),
    Column(
        key="pairs",
        title="Pairs",
        value=_of_decision(lambda found: [found.pairs_agreed, found.pairs_resolved]),
        show=lambda row: _of_decision(lambda found: f"{found.pairs_agreed}/{found.pairs_resolved}")(row) or "–",
        fields=_fields(
            _of_decision,
            ("pairs_agreed", "int64", "pairs of configs ordered as on the full data", lambda d: d.pairs_agreed),
            (
                "pairs_resolved",
                "int64",
                "pairs whose full-data difference exceeds seed noise",
                lambda d: d.pairs_resolved,
            ),
        ),
        meaning="pairs of configs ordered as on the full data, out of those whose difference exceeds the full data's "
        "seed noise.",
        sort=_of_decision(lambda found: found.pairs_agreed / max(1, found.pairs_resolved)),
        high_first=True,
    ),
    Column(
        key="cost",
        fields=_fields(
            _of_cost,
            ("images", "int64", "samples drawn in training, all runs", lambda c: c.subset.images),
            ("flops", "double", "floating-point operations of training, all runs", lambda c: c.subset.flops),
            (
                "device_seconds",
                "double",
                "device time of training, all runs, in seconds",
                lambda c: c.subset.device_seconds,
            ),
        ),
    ),
    Column(
        key="images_saved",
        title="Images saved %",
        value=_of_cost(lambda cost: cost.images_saved),
        show=lambda row: percent(_of_cost(lambda cost: cost.images_saved)(row)),
        stored=("double", "fraction of the full data's images saved"),
    ),
    _data_file(
        "flops_saved", "double", "fraction of the full data's operations saved", _of_cost(lambda cost: cost.flops_saved)
    ),
    Column(
        key="device_seconds_saved",
        title="Device time saved",
        value=_of_cost(lambda cost: cost.device_seconds_saved),
        show=lambda row: factor(_of_cost(lambda cost: cost.device_seconds_saved)(row)),
        stored=("double", "fraction of the full data's device time saved"),
        site_title="Time saved",
        meaning="how many times less device time its runs took than the same runs on the full data.",
        sort=_of_cost(lambda cost: cost.device_seconds_saved),
        high_first=True,
    ),
    Column(
        key="selection_cost",
        title="Selection",
        value=_of_selection(lambda cost: cost.model_dump()),
        show=lambda row: selection_cost_text(selection_cost(row.metadata)),
        fields=_fields(
            _of_selection,
            ("selection_images", "int64", "samples drawn in choosing the subset; none: not stated", lambda c: c.images),
            ("selection_flops", "double", "floating-point operations of choosing the subset", lambda c: c.flops),
            (
                "selection_device_seconds",
                "double",
                "device time of choosing the subset, in seconds",
                lambda c: c.device_seconds,
            ),
        ),
    ),
    Column(
        key="random",
        title="Beats RS",
        value=_of_random(asdict),
        show=among_random_text,
        fields=_fields(
            _of_random,
            ("random_count", "int64", "random subsets of its size on the board", lambda r: r.count),
            ("random_percentile", "double", "per cent of them that have a lower Spearman's ρ", lambda r: r.percentile),
        ),
        meaning="share of the random subsets of its size that have a lower ρs (ties count half); with fewer than 19 of "
        "them no share is significant.",
        sort=_of_random(lambda found: found.percentile),
        high_first=True,
    ),
    Column(
        key="same_cost",
        title="RS at its cost",
        value=lambda row: None if row.same_cost is None else asdict(row.same_cost),
        show=same_cost_text,
        fields=(
            Field(
                "same_cost_spearman",
                "double",
                "Spearman's ρ of as many random subsets as its cost buys",
                lambda row: None if row.same_cost is None else row.same_cost.spearman,
            ),
        ),
    ),
    _data_file(
        "complete",
        "bool",
        "whether every config has every seed and fits its training data",
        lambda row: row.card.complete,
    ),
    Column(
        key="flags",
        title="Flags",
        value=flags,
        show=_flags_text,
        narrow=True,
        fields=(Field("flags", "string", "what keeps it from a rank, separated by commas", _flags_text),),
    ),
    _data_file("subset_digest", "string", "SHA-256 of the subset", lambda row: row.metadata.subset_digest),
    _data_file("manifest_digest", "string", "SHA-256 of the dataset's manifest", lambda row: row.card.manifest_digest),
    _data_file("package", "string", "version of dlth-bench that scored", lambda row: row.card.package),
    _data_file("source", "string", "publication that prints a reported row", lambda row: ""),
    _data_file("note", "string", "what does not follow from that publication's numbers", lambda row: ""),
)
"""All columns, in the order of the data files."""

FIELDS: tuple[Field, ...] = tuple(field for column in COLUMNS for field in column.all_fields)
"""The values of a row in the data files, in their order."""

_BOARD = (
    *("rank", "group", "name", "policy", "classes", "spearman", "pearson", "kendall", "p_value", "regret_points"),
    *("pairs", "images_saved", "device_seconds_saved", "random", "selection_cost", "same_cost", "status", "flags"),
)

BOARD_COLUMNS: tuple[Column, ...] = tuple(
    sorted((column for column in COLUMNS if column.title), key=lambda column: _BOARD.index(column.key))
)
"""Those of Markdown, the terminal and the command's JSON, in their order."""

CELL_COLUMNS: tuple[Column, ...] = tuple(
    column
    for column in BOARD_COLUMNS
    if column.key not in {"classes", "kendall", "p_value", "images_saved", "device_seconds_saved", "same_cost"}
)
"""Those of a table of one cell in Markdown: the size and the cost are the cell's."""

SITE_COLUMNS: tuple[Column, ...] = tuple(column for column in BOARD_COLUMNS if column.meaning)
"""Those of the site, in its order."""

SITE_CELL_COLUMNS: tuple[Column, ...] = tuple(column for column in SITE_COLUMNS if column in CELL_COLUMNS)
"""Those of a table of one cell there."""
