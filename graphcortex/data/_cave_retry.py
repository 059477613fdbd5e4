"""What a refused or lost request means, and how long a call goes on trying."""

from __future__ import annotations

import email.utils
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar

from graphcortex._checks import check_count, check_number
from graphcortex._random import numpy_generator
from graphcortex._typing import RandomSource
from graphcortex.data._download import DownloadError

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

AGAIN = frozenset({408, 425, 429})
"""Refusals of the client that pass: too slow, too early, too many."""

_REMEDIES = {
    400: "The service does not take this query: check the arguments, or ask for a newer graphcortex.",
    401: "Give token=, or save a valid token where caveclient looks for it (docs/cave.md says where).",
    403: "Open the datastack once in a browser, accept its terms of use, and check that the token is of that account.",
    404: "Check the datastack, the version and the server address.",
    410: "The version has expired: choose one that the service still holds.",
}
_HIDDEN = re.compile(r"\s*(4\d\d)\b")


class CaveError(DownloadError):
    """A call to CAVE failed for good. The message names it and the remedy; finished parts stay in the cache."""


class PassingError(Exception):
    """A failure that may pass; ``after`` is the pause in s that the server asked for, ``status`` that of its answer."""

    def __init__(self, reason: str, after: float = 0.0, status: int | None = None):
        super().__init__(reason)
        self.after, self.status = after, status


class LastingError(Exception):
    """A failure that would come again; ``remedy`` is what a person can do."""

    def __init__(self, reason: str, remedy: str):
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True)
class CaveRetries:
    """How long a call to CAVE goes on trying.

    Attributes:
        tries: Times that a request is sent before the call fails, at least 5. The pauses between the 8 tries of the default
            last more than a minute together, which is how long a limit of requests per minute may last.
        first_s: Pause after the first failure in s; it doubles each time, and half of it is left to chance.
        longest_s: Longest pause in s that is made without being asked for.
        patience_s: Longest pause in s that a server's ``Retry-After`` is granted.
        connect_s: Seconds to wait for a connection.
        read_s: Seconds to wait for the next bytes. The service itself gives up after 10 minutes.
        sleep: What waits.
    """

    tries: int = 8
    first_s: float = 1.0
    longest_s: float = 60.0
    patience_s: float = 900.0
    connect_s: float = 10.0
    read_s: float = 630.0
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self):
        check_count(self.tries, "tries", minimum=5)
        for name in ("first_s", "longest_s", "patience_s"):
            check_number(getattr(self, name), name, minimum=0)
        for name in ("connect_s", "read_s"):
            check_number(getattr(self, name), name, above=0)


class Persistence:
    """Sends requests until one is answered, at most as often as :class:`CaveRetries` says. Each pause is logged as a warning."""

    def __init__(self, retries: CaveRetries, rng: RandomSource | None):
        # The pauses change no result; without a seed, two processes must not knock at the same moments.
        self._retries, self._rng = retries, numpy_generator(secrets.randbits(62) if rng is None else rng)

    def __call__(self, call: Callable[[], T], what: str) -> T:
        """Return what ``call`` returns.

        Raises:
            CaveError: If it fails in a way that lasts, or every time.
        """
        setting = self._retries
        for attempt in range(setting.tries):
            try:
                return call()
            except LastingError as error:
                failure = CaveError(f"CAVE, {what}: {error}. {error.remedy} Finished parts are kept.")
                break
            except PassingError as error:
                reason, after = str(error), error.after
            if after > setting.patience_s:
                failure = CaveError(
                    f"CAVE, {what}: {reason}, and the server asks to wait {after:.0f} s. Run again after that; finished "
                    "parts are kept, and it goes on where it was."
                )
                break
            if attempt + 1 < setting.tries:
                longest = min(setting.longest_s, setting.first_s * 2**attempt)
                pause = max(longest * self._rng.uniform(0.5, 1), after)
                _LOG.warning("CAVE, %s: %s; try %d of %d in %.0f s.", what, reason, attempt + 2, setting.tries, pause)
                setting.sleep(pause)
        else:
            failure = CaveError(
                f"CAVE, {what}: failed {setting.tries} times, at last with: {reason}. Run again later; finished parts are "
                "kept, and it goes on where it was."
            )
        # Outside of the handlers, so that no error of the client, whose frames hold the token, is chained to it.
        raise failure


def refusal(status: int, text: str, headers: Mapping[str, str]) -> PassingError | LastingError:
    """Say what an answer of status 400 or more means; ``text`` is the message in its body."""
    said = " ".join(text.split())[:300]
    hidden = _HIDDEN.match(said) if status == 500 else None  # the service wraps refusals of its parts in a 500
    code = int(hidden[1]) if hidden else status
    reason = f"the server answered {status}" + (f" ({said})" if said else "")
    if code in AGAIN or code >= 500:
        return PassingError(reason, _pause_asked(headers), code)
    return LastingError(reason, _REMEDIES.get(code, _REMEDIES[400]))


def not_signed_in(reason: str) -> LastingError:
    """Say that the server wants a person to sign in, which it does by a page instead of data."""
    return LastingError(reason, _REMEDIES[401])


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return when the server sent an answer, by its own clock, or None where it does not say."""
    return _moment(headers.get("Date", ""))


def _pause_asked(headers: Mapping[str, str]) -> float:
    """Return the pause in s that ``Retry-After`` asks for; a date is read by the clock of the server, if it tells the time."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    moment = _moment(value)
    if moment is None:
        return 0.0
    return max(0.0, (moment - (server_time(headers) or datetime.now(timezone.utc))).total_seconds())


def _moment(value: str) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
