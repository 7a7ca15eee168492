"""What can go wrong with one request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Kind = str
KINDS: tuple[Kind, ...] = ("unavailable", "throttled", "dropped", "lost", "late")
"""
unavailable: 503, nothing done. throttled: 429 with Retry-After, nothing done. dropped: the connection closes, nothing
done. lost: done, then the connection closes. late: done, then 504.
"""


@dataclass
class Fault:
    """Strikes the requests from the ``at``-th on that match, ``times`` of them.

    Attributes:
        kind: one of ``KINDS``; or ``hang``, which waits for ``release`` and then closes the connection with nothing
            done; or ``meanwhile``, which calls ``act`` and then answers as usual.
        at: 0-based, counted over the requests that match since the fault was set.
        match: a part of ``METHOD /path``.
    """

    kind: Kind
    at: int = 0
    match: str = ""
    times: int = 1
    retry_after: str = "7"
    act: Callable[[], object] = lambda: None
    release: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)
    _seen: int = 0

    def strikes(self, request: str) -> bool:
        if self.match not in request:
            return False
        self._seen += 1
        return self.at < self._seen <= self.at + self.times
