"""Images a second of augmented 224-pixel views from ImageNet-sized uint8 images, and their distance from torchvision's.

python tests/speed/large_crops.py [--device cuda] [--images 256] [--gigabytes 0]

`--gigabytes` makes the tensor that holds the images so large: positions beyond 2^31 bytes must work, too.
"""

from __future__ import annotations

import argparse
import time

import torch
from torchvision.transforms import functional as TF

from dlth_bench.protocols.recipe import AugmentSpec
from dlth_bench.training.samples import RaggedImages, margin
from dlth_bench.training.views.augment import Augment, Pixels, unaugmented

PIXELS = Pixels(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CROP = AugmentSpec(crop_scale=(0.08, 1.0), flip=0.5)
VIEWS = {
    "crop and flip": CROP,
    "MoCo v2 (blur, colour)": CROP.model_copy(
        update={"jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1, "grayscale": 0.2}
        | {"crop_scale": (0.2, 1.0), "blur": 0.5, "blur_sigma": (0.1, 2.0)}
    ),
    "DINO local, 96 px": CROP.model_copy(
        update={"size": 96, "crop_scale": (0.05, 0.4), "interpolation": "bicubic", "blur": 0.5}
    ),
}


def images(count: int, device: torch.device, gigabytes: float) -> RaggedImages:
    """Noise of the usual shapes at shorter side 256; the last images lie at the end of the tensor."""
    sizes = torch.tensor([(256, 341), (341, 256), (256, 384), (256, 256), (256, 1024)])[torch.arange(count) % 5]
    height, width = sizes.T.to(device)
    length = 3 * height * width
    used = int(length.sum())
    total = max(used, int(gigabytes * 1e9))
    start = length.cumsum(0) - length + torch.where(torch.arange(count, device=device) < count // 2, 0, total - used)
    pixels = torch.empty(total + margin(1024), dtype=torch.uint8, device=device)
    for first in range(0, total, 1 << 30):
        pixels[first : first + (1 << 30)].random_(0, 256)
    return RaggedImages(pixels, start, height, width, 256, 1024)


def seconds(function: object, device: torch.device, repeats: int) -> float:
    for timed in (False, True):
        clock = time.perf_counter if device.type == "cuda" else time.process_time  # CPUs may be shared
        started = clock()
        for _ in range(repeats if timed else 1):
            function()  # type: ignore[operator]
        if device.type == "cuda":
            torch.cuda.synchronize()
    return (clock() - started) / repeats


def distance(batch: RaggedImages) -> float:
    """Of the evaluation's views from torchvision's, the largest over all pixels."""
    views, worst = unaugmented(batch, PIXELS), 0.0
    for number in range(0, len(batch), max(1, len(batch) // 16)):
        height, width = int(batch.height[number]), int(batch.width[number])
        flat = batch.pixels[int(batch.start[number]) :][: 3 * height * width].view(height, width, 3)
        whole = flat.permute(2, 0, 1).float() / 255
        theirs = PIXELS.normalized(TF.center_crop(TF.resize(whole, 256, antialias=True), [224, 224]).clone())
        worst = max(worst, (views[number] - theirs).abs().max().item())
    return worst


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--gigabytes", type=float, default=0.0)
    given = parser.parse_args()
    device = torch.device(given.device)
    batch = images(given.images, device, given.gigabytes)
    print(f"evaluation's views against torchvision's: {distance(batch):.1e} at most")  # noqa: T201
    generator = torch.Generator(device=device)
    for name, spec in VIEWS.items():
        augment = Augment(spec, PIXELS)
        spent = seconds(lambda augment=augment: augment(batch, generator), device, given.repeats)
        memory = f", {torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if device.type == "cuda" else ""
        print(f"{name}: {len(batch) / spent:,.0f} views/s, {1e3 * spent:.1f} ms a batch of {len(batch)}{memory}")  # noqa: T201


if __name__ == "__main__":
    main()
