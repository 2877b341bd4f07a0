"""When to try again. Pure: the jitter comes in as a value."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The retry terms of an agreement. `attempts` None means: until the deadline."""

    first_wait: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=10)
    deadline: timedelta = timedelta(hours=24)
    attempts: int | None = None


def wait_before_retry(policy: RetryPolicy, *, attempt: int, jitter: float) -> timedelta | None:
    """Return how long to wait before the next attempt, or None to give up.

    `attempt`: attempts already made, from 1. `jitter`: in [0, 1), from the caller.
    Wait = min(cap, first_wait · 2^(attempt − 1)) · (1 + jitter/2).
    """
    if policy.attempts is not None and attempt >= policy.attempts:
        return None
    # Compared by division, and with a bound: after a long outage the product would be more than a timedelta can hold.
    factor = 2 ** min(attempt - 1, 62)
    doubled = policy.cap if policy.first_wait > policy.cap // factor else policy.first_wait * factor
    return doubled * (1 + jitter / 2)


def next_attempt_at(
    policy: RetryPolicy, *, attempt: int, jitter: float, now: datetime, deadline: datetime
) -> datetime | None:
    """Return when to try again, or None when attempts or time are used up. Times are aware."""
    wait = wait_before_retry(policy, attempt=attempt, jitter=jitter)
    if wait is None or wait > deadline - now:
        return None
    return now + wait
