"""A plain PyTorch script that trains on a subset found elsewhere: one epoch of a classifier on an ImageFolder.

    python examples/train_on_a_subset.py --data /data/imagenet/train --subset imagenet/cmc-100

Only `load_subset` is of dlth-bench; the rest is torch and torchvision.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, models, transforms

import dlth_bench

VIEW = transforms.Compose(
    [
        transforms.RandomResizedCrop(224),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)


def only_classes(images: datasets.ImageFolder, class_ids: tuple[str, ...]) -> Subset[tuple[torch.Tensor, int]]:
    """The images whose folder is one of the classes; labels count from 0 in the order of ``class_ids``.

    Raises:
        SystemExit: a class has no folder.
    """
    missing = sorted(set(class_ids) - set(images.classes))
    if missing:
        raise SystemExit(f"{images.root} has no folder {missing[0]} ({len(missing)} of {len(class_ids)} are missing)")
    label = {images.class_to_idx[name]: index for index, name in enumerate(class_ids)}
    images.target_transform = label.__getitem__
    return Subset(images, [index for index, target in enumerate(images.targets) if target in label])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with one folder of images a class")
    parser.add_argument("--subset", default="imagenet/cmc-100", help="a shipped class list, or a file of one")
    parser.add_argument("--batch-size", type=int, default=64)
    asked = parser.parse_args()

    subset = dlth_bench.load_subset(asked.subset)
    images = only_classes(datasets.ImageFolder(asked.data, VIEW), subset.ids)
    print(f"{len(images)} images of {len(subset.ids)} classes")

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = models.resnet18(num_classes=len(subset.ids)).to(device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    for views, labels in DataLoader(images, asked.batch_size, shuffle=True, drop_last=len(images) > asked.batch_size):
        loss = torch.nn.functional.cross_entropy(network(views.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"loss of the last batch {loss.item():.3f}")


if __name__ == "__main__":
    main()
