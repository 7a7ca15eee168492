"""The splits that every dataset has."""

from typing import Literal

Split = Literal["train", "val"]
