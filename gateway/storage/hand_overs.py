"""Hand-overs: the inbox on its way to our own back ends. The ideas of `transfers.py` and `settling.py`, in one file."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import bindparam, literal_column, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import HandOverEvent, HandOverState, advance_hand_over
from gateway.domain.limits import MAX_BATCH_BYTES
from gateway.domain.records import InboxRow
from gateway.errors import TransferError
from gateway.ports import HandOverSettlement
from gateway.storage import conversations, notices
from gateway.storage.engine import Connection, Row, Transaction
from gateway.storage.inbox_tables import HAND_OVER_DUE, LEASED, OVER_SHARED, hand_over, inbox, inbox_payload
from gateway.storage.values import inbox_row, micros, micros_or_none

_RECOVER_AT_ONCE: Final = 500

_both = inbox.join(hand_over, (hand_over.c.sender == inbox.c.sender) & (hand_over.c.message_id == inbox.c.message_id))
_COLUMNS = select(
    *inbox.c,
    hand_over.c.state,
    hand_over.c.version,
    hand_over.c.fence,
    hand_over.c.attempts,
    hand_over.c.next_attempt_at,
    hand_over.c.handed_over,
    hand_over.c.updated,
    hand_over.c.last_code,
    hand_over.c.last_detail,
    hand_over.c.purged,
).select_from(_both)


_DUE = (
    _COLUMNS.where(
        literal_column(HAND_OVER_DUE),
        hand_over.c.recipient == bindparam("recipient"),
        hand_over.c.next_attempt_at <= bindparam("now"),
    )
    .order_by(hand_over.c.next_attempt_at, hand_over.c.message_id)
    .limit(bindparam("limit"))
)
_LEASE_ENDED = (
    _COLUMNS.where(literal_column(LEASED), hand_over.c.lease_until <= bindparam("now"))
    .order_by(hand_over.c.lease_until)
    .limit(bindparam("limit"))
)
_LEASED = _COLUMNS.where(literal_column(LEASED)).order_by(hand_over.c.lease_until).limit(bindparam("limit"))
_ONE = _COLUMNS.where(inbox.c.message_id == bindparam("message_id")).order_by(inbox.c.received, inbox.c.sender).limit(1)
_FROM = _COLUMNS.where(inbox.c.sender == bindparam("sender"), inbox.c.message_id == bindparam("message_id"))
_PAYLOAD = select(inbox_payload.c.sealed).where(
    inbox_payload.c.sender == bindparam("sender"), inbox_payload.c.message_id == bindparam("message_id")
)
_received_with = select(inbox.c.received).where(inbox.c.message_id == bindparam("before")).limit(1).scalar_subquery()
_NEWEST = _COLUMNS.order_by(inbox.c.received.desc(), inbox.c.message_id.desc()).limit(bindparam("limit"))
_BEFORE = _NEWEST.where(
    (inbox.c.received < _received_with)
    | ((inbox.c.received == _received_with) & (inbox.c.message_id < bindparam("before")))
)
_of_state = hand_over.c.state == bindparam("state")

_CLAIM = (
    update(hand_over)
    .where(
        hand_over.c.sender == bindparam("of_sender"),
        hand_over.c.message_id == bindparam("of"),
        hand_over.c.version == bindparam("seen"),
    )
    .values(
        state=bindparam("becomes"),
        version=hand_over.c.version + 1,
        fence=hand_over.c.fence + 1,
        attempts=hand_over.c.attempts + 1,
        lease_until=bindparam("until"),
        next_attempt_at=None,
        updated=bindparam("at"),
    )
)
_SETTLE = (
    update(hand_over)
    .where(
        hand_over.c.sender == bindparam("of_sender"),
        hand_over.c.message_id == bindparam("of"),
        hand_over.c.state == bindparam("was"),
        hand_over.c.version == bindparam("seen"),
    )
    .values(
        state=bindparam("becomes"),
        version=hand_over.c.version + 1,
        fence=hand_over.c.fence + bindparam("fence_step"),
        attempts=bindparam("tries"),
        lease_until=None,
        next_attempt_at=bindparam("due"),
        handed_over=bindparam("done"),
        last_code=bindparam("code"),
        last_detail=bindparam("detail"),
        updated=bindparam("at"),
    )
)
_SETTLE_UNDER_LEASE = _SETTLE.where(hand_over.c.fence == bindparam("held"))


def claim(
    transaction: Transaction,
    recipients: Collection[PartyId],
    *,
    limit: int,
    now: datetime,
    lease: timedelta,
    actor: str = "system",
) -> list[tuple[InboxRow, int]]:
    """Lease what is due for `recipients`: at most `limit`, and at most MAX_BATCH_BYTES but for a single one. Return
    each with its fence; what they hold is read after the commit, as in `transfers.claim`."""
    connection = transaction.connection
    taken: list[Row] = []
    total = 0
    for row in _due(connection, recipients, limit=limit, now=now):
        total += row["size_bytes"]
        if taken and total > MAX_BATCH_BYTES:
            break
        taken.append(row)
    becomes = advance_hand_over(HandOverState.PENDING, HandOverEvent.CLAIMED)
    values = {"becomes": becomes._value_, "until": micros(now + lease), "at": micros(now)}
    connection.run_many(
        _CLAIM,
        [{"of_sender": row["sender"], "of": row["message_id"], "seen": row["version"], **values} for row in taken],
    )
    return [_claimed(transaction, row, becomes, now, actor) for row in taken]


def _due(connection: Connection, recipients: Collection[PartyId], *, limit: int, now: datetime) -> list[Row]:
    """Return what is due, the longest waiting first. One question for each recipient, so that what waits for one that
    comes for it seldom costs the others nothing."""
    found = [
        row
        for recipient in sorted(set(recipients))
        for row in connection.rows(_DUE, {"recipient": recipient, "now": micros(now), "limit": limit})
    ]
    return sorted(found, key=lambda row: (row["next_attempt_at"], row["message_id"]))[:limit]


def _claimed(
    transaction: Transaction, before: Row, state: HandOverState, now: datetime, actor: str
) -> tuple[InboxRow, int]:
    leased = {"version": before["version"] + 1, "attempts": before["attempts"] + 1, "next_attempt_at": None}
    row = inbox_row({**before, **leased, "state": state._value_})
    fence = before["fence"] + 1
    transaction.record(claim_entry(row, fence, now, actor))
    return row, fence


def claim_entry(row: InboxRow, fence: int, now: datetime, actor: str = "system") -> AuditEntry:
    """Return the evidence of a claim. `row`: as it left the hand-over."""
    return AuditEntry(
        event=AuditEvent.HAND_OVER_CLAIMED,
        at=now,
        actor=actor,
        message_id=row.message_id,
        facts={"sender": row.sender, "recipient": row.recipient, "attempt": row.attempts, "fence": fence},
    )


def settle_all(transaction: Transaction, given: Sequence[HandOverSettlement]) -> list[InboxRow]:
    """Move hand-overs; see `ports.Store.settle_hand_over`. Raises as `settling.settle_all` does."""
    return _settle_all(transaction, given, again=False)


def settle_all_again(transaction: Transaction, given: Sequence[HandOverSettlement]) -> list[InboxRow]:
    """Do what `settle_all` does for changes whose commit is unknown: what happened is not made twice."""
    return _settle_all(transaction, given, again=True)


def _settle_all(transaction: Transaction, given: Sequence[HandOverSettlement], *, again: bool) -> list[InboxRow]:
    connection = transaction.connection
    settled = [_settled(one) for one in given]
    if not _move(connection, given, settled):
        if len(given) > 1:
            raise TransferError("transfer.stale")
        if again and _is_settled(connection, settled[0], given[0]):
            return settled
        raise _why_not(connection, given[0].row, given[0].fence)
    done = [(row, one.now) for one, row in zip(given, settled, strict=True) if row.handed_over is not None]
    if done:
        notices.owe(connection, done)
        places = dict.fromkeys((row.sender, row.conversation) for row, _ in done)
        conversations.let_next_be_handed_over(connection, places)
    for one in given:
        transaction.record(one.audit)
    return settled


def _settled(given: HandOverSettlement) -> InboxRow:
    """Return a row as it is to be left."""
    row, event = given.row, given.event
    if event is HandOverEvent.CLAIMED:
        raise TransferError("transfer.illegal_transition", "Only a claim claims a hand-over")
    state = advance_hand_over(row.hand_over, event)
    return replace(
        row,
        hand_over=state,
        hand_over_version=row.hand_over_version + 1,
        attempts=0 if event is HandOverEvent.RELEASED else row.attempts - int(not given.begun),
        next_attempt_at=(given.next_attempt_at or given.now) if state is HandOverState.PENDING else None,
        handed_over=given.now if state is HandOverState.HANDED_OVER else None,
        last_code=given.code,
        last_detail=given.detail,
    )


def _move(connection: Connection, given: Sequence[HandOverSettlement], settled: Sequence[InboxRow]) -> bool:
    """Write rows as they are to be left, and tell whether each was as it was thought to be."""
    values = [_move_values(one, becomes) for one, becomes in zip(given, settled, strict=True)]
    free = [one for one in values if one["held"] is None]
    leased = [one for one in values if one["held"] is not None]
    return all(
        connection.run_many(statement, some) == len(some)
        for statement, some in ((_SETTLE, free), (_SETTLE_UNDER_LEASE, leased))
        if some
    )


def _move_values(given: HandOverSettlement, settled: InboxRow) -> dict[str, Any]:
    row = given.row
    return {
        "of_sender": row.sender,
        "of": row.message_id,
        "was": row.hand_over._value_,
        "seen": row.hand_over_version,
        "held": given.fence,
        "becomes": settled.hand_over._value_,
        "fence_step": int(given.event is HandOverEvent.LEASE_LOST),
        "tries": settled.attempts,
        "due": micros_or_none(settled.next_attempt_at),
        "done": micros_or_none(settled.handed_over),
        "code": settled.last_code,
        "detail": settled.last_detail,
        "at": micros(given.now),
    }


def _is_settled(connection: Connection, settled: InboxRow, given: HandOverSettlement) -> bool:
    """Tell whether a row stands exactly as it was to be left; see `settling`."""
    found = connection.one(_FROM, {"sender": settled.sender, "message_id": settled.message_id})
    fence = None if given.fence is None else given.fence + int(given.event is HandOverEvent.LEASE_LOST)
    if found is None or (fence is not None and found["fence"] != fence):
        return False
    return inbox_row(found) == settled and found["updated"] == micros(given.now)


def _why_not(connection: Connection, row: InboxRow, fence: int | None) -> TransferError:
    found = connection.one(_FROM, {"sender": row.sender, "message_id": row.message_id})
    if found is None:
        return TransferError("transfer.not_found", "There is no such inbox message")
    if fence is not None and found["fence"] != fence:
        return TransferError("transfer.lease_lost")
    return TransferError("transfer.stale", facts={"state": found["state"]})


def give_back_leases(transaction: Transaction, *, now: datetime) -> int:
    """Give back the leases of a process that is gone, some at a time. Return how many; 0 when none is left."""
    rows = transaction.connection.rows(_LEASED, {"limit": _RECOVER_AT_ONCE})
    for found in rows:
        detail = "The gateway stopped while it was handing over"
        give_back(transaction, inbox_row(found), found["fence"], now=now, detail=detail)
    return len(rows)


def give_unheld_back(row: InboxRow, fence: int, *, now: datetime) -> Callable[[Transaction], None]:
    """Return the change that gives a lease back which nobody ever held. `row`: as the claim left it."""
    return partial(give_back, row=row, fence=fence, now=now, detail="The commit of its lease failed", begun=False)


def give_back(
    transaction: Transaction, row: InboxRow, fence: int, *, now: datetime, detail: str, begun: bool = True
) -> None:
    """Give back one lease that nobody holds. `row`: as the claim left it. Raises TransferError when it is not so."""
    audit = AuditEntry(
        event=AuditEvent.HAND_OVER_LEASE_LOST,
        at=now,
        actor="system",
        message_id=row.message_id,
        facts={"sender": row.sender, "fence": fence, "attempt": row.attempts},
    )
    event, code = HandOverEvent.LEASE_LOST, "transfer.lease_lost"
    lost = HandOverSettlement(row=row, event=event, audit=audit, now=now, code=code, detail=detail, begun=begun)
    settle_all(transaction, (lost,))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_inbox(
    connection: Connection, *, limit: int, before: MessageId | None, state: HandOverState | None, over_shared: bool
) -> list[InboxRow]:
    """Return inbox messages, the last received first; see `ports.Store.inbox`."""
    statement = _LISTS[before is not None, state is not None, over_shared]
    values: dict[str, Any] = {"limit": limit}
    if before is not None:
        values["before"] = before
    if state is not None:
        values["state"] = state.value
    return [inbox_row(row) for row in connection.rows(statement, values)]


_PAGES: Final = {
    (False, False): _NEWEST,
    (True, False): _BEFORE,
    (False, True): _NEWEST.where(_of_state),
    (True, True): _BEFORE.where(_of_state),
}
_LISTS: Final = {
    (*asked, over_shared): page.where(literal_column(OVER_SHARED)) if over_shared else page
    for asked, page in _PAGES.items()
    for over_shared in (False, True)
}


def read_message(
    connection: Connection, message_id: MessageId, sender: PartyId | None
) -> tuple[InboxRow, bytes] | None:
    """Return a row with its sealed bytes, empty if purged. Without `sender` the first received under this id counts."""
    if sender is None:
        found = connection.one(_ONE, {"message_id": message_id})
    else:
        found = connection.one(_FROM, {"sender": sender, "message_id": message_id})
    if found is None:
        return None
    row = inbox_row(found)
    payload = connection.one(_PAYLOAD, {"sender": row.sender, "message_id": row.message_id})
    return row, b"" if payload is None else bytes(payload["sealed"])


def read_fence(connection: Connection, message_id: MessageId, sender: PartyId) -> tuple[InboxRow, int] | None:
    """Return a row and the fence of its latest lease."""
    found = connection.one(_FROM, {"sender": sender, "message_id": message_id})
    return None if found is None else (inbox_row(found), int(found["fence"]))


def read_overdue(connection: Connection, *, now: datetime, limit: int) -> list[InboxRow]:
    """Return hand-overs whose lease ended."""
    return [inbox_row(row) for row in connection.rows(_LEASE_ENDED, {"now": micros(now), "limit": limit})]
