"""What a user may say about Ray tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dlth_bench.harness.engines.options import key_values, number
from dlth_bench.spec.errors import InputError

KEYS = ("address", "cpus", "gpus")


@dataclass(frozen=True)
class RayOptions:
    """Where Ray is and what a run takes of it.

    Args:
        address: of a running cluster, ``auto`` for the one of this machine; ``local``: a new one, for this command.
        cpus, gpus: of a run; a part of a GPU, such as .5, puts several runs on one. None: a whole one where the
            cluster has GPUs.
        workers: CPUs of a new local cluster, so runs at once; None: all.
    """

    address: str = "local"
    cpus: float = 1.0
    gpus: float | None = None
    workers: int | None = None


def ray_options(texts: Sequence[str], workers: int | None = None) -> RayOptions:
    """Options from ``key=value`` texts.

    Raises:
        InputError: an unknown key, a value that makes no sense, or ``workers`` for a cluster that is there already.
    """
    given = dict(key_values(texts, "ray", KEYS))
    address = given.get("address", "local")
    if workers is not None and address != "local":
        raise InputError("--workers: a running Ray cluster trains as many runs at once as its CPUs and GPUs allow")
    gpus = number("gpus", given["gpus"], least=0) if "gpus" in given else None
    if gpus is not None and gpus > 1:
        raise InputError("--engine-option: gpus: a run trains on one GPU or a part of one")
    cpus = number("cpus", given["cpus"], least=0) if "cpus" in given else 1.0
    return RayOptions(address=address, cpus=cpus, gpus=gpus, workers=workers)
