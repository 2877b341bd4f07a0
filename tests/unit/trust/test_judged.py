"""What was found out about a key is used again only while nothing can have changed it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.ids import KeyId, PartyId
from gateway.errors import TrustError
from gateway.trust import FileTrust
from gateway.trust.judged import JudgedKeys
from tests.pki import TestPki
from tests.unit.trust.conftest import NOW, StandingClock

GB, FR = PartyId("GB-HMRC"), PartyId("FR-DGDDI")
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)


def kept(now: datetime, *turns: datetime) -> JudgedKeys[str, str]:
    judged = JudgedKeys[str, str]()
    assert judged.keep("a", 1, now, turns, "found") == "found"
    return judged


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        (NOON, True),
        (NOON + HOUR - TICK, True),
        (NOON + HOUR, False),
        (NOON + HOUR + TICK, False),
        (NOON - HOUR + TICK, True),
        (NOON - HOUR, False),
    ],
)
def test_it_holds_strictly_between_two_turning_points(moment: datetime, holds: bool) -> None:
    judged = kept(NOON, NOON - HOUR, NOON + HOUR, NOON + 2 * HOUR)
    assert judged.get("a", 1, moment) == ("found" if holds else None)


def test_nothing_found_at_a_turning_point_is_kept() -> None:
    assert kept(NOON, NOON).get("a", 1, NOON) is None


def test_nothing_outlives_its_generation_or_passes_for_another_name() -> None:
    judged = kept(NOON)
    assert judged.get("a", 1, NOON + 1000 * HOUR) == "found"
    assert judged.get("a", 2, NOON) is None
    assert judged.get("b", 1, NOON) is None


def test_a_key_in_use_is_refused_from_the_moment_its_list_is_stale(pki: TestPki, clock: StandingClock) -> None:
    key_id = pki[GB].trust(clock).signer(GB, clock()).key_id
    trust = pki[FR].trust(clock)
    in_use = trust.verification_key(key_id)
    assert trust.wrapping_key(GB, clock()).party == GB
    clock.moment = min(one for one in turning_points(trust, key_id) if one > NOW)
    assert trust.verification_key(key_id) == in_use
    clock.moment += TICK
    for code in (code_of(lambda: trust.verification_key(key_id)), code_of(lambda: trust.wrapping_key(GB, clock()))):
        assert code == "trust.crl_stale"
    clock.moment -= 2 * TICK
    assert trust.verification_key(key_id) == in_use


def test_a_signing_key_in_use_is_not_used_after_its_last_second(pki: TestPki, clock: StandingClock) -> None:
    trust = pki[GB].trust(clock)
    key_id = trust.signer(GB, clock()).key_id
    ends = max(one.not_after for one in trust.key_facts(GB) if one.key_id == key_id)
    assert trust.signer(GB, ends).key_id == key_id
    assert code_of(lambda: trust.signer(GB, ends + TICK)) == "trust.key_unknown"


def turning_points(trust: FileTrust, key_id: KeyId) -> list[datetime]:
    return list(trust.revocation.turning_points(trust._signing[key_id].path))


def code_of(ask: Callable[[], object]) -> str:
    with pytest.raises(TrustError) as caught:
        ask()
    return caught.value.code
