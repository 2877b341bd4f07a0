"""The retry schedule: it doubles up to the cap, spreads by the jitter, and ends with attempts or time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.retry import RetryPolicy, next_attempt_at, wait_before_retry

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

durations = st.timedeltas(min_value=timedelta(milliseconds=1), max_value=timedelta(days=400))
policies = st.builds(
    RetryPolicy, first_wait=durations, cap=durations, deadline=durations, attempts=st.none() | st.integers(1, 50)
)
attempts = st.integers(1, 100_000)
jitters = st.floats(0, 1, exclude_max=True)


def seconds(attempt: int, *, jitter: float = 0.0, policy: RetryPolicy | None = None) -> float | None:
    wait = wait_before_retry(policy or RetryPolicy(), attempt=attempt, jitter=jitter)
    return None if wait is None else wait.total_seconds()


def test_the_wait_doubles_from_one_second_to_ten_minutes() -> None:
    assert [seconds(attempt) for attempt in (1, 2, 3, 4, 9, 10, 11, 12)] == [1, 2, 4, 8, 256, 512, 600, 600]


def test_full_jitter_adds_half() -> None:
    assert seconds(3, jitter=0.5) == 5.0
    assert seconds(12, jitter=0.5) == 750.0


def test_a_first_wait_above_the_cap_is_cut_to_the_cap() -> None:
    assert seconds(1, policy=RetryPolicy(first_wait=timedelta(hours=1), cap=timedelta(minutes=1))) == 60.0


def test_a_cap_that_no_doubling_hits_is_met_exactly() -> None:
    policy = RetryPolicy(first_wait=timedelta(seconds=3), cap=timedelta(seconds=10))
    assert [seconds(attempt, policy=policy) for attempt in (1, 2, 3, 4)] == [3, 6, 10, 10]


def test_the_last_attempt_has_no_wait_after_it() -> None:
    policy = RetryPolicy(attempts=3)
    assert seconds(2, policy=policy) == 2
    assert seconds(3, policy=policy) is None
    assert seconds(4, policy=policy) is None


def test_a_long_outage_overflows_nothing() -> None:
    policy = RetryPolicy(first_wait=timedelta(days=1), cap=timedelta(days=2))
    assert wait_before_retry(policy, attempt=10_000, jitter=0.0) == timedelta(days=2)
    endless = RetryPolicy(first_wait=timedelta(days=1), cap=timedelta.max)
    assert next_attempt_at(endless, attempt=90, jitter=0.0, now=NOW, deadline=NOW + timedelta(days=1)) is None


def test_an_attempt_exactly_at_the_deadline_is_still_made() -> None:
    at = NOW + timedelta(seconds=1)
    assert next_attempt_at(RetryPolicy(), attempt=1, jitter=0.0, now=NOW, deadline=at) == at


def test_no_attempt_is_made_a_microsecond_after_the_deadline() -> None:
    deadline = NOW + timedelta(microseconds=999_999)
    assert next_attempt_at(RetryPolicy(), attempt=1, jitter=0.0, now=NOW, deadline=deadline) is None


def test_no_attempt_is_made_when_the_attempts_are_used_up() -> None:
    deadline = NOW + timedelta(days=1)
    assert next_attempt_at(RetryPolicy(attempts=1), attempt=1, jitter=0.0, now=NOW, deadline=deadline) is None


@given(policies, attempts, jitters)
def test_a_wait_is_between_its_step_and_one_and_a_half_times_it(
    policy: RetryPolicy, attempt: int, jitter: float
) -> None:
    bare = wait_before_retry(policy, attempt=attempt, jitter=0.0)
    spread = wait_before_retry(policy, attempt=attempt, jitter=jitter)
    if policy.attempts is not None and attempt >= policy.attempts:
        assert bare is spread is None
        return
    assert bare is not None
    assert spread is not None
    assert bare <= spread <= bare * 1.5
    assert min(policy.first_wait, policy.cap) <= bare <= policy.cap


@given(policies, st.integers(1, 200))
def test_without_jitter_waits_never_shrink(policy: RetryPolicy, attempt: int) -> None:
    endless = RetryPolicy(first_wait=policy.first_wait, cap=policy.cap)
    first = wait_before_retry(endless, attempt=attempt, jitter=0.0)
    then = wait_before_retry(endless, attempt=attempt + 1, jitter=0.0)
    assert first is not None
    assert then is not None
    assert first <= then
    assert then in {first * 2, policy.cap}


@given(policies, attempts, jitters, durations)
def test_the_next_attempt_is_later_than_now_and_never_past_the_deadline(
    policy: RetryPolicy, attempt: int, jitter: float, left: timedelta
) -> None:
    at = next_attempt_at(policy, attempt=attempt, jitter=jitter, now=NOW, deadline=NOW + left)
    assert at is None or NOW < at <= NOW + left


@pytest.mark.parametrize("left", [timedelta(0), timedelta(seconds=-1), timedelta(days=-400)])
def test_after_the_deadline_there_is_no_next_attempt(left: timedelta) -> None:
    assert next_attempt_at(RetryPolicy(), attempt=1, jitter=0.0, now=NOW, deadline=NOW + left) is None
