"""The queue between acceptance and dispatch: when it is open, what it holds at most, and what it gives back."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.domain.agreement import Agreement, Flow
from gateway.domain.ids import AgreementId, PartyId
from gateway.domain.jobs import PreparedTransfer, SealedEnvelope
from gateway.domain.lifecycle import TransferState
from gateway.domain.message import MessageKind
from gateway.domain.records import ClaimAtOnce, ClaimedTransfer
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.fast_path import HOPED_FOR, FastPath
from gateway.exchange.leased import MAX_WAITING, WAIT
from tests.store_values import AGREEMENT, LEASE, OTHER, PARTNER, StoreValues, held
from tests.unit.exchange.moved_clock import Time
from tests.unit.exchange.rows import claimed_of

SHORT = timedelta(milliseconds=100)


class SomeAgreements:
    """Agreements of which only the hashes in force are asked for."""

    def __init__(self, *hashes: str) -> None:
        self.hashes: Collection[str] = hashes

    def choose(
        self, *, sender: PartyId, recipient: PartyId, kind: MessageKind, now: datetime
    ) -> tuple[Agreement, Flow]:
        raise NotImplementedError

    def version(self, agreement: AgreementId, version: int) -> Agreement:
        raise NotImplementedError

    def partners(self) -> frozenset[PartyId]:
        raise NotImplementedError

    def in_force(self, now: datetime) -> frozenset[str]:  # noqa: ARG002  the port's signature
        return frozenset(self.hashes)

    def stopped(self, now: datetime) -> dict[str, str]:
        raise NotImplementedError


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def agreements() -> SomeAgreements:
    return SomeAgreements(AGREEMENT.sha256)


@pytest.fixture
def bells() -> Doorbells:
    return Doorbells()


@pytest.fixture
def path(time: Time, agreements: SomeAgreements, bells: Doorbells) -> FastPath:
    made = FastPath(agreements=agreements, clock=time, bells=bells, lease=LEASE, max_waiting_bytes=1_000)
    made.open(PARTNER, lasting=SHORT)
    return made


@pytest.fixture
def values() -> StoreValues:
    return StoreValues()


def prepared(values: StoreValues, *recipients: PartyId, size: int = 100, jwe: str = "") -> tuple[PreparedTransfer, ...]:
    envelope = SealedEnvelope(jwe=jwe) if jwe else None
    made = values.submission(*recipients).prepared.transfers
    return tuple(replace(one, sealed=b"s" * size, envelope=envelope) for one in made)


def offered(path: FastPath, transfers: tuple[PreparedTransfer, ...]) -> ClaimAtOnce | None:
    with path.places_for([transfers]) as (claim,):
        return claim


def committed(path: FastPath, transfers: tuple[PreparedTransfer, ...]) -> list[ClaimedTransfer]:
    """As `submit` does it, with a store that claims whatever it may."""
    with path.places_for([transfers]) as (claim,):
        claims = [claimed_of(one) for one in transfers if claim is not None and one.recipient in claim.recipients]
        path.put(transfers, claims)
    return claims


def test_what_a_commit_claimed_is_taken_once_in_its_order_with_its_envelope(
    path: FastPath, values: StoreValues
) -> None:
    transfers = [prepared(values, jwe=f"envelope {number}") for number in range(3)]
    claims = [one for some in transfers for one in committed(path, some)]
    first, rest = path.take(PARTNER, 1), path.take(PARTNER, 10)
    assert [one.claimed for one in first + rest] == claims
    assert [one.envelope for one in first + rest] == [some[0].envelope for some in transfers]
    assert path.take(PARTNER, 10) == []


def test_the_lease_outlasts_the_time_a_transfer_may_wait(path: FastPath, values: StoreValues) -> None:
    assert offered(path, prepared(values)) == ClaimAtOnce(recipients=frozenset({PARTNER}), lease=LEASE + WAIT)


def test_it_is_closed_until_dispatch_opens_it_and_again_after_a_moment(
    path: FastPath, values: StoreValues, time: Time
) -> None:
    assert path.open_for([PARTNER, OTHER]) == {PARTNER}
    claim = offered(path, prepared(values, PARTNER, OTHER))
    assert claim is not None
    assert claim.recipients == {PARTNER}
    time.seconds += SHORT.total_seconds()
    assert path.open_for([PARTNER]) == frozenset()
    assert offered(path, prepared(values)) is None
    path.open(PARTNER, lasting=SHORT)
    assert path.open_for([PARTNER]) == {PARTNER}
    path.close(PARTNER)
    assert offered(path, prepared(values)) is None


def test_for_a_while_after_it_was_open_it_is_hoped_for(path: FastPath, time: Time, bells: Doorbells) -> None:
    path.close(PARTNER)
    assert path.open_for([PARTNER]) == frozenset()
    assert path.hoped_for([PARTNER, OTHER]) == {PARTNER}
    bells.hush()
    assert path.hoped_for([PARTNER]) == frozenset()
    bells.resume()
    time.seconds += HOPED_FOR.total_seconds()
    assert path.hoped_for([PARTNER]) == frozenset()


def test_what_waits_is_under_way_until_it_is_taken_or_given_back(
    path: FastPath, values: StoreValues, time: Time, bells: Doorbells
) -> None:
    for _ in range(3):
        committed(path, prepared(values, size=100))
    assert bells.under_way == 3
    path.take(PARTNER, 1)
    assert bells.under_way == 2
    time.seconds += WAIT.total_seconds() + 1
    path.take(PARTNER, 1)
    assert bells.under_way == 2
    path.late()
    assert bells.under_way == 0


def test_what_is_set_aside_is_late_at_once_and_nobody_takes_it(
    path: FastPath, values: StoreValues, bells: Doorbells
) -> None:
    claims = [committed(path, prepared(values, size=100)) for _ in range(2)]
    path.set_aside()
    assert path.take(PARTNER, 10) == []
    assert [one.claimed for one in path.late()] == [one for some in claims for one in some]
    assert (path.late(), bells.under_way) == ([], 0)


def test_what_a_commit_may_be_leasing_is_under_way(path: FastPath, values: StoreValues, bells: Doorbells) -> None:
    with path.places_for([prepared(values)]) as (claim,):
        assert claim is not None
        bells.hush()
        assert bells.under_way == 1
    assert bells.under_way == 0


def test_it_is_closed_while_the_node_begins_nothing_new(path: FastPath, values: StoreValues, bells: Doorbells) -> None:
    bells.hush()
    assert path.open_for([PARTNER]) == frozenset()
    assert offered(path, prepared(values)) is None
    bells.resume()
    assert path.open_for([PARTNER]) == {PARTNER}


def test_nothing_goes_under_an_agreement_that_is_no_longer_in_force(
    path: FastPath, values: StoreValues, agreements: SomeAgreements
) -> None:
    agreements.hashes = ()
    assert offered(path, prepared(values)) is None


def test_what_waits_under_an_agreement_that_ends_meanwhile_is_not_sent_but_given_back(
    path: FastPath, values: StoreValues, agreements: SomeAgreements, bells: Doorbells
) -> None:
    ended = [one for _ in range(3) for one in committed(path, prepared(values))]
    agreements.hashes = ()
    assert path.take(PARTNER, 2) == []
    assert bells.under_way == 3
    assert [one.claimed for one in path.late()] == ended
    assert bells.under_way == 0
    agreements.hashes = (AGREEMENT.sha256,)
    still = committed(path, prepared(values))
    assert [one.claimed for one in path.take(PARTNER, 10)] == still


def test_nothing_unsigned_goes(path: FastPath, values: StoreValues) -> None:
    (one,) = prepared(values)
    assert offered(path, (held(one, ()),)) is None


def test_bodies_in_memory_are_bounded_while_they_wait_and_while_they_are_committed(
    path: FastPath, values: StoreValues
) -> None:
    with path.places_for([prepared(values, size=600)]) as (claim,):
        assert claim is not None
        assert offered(path, prepared(values, size=600)) is None
    committed(path, prepared(values, size=300, jwe="j" * 300))
    assert offered(path, prepared(values, size=600)) is None
    assert len(path.take(PARTNER, 10)) == 1
    assert offered(path, prepared(values, size=600)) is not None


def test_one_partner_has_only_so_many_places(path: FastPath, values: StoreValues) -> None:
    path.open(OTHER, lasting=SHORT)
    for _ in range(MAX_WAITING):
        assert committed(path, prepared(values, size=1))
    assert path.open_for([PARTNER, OTHER]) == {OTHER}
    path.take(PARTNER, 1)
    assert path.open_for([PARTNER]) == {PARTNER}


def test_what_was_not_claimed_gives_its_place_back(path: FastPath, values: StoreValues) -> None:
    def fails() -> None:
        with path.places_for([prepared(values, size=900)]):
            raise RuntimeError

    for _ in range(3):
        with pytest.raises(RuntimeError):
            fails()
        assert offered(path, prepared(values, size=900)) is not None
    assert path.take(PARTNER, 10) == []


def test_what_nobody_took_in_time_is_late_and_what_came_after_it_is_not(
    path: FastPath, values: StoreValues, time: Time
) -> None:
    path.open(OTHER, lasting=SHORT)
    slow = [one for _ in range(2) for one in committed(path, prepared(values))]
    slow += committed(path, prepared(values, OTHER))
    assert path.late() == []
    time.seconds += WAIT.total_seconds() + 1
    path.open(PARTNER, lasting=SHORT)
    quick = committed(path, prepared(values))
    assert [one.claimed for one in path.take(PARTNER, 10)] == quick
    assert [one.claimed for one in path.late()] == slow
    assert path.late() == []
    assert path.take(PARTNER, 10) == path.take(OTHER, 10) == []


def test_what_is_late_gives_its_place_back(path: FastPath, values: StoreValues, time: Time) -> None:
    committed(path, prepared(values, size=900))
    time.seconds += WAIT.total_seconds() + 1
    path.open(PARTNER, lasting=SHORT)
    assert path.take(PARTNER, 10) == []
    assert offered(path, prepared(values, size=900)) is None
    (late,) = path.late()
    assert late.claimed.row.state is TransferState.IN_FLIGHT
    assert offered(path, prepared(values, size=900)) is not None
