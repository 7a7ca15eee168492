"""What ``doctor`` looks at: machine, versions, and whether the data are what they should be."""

from __future__ import annotations

import os
import platform
import shutil
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import dlth_bench
from dlth_bench.datasets.dataset import Dataset, DataSpec
from dlth_bench.datasets.download import HubFiles, cache_folder, dataset_folder, quiet_hub
from dlth_bench.datasets.entry import PublishedSize
from dlth_bench.datasets.glyphs.dataset import Glyphs
from dlth_bench.datasets.registry import DATASETS, dataset_named
from dlth_bench.protocols.protocol_file import lock_state, read_lock, read_protocol, shipped_protocols
from dlth_bench.util.errors import InputError
from dlth_bench.util.files import shipped_folder

CheckStatus = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Check:
    """One line of the report.

    Attributes:
        name: what was looked at.
        status: ``ok``; ``warn``, what runs may need later or do slower; ``fail``, what makes runs break or differ.
        found: how it is.
        advice: what to do about it, or what follows; empty where nothing does.
    """

    name: str
    status: CheckStatus
    found: str
    advice: str = ""


def healthy(checks: Iterable[Check]) -> bool:
    """Whether none of them failed."""
    return all(check.status != "fail" for check in checks)


def protocols_check() -> Check:
    """Whether the frozen protocols are still what was frozen."""
    lock = read_lock(shipped_folder("protocols"))
    states = {found.key: lock_state(found, lock) for found in map(read_protocol, shipped_protocols().values())}
    wrong = sorted(key for key in lock if states.get(key) != "locked")
    if wrong:
        found = f"{', '.join(wrong)} changed since being frozen, or gone"
        return Check("protocols", "fail", found, advice="reinstall dlth-bench")
    return Check("protocols", "ok", f"{len(lock)} are frozen, and unchanged")


def glyphs_check() -> Check:
    """Whether the shipped images are to the last pixel those that protocols were frozen with."""
    dataset = Glyphs()
    try:
        computed = dataset.computed_digest()
    except (OSError, ValueError, KeyError) as error:
        return Check("glyphs", "fail", f"its files cannot be read: {error}", advice="reinstall dlth-bench")
    found = f"{len(dataset.catalog)} classes, digest {computed[:12]}"
    if computed != dataset.manifest_digest:
        found = f"digest {computed}, recorded is {dataset.manifest_digest}"
        return Check("glyphs", "fail", found, advice="its files have changed: reinstall dlth-bench")
    return Check("glyphs", "ok", found)


def dataset_checks(data: DataSpec, *, quick: bool = False) -> list[Check]:
    """Whether a protocol's dataset is at hand, or how it is to be had; the shipped one by its digest alone.

    Args:
        quick: do not count samples, which lists all files.

    Raises:
        InputError: no such dataset.
    """
    entry = DATASETS.find(data.dataset)
    if entry.hub is None:
        return [_frozen_digest_check(dataset_named(data.dataset), data)]
    hub, folder = entry.hub, dataset_folder(data.dataset)
    try:
        folder = folder or hub.cached()
        if folder is None:
            return [hub_check(hub)]
        dataset = dataset_named(data.dataset)
        if quick:
            return [Check(data.dataset, "ok", f"in {folder}; not looked into")]
        sizes = [] if entry.published is None else [_sizes_check(dataset, entry.published, str(folder))]
        return [*sizes, _frozen_digest_check(dataset, data)]
    except InputError as error:
        return [Check(data.dataset, "fail", error.located)]


def hub_check(hub: HubFiles) -> Check:
    """Whether the Hub would give the files to this user; asks it."""
    name = hub.name
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the HTTP library below it
    except ImportError:
        return Check(name, "fail", hub.no_client().message)
    try:
        with quiet_hub():
            HfApi().auth_check(hub.repository, repo_type="dataset")
    except (HTTPError, OSError, ValueError) as error:
        return Check(name, "fail", hub.refusal(error).message)
    found = f"not on this machine; a run downloads {hub.size_bytes / 1e9:.3g} GB from {hub.url}"
    return Check(name, "warn", found, advice="or name a folder that has it by --data-dir")


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
            return Check(name, "fail", found, advice=advice)
    if len(counts) < len(dataset.catalog):
        return Check(name, "warn", found, advice="subsets of these classes alone can be trained on")
    if len(samples) != published.train:
        return Check(name, "fail", found, advice=f"{published.train:,} were published")
    return Check(name, "ok", found)


