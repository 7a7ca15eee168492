"""Whether Python and the installed packages are what the package asks for."""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import dlth_bench
from dlth_bench.harness.doctor.checks import Check

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
        return Check(name="Python", status="ok", found=own)
    return Check(name="Python", status="fail", found=own, advice=f"Python {wanted} is needed")


def _core_checks(wanted: Sequence[Requirement], installed: InstalledVersion) -> list[Check]:
    wrong = [_problem(need, installed) for need in wanted]
    failed = [check for check in wrong if check is not None]
    shown = ", ".join(f"{name} {installed(name)}" for name in SHOWN if installed(name))
    if failed:
        return failed
    return [Check(name="packages", status="ok", found=f"all {len(wanted)} as asked for: {shown}")]


def _problem(need: Requirement, installed: InstalledVersion) -> Check | None:
    found = installed(need.name)
    install = f"pip install '{need.name}{need.specifier}'"
    if found is None:
        return Check(name=need.name, status="fail", found="not installed", advice=install)
    if not need.specifier.contains(found, prereleases=True):
        return Check(name=need.name, status="fail", found=f"{found}; {need.specifier} is needed", advice=install)
    return None


def _torch_pair_check(installed: InstalledVersion) -> Check | None:
    """torchvision's compiled operators fit one version of torch only, which it names."""
    torch, torchvision = installed("torch"), installed("torchvision")
    if torch is None or torchvision is None or torchvision != installed_version("torchvision"):
        return None
    for need in map(Requirement, requires("torchvision") or ()):
        if need.name == "torch" and need.marker is None and not need.specifier.contains(torch, prereleases=True):
            found = f"torchvision {torchvision} is built for torch{need.specifier}, here is {torch}"
            return Check(name="torchvision", status="fail", found=found, advice="install both from the same place")
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
                checks.append(problem.model_copy(update={"status": "warn", "name": f"{name}: {problem.name}"}))
    return [Check(name="extras", status="ok", found="; ".join(states)), *checks] if states else checks
