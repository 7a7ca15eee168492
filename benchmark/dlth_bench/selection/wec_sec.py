"""WEC and SEC: one class from each cluster of class embeddings, of words or of image features."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.selection.policy import Algorithm, Choice, Policy, Positions, Request, size_within
from dlth_bench.selection.sample_pool import unit_rows
from dlth_bench.util.errors import InputError
from dlth_bench.util.text import printable, quoted


def _clustered(request: Request, embeddings: Matrix, origin: str) -> Choice:
    chosen = cluster_classes(embeddings, request.catalog.ids, request.size, request.seed, request.algorithm)
    ranking = "nearest to the centre" if request.algorithm is Algorithm.KMEANS else "medoid"
    parameters = {
        "algorithm": request.algorithm,
        "embeddings": origin,
        "ranking": ranking,
        "scikit-learn": version("scikit-learn"),  # its clusters may differ between versions
    }
    return Choice(chosen, parameters)


def _choose_by_words(request: Request) -> Choice:
    if request.embeddings is not None and request.encoder is not None:
        raise InputError("give --embeddings or --encoder, not both")
    if request.embeddings is not None:
        return _clustered(request, read_embeddings(request.embeddings, request.catalog), "from a file")
    if request.encoder is not None:
        return _clustered(request, *encode_with_model(request.encoder, request.catalog))
    return _clustered(request, *embed_names(request.catalog))


def _choose_by_images(request: Request) -> Choice:
    if request.embeddings is None:
        raise InputError("sec needs --embeddings, a .npy of mean image features")
    return _clustered(request, read_embeddings(request.embeddings, request.catalog), "from a file")


WEC = Policy(
    "wec",
    "one class of each cluster of word embeddings (default: TF-IDF and SVD of names, no download)",
    _choose_by_words,
    takes=("embeddings", "encoder", "algorithm", "seed"),
)
SEC = Policy(
    "sec",
    "one class of each cluster of mean image features",
    _choose_by_images,
    needs=("embeddings",),
    takes=("algorithm", "seed"),
)


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


_STARTS = 10
_MAX_ROUNDS = 300
_DECIMALS = 9
"""Distances that agree to so many decimals are equal: what remains is rounding, which differs between machines."""


def cluster_classes(
    embeddings: Matrix, class_ids: Sequence[str], size: int, seed: int, algorithm: Algorithm = Algorithm.KMEANS
) -> tuple[str, ...]:
    """One class of each of ``size`` clusters, in sorted order.

    Args:
        embeddings: (classes, dimensions), finite.
        seed: of the clustering's starts.

    Raises:
        InputError: ``size`` is not between 1 and the number of classes, or fewer embeddings than that are distinct.
    """
    size_within(size, len(class_ids))
    points = unit_rows(embeddings)
    distinct = len(np.unique(np.round(points, _DECIMALS), axis=0))
    if distinct < size:
        raise InputError(f"size {size}: only {distinct} of the {len(class_ids)} classes' embeddings are distinct")
    cluster = _kmeans_representatives if algorithm is Algorithm.KMEANS else kmedoids
    return tuple(sorted(class_ids[position] for position in cluster(points, size, seed)))


def kmedoids(points: Matrix, count: int, seed: int) -> Positions:
    """The positions of ``count`` medoids, ascending, by alternating assignment and update (Park & Jun 2009).

    The best of ten starts, each seeded as k-means++ is: the next medoid is drawn with a probability proportional to
    the squared distance to the nearest so far. The cost is the sum of distances to the nearest medoid.

    Args:
        points: (points, dimensions), at least ``count`` of them distinct.
    """
    from scipy.spatial.distance import cdist

    distances = np.round(cdist(points, points), _DECIMALS)
    rng = np.random.default_rng(seed)
    best, least = np.empty(0, dtype=np.intp), np.inf
    for _ in range(_STARTS):
        medoids = _settle(distances, _spread_start(distances, count, rng))
        cost = float(np.round(distances[:, medoids].min(axis=1).sum(), _DECIMALS - 3))
        if cost < least:
            best, least = medoids, cost
    return best


def _spread_start(distances: Matrix, count: int, rng: np.random.Generator) -> Positions:
    """Medoids that lie apart, drawn as the centres of k-means++."""
    chosen = [int(rng.integers(len(distances)))]
    while len(chosen) < count:
        weights = distances[:, chosen].min(axis=1) ** 2
        chosen.append(int(rng.choice(len(distances), p=weights / weights.sum())))
    return np.sort(np.array(chosen, dtype=np.intp))


def _settle(distances: Matrix, medoids: Positions) -> Positions:
    """Alternate until no medoid moves; the sum of distances falls in every round, so it ends."""
    for _ in range(_MAX_ROUNDS):
        nearest = distances[:, medoids].argmin(axis=1)
        moved = []
        for cluster in range(len(medoids)):
            members = np.flatnonzero(nearest == cluster)
            sums = np.round(distances[np.ix_(members, members)].sum(axis=1), _DECIMALS - 3)
            moved.append(members[sums.argmin()])
        updated = np.sort(np.array(moved, dtype=np.intp))
        if np.array_equal(updated, medoids):
            break
        medoids = updated
    return medoids


def _kmeans_representatives(points: Matrix, count: int, seed: int) -> Positions:
    """The point nearest to each centre of scikit-learn's k-means, among the points of its cluster."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # The order in which threads add up changes the last digits, and with them, rarely, a cluster.
    with threadpool_limits(limits=1):
        fitted = KMeans(count, n_init=_STARTS, max_iter=_MAX_ROUNDS, random_state=seed).fit(points)
    chosen = []
    for cluster in range(count):
        members = np.flatnonzero(fitted.labels_ == cluster)
        if not len(members):
            raise InputError(f"size {count}: k-means left a cluster empty; try another --seed or --algorithm kmedoids")
        away = np.linalg.norm(points[members] - fitted.cluster_centers_[cluster], axis=1)
        chosen.append(members[np.round(away, _DECIMALS).argmin()])
    return np.array(chosen, dtype=np.intp)
