"""ImageNet-1K: the classes and their WordNet tree.

``classes.csv`` holds the index, WordNet 3.0 ID, lemmas and torchvision label of the 1000 classes;
``wordnet_hypernyms.csv`` their hypernym closure (rank 0 is the first-listed hypernym) and ``wordnet_names.csv``
its names, both from WordNet 3.0 under the terms of ``WORDNET_LICENSE.txt``. No image is shipped.
"""

from dlth_bench.datasets.imagenet.catalog import imagenet_catalog

__all__ = ["imagenet_catalog"]
