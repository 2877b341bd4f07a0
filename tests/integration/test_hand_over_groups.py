"""A back end that takes several messages together: each has its own fate, none its order changed, none is lost."""

import asyncio
from collections import Counter
from datetime import timedelta

from gateway.audit import AuditEvent
from gateway.domain.failpoint import Failpoint
from gateway.domain.lifecycle import HandOverState
from gateway.domain.outcome import HandedOver, HandOverOutcome, TransientFailure
from gateway.domain.records import InboxRow
from gateway.domain.retry import RetryPolicy
from gateway.exchange.hand_over import HandOverLimits
from gateway.exchange.leased import WAIT
from tests.integration.desk_pair import Pair, sample, until
from tests.integration.desk_pair import request as submission
from tests.world import FR

REFUSED = TransientFailure(code="channel.refused", detail="a 422", sent=True, connected=True)
GARBAGE = TransientFailure(code="channel.unexpected_answer", detail="a 500", sent=True, connected=True)
BUSY = TransientFailure(
    code="channel.busy", detail="a 429", sent=True, connected=True, retry_after=timedelta(seconds=30)
)
LIMITS = HandOverLimits(poll=timedelta(milliseconds=20), retries={FR: RetryPolicy(attempts=3)})


async def received(pair: Pair, cases: str) -> list[InboxRow]:
    """Have FR receive a message for each letter, equal letters in one conversation, and return them in order.

    References other than those of its own conversation would have a message join another.
    """
    for number, case in enumerate(cases):
        document = sample().replace(b"SAMPLE-IM-0001", b"SAMPLE-%d" % number).replace(b"6XA9", case.encode() * 4)
        await pair.gb.submit(submission(document, key=f"key-{number}", case=f"case {case}"))

    async def all_there() -> bool:
        return len(await pair.fr.store.inbox(limit=100)) == len(cases)

    async with pair.dispatching():
        await until(all_there)
    return sorted(await pair.fr.store.inbox(limit=100), key=lambda row: row.message_id)


async def all_are(pair: Pair, state: HandOverState, count: int, *, wait: timedelta = timedelta(seconds=1)) -> None:
    async def there() -> bool:
        pair.clock.ahead += wait
        return len(await pair.fr.store.inbox(limit=100, state=state)) == count

    await until(there)


async def test_what_is_due_goes_together_and_each_conversation_in_its_order(pair: Pair) -> None:
    pair.backend_takes = 8
    rows = await received(pair, "abcaba")
    async with pair.handing_over(LIMITS):
        await all_are(pair, HandOverState.HANDED_OVER, len(rows))
    assert [len(group) for group in pair.groups] == [3, 2, 1]
    for group in pair.groups:
        assert max(Counter(row.conversation for row in group).values()) == 1
    for conversation in {row.conversation for row in rows}:
        sequences = [row.sequence for row, _ in pair.handed_over if row.conversation == conversation]
        assert sequences == sorted(sequences)


async def test_no_more_go_together_than_the_back_end_takes(pair: Pair) -> None:
    pair.backend_takes = 2
    await received(pair, "abcde")
    async with pair.handing_over(LIMITS):
        await all_are(pair, HandOverState.HANDED_OVER, 5)
    assert sorted(len(group) for group in pair.groups) == [1, 2, 2]


async def test_one_that_is_refused_holds_nothing_but_its_own_conversation(pair: Pair) -> None:
    pair.backend_takes = 8
    rows = await received(pair, "abca")
    bad, after = rows[0], rows[3]
    pair.backend = lambda row: REFUSED if row.message_id == bad.message_id else HandedOver()
    async with pair.handing_over(LIMITS):
        await all_are(pair, HandOverState.QUARANTINED, 1)
    assert {row.message_id for row, _ in pair.handed_over} == {rows[1].message_id, rows[2].message_id}
    tries = [group for group in pair.groups if bad.message_id in {row.message_id for row in group}]
    assert [len(group) for group in tries] == [3, 1, 1]
    (waiting,) = await pair.fr.store.inbox(limit=10, state=HandOverState.PENDING)
    assert waiting.message_id == after.message_id
    events = [one.entry.event for one in await pair.fr.store.audit() if one.entry.message_id == bad.message_id]
    assert events[-1] is AuditEvent.HAND_OVER_EXHAUSTED


async def test_after_a_request_that_failed_as_a_whole_each_of_it_goes_alone(pair: Pair) -> None:
    pair.backend_takes = 8
    rows = await received(pair, "abc")
    poison = rows[1].message_id

    def back_end(row: InboxRow) -> HandOverOutcome:
        together = len(pair.groups[-1]) > 1
        return GARBAGE if together or row.message_id == poison else HandedOver()

    pair.backend = back_end
    async with pair.handing_over(LIMITS):
        await all_are(pair, HandOverState.HANDED_OVER, 2)
        await all_are(pair, HandOverState.QUARANTINED, 1)
    assert len(pair.groups[0]) == 3
    assert {len(group) for group in pair.groups[1:]} == {1}


