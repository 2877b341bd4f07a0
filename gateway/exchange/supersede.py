"""Send another message in the place of one that can not go any more. The transfer stays, its message is new.

A message can not go any more when it has expired, when its agreement version is no longer in force, or when its
partner has sworn never to have had it (then the partner refuses it). The steps, in this order:

1. What became of the old one must be certain. If any byte of it was ever sent, its partner is asked: a receipt settles
   the transfer and nothing more is done; `not_seen` lets it go on; without either nothing is done.
2. The view is prepared once more from the sealed document, under what is in force now, with a new message id, in the
   same place of the conversation, naming the old one (`supersedes`).
3. The same agreement and the same bytes: it is signed, and goes. Anything else is what no person has seen: it is held,
   unsigned, for an officer to release (docs/adr/0015).
4. Old message, new message, state and evidence share one commit.
"""

import asyncio

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.hold import HoldCause, HoldStart
from gateway.domain.ids import MessageId
from gateway.domain.jobs import Approved, PreparedTransfer, PrepareJob, RefusedSubmission, Slot
from gateway.domain.lifecycle import TransferState
from gateway.domain.records import TransferRow
from gateway.envelope import payload_of
from gateway.errors import StorageError
from gateway.exchange.ask import Ask
from gateway.exchange.desk import held_view_row, submission_row, transfer_row
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.submit import prepared_facts
from gateway.ports import Clock, Ids, Sealer, Store, Workers

__all__ = ["Supersede"]


class Supersede:
    """The use case."""

    def __init__(
        self,
        *,
        store: Store,
        workers: Workers,
        sealer: Sealer,
        ask: Ask,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
    ) -> None:
        self._store = store
        self._workers = workers
        self._sealer = sealer
        self._ask = ask
        self._clock = clock
        self._ids = ids
        self._bells = bells

    async def __call__(self, row: TransferRow, *, actor: str, reason: str) -> TransferRow:
        """Return the transfer with its new message: QUEUED or, where a person has to look, HELD; or DELIVERED.

        Raises TransferError `transfer.outcome_unknown`, and whatever preparing it again raises; then nothing has
        changed but for what the partner's answer told.
        """
        row = await self._ask.until_known(row)
        if row.state is TransferState.DELIVERED:
            return row
        prepared = await self._prepare(row)
        now = self._clock.now()
        facts = {**prepared_facts(prepared), "reason": reason, "state": row.state.value, "supersedes": row.message_id}
        renewed = await self._store.supersede(
            row,
            prepared,
            None if prepared.signed else _start(prepared, actor),
            audit=AuditEntry(
                event=AuditEvent.TRANSFER_SUPERSEDED,
                at=now,
                actor=actor,
                transfer_id=row.id,
                message_id=prepared.slot.message_id,
                facts=facts,
            ),
            now=now,
        )
        self._bells.ring(row.recipient)
        return renewed

    async def _prepare(self, row: TransferRow) -> PreparedTransfer:
        document, sealed = await self._store.original(row.submission_id), await self._store.view(row.id)
        if document is None or sealed is None:
            raise StorageError("storage.corrupt", "What is to be prepared again can not be read back")
        body, view = await asyncio.to_thread(self._unseal, row, document, sealed)
        made = await self._workers.prepare(
            PrepareJob(
                submission_id=row.submission_id,
                body=body,
                sender=row.sender,
                client=row.client,
                slots={
                    row.recipient: Slot(
                        transfer_id=row.id,
                        message_id=MessageId(self._ids.uuid7()),
                        conversation=row.conversation,
                        sequence=row.sequence,
                        nonce=self._ids.nonce(),
                    )
                },
                conversation_key=None,
                in_reply_to=row.in_reply_to,
                now=self._clock.now(),
                accepted=row.created,
                approved=Approved(agreement=row.agreement, sealed_view=view),
                supersedes=row.message_id,
            )
        )
        if isinstance(made, RefusedSubmission):
            raise next(iter(made.problems.values()))
        return made.transfers[0]

    def _unseal(self, row: TransferRow, document: bytes, sealed: bytes) -> tuple[bytes, bytes]:
        """Return the document, and the view that was signed, sealed as one that a person is to compare with."""
        jws = self._sealer.unseal(sealed, row=transfer_row(row.id))
        view = self._sealer.seal(payload_of(jws), row=held_view_row(row.id))
        return self._sealer.unseal(document, row=submission_row(row.submission_id)), view


def _start(prepared: PreparedTransfer, actor: str) -> HoldStart:
    agreed = prepared.header.agreement
    return HoldStart(
        cause=HoldCause.CHANGED,
        by=actor,
        reason=f"It was prepared again under agreement {agreed.id} version {agreed.version}",
        reasons=prepared.held_for,
        approvals=prepared.approvals,
    )
