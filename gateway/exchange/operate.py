"""Acts of named operators on one transfer or one hand-over. Each leaves a name and a reason in the audit trail."""

from dataclasses import replace
from datetime import datetime

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.hold import Hold
from gateway.domain.ids import MessageId, PartyId, TransferId
from gateway.domain.lifecycle import HandOverEvent, TransferEvent, TransferState, advance
from gateway.domain.records import ActedOnMany, InboxRow, TransferDetail, TransferRow
from gateway.errors import RequestError, TransferError
from gateway.exchange.ask import Ask
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.many import act_on_many
from gateway.exchange.receive import hand_over_bell
from gateway.exchange.supersede import Supersede
from gateway.ports import Clock, Store

MAX_REASON = 500


class Operate:
    """The use case."""

    def __init__(self, *, store: Store, ask: Ask, supersede: Supersede, clock: Clock, bells: Doorbells) -> None:
        self._store = store
        self._supersede = supersede
        self._ask = ask
        self._clock = clock
        self._bells = bells

    async def requeue(self, transfer_id: TransferId, *, operator: str, reason: str) -> TransferRow:
        """Send a dead-lettered transfer again, under the same id and with the same JWS.

        One that was held and never released waits for its release again: no dead letter skips an approval. A message
        that expired, or that the partner swore never to have had, is superseded: the partner could only refuse it.
        """
        reason = stated_reason(reason)
        found = await self._found(transfer_id)
        row, waited = found.row, found.unreleased
        if row.skipped:
            raise TransferError("transfer.skipped")
        if row.state is TransferState.DEAD_LETTERED and row.signed and self._is_over(row):
            if waited is not None:
                raise TransferError("transfer.deadline", "It was never released; submit the document again")
            return await self._supersede(row, actor=f"operator:{operator}", reason=reason)
        if row.state is TransferState.DEAD_LETTERED and waited is not None:
            return await self._hold_again(row, waited, operator, reason)
        return await self._act(row, TransferEvent.REQUEUED, AuditEvent.TRANSFER_REQUEUED, operator, reason)

    async def cancel(self, transfer_id: TransferId, *, operator: str, reason: str) -> TransferRow:
        """Stop a transfer that the partner has not, and can not get any more.

        One that was sent is asked after first: `not_seen` lets it be cancelled; a receipt settles it, and there is
        nothing left to cancel (`transfer.illegal_transition`); else refused with `transfer.outcome_unknown`.
        """
        reason, row = stated_reason(reason), (await self._found(transfer_id)).row
        row = await self._certain(row, TransferEvent.CANCELLED)
        return await self._act(row, TransferEvent.CANCELLED, AuditEvent.TRANSFER_CANCELLED, operator, reason)

    def _is_over(self, row: TransferRow) -> bool:
        return row.not_seen or self._clock.now() >= row.expires

    async def skip(self, transfer_id: TransferId, *, operator: str, reason: str) -> TransferRow:
        """Give a held or dead-lettered transfer up for good, so that those behind it in its conversation go.

        What was sent is asked after first, as for `cancel`: else it could arrive after those behind it. One that was
        skipped never goes again, under any message; the document can be submitted again, and goes to the end.
        """
        reason, row = stated_reason(reason), (await self._found(transfer_id)).row
        if row.skipped:
            raise TransferError("transfer.skipped")
        row = await self._certain(row, TransferEvent.SKIPPED)
        return await self._act(row, TransferEvent.SKIPPED, AuditEvent.TRANSFER_SKIPPED, operator, reason)

    async def requeue_many(
        self,
        *,
        operator: str,
        reason: str,
        limit: int,
        recipient: PartyId | None = None,
        code: str | None = None,
        since: datetime | None = None,
        after: TransferId | None = None,
    ) -> ActedOnMany:
        """Requeue dead letters that fit, at most `limit`, the oldest first, so that each conversation goes on in its
        order; see `act_on_many`."""
        reason = stated_reason(reason)
        found = await self._store.dead_letters(limit=limit, recipient=recipient, code=code, since=since, after=after)

        async def requeue(row: TransferRow) -> TransferRow:
            return await self.requeue(row.id, operator=operator, reason=reason)

        return await act_on_many(found, requeue, limit=limit, clock=self._clock)

    async def _certain(self, row: TransferRow, event: TransferEvent) -> TransferRow:
        """Return the row of which it is certain that the partner can not have its message, or raise TransferError."""
        if row.state is TransferState.IN_FLIGHT:
            raise TransferError("transfer.outcome_unknown", "An attempt to send it is under way")
        if row.state is not TransferState.AWAITING_RECEIPT:
            advance(row.state, event)  # what can not be done whatever the partner says is not asked
        row = await self._ask.until_known(row)
        if row.state is TransferState.DELIVERED:
            raise TransferError("transfer.illegal_transition", "The partner has the message: it gave its receipt now")
        return row

    async def release(self, message_id: MessageId, *, sender: PartyId | None, operator: str, reason: str) -> InboxRow:
        """Have a message in quarantine handed over again, with its attempts counted anew.

        `sender`: needed only where two partners used the same message id. Raises RequestError `request.not_found`.
        """
        found = await self._store.inbox_message(message_id, sender=sender)
        if found is None:
            raise RequestError("request.not_found")
        row, now = found[0], self._clock.now()
        reason = stated_reason(reason)
        changed = await self._store.settle_hand_over(
            row,
            HandOverEvent.RELEASED,
            audit=AuditEntry(
                event=AuditEvent.HAND_OVER_RELEASED,
                at=now,
                actor=f"operator:{operator}",
                message_id=row.message_id,
                facts={"reason": reason, "state": row.hand_over.value, "sender": row.sender},
            ),
            now=now,
            next_attempt_at=now,
            detail=reason,
        )
        self._bells.ring(hand_over_bell(changed.recipient))
        return changed

    async def acknowledge(
        self, message_id: MessageId, *, sender: PartyId | None, operator: str, reason: str
    ) -> InboxRow:
        """Note that somebody saw to the alarm of a message that holds more than was agreed: in the audit, nowhere else.

        Raises RequestError `request.not_found`, TransferError `transfer.illegal_transition` where there is no alarm, or
        somebody has seen to it before.
        """
        found, reason = await self._store.inbox_message(message_id, sender=sender), stated_reason(reason)
        if found is None:
            raise RequestError("request.not_found")
        row, _ = found
        if not row.over_shared:
            raise TransferError("transfer.illegal_transition", "It has no alarm: it holds nothing beyond the agreement")
        before = await self.acknowledged(row)
        if before is not None:
            raise TransferError("transfer.illegal_transition", f"Its alarm was acknowledged before, by {before.actor}")
        facts = {"reason": reason, "sender": row.sender, "code": "policy.over_shared"}
        await self._store.record(
            AuditEntry(
                event=AuditEvent.MESSAGE_ACKNOWLEDGED,
                at=self._clock.now(),
                actor=f"operator:{operator}",
                message_id=row.message_id,
                facts=facts,
            )
        )
        return row

    async def acknowledged(self, row: InboxRow) -> AuditEntry | None:
        """Return who saw to the alarm of a message, when and why; None while nobody has."""
        for record in await self._store.audit(message_id=row.message_id):
            entry = record.entry
            if entry.event is AuditEvent.MESSAGE_ACKNOWLEDGED and dict(entry.facts).get("sender") == row.sender:
                return entry
        return None

    async def _hold_again(self, row: TransferRow, waited: Hold, operator: str, reason: str) -> TransferRow:
        """Have a transfer wait for its approvals once more, all of them, as long as it could the first time."""
        reason, now = stated_reason(reason), self._clock.now()
        lifetime = row.deadline - waited.since
        return await self._store.hold(
            row,
            replace(waited.start, by=f"operator:{operator}", reason=reason),
            audit=AuditEntry(
                event=AuditEvent.TRANSFER_HELD,
                at=now,
                actor=f"operator:{operator}",
                transfer_id=row.id,
                message_id=row.message_id,
                facts={"reason": reason, "state": row.state.value, "approvals": waited.start.approvals},
            ),
            now=now,
            deadline=row.expires if row.signed else now + lifetime,
        )

    async def _found(self, transfer_id: TransferId) -> TransferDetail:
        found = await self._store.transfer(transfer_id)
        if found is None:
            raise TransferError("transfer.not_found")
        return found

    async def _act(
        self, row: TransferRow, event: TransferEvent, evidence: AuditEvent, operator: str, reason: str
    ) -> TransferRow:
        reason = stated_reason(reason)
        now = self._clock.now()
        changed = await self._store.settle(
            row,
            event,
            audit=AuditEntry(
                event=evidence,
                at=now,
                actor=f"operator:{operator}",
                transfer_id=row.id,
                message_id=row.message_id,
                facts={"reason": reason, "state": row.state.value},
            ),
            now=now,
            next_attempt_at=now if event is TransferEvent.REQUEUED else None,
            deadline=row.expires if event is TransferEvent.REQUEUED else None,
            code="transfer.skipped" if event is TransferEvent.SKIPPED else "",
            detail=reason,
        )
        self._bells.ring(row.recipient)
        return changed


def stated_reason(given: str) -> str:
    """Return the reason a person gave, as the audit trail keeps it. Raises RequestError `request.malformed`."""
    reason = given.strip()
    if not reason or len(reason) > MAX_REASON or not reason.isprintable():
        # Auditors read it in terminals and browsers: no line breaks, no control or direction characters.
        raise RequestError("request.malformed", f"Give a reason of 1 to {MAX_REASON} characters on one line")
    return reason