def _frozen_digest_check(dataset: Dataset, data: DataSpec) -> Check:
    name, digest = f"{dataset.name}'s digest", dataset.manifest_digest
    if data.manifest_digest is None:
        return Check(name, "ok", f"{digest[:12]}; the protocol leaves it open, each result records it")
    if digest != data.manifest_digest:
        found = f"{digest[:12]}, the protocol was frozen with {data.manifest_digest[:12]}"
        return Check(name, "fail", found, advice="its results would not be the protocol's")
    return Check(name, "ok", f"{digest[:12]}, as frozen")


LEAST_MEMORY = 2e9
"""Bytes; a run of glyphs-ssl takes 1.1 GB (peak memory of stored results)."""

LEAST_DISK = 1e9
"""Bytes; far above what the laptop protocols need: a stored run takes 0.07 MB (mean of 473)."""


def machine_checks(store: Path) -> list[Check]:
    """Processor, memory, GPU, and the disks of the store and of the cache; imports torch."""
    places = {"disk of the store": store, "disk of the cache": cache_folder()}
    return [_processor_check(), _memory_check(), *_gpu_checks(), *(disk_check(*item) for item in places.items())]


def _processor_check() -> Check:
    import torch

    from dlth_bench.training.environment import processor_name

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"{processor_name()}, {cores} cores; torch would take {torch.get_num_threads()} threads, a run takes 1"
    return Check("processor", "ok", found)


def _memory_check() -> Check:
    total, free = memory_bytes()
    found = f"{free / 1e9:.1f} of {total / 1e9:.1f} GB are free"
    if free < LEAST_MEMORY:
        advice = f"a run takes {LEAST_MEMORY / 1e9:.0f} GB or more: train with fewer --workers"
        return Check("memory", "warn", found, advice=advice)
    return Check("memory", "ok", found)


