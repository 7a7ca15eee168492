"""What every source of pretrained models hands over, and the checks that they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

Transform = Callable[[Image.Image], Tensor]
"""From an RGB image to a normalised tensor (3, height, width)."""


@dataclass(frozen=True)
class PretrainedModel:
    """A model ready to be evaluated.

    name: as the user may write it, source included.
    module: in evaluation mode; from (batch, 3, height, width) to class scores or features (batch, width).
    transform: the preprocessing that the model was evaluated with.
    weights: where they are from, in words, and their digest.
    """

    name: str
    module: nn.Module
    transform: Transform
    weights: str


def check_weights_file(path: Path) -> Path:
    """The path, if it is of a safetensors file; other formats can run code when they are read.

    Raises:
        InputError: it is none, or there is none.
    """
    if not path.is_file():
        raise InputError("no such file", source=printable(str(path)))
    try:
        if path.suffix != ".safetensors":
            raise SafetensorError
        with safe_open(path, framework="pt"):
            return path
    except SafetensorError:
        message = "is not a .safetensors file, the only format of weights that is read: others can run code"
        raise InputError(message, source=printable(str(path))) from None


def described_file(origin: str, path: Path) -> str:
    """Where weights are from, and the digest that tells them from others of that name."""
    with path.open("rb") as stream:
        return f"{origin}, sha256 {hashlib.file_digest(stream, 'sha256').hexdigest()}"


def does_not_fit(path: Path, name: str, error: Exception) -> InputError:
    """What to say of weights that a model refused to load."""
    reason = printable(" ".join(str(error).split()), 200)
    return InputError(f"does not fit {name}: {reason}", source=printable(str(path)))


def unknown_model(source: str, name: str, known: Iterable[str]) -> InputError:
    """What to say of a model that its source does not have."""
    near = get_close_matches(name, list(known), n=1)
    guess = f"; did you mean {quoted(f'{source}:{near[0]}')}?" if near else ""
    return InputError(f"--model: {source} has no model {quoted(name)}{guess}")


def no_download(name: str, error: BaseException) -> InputError:
    """What to say when weights cannot be fetched."""
    reason = printable(" ".join(str(error).split()) or type(error).__name__, 120)
    return InputError(f"--model: the weights of {name} cannot be downloaded, give --weights FILE: {reason}")
