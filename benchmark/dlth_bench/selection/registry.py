"""The policies by name and unit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dlth_bench
from dlth_bench.datasets.catalog import ClassCatalog
from dlth_bench.runs.critical_set_file import read_critical_set
from dlth_bench.runs.dynamics_file import read_dynamics
from dlth_bench.runs.store import RESULT_FILE, RUN_FILE, read_stored_run
from dlth_bench.selection.by_dynamics import DIFFICULTY, EL2N, ENTROPY, FORGETTING, SVP
from dlth_bench.selection.by_features import HERDING, KCENTER
from dlth_bench.selection.erc import CONSISTENT, ERC
from dlth_bench.selection.pd import PD
from dlth_bench.selection.policy import Asked, Choice, Option, Policy, Request, SampleRequest
from dlth_bench.selection.prac import PRAC
from dlth_bench.selection.random import NIR, RS, RS_BALANCED, RS_SAMPLES
from dlth_bench.selection.sample_pool import candidate_samples
from dlth_bench.selection.wec_sec import SEC, WEC
from dlth_bench.selection.wnh import WNH
from dlth_bench.subsets.subset import PLURAL, Subset, SubsetUnit
from dlth_bench.util.errors import InputError
from dlth_bench.util.model import Registry, unknown
from dlth_bench.util.tables import file_digest
from dlth_bench.util.text import printable

CLASS_POLICIES: Registry[Policy[Request]] = Registry("policy", (RS, ERC, *PD, WNH, WEC, SEC))
"""Those that choose classes, in the paper's order."""

SAMPLE_POLICIES: Registry[Policy[SampleRequest]] = Registry(
    "policy",
    (RS_SAMPLES, RS_BALANCED, NIR, CONSISTENT, FORGETTING, EL2N, ENTROPY, SVP, KCENTER, HERDING, *DIFFICULTY, PRAC),
)
"""Those that choose training samples."""

POLICIES: Mapping[SubsetUnit, Mapping[str, Policy[Any]]] = {"class": CLASS_POLICIES, "sample": SAMPLE_POLICIES}
"""All policies by what they choose and by name; another one is an entry in its file, and its place in one of these."""


def class_policies() -> tuple[Policy[Request], ...]:
    """Those that choose classes, in the paper's order."""
    return tuple(CLASS_POLICIES.values())


def sample_policies() -> tuple[Policy[SampleRequest], ...]:
    """Those that choose training samples."""
    return tuple(SAMPLE_POLICIES.values())


def find_class_policy(name: str) -> Policy[Request]:
    """The policy of that name that chooses classes.

    Raises:
        InputError: there is none; says which there are.
    """
    _check(name, "class")
    return CLASS_POLICIES[name]


def find_sample_policy(name: str) -> Policy[SampleRequest]:
    """The policy of that name that chooses samples.

    Raises:
        InputError: there is none; says which there are.
    """
    _check(name, "sample")
    return SAMPLE_POLICIES[name]


def unit_of(name: str) -> SubsetUnit:
    """What a policy chooses where the user does not say: classes, if it can.

    Raises:
        InputError: there is no policy of that name; says which there are.
    """
    for unit, policies in POLICIES.items():
        if name in policies:
            return unit
    raise _unknown(name)


def _check(name: str, unit: SubsetUnit) -> None:
    """Refuse a name that is none of a policy, or none of one with that unit."""
    units = [other for other, policies in POLICIES.items() if name in policies]
    if not units:
        raise _unknown(name)
    if unit not in units:
        raise InputError(f"{name} chooses {PLURAL[units[0]]}, not {PLURAL[unit]}")


def _unknown(name: str) -> InputError:
    return unknown("policy", name, (known for policies in POLICIES.values() for known in policies))


def build_request(
    policy: Policy[Request], catalog: ClassCatalog, size: int | None, given: Mapping[Option, Any]
) -> Request:
    """The request of a user who gave these options; the policy's defaults fill in the others.

    Raises:
        InputError: no size where the policy has no default, an option that it needs is missing, or one was given
            that it would silently leave out of account.
    """
    return Request(catalog, _checked_size(policy, size, given), **given)  # type: ignore[arg-type]