def memory_bytes() -> tuple[int, int]:
    """Memory in all and free for this process, as the machine and, in a container, its limit have it."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * page
    idle = os.sysconf("SC_AVPHYS_PAGES") * page if "SC_AVPHYS_PAGES" in os.sysconf_names else total
    free = _linux_available() or idle
    limit, used = (_number(Path("/sys/fs/cgroup") / name) for name in ("memory.max", "memory.current"))
    if limit is not None and limit < total:
        total, free = limit, min(free, max(0, limit - (used or 0)))
    return total, free


def _linux_available() -> int | None:
    """What Linux can give without swapping, which is more than what lies idle."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _gpu_checks() -> list[Check]:
    import torch

    if torch.cuda.is_available():
        return [_cuda_check(index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        return [Check("GPU", "ok", "Apple's, by MPS")]
    if Path("/proc/driver/nvidia/version").exists():
        advice = f"torch {torch.__version__} cannot use it: install one built for the driver's CUDA"
        found = "there is an NVIDIA driver, but torch finds no GPU"
        return [Check("GPU", "warn", found, advice=advice)]
    return [Check("GPU", "ok", "none; runs are trained on processors")]


def _cuda_check(index: int) -> Check:
    import torch

    about = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    found = f"{about.name}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free, CUDA {torch.version.cuda}"
    wanted, known = f"sm_{about.major}{about.minor}", torch.cuda.get_arch_list()
    if known and not any(arch.startswith(f"sm_{about.major}") or arch == wanted for arch in known):
        advice = f"this torch has no code for {wanted}: install one that has"
        return Check(f"GPU {index}", "fail", found, advice=advice)
    return Check(f"GPU {index}", "ok", found)


def disk_check(name: str, folder: Path) -> Check:
    """Room where a folder is or would be made, and whether it can be written to."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check(name, "fail", f"{place} cannot be written to", advice="name another folder")
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB are free for {folder}"
    if free < LEAST_DISK:
        return Check(name, "fail", found, advice="make room, or name another folder")
    return Check(name, "ok", found)


PACKAGE = "dlth-bench"

SHOWN = ("torch", "torchvision", "timm", "lightly", "lightning", "numpy")
"""What results depend on, so always told."""

InstalledVersion = Callable[[str], str | None]


@dataclass(frozen=True)
class Requirements:
    """What a package asks for: versions of Python, packages that it needs, and those of its extras."""

    python: SpecifierSet
    core: Sequence[Requirement]
    extras: Mapping[str, Sequence[Requirement]]


def declared_requirements() -> Requirements:
    """As ``pyproject.toml`` of the checkout says that this code runs from, else as the installed package does."""
    project_file = Path(dlth_bench.__file__).parents[2] / "pyproject.toml"
    if project_file.is_file():
        project = tomllib.loads(project_file.read_text(encoding="utf-8"))["project"]
        if project["name"] == PACKAGE:
            return Requirements(
                SpecifierSet(project["requires-python"]),
                [Requirement(line) for line in project["dependencies"]],
                {name: [Requirement(x) for x in lines] for name, lines in project["optional-dependencies"].items()},
            )
    needs = [Requirement(line) for line in requires(PACKAGE) or ()]
    about = metadata(PACKAGE)
    extras = {
        extra: [need for need in needs if need.marker is not None and need.marker.evaluate({"extra": extra})]
        for extra in about.get_all("Provides-Extra") or ()
    }
    core = [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return Requirements(SpecifierSet(about["Requires-Python"] or ""), core, extras)


def installed_version(name: str) -> str | None:
    """The version of an installed package; None when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def version_checks(wanted: Requirements, installed: InstalledVersion = installed_version) -> list[Check]:
    """Python, the packages that are always needed, torch beside torchvision, and which extras are there."""
    checks = [_python_check(wanted.python), *_core_checks(wanted.core, installed)]
    pair = _torch_pair_check(installed)
    return [*checks, *([pair] if pair else []), *_extra_checks(wanted.extras, installed)]


def _python_check(wanted: SpecifierSet) -> Check:
    own = platform.python_version()
    if wanted.contains(own, prereleases=True):
        return Check("Python", "ok", own)
    return Check("Python", "fail", own, advice=f"Python {wanted} is needed")


def _core_checks(wanted: Sequence[Requirement], installed: InstalledVersion) -> list[Check]:
    wrong = [_problem(need, installed) for need in wanted]
    failed = [check for check in wrong if check is not None]
    shown = ", ".join(f"{name} {installed(name)}" for name in SHOWN if installed(name))
    if failed:
        return failed
    return [Check("packages", "ok", f"all {len(wanted)} as asked for: {shown}")]


def _problem(need: Requirement, installed: InstalledVersion) -> Check | None:
    found = installed(need.name)
    install = f"pip install '{need.name}{need.specifier}'"
    if found is None:
        return Check(need.name, "fail", "not installed", advice=install)
    if not need.specifier.contains(found, prereleases=True):
        return Check(need.name, "fail", f"{found}; {need.specifier} is needed", advice=install)
    return None


def _torch_pair_check(installed: InstalledVersion) -> Check | None:
    """torchvision's compiled operators fit one version of torch only, which it names."""
    torch, torchvision = installed("torch"), installed("torchvision")
    if torch is None or torchvision is None or torchvision != installed_version("torchvision"):
        return None
    for need in map(Requirement, requires("torchvision") or ()):
        if need.name == "torch" and need.marker is None and not need.specifier.contains(torch, prereleases=True):
            found = f"torchvision {torchvision} is built for torch{need.specifier}, here is {torch}"
            return Check("torchvision", "fail", found, advice="install both from the same place")
    return None


def _extra_checks(extras: Mapping[str, Sequence[Requirement]], installed: InstalledVersion) -> list[Check]:
    """One line for extras that are whole or absent, and one for each package of them that is too old."""
    states = []
    checks = []
    for name, needs in extras.items():
        if name == "dev":
            continue
        missing = [need.name for need in needs if installed(need.name) is None]
        states.append(f"{name} lacks {', '.join(missing)}" if missing else f"{name} is here")
        for need in needs:
            problem = None if need.name in missing else _problem(need, installed)
            if problem is not None:
                checks.append(replace(problem, status="warn", name=f"{name}: {problem.name}"))
    return [Check("extras", "ok", "; ".join(states)), *checks] if states else checks
