"""Hold a transfer, and release one that is held. Officers release; each act leaves a name and a reason in the audit.

What a release must not do is send something else than an officer saw. So before the last approval counts:

1. the officer is not the client who handed the document in, and has not approved this hold before;
2. a message that was signed before it was held goes as it is, if its agreement is still the very same text and in
   force, and the message has not expired; else another takes its place (`supersede`): at once if it is the same view
   under the same agreement, after a release of its own if not, and never if nothing permits it;
3. an unsigned view is prepared once more from the sealed document. If the agreement it was made under is in force and
   gives the same bytes, they are signed, created and expiring from now on; the message id and the place in the
   conversation stay. If what is in force gives another view, that one takes its place and every approval is asked for
   again (`transfer.prepared_again`). If nothing is in force, or it would be refused now, it stays HELD and the answer
   says why.

Signature, state, approval and evidence share one commit: a kill before it leaves a held, unsigned view.
"""

import asyncio
from dataclasses import replace
from datetime import datetime

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.agreement import check_unchanged
from gateway.domain.hold import Approval, HeldCount, HeldQuery, Hold, HoldCause, HoldStart, check_officer
from gateway.domain.ids import TransferId
from gateway.domain.jobs import Approved, PreparedTransfer, PrepareJob, RefusedSubmission, Slot
from gateway.domain.lifecycle import TransferEvent, TransferState, advance
from gateway.domain.records import ActedOnMany, TransferDetail, TransferRow
from gateway.errors import AgreementError, StorageError, TransferError
from gateway.exchange.desk import submission_row
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.many import act_on_many
from gateway.exchange.operate import stated_reason
from gateway.exchange.submit import prepared_facts, rules_in
from gateway.exchange.supersede import Supersede
from gateway.ports import Agreements, Clock, Ids, Sealer, Store, Workers

__all__ = ["Holds"]


