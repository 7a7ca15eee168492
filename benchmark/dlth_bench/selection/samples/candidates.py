"""Which samples there are to choose from: those of the dynamics, of a table, or of the dataset itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlth_bench.datasets.registry import class_catalog, sample_catalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol_file import find_protocol
from dlth_bench.spec.quoting import quoted
from dlth_bench.spec.samples import SampleCatalog

if TYPE_CHECKING:
    from dlth_bench.selection.dynamics import Dynamics

DEFAULT_PROTOCOLS = {"glyphs": "glyphs-ssl"}
"""Whose training samples are chosen among where the user names no protocol; other datasets: all samples."""


def candidate_samples(
    dataset: str, *, protocol: str | None = None, table: Path | None = None, dynamics: Sequence[Dynamics] = ()
) -> SampleCatalog:
    """The samples to choose from.

    Args:
        protocol: whose training samples they must be.
        table: lists them, CSV or Parquet.
        dynamics: of models that were trained on them.

    Raises:
        InputError: the dataset, table, protocol and dynamics do not fit together, or nothing says which samples
            there are.
    """
    catalog = class_catalog(dataset)
    if table is not None:
        from dlth_bench.selection.samples.sample_table import read_samples

        if dynamics:
            raise InputError("give --samples or --dynamics, not both: dynamics say which samples there are")
        return read_samples(table, catalog)
    if dynamics:
        _check_dynamics(dataset, protocol, dynamics)
        return dynamics[0].samples
    images_per_class = _images_per_class(dataset, protocol)
    try:
        return sample_catalog(dataset, images_per_class)
    except InputError as error:  # not at hand
        raise InputError(f"{error.message}; list its samples with --samples FILE") from None


def _images_per_class(dataset: str, protocol: str | None) -> int | None:
    name = protocol or DEFAULT_PROTOCOLS.get(dataset)
    if name is None:
        return None
    data = find_protocol(name).data
    if data.dataset != dataset:
        raise InputError(f"protocol {quoted(name)} is one of {data.dataset}, but the dataset is {dataset}")
    return data.images_per_class


def _check_dynamics(dataset: str, protocol: str | None, dynamics: Sequence[Dynamics]) -> None:
    classes = class_catalog(dataset)
    for recorded in dynamics:
        if recorded.header.dataset != dataset:
            raise recorded.error(f"holds dynamics on {recorded.header.dataset}, but the dataset is {dataset}")
        unknown = next((item for item in recorded.header.class_ids if item not in classes.ids), None)
        if unknown is not None:
            raise recorded.error(f"class {quoted(unknown)} is not one of {dataset}")
        if recorded.samples.sample_ids != dynamics[0].samples.sample_ids:
            raise recorded.error(f"holds other samples, or another order, than {dynamics[0].path.name}")
    known = _known_samples(dataset, protocol)
    ids = dynamics[0].samples.sample_ids
    stray = next((item for item in ids if known is not None and item not in known), None)
    if stray is not None:
        name = protocol or DEFAULT_PROTOCOLS.get(dataset, dataset)
        told = f"sample {quoted(stray)} is none that {name} trains on"
        raise dynamics[0].error(f"{told}; name the protocol of the dynamics with --protocol")


def _known_samples(dataset: str, protocol: str | None) -> frozenset[str] | None:
    """The IDs that a protocol trains on; None where the dataset is not at hand."""
    images_per_class = _images_per_class(dataset, protocol)
    try:
        return frozenset(sample_catalog(dataset, images_per_class).sample_ids)
    except InputError:
        return None
