"""WEC and SEC: one class of each cluster of class embeddings (section 3.3 of the DLTH paper).

WEC embeds the classes' names, SEC is given each class's mean image feature. The clustering is imported when it is
asked for: the command line lists the policies at every start, and numpy is slow to load.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from dlth_bench.selection.policy import Algorithm, Choice, Policy, Request
from dlth_bench.spec.errors import InputError

if TYPE_CHECKING:
    from dlth_bench.selection.clustering import Matrix


def _clustered(request: Request, embeddings: Matrix, origin: str) -> Choice:
    from dlth_bench.selection.clustering import cluster_classes

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
    from dlth_bench.selection.class_embeddings import embed_names, encode_with_model, read_embeddings

    if request.embeddings is not None and request.encoder is not None:
        raise InputError("give --embeddings or --encoder, not both")
    if request.embeddings is not None:
        return _clustered(request, read_embeddings(request.embeddings, request.catalog), "from a file")
    if request.encoder is not None:
        return _clustered(request, *encode_with_model(request.encoder, request.catalog))
    return _clustered(request, *embed_names(request.catalog))


def _choose_by_images(request: Request) -> Choice:
    from dlth_bench.selection.class_embeddings import read_embeddings

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