class Holds:
    """The use case."""

    def __init__(
        self,
        *,
        store: Store,
        workers: Workers,
        agreements: Agreements,
        sealer: Sealer,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        supersede: Supersede,
    ) -> None:
        self._store = store
        self._supersede = supersede
        self._workers = workers
        self._agreements = agreements
        self._sealer = sealer
        self._clock = clock
        self._ids = ids
        self._bells = bells

    async def hold(self, transfer_id: TransferId, *, operator: str, reason: str) -> TransferRow:
        """Stop a transfer that waits to be sent, until an officer releases it or its message expires.

        Raises TransferError `transfer.illegal_transition` for one that is on its way or has come to rest.
        """
        reason, now = stated_reason(reason), self._clock.now()
        row = (await self._found(transfer_id)).row
        if row.state is not TransferState.QUEUED:
            # HELD follows DEAD_LETTERED too, but only by a requeue of what was held before.
            raise TransferError("transfer.illegal_transition", f"A transfer that is {row.state} can not be held")
        start = HoldStart(cause=HoldCause.OPERATOR, by=f"operator:{operator}", reason=reason)
        audit = self._entry(AuditEvent.TRANSFER_HELD, row, operator, reason, now)
        return await self._store.hold(row, start, audit=audit, now=now, deadline=row.expires)

    async def release(self, transfer_id: TransferId, *, officer: str, reason: str) -> TransferRow:
        """Add an officer's approval, and with the last one let the transfer go. Return how it stands then.

        Raises TransferError: `transfer.own_submission`, `transfer.approved_before`, `transfer.prepared_again` (it is
        held anew), `transfer.deadline`; AgreementError when nothing permits it now; whatever preparing it again raises.
        """
        reason, now = stated_reason(reason), self._clock.now()
        found = await self._found(transfer_id)
        row = found.row
        advance(row.state, TransferEvent.RELEASED)
        waits = found.unreleased
        if waits is None:
            raise StorageError("storage.corrupt", "A held transfer has no hold")
        check_officer(waits, officer=officer, submitter=row.client)
        approval = Approval(officer=officer, reason=reason, at=now)
        if waits.missing > 1 and self._is_unchanged(row, now):
            facts = {"approvals": waits.start.approvals}
            audit = self._entry(AuditEvent.TRANSFER_APPROVED, row, officer, reason, now, **facts)
            return await self._store.approve(row, approval, audit=audit)
        if row.signed:
            return await self._release_signed(row, approval)
        return await self._release_view(row, waits, approval)

    async def count(self, query: HeldQuery, *, officer: str) -> HeldCount:
        """Return how many held transfers fit, before an officer releases them together."""
        return await self._store.count_held(query, officer=officer)

    async def release_many(self, query: HeldQuery, *, officer: str, reason: str, up_to: int, limit: int) -> ActedOnMany:
        """Do what `release` does for each held transfer that fits, at most `limit`, the oldest first (`act_on_many`).

        `up_to`: as `count` told the officer. Nobody lets go what was not there when they decided.
        """
        reason = stated_reason(reason)

        async def release(row: TransferRow) -> TransferRow:
            return await self.release(row.id, officer=officer, reason=reason)

        found = await self._store.held(replace(query, up_to=up_to), limit=limit)
        return await act_on_many(found, release, limit=limit, clock=self._clock)

    def _is_unchanged(self, row: TransferRow, now: datetime) -> bool:
        try:
            self._check_agreement(row, now)
        except AgreementError:
            return False
        return True

    def _check_agreement(self, row: TransferRow, now: datetime) -> None:
        check_unchanged(self._agreements.version(row.agreement.id, row.agreement.version), row.agreement, now)

    async def _release_signed(self, row: TransferRow, approval: Approval) -> TransferRow:
        """Let a signed message go as it is; one that can not go any more is superseded, if anything is in force."""
        ended = None
        try:
            self._check_agreement(row, approval.at)
        except AgreementError as error:
            ended = error
        if ended is None and approval.at < row.expires and not row.not_seen:
            return await self._let_go(row, approval, None)
        try:
            row = await self._supersede(row, actor=f"operator:{approval.officer}", reason=approval.reason)
        except AgreementError as error:
            raise ended or error from error
        if row.state is TransferState.DELIVERED:
            return row  # the partner had it all the time
        if not row.signed:
            raise TransferError("transfer.prepared_again")
        return await self._let_go(row, approval, None)

    async def _release_view(self, row: TransferRow, waits: Hold, approval: Approval) -> TransferRow:
        prepared = await self._prepare(row, approval.at)
        if not prepared.signed:
            await self._hold_anew(row, waits, approval, prepared)
            raise TransferError("transfer.prepared_again")
        if waits.missing > 1:
            # Only a change could have brought us here, and there was none: the agreement came back into force.
            raise TransferError("transfer.stale")
        return await self._let_go(row, approval, prepared)

    async def _let_go(self, row: TransferRow, approval: Approval, signed: PreparedTransfer | None) -> TransferRow:
        now = approval.at
        facts = {} if signed is None else prepared_facts(signed)
        released = await self._store.release(
            row,
            approval,
            signed,
            audit=self._entry(AuditEvent.TRANSFER_RELEASED, row, approval.officer, approval.reason, now, **facts),
            until=min(now + row.retry.deadline, row.expires) if signed is None else signed.deadline,
        )
        self._bells.ring(row.recipient)
        return released

    async def _prepare(self, row: TransferRow, now: datetime) -> PreparedTransfer:
        """Return the transfer as it would be made now: signed if that is what was approved. Raises GatewayError."""
        document, view = await self._store.original(row.submission_id), await self._store.view(row.id)
        if document is None or view is None:
            raise StorageError("storage.corrupt", "What is held can not be read back")
        body = await asyncio.to_thread(self._sealer.unseal, document, row=submission_row(row.submission_id))
        slot = Slot(
            transfer_id=row.id,
            message_id=row.message_id,
            conversation=row.conversation,
            sequence=row.sequence,
            nonce=self._ids.nonce(),
        )
        made = await self._workers.prepare(
            PrepareJob(
                submission_id=row.submission_id,
                body=body,
                sender=row.sender,
                client=row.client,
                slots={row.recipient: slot},
                conversation_key=None,
                in_reply_to=row.in_reply_to,
                now=now,
                accepted=row.created,
                approved=Approved(agreement=row.agreement, sealed_view=view),
                supersedes=row.supersedes,
            )
        )
        if isinstance(made, RefusedSubmission):
            raise next(iter(made.problems.values()))
        return made.transfers[0]

    async def _hold_anew(self, row: TransferRow, waits: Hold, approval: Approval, prepared: PreparedTransfer) -> None:
        agreed = prepared.header.agreement
        start = HoldStart(
            cause=HoldCause.CHANGED,
            by=f"operator:{approval.officer}",
            reason=f"It was prepared again under agreement {agreed.id} version {agreed.version}",
            reasons=prepared.held_for,
            approvals=max(prepared.approvals, waits.start.approvals),
        )
        facts = {
            **prepared_facts(prepared),
            "rule": rules_in(prepared.held_for),
            "count": len(prepared.held_for),
            "approvals": start.approvals,
        }
        now, event = approval.at, AuditEvent.TRANSFER_PREPARED_AGAIN
        audit = self._entry(event, row, approval.officer, approval.reason, now, **facts)
        await self._store.prepare_again(row, prepared, start, audit=audit, now=now)

    async def _found(self, transfer_id: TransferId) -> TransferDetail:
        found = await self._store.transfer(transfer_id)
        if found is None:
            raise TransferError("transfer.not_found")
        return found

    def _entry(
        self, event: AuditEvent, row: TransferRow, person: str, reason: str, now: datetime, **facts: str | int
    ) -> AuditEntry:
        return AuditEntry(
            event=event,
            at=now,
            actor=f"operator:{person}",
            transfer_id=row.id,
            message_id=row.message_id,
            facts={"reason": reason, "state": row.state.value, **facts},
        )
