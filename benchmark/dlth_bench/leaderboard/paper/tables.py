"""The tables of the paper with correlations of subsets and full data, as printed."""

from __future__ import annotations

from importlib import resources
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, model_validator

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.frozen import Frozen
from dlth_bench.spec.scorecard import Correlation


class TableConfig(Frozen):
    """One config of a table's grid."""

    title: Annotated[str, Field(description="As in the paper.")]
    short: Annotated[str, Field(max_length=7, description="Heading of a narrow column.")]


class FullData(Frozen):
    """Full-data accuracies to compare a table's rows with, in the table's unit and order of configs."""

    kind: Annotated[
        Literal["printed", "published", "fitted"],
        Field(description="In the table itself; by others for the same networks; our inference from the printed ρ."),
    ]
    title: str
    source: str
    note: Annotated[str, Field(description="Why correlations with it may differ a little from the printed ones.")] = ""
    values: tuple[float, ...]


class PrintedRow(Frozen):
    """One subset's row."""

    subset: str
    classes: Annotated[int | None, Field(gt=0, description="None where the paper does not say.")] = None
    accuracies: Annotated[tuple[float, ...], Field(description="As printed; empty where they are a picture.")] = ()
    pearson: Correlation
    spearman: Correlation | None = None
    exchange: Annotated[
        tuple[str, str] | None, Field(description="Titles of two configs whose accuracies look exchanged.")
    ] = None
    why: Annotated[str, Field(description="The cause, where one is known, if a ρ does not follow.")] = ""


class PaperTable(Frozen):
    """A table of the paper."""

    number: int
    title: str
    place: Annotated[str, Field(description="Section or appendix.")]
    protocol: Annotated[str, Field(description="Name of the protocol that has the table's grid.")]
    configs: tuple[TableConfig, ...]
    accuracy_step: Annotated[float | None, Field(gt=0, description="Last printed digit of the accuracies.")] = None
    full: FullData | None = None
    elsewhere: tuple[FullData, ...] = ()
    rows: Annotated[tuple[PrintedRow, ...], Field(min_length=1)]
    remarks: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        full = ([] if self.full is None else [self.full]) + list(self.elsewhere)
        vectors = [row.accuracies for row in self.rows if row.accuracies] + [entry.values for entry in full]
        if any(len(vector) != len(self.configs) for vector in vectors):
            raise ValueError(f"table {self.number}: a row has not {len(self.configs)} accuracies")
        return self


class PaperTables(Frozen):
    """All tables kept here, in the paper's order."""

    paper: str
    tables: tuple[PaperTable, ...]

    def table(self, number: int) -> PaperTable:
        """The table of a number.

        Raises:
            InputError: it is not kept here.
        """
        for table in self.tables:
            if table.number == number:
                return table
        known = ", ".join(str(table.number) for table in self.tables)
        raise InputError(f"no correlations of table {number} are kept here; there are tables {known}")


def paper_tables() -> PaperTables:
    """The tables that come with the package."""
    text = resources.files("dlth_bench.leaderboard.paper").joinpath("tables.yaml").read_text(encoding="utf-8")
    return PaperTables.model_validate(yaml.safe_load(text))
