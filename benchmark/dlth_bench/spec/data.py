"""The data of a protocol: which dataset, which part of it, and how its pixels are normalised."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from dlth_bench.spec.frozen import Frozen

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
"""The name of a dataset, protocol or config."""


class DataSpec(Frozen):
    """Which samples a protocol trains on and evaluates on."""

    dataset: Slug
    manifest_digest: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 of the dataset's manifest; None: the result records the digest found.",
        ),
    ] = None
    images_per_class: Annotated[
        int | None,
        Field(gt=0, description="Training samples a class, the first in the dataset's order; None: all."),
    ] = None
    image_size: Annotated[
        int | None,
        Field(gt=0, description="Side in pixels of the images that methods see; None: the dataset's own, or 224."),
    ] = None
    shorter_side: Annotated[
        int | None,
        Field(gt=0, description="To which larger images are reduced before all else; None: 8/7 of image_size."),
    ] = None
    pixel_mean: Annotated[
        tuple[float, ...], Field(description="Subtracted from pixels in [0, 1], a value a channel; none of texts.")
    ] = ()
    pixel_std: Annotated[tuple[float, ...], Field(description="Divides pixels after that, a value a channel.")] = ()

    @model_validator(mode="after")
    def _channels_agree(self) -> Self:
        if len(self.pixel_mean) != len(self.pixel_std):
            raise ValueError("pixel_mean and pixel_std have a value a channel, so equally many")
        return self
