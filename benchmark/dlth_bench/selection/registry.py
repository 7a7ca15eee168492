"""The class policies by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from dlth_bench.selection.embedding_clusters import SEC, WEC
from dlth_bench.selection.empirical_consistency import ERC
from dlth_bench.selection.hierarchy import WNH
from dlth_bench.selection.performance_driven import PD
from dlth_bench.selection.policy import Choice, Option, Policy, Request
from dlth_bench.selection.random_sampling import RS
from dlth_bench.spec.classes import ClassCatalog
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import quoted

_POLICIES: Mapping[str, Policy] = {policy.name: policy for policy in (RS, ERC, *PD, WNH, WEC, SEC)}


def class_policies() -> tuple[Policy, ...]:
    """All policies, in the paper's order."""
    return tuple(_POLICIES.values())


def find_policy(name: str) -> Policy:
    """The policy of that name.

    Raises:
        InputError: there is none; says which there are.
    """
    if name in _POLICIES:
        return _POLICIES[name]
    near = difflib.get_close_matches(name, _POLICIES, n=1)
    guess = f"; did you mean {quoted(near[0])}?" if near else ""
    raise InputError(f"unknown policy {quoted(name)}, valid are {', '.join(_POLICIES)}{guess}")


def build_request(policy: Policy, catalog: ClassCatalog, size: int | None, given: Mapping[Option, Any]) -> Request:
    """The request of a user who gave these options; the policy's defaults fill in the others.

    Raises:
        InputError: no size where the policy has no default, an option that it needs is missing, or one was given
            that it would silently leave out of account.
    """
    if size is None and policy.default_size is None:
        raise InputError(f"{policy.name} needs --size, the number of classes")
    for option in policy.needs:
        if option not in given:
            raise InputError(f"{policy.name} needs --{option}")
    understood = {*policy.needs, *policy.takes}
    for option in given:
        if option not in understood:
            owners = ", ".join(other.name for other in class_policies() if option in {*other.needs, *other.takes})
            raise InputError(f"--{option} means nothing to {policy.name}; it is an option of {owners}")
    return Request(catalog, policy.default_size if size is None else size, **given)  # type: ignore[arg-type]


def choose_classes(policy: Policy, request: Request) -> Choice:
    """What the policy chooses.

    Raises:
        InputError: the size is not between 1 and the number of classes, or an input is wrong.
    """
    available = len(request.catalog)
    if not 1 <= request.size <= available:
        raise InputError(f"size {request.size}: {request.catalog.dataset} has {available} classes to choose from")
    return policy.choose(request)
