"""The paper's tables: what follows from the printed numbers, what does not, and why."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from dlth_bench.paper.tables import CheckedRow, PaperTable, check_rows, findings, fisher_interval, paper_tables
from dlth_bench.scoring.correlation import correlate
from dlth_bench.util.errors import InputError


def table(number: int) -> PaperTable:
    return paper_tables().table(number)


def rows(number: int) -> dict[str, CheckedRow]:
    return {checked.row.subset: checked for checked in check_rows(table(number))}


def test_table_13_follows_to_the_last_digit() -> None:
    """All seven ρp follow from the printed accuracies; ρs, which is not printed, is neither right nor wrong."""
    checked = rows(13)
    assert all(row.pearson.follows for row in checked.values())
    assert all(row.spearman.follows is None for row in checked.values())
    assert checked["RS-0"].spearman.recomputed == pytest.approx(0.949, abs=5e-4)
    assert checked["Lottery Ticket-1"].spearman.recomputed == pytest.approx(0.8)


def test_rounding_lets_random_rows_reach_the_tickets() -> None:
    """Within its rounding, a random row of Table 13 goes beyond both tickets: the table cannot tell them apart."""
    checked = rows(13)
    assert checked["RS-0"].pearson_rounding == pytest.approx((0.247, 0.994), abs=1e-3)
    assert checked["Lottery Ticket-1"].pearson_rounding == pytest.approx((0.731, 0.952), abs=1e-3)


def test_untied_ranks_cannot_give_847() -> None:
    """PD-Uniform's ρs needs a tie, all other rank correlations over seven configs do not."""
    checked = rows(2) | rows(4)
    assert [name for name, row in checked.items() if not row.attainable] == ["PD-Uniform"]
    assert checked["PD-Uniform"].spearman_untied == pytest.approx(1 - 8 / 56)
    tied = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 6.5])
    values = correlate(np.arange(7.0), tied[np.array(list(permutations(range(7))))], "spearman")
    assert np.isclose(values, 0.8469, atol=5e-5).any()  # as the table's file says


def test_one_order_of_the_full_data_fits_table_3_best() -> None:
    """Of all 720 orders, the fitted accuracies' own agrees with most printed ρs: five of eight; the next with three."""
    printed = table(3)
    assert printed.full is not None
    accuracies = np.array([row.accuracies for row in printed.rows])
    rhos = np.array([row.spearman for row in printed.rows], dtype=np.float64)
    orders = np.array(list(permutations(range(6))), dtype=np.float64)
    matches = (np.abs(correlate(orders[:, None], accuracies, "spearman") - rhos) < 6e-4).sum(axis=1)
    ranked = np.sort(matches)
    assert (ranked[-1], ranked[-2]) == (5, 3)
    assert correlate(orders[matches.argmax()], printed.full.values, "spearman") == pytest.approx(1.0)


def test_fitted_accuracies_give_all_pearson_but_one() -> None:
    """The fit reaches seven ρp within .003 and fails at PD-Mid, where an exchange of two accuracies mends both ρ."""
    checked = rows(3)
    errors = {name: abs(row.pearson.difference or 0) for name, row in checked.items()}
    assert max(error for name, error in errors.items() if name != "PD-Mid") < 0.0035
    assert errors["PD-Mid"] > 0.1
    exchanged = checked["PD-Mid"].exchanged
    assert exchanged is not None
    assert abs(exchanged[0].difference or 1) < 0.003
    assert exchanged[1].follows


@pytest.mark.parametrize(("subset", "first", "second"), [("NiR", 1, 3), ("PD-Uniform", 0, 5)])
def test_near_ties_explain_two_rank_correlations(subset: str, first: int, second: int) -> None:
    """As the file says, the other order of two almost equal accuracies gives the printed ρs."""
    row, full = rows(3)[subset].row, table(3).full
    assert full is not None
    swapped = list(row.accuracies)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    assert float(correlate(swapped, full.values, "spearman")) == pytest.approx(row.spearman or 0, abs=5e-4)


def test_findings_name_contradictions_and_causes() -> None:
    """A reader is told what no full data could give, by how much values differ, and what was tried elsewhere."""
    told = "\n".join(findings(table(3)))
    assert "PD-Uniform and ERC-100 order the configs alike" in told
    assert "PD-Mid: recomputed less printed, ρp −.129, ρs −.343; two accuracies" in told
    assert "With torchvision's accuracies" in told
    assert "none of the 8 rows follows" in told
    assert "no ρ can be recomputed" in findings(table(2))[0]


def test_fisher_interval_is_the_textbooks() -> None:
    """Seven configs leave ρp = .944 an interval from .66 to .99; three have none."""
    assert fisher_interval(0.944, 7) == pytest.approx((0.660, 0.992), abs=5e-4)
    assert fisher_interval(0.877, 7) == pytest.approx((0.365, 0.982), abs=5e-4)
    with pytest.raises(ValueError, match="at least 4"):
        fisher_interval(0.5, 3)


def test_other_tables_are_refused() -> None:
    """A table that has no correlations is an error that lists those that have."""
    with pytest.raises(InputError, match="there are tables 2, 3, 4, 13"):
        table(5)
