"""Metrics: ranges and directions hold, and a protocol is refused whose configs do not leave its metric."""

from __future__ import annotations

import math

import pytest
from board_examples import tiny_config, tiny_protocol
from pydantic import ValidationError

from dlth_bench.protocols.measurements import ACCURACY, ForgettingSpec, MeasuredValue, Metric
from dlth_bench.protocols.protocol import Config, ConfigReference, Protocol

EVENTS = Metric(name="forgetting-events", unit="events", direction="lower")
FULL_EVENTS = {"alpha": (1.5, 1.7), "beta": (3.0, 3.2), "gamma": (5.0, 5.4), "delta": (9.0, 9.4)}


def measuring(config: Config) -> Config:
    return config.model_copy(update={"measure": (ForgettingSpec(kind="forgetting"),)})


def events_protocol(**changes: object) -> Protocol:
    """The tiny protocol, ranked by forgetting events."""
    protocol = tiny_protocol()
    assert protocol.reference is not None
    entries = {name: ConfigReference(accuracies=values) for name, values in FULL_EVENTS.items()}
    fields = {
        "metric": EVENTS,
        "configs": tuple(measuring(config) for config in protocol.configs),
        "reference": protocol.reference.model_copy(update={"configs": entries}),
    }
    given = {name: getattr(protocol, name) for name in type(protocol).model_fields}
    return Protocol.model_validate(given | fields | changes)


@pytest.mark.parametrize(
    ("unit", "inside", "outside"),
    [("fraction", (0, 0.5, 1), (-0.01, 1.01, math.nan)), ("events", (0, 94.3), (-1, math.inf)),
     ("ratio", (-0.2, 1.3), (math.nan, -math.inf))],
)  # fmt: skip
def test_a_value_lies_in_its_units_range(unit: str, inside: tuple[float, ...], outside: tuple[float, ...]) -> None:
    """A number that the metric cannot be is refused wherever it comes from."""
    given = {"name": "x", "unit": unit, "direction": "higher"}
    for value in inside:
        assert MeasuredValue.model_validate(given | {"value": value}).value == value
    for value in outside:
        with pytest.raises(ValidationError):
            MeasuredValue.model_validate(given | {"value": value})


def test_accuracy_leaves_no_trace_in_digests() -> None:
    """Protocols, runs and recipes that name no metric keep the digests they had before there were metrics."""
    protocol = tiny_protocol()
    assert protocol.metric == ACCURACY
    assert protocol.digest == Protocol.model_validate(dict(protocol) | {"metric": ACCURACY}).digest
    assert "metric" not in protocol.model_dump(exclude_defaults=True)
    assert measuring(tiny_config("a", 0.1)).recipe_digest != tiny_config("a", 0.1).recipe_digest
    assert events_protocol().digest != protocol.digest


def test_a_reference_is_of_the_protocols_metric() -> None:
    """Nine events a sample are a reference of events and not of accuracies."""
    assert events_protocol().reference is not None
    with pytest.raises(ValidationError, match="forgetting-events -1, not a number of 0 or more"):
        reference = events_protocol().reference
        assert reference is not None
        wrong = reference.configs | {"beta": ConfigReference(mean=-1)}
        events_protocol(reference=reference.model_copy(update={"configs": wrong}))


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (Metric(name="barrier", unit="fraction", direction="lower"), "does not measure the protocol's metric barrier"),
        (EVENTS.model_copy(update={"direction": "higher"}), "forgetting-events is in events, lower being better"),
    ],
)
def test_a_protocol_ranks_by_what_its_configs_measure(metric: Metric, told: str) -> None:
    """Nobody trains for hours and then finds that the protocol's metric was never measured."""
    with pytest.raises(ValidationError, match=told):
        events_protocol(metric=metric)
