"""Whether the data are what they should be: the shipped ones by their digest, others by what is known of them."""

from __future__ import annotations

from collections import Counter

from dlth_bench.datasets.base import Dataset
from dlth_bench.datasets.hub import HubFiles, quiet_hub
from dlth_bench.datasets.location import dataset_folder
from dlth_bench.datasets.published_sizes import PUBLISHED, PublishedSize
from dlth_bench.datasets.registry import dataset_named, hub_files, image_dataset
from dlth_bench.harness.doctor.checks import Check
from dlth_bench.shipped import shipped_folder
from dlth_bench.spec.data import DataSpec
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.protocol_file import lock_state, read_lock, read_protocol, shipped_protocols


def protocols_check() -> Check:
    """Whether the frozen protocols are still what was frozen."""
    lock = read_lock(shipped_folder("protocols"))
    states = {found.key: lock_state(found, lock) for found in map(read_protocol, shipped_protocols().values())}
    wrong = sorted(key for key in lock if states.get(key) != "locked")
    if wrong:
        found = f"{', '.join(wrong)} changed since being frozen, or gone"
        return Check(name="protocols", status="fail", found=found, advice="reinstall dlth-bench")
    return Check(name="protocols", status="ok", found=f"{len(lock)} are frozen, and unchanged")


def glyphs_check() -> Check:
    """Whether the shipped images are to the last pixel those that protocols were frozen with."""
    from dlth_bench.datasets.glyphs import Glyphs

    dataset = Glyphs()
    try:
        computed = dataset.computed_digest()
    except (OSError, ValueError, KeyError) as error:
        found = f"its files cannot be read: {error}"
        return Check(name="glyphs", status="fail", found=found, advice="reinstall dlth-bench")
    found = f"{len(dataset.catalog)} classes, digest {computed[:12]}"
    if computed != dataset.manifest_digest:
        found = f"digest {computed}, recorded is {dataset.manifest_digest}"
        return Check(name="glyphs", status="fail", found=found, advice="its files have changed: reinstall dlth-bench")
    return Check(name="glyphs", status="ok", found=found)


def dataset_checks(data: DataSpec, *, quick: bool = False) -> list[Check]:
    """Whether a protocol's dataset is at hand, or how it is to be had; the shipped one by its digest alone.

    Args:
        quick: do not count samples, which lists all files.

    Raises:
        InputError: no such dataset.
    """
    if data.dataset == "glyphs":
        return [_frozen_digest_check(image_dataset("glyphs"), data)]
    hub, folder = hub_files(data.dataset), dataset_folder(data.dataset)
    try:
        folder = folder or hub.cached()
        if folder is None:
            return [hub_check(hub)]
        dataset = dataset_named(data.dataset)
        if quick:
            return [Check(name=data.dataset, status="ok", found=f"in {folder}; not looked into")]
        return [_sizes_check(dataset, PUBLISHED[data.dataset], str(folder)), _frozen_digest_check(dataset, data)]
    except InputError as error:
        return [Check(name=data.dataset, status="fail", found=error.located)]


def hub_check(hub: HubFiles) -> Check:
    """Whether the Hub would give the files to this user; asks it."""
    name = hub.name
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the HTTP library below it
    except ImportError:
        return Check(name=name, status="fail", found=hub.no_client().message)
    try:
        with quiet_hub():
            HfApi().auth_check(hub.repository, repo_type="dataset")
    except (HTTPError, OSError, ValueError) as error:
        return Check(name=name, status="fail", found=hub.refusal(error).message)
    found = f"not on this machine; a run downloads {hub.size_bytes / 1e9:.3g} GB from {hub.url}"
    return Check(name=name, status="warn", found=found, advice="or name a folder that has it by --data-dir")


def _sizes_check(dataset: Dataset, published: PublishedSize, place: str) -> Check:
    """Whether the classes at hand have as many training and validation samples as were published."""
    samples = dataset.samples()
    counts = Counter(samples.class_ids[label] for label in samples.labels)
    name, found = dataset.name, f"{len(samples):,} training samples of {len(counts)} classes in {place}"
    at_hand = [class_id for class_id in samples.class_ids if class_id in counts]
    validation = Counter(dataset.load("val", at_hand).labels.tolist())
    of_validation = {class_id: validation[label] for label, class_id in enumerate(at_hand)}
    for split, numbers, (low, high) in (
        ("training", counts, published.train_of_class),
        ("validation", of_validation, (published.val_of_class,) * 2),
    ):
        wrong = [class_id for class_id, count in numbers.items() if not low <= count <= high]
        if wrong:
            expected = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            told = f"{len(wrong)} classes have other numbers of {split} samples than the {expected} published"
            advice = f"{told}, such as {wrong[0]} with {numbers[wrong[0]]:,}"
            return Check(name=name, status="fail", found=found, advice=advice)
    if len(counts) < len(dataset.catalog):
        return Check(name=name, status="warn", found=found, advice="subsets of these classes alone can be trained on")
    if len(samples) != published.train:
        return Check(name=name, status="fail", found=found, advice=f"{published.train:,} were published")
    return Check(name=name, status="ok", found=found)


def _frozen_digest_check(dataset: Dataset, data: DataSpec) -> Check:
    name, digest = f"{dataset.name}'s digest", dataset.manifest_digest
    if data.manifest_digest is None:
        found = f"{digest[:12]}; the protocol leaves it open, each result records it"
        return Check(name=name, status="ok", found=found)
    if digest != data.manifest_digest:
        found = f"{digest[:12]}, the protocol was frozen with {data.manifest_digest[:12]}"
        return Check(name=name, status="fail", found=found, advice="its results would not be the protocol's")
    return Check(name=name, status="ok", found=f"{digest[:12]}, as frozen")
