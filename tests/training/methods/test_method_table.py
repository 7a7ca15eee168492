"""The two tables of methods: what is known of each without torch, and its networks."""

from __future__ import annotations

from typing import get_args

from dlth_bench.protocols.methods import METHODS, MethodSpec
from dlth_bench.training.methods import NETWORKS


def test_every_method_that_a_protocol_may_name_has_an_entry_and_networks() -> None:
    """A spec that is not in both tables would pass validation and fail in the middle of a run."""
    union, _ = get_args(MethodSpec)
    assert {entry.spec for entry in METHODS.values()} == set(get_args(union))
    assert set(METHODS) == set(NETWORKS)
