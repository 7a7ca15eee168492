"""Images of different sizes, decoded once and kept on disk: what training reads in place of JPEG files.

One shard a class and split, so that subsets share them. A shard grows by the images that are asked for, and each image
has its digest. Pixels are stored as decoded and not as JPEG again: 100 classes of ImageNet at shorter side 256 take
about 36 GB, fit the memory of a large GPU, and cost no decoding in any of hundreds of epochs.
"""
