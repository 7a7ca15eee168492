"""What a file of training dynamics holds: how one model saw each training sample, epoch by epoch.

A safetensors file, never pickle. Its metadata has one key ``json``, the header; its tensors are

- ``sample_ids`` uint8 (bytes,): the IDs in UTF-8, joined by line feeds, in the dataset's order
- ``labels`` int (samples,): positions in the header's ``class_ids``
- ``correct`` uint8 (epochs, samples): 1 where the highest score is at the label

and, as far as they were recorded, in float16, float32 or float64 without NaN or infinity,

- ``error_norm`` (epochs, samples): the L2 norm of softmax minus one-hot label (EL2N, Paul et al. 2021)
- ``entropy`` (epochs, samples): of the softmax, in nats
- ``confidence`` (epochs, samples): the highest probability
- ``margin`` (epochs, samples): the label's logit minus the highest other one
- ``features`` (samples, dimensions): what the last linear layer sees, after the last epoch
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dlth_bench.spec.frozen import Frozen

Convention = Literal["epoch-end", "minibatch"]
"""When ``correct`` was read.

``epoch-end``: after each epoch, in evaluation mode, on the sample as it is. ``minibatch``: when the sample was last
trained on, from the augmented view and before that update (Toneva et al. 2019, algorithm 1); a sample not presented
in an epoch keeps its value. All other tensors are read at the end of an epoch.
"""

ScoreName = Literal["error_norm", "entropy", "confidence", "margin"]
"""The tensors (epochs, samples) of floats."""


class DynamicsHeader(Frozen):
    """Where the dynamics come from; those of other programs may leave out all that has a default."""

    format: Annotated[Literal[1], Field(description="Version of this layout.")] = 1
    dataset: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="Name of the dataset.")]
    class_ids: Annotated[tuple[str, ...], Field(min_length=2, description="What the labels are positions in.")]
    config: Annotated[str, Field(min_length=1, max_length=200, description="What was trained.")]
    seed: int = 0
    convention: Convention = "epoch-end"
    stage: Annotated[str, Field(max_length=40, description="The stage of training that was watched.")] = ""
    protocol: Annotated[str, Field(max_length=200, description="Protocol, as name@version.")] = ""
    run: Annotated[str, Field(max_length=64, description="Digest of the run.")] = ""
    manifest_digest: Annotated[str, Field(max_length=64, description="SHA-256 of the dataset's manifest.")] = ""
    package: Annotated[str, Field(max_length=40, description="Version of dlth-bench.")] = ""

    @property
    def label(self) -> str:
        """How messages and subset files call the model."""
        return f"{self.config} seed {self.seed}"
