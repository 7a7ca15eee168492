"""Which subsets a protocol takes."""

from __future__ import annotations

from pathlib import Path

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol import Protocol
from dlth_bench.spec.quoting import printable, quoted
from dlth_bench.spec.replaced import REPLACED_TEXT
from dlth_bench.spec.run import Run
from dlth_bench.spec.samples import SampleCatalog
from dlth_bench.spec.subset import Subset, check_size


def check_subset(subset: Subset, protocol: Protocol, *, source: Path | str | None = None) -> None:
    """Raise InputError unless the subset is of a unit and size that the protocol takes and fills every config's batch.

    Whether the dataset has its classes and samples is not looked at.
    """
    where = None if source is None else printable(str(source))
    rule = protocol.subset if subset.unit == "class" else protocol.subset.samples
    if rule is None:
        raise InputError(f"lists samples, but {protocol.key} takes class subsets only", source=where)
    replaces = protocol.subset.replaces
    if subset.unit == "class" and replaces != "training":
        message = (
            f"lists classes, but under {protocol.key} a subset replaces {REPLACED_TEXT[replaces]}: it lists samples"
        )
        raise InputError(message, source=where)
    check_size(subset, rule.minimum, rule.maximum, source=source)
    if len(subset.class_ids) < 2:
        raise InputError(f"all samples are of class {subset.class_ids[0]}; two classes are needed", source=where)
    samples = Run.on(subset, protocol.data, protocol.configs[0], seed=0).samples
    for config in protocol.configs:
        stages = [config.train] if config.evaluation is None else [config.train, config.evaluation.train]
        batch = max(stage.batch_size for stage in stages)
        trained = None if samples is None else config.train.trained_samples(samples)
        if trained is not None and trained < batch:
            message = f"has {trained} training samples, but {config.name} trains in batches of {batch}"
            raise InputError(message, source=where)


def check_samples(subset: Subset, samples: SampleCatalog, *, source: Path | str | None = None) -> None:
    """Raise InputError unless all samples of a sample subset are among those there are to choose from."""
    stray = next((item for item in subset.ids if samples.index(item) is None), None)
    if stray is not None:
        first = samples.images_per_class
        known = "training samples" if first is None else f"first {first} training samples of its class"
        where = None if source is None else printable(str(source))
        raise InputError(f"{quoted(stray, 120)} is not among the {known} in {samples.dataset}", source=where)
