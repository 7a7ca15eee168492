"""When a request to the Hub fails: whether to try again, how long to wait, and what to tell."""

from __future__ import annotations

import datetime
import json
import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from dlth_bench.leaderboard.hub.repository import HubRepository
from dlth_bench.spec.errors import InputError
from dlth_bench.spec.quoting import printable

Result = TypeVar("Result")

_CONFLICT = 412
"""What the Hub answers when ``parent_commit`` is no longer the head."""

_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, _CONFLICT})
_LONGEST_BACKOFF = 16.0


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Patience:
    """How long to keep trying.

    Attributes:
        tries: of a whole operation; the client repeats requests that only read by itself, too.
        timeout: seconds that the Hub may be silent within a request.
        longest_wait: seconds; if the Hub asks for more, the user is told instead.
        tell: takes a line about each wait.
    """

    tries: int = 8
    timeout: float = 120.0
    longest_wait: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = _silent


def persistently(act: Callable[[], Result], repository: HubRepository, patience: Patience) -> Result:
    """What ``act`` returns, after repeating it while it fails for a reason that may pass.

    ``act`` must be safe to repeat, also when an earlier call of it took effect and only the answer was lost.

    Raises:
        InputError: it failed for good; one line without the user's token.
    """
    from huggingface_hub import get_session
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]  # of the HTTP library that it uses

    for attempt in range(1, patience.tries + 1):
        get_session().timeout = patience.timeout  # the client's own is to wait for ever
        try:
            return act()
        except InputError:
            raise
        except (HTTPError, OSError, ValueError, RuntimeError) as error:
            cause = _cause(error)
            if isinstance(cause, OSError) and cause.filename is not None:  # a file here, not the Hub
                raise
            wait = _wait(cause, attempt)
            if wait is None or attempt == patience.tries or wait > patience.longest_wait:
                raise _explained(cause, repository, wait) from None
            patience.tell(f"{repository}: {_short(cause, repository)}; trying again in {wait:.0f} s")
            patience.sleep(wait)
    raise InputError("no try was allowed")  # tries < 1


def _cause(error: BaseException) -> BaseException:
    """The request's own error, below those that the client wraps around it."""
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    while error.__cause__ is not None and (
        isinstance(error, LocalEntryNotFoundError) or not isinstance(error, HTTPError)
    ):
        error = error.__cause__
    return error


def _response(error: BaseException) -> object | None:
    return getattr(error, "response", None)


def _status(error: BaseException) -> int | None:
    status = getattr(_response(error), "status_code", None)
    return status if isinstance(status, int) else None


def _wait(error: BaseException, attempt: int) -> float | None:
    """Seconds until the next try; None when another try cannot help."""
    from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled  # type: ignore[attr-defined]

    status = _status(error)
    if status is None:
        lost = isinstance(error, (HTTPError, ConnectionError, TimeoutError, json.JSONDecodeError))
        if not lost or isinstance(error, OfflineModeIsEnabled):
            return None
    elif status not in _TRANSIENT:
        return None
    backoff = min(2.0 ** (attempt - 1), _LONGEST_BACKOFF)
    if status == _CONFLICT:  # writers that collided must not do so again in step
        return random.uniform(0, backoff)
    asked = _asked_wait(getattr(_response(error), "headers", {}))
    return backoff if asked is None else asked


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds by ``Retry-After`` (RFC 9110, a number or a date), or the reset of an exhausted ``RateLimit``."""
    given = headers.get("Retry-After", "").strip()
    if given.isdigit():
        return float(given)
    try:
        until = parsedate_to_datetime(given)
        return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError):
        exhausted = re.search(r"\br\s*=\s*0\s*;\s*t\s*=\s*(\d+)", headers.get("RateLimit", ""))
        return float(exhausted.group(1)) if exhausted else None


def _short(error: BaseException, repository: HubRepository) -> str:
    """What happened, in a few words, without the token."""
    from huggingface_hub import get_token

    status = _status(error)
    said = getattr(error, "server_message", None) or str(error).strip().partition("\n")[0] or type(error).__name__
    if status == _CONFLICT:
        text = "somebody else changed it meanwhile"
    elif status is not None:
        text = f"the Hub answers {status}" + (f" ({said})" if getattr(error, "server_message", None) else "")
    else:
        text = f"no answer ({said})"
    for token in (repository.api.token, get_token()):
        if isinstance(token, str) and token:
            text = text.replace(token, "***")
    return printable(text)


def _explained(error: BaseException, repository: HubRepository, wait: float | None) -> InputError:
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    short, where = _short(error, repository), str(repository)
    if isinstance(error, OfflineModeIsEnabled):
        return InputError(f"{where}: cannot be reached, since HF_HUB_OFFLINE forbids it")
    if isinstance(error, RepositoryNotFoundError):
        return InputError(f"{where}: is not on the Hub, or is hidden from you; --create makes it when publishing")
    if isinstance(error, RevisionNotFoundError):
        return InputError(f"{where}: has no such revision")
    if _status(error) == 401:
        return InputError(f"{where}: the Hub does not accept your login; renew it with: hf auth login")
    if _status(error) == 403:
        return InputError(f"{where}: your token lacks the permission; {short}; use one that may write there")
    if wait is not None:
        rest = f"; it asks to wait {wait:.0f} s" if wait > _LONGEST_BACKOFF else ""
        return InputError(f"{where}: {short}{rest}; nothing is half done, so repeat the command later")
    return InputError(f"{where}: {short}")