def build_sample_request(
    policy: Policy[SampleRequest], dataset: str, size: int | None, given: Mapping[Option, Any]
) -> SampleRequest:
    """The same for a policy that chooses samples; opens the dynamics and finds the samples to choose from.

    Raises:
        InputError: as ``build_request``, or the files do not fit the dataset.
    """
    search = given.get("search") if "search" in policy.needs else None
    if search is not None:
        return _request_of_search(policy, dataset, size, search, given)
    wanted = _checked_size(policy, size, given)
    dynamics = tuple(read_dynamics(path) for path in given.get("dynamics", ()))
    table, protocol = given.get("samples"), given.get("protocol")
    samples = candidate_samples(dataset, protocol=protocol, table=table, dynamics=dynamics)
    inputs = (*([table] if table else []), *given.get("dynamics", ()), *given.get("correctness", ()))
    own = {option: value for option, value in given.items() if option not in {"samples", "protocol", "dynamics"}}
    return SampleRequest(samples, wanted, inputs, dynamics, **own)


def _request_of_search(
    policy: Policy[SampleRequest], dataset: str, size: int | None, search: Path, given: Mapping[Option, Any]
) -> SampleRequest:
    """The request to a policy that goes by a stored search, whose set has a size of its own."""
    critical = read_critical_set(search)
    if critical.header.dataset != dataset:
        found = f"is of a search on {critical.header.dataset}, but the dataset is {dataset}"
        raise InputError(found, source=search)
    wanted = _checked_size(policy, critical.facts.selected if size is None else size, given)
    own = {option: value for option, value in given.items() if option != "search"}
    return SampleRequest(critical.samples, wanted, (search,), critical=critical, **own)


def choose(policy: Policy[Asked], request: Asked) -> Choice:
    """What the policy chooses.

    Raises:
        InputError: the size is not between 1 and the number of classes or samples, or an input is wrong.
    """
    if not 1 <= request.size <= request.available:
        there = f"{request.dataset} has {request.available} {PLURAL[policy.unit]} to choose from"
        raise InputError(f"size {request.size}: {there}")
    return policy.choose(request)


def _checked_size(policy: Policy[Any], size: int | None, given: Mapping[Option, Any]) -> int:
    """The size, once the options are what the policy takes."""
    if size is None and policy.default_size is None and "search" not in policy.needs:
        raise InputError(f"{policy.name} needs --size, the number of {PLURAL[policy.unit]}")
    for option in policy.needs:
        if option not in given:
            raise InputError(f"{policy.name} needs {_flag(option)}")
    understood = (*policy.needs, *policy.takes)
    for option in given:
        if option not in understood:
            owners, own = _owners(option), ", ".join(map(_flag, understood)) or "no options"
            told = f"it is an option of {owners}" if owners else f"it takes {own}"
            raise InputError(f"{_flag(option)} means nothing to {policy.name}; {told}")
    return policy.default_size if size is None else size  # type: ignore[return-value]  # one of them is there


def _flag(option: Option) -> str:
    return f"--{option.replace('_', '-')}"


def _owners(option: Option) -> str:
    everyone = (policy for policies in POLICIES.values() for policy in policies.values())
    return ", ".join(dict.fromkeys(policy.name for policy in everyone if option in {*policy.needs, *policy.takes}))


def subset_of(policy: Policy[Asked], request: Asked, choice: Choice) -> Subset:
    """The choice as a subset of the dataset."""
    return Subset(dataset=request.dataset, unit=policy.unit, ids=choice.ids)


def subset_file_text(policy: Policy[Asked], request: Asked, choice: Choice) -> str:
    """The subset file: comment lines that name policy, size, seed, version, parameters and inputs, then the IDs.

    Nothing in it depends on the time, the machine or the folders of the inputs.
    """
    subset = subset_of(policy, request, choice)
    parts = [policy.name, f"{len(subset)} of {request.available} {PLURAL[policy.unit]} of {request.dataset}"]
    if policy.uses_seed and choice.drawn:
        parts.append(f"seed {request.seed}")
    lines = [", ".join([*parts, f"dlth-bench {dlth_bench.__version__}"])]
    lines += [f"{key}: {value}" for key, value in choice.parameters.items()]
    inputs = map(_named_file, request.inputs)
    lines += [f"input {printable(name)}: sha256 {file_digest(path)}" for name, path in inputs]
    lines += choice.notes
    return "".join(f"# {printable(line, 1000)}\n" for line in lines) + subset.canonical_text()


def _named_file(path: Path) -> tuple[str, Path]:
    """What to call an input, and the file to digest; a stored run goes by its digest: all results have one name."""
    folder = path if path.is_dir() else path.parent
    if not (path.is_dir() or path.name == RESULT_FILE) or not (folder / RUN_FILE).is_file():
        return path.name, path
    stored = read_stored_run(path)
    return f"run {stored.run.digest} ({stored.run.label})", stored.result_path