async def test_a_back_end_that_was_busy_gets_them_together_when_it_said_it_would_take_them(pair: Pair) -> None:
    pair.backend_takes = 8
    await received(pair, "abc")
    pair.backend = lambda _row: BUSY
    async with pair.handing_over(LIMITS):

        async def put_off() -> bool:
            return all(row.last_code == "channel.busy" for row in await pair.fr.store.inbox(limit=10))

        await until(put_off)
        rows = await pair.fr.store.inbox(limit=10)
        now = pair.clock.now()
        assert all(
            row.next_attempt_at is not None and row.next_attempt_at - now > timedelta(seconds=25) for row in rows
        )
        pair.backend = lambda _row: HandedOver()
        pair.clock.ahead += timedelta(seconds=31)
        await all_are(pair, HandOverState.HANDED_OVER, 3)
    assert [len(group) for group in pair.groups] == [3, 3]


async def test_what_was_answered_but_not_committed_comes_again_byte_for_byte(pair: Pair) -> None:
    pair.backend_takes = 8
    await received(pair, "abc")
    broken = asyncio.Event()

    def breaks_once(point: Failpoint) -> None:
        if point is Failpoint.HAND_OVER_ACKNOWLEDGED and not broken.is_set():
            broken.set()
            raise OSError

    async with pair.handing_over(LIMITS, reach=breaks_once):
        await until(lambda: len(pair.handed_over) == 3)
        await until(broken.is_set)
        pair.clock.ahead += timedelta(seconds=61)
        await pair.fr.sweep.once()
        await all_are(pair, HandOverState.HANDED_OVER, 3)
    times = Counter(row.message_id for row, _ in pair.handed_over)
    assert sorted(times.values()) == [2, 2, 2]
    for message_id in times:
        assert len({view for row, view in pair.handed_over if row.message_id == message_id}) == 1


async def test_a_group_leaves_one_line_and_one_for_each_that_failed(pair: Pair) -> None:
    pair.backend_takes = 8
    bad = (await received(pair, "abc"))[0]
    pair.backend = lambda row: REFUSED if row.message_id == bad.message_id else HandedOver()
    async with pair.handing_over(LIMITS):
        await all_are(pair, HandOverState.HANDED_OVER, 2, wait=timedelta(0))
    group, alone = [line for line in pair.telemetry.lines if str(line["action"]).startswith("hand_over.")][:2]
    assert (group["action"], group["outcome"]) == ("hand_over.group", "failure")
    assert (group["messages"], group["taken"]) == (3, 2)
    assert (alone["action"], alone["code"], alone["message_id"]) == (
        "hand_over.attempt",
        "channel.refused",
        bad.message_id,
    )


async def events_of(pair: Pair, row: InboxRow) -> list[AuditEvent]:
    return [one.entry.event for one in await pair.fr.store.audit(message_id=row.message_id)]


async def test_what_comes_while_nothing_is_due_is_leased_in_the_commit_that_admits_it(pair: Pair) -> None:
    pair.backend_takes = 8
    async with pair.handing_over(HandOverLimits(poll=timedelta(minutes=5))):
        await until(lambda: pair.fr.arrivals.open_for([FR]))
        rows = await received(pair, "aab")
        await all_are(pair, HandOverState.HANDED_OVER, 3, wait=timedelta(0))
    for row in rows:
        records = await pair.fr.store.audit(message_id=row.message_id)
        assert [one.entry.event for one in records[:2]] == [
            AuditEvent.MESSAGE_ACCEPTED,
            AuditEvent.HAND_OVER_CLAIMED,
        ]
    leased = [one for one in await pair.fr.store.audit(limit=1000) if one.entry.event is AuditEvent.HAND_OVER_CLAIMED]
    accepted = [one for one in await pair.fr.store.audit(limit=1000) if one.entry.event is AuditEvent.MESSAGE_ACCEPTED]
    assert leased[0].seq == accepted[0].seq + 1


async def test_what_waits_too_long_for_a_back_end_that_stands_still_is_given_back_and_goes(pair: Pair) -> None:
    pair.backend_takes = 8
    pair.fr.arrivals.open(FR, lasting=timedelta(minutes=1))
    (row,) = await received(pair, "a")
    assert row.hand_over is HandOverState.IN_FLIGHT
    pair.clock.ahead += WAIT + timedelta(seconds=1)
    async with pair.handing_over(LIMITS):
        await all_are(pair, HandOverState.HANDED_OVER, 1)
    assert (await events_of(pair, row))[:4] == [
        AuditEvent.MESSAGE_ACCEPTED,
        AuditEvent.HAND_OVER_CLAIMED,
        AuditEvent.HAND_OVER_LEASE_LOST,
        AuditEvent.HAND_OVER_CLAIMED,
    ]
