"""Class embeddings: from a file, from a text model, or from TF-IDF of what is known about the classes."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable, quoted

Matrix = npt.NDArray[np.float64]

_COMPONENTS = 100
"""Dimensions that the SVD keeps: the usual number of latent semantic analysis."""


def read_embeddings(path: Path, catalog: ClassCatalog) -> Matrix:
    """The rows of a ``.npy`` file, (classes, dimensions), one for each class in the dataset's order.

    Nothing is unpickled.

    Raises:
        InputError: unreadable, no array of numbers, another shape, or a row with NaN or infinity.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError("no such file", source=path) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        raise InputError("is not a .npy file of numbers", source=path) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise InputError("is not a .npy file with one array of real numbers", source=path)
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"has shape {array.shape}; expected ({len(catalog)}, dimensions)", source=path)
    if len(array) != len(catalog):
        expected = f"{catalog.dataset} has {len(catalog)} classes, in the order of their labels"
        raise InputError(f"has {len(array)} rows; {expected}", source=path)
    embeddings = np.asarray(array, dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(bad):
        message = f"row {bad[0]} (class {catalog.ids[bad[0]]}) holds NaN or infinity"
        raise InputError(message + (f", and so do {len(bad) - 1} more" if len(bad) > 1 else ""), source=path)
    return embeddings


def embed_names(catalog: ClassCatalog) -> tuple[Matrix, str]:
    """Latent semantic analysis of the classes' descriptions, which needs no download; and what it was made from.

    TF-IDF over single words, then a truncated SVD.

    Returns:
        (classes, dimensions) with at most 100 dimensions.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    texts, contents = describe_classes(catalog)
    # Words of one letter count: among Glyphs they are the letters.
    weights = TfidfVectorizer(token_pattern=r"(?u)\w+", sublinear_tf=True).fit_transform(texts)
    components = min(_COMPONENTS, min(weights.shape) - 1)
    with threadpool_limits(limits=1):
        embeddings = TruncatedSVD(components, random_state=0).fit_transform(weights)
    return np.asarray(embeddings, dtype=np.float64), f"TF-IDF and SVD of {contents}"


def describe_classes(catalog: ClassCatalog) -> tuple[list[str], str]:
    """A text for each class, and what the texts hold: name, place in the tree, and ImageNet's WordNet definitions."""
    texts = [" ".join((info.name, *info.tree)) for info in catalog]
    if catalog.dataset != "imagenet":
        return texts, "names and tree"
    try:
        from timm import __version__ as version
        from timm.data.imagenet_info import ImageNetInfo
    except ImportError:
        return texts, "names and tree"
    known = ImageNetInfo()
    definitions = [known.label_name_to_description(class_id, detailed=True) for class_id in catalog.ids]
    joined = [f"{text} {definition}" for text, definition in zip(texts, definitions, strict=True)]
    return joined, f"names, tree and definitions (timm {version})"


def encode_with_model(name: str, catalog: ClassCatalog) -> tuple[Matrix, str]:
    """The embeddings of the classes' names by a text model; and which model.

    Args:
        name: of a model on the Hugging Face Hub, or a local folder: a CLIP model as transformers stores it (its
            projected text features), or what sentence-transformers reads.

    Returns:
        (classes, dimensions) in the dataset's order.

    Raises:
        InputError: the libraries are missing, or the model cannot be loaded.
    """
    names = [info.name for info in catalog]
    try:
        import transformers
        from sentence_transformers import SentenceTransformer
    except ImportError:
        message = "--encoder needs sentence-transformers: pip install 'dlth-bench[encoders]'"
        raise InputError(f"{message}, or leave it out for TF-IDF of the names") from None
    try:
        if _is_clip(name, transformers):
            embeddings = _clip_text_features(name, names, transformers)
        else:
            embeddings = SentenceTransformer(name, device="cpu").encode(names, show_progress_bar=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = printable(re.split(r"[\r\n]", str(error), maxsplit=1)[0], 120)
        raise InputError(f"--encoder: cannot load {quoted(name)}: {reason}") from None
    shown = Path(name).resolve().name if Path(name).is_dir() else name
    return np.asarray(embeddings, dtype=np.float64), f"names by {printable(shown)}"


def _is_clip(name: str, transformers: ModuleType) -> bool:
    """Whether a model is CLIP itself and not one that sentence-transformers has wrapped."""
    try:
        config = transformers.AutoConfig.from_pretrained(name)
    except (OSError, ValueError, KeyError):  # sentence-transformers' own folders have no such file at the top
        return False
    return getattr(config, "model_type", "") == "clip"


def _clip_text_features(name: str, texts: Sequence[str], transformers: ModuleType) -> Matrix:
    """(texts, dimensions): the pooled and projected text features of CLIP."""
    import torch

    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    model = transformers.CLIPModel.from_pretrained(name).eval()
    features = []
    with torch.inference_mode():
        for start in range(0, len(texts), 64):
            tokens = tokenizer(list(texts[start : start + 64]), padding=True, truncation=True, return_tensors="pt")
            pooled = model.text_model(**tokens).pooler_output
            features.append(model.text_projection(pooled).double().numpy())
    return np.concatenate(features)
