"""Turn a partner's verified statement into the state of a transfer, however and whenever it arrived.

A receipt is proof: an accepted one ends the transfer from any state but CANCELLED, even when the worker that fetched it
lost its lease meanwhile. So a change that fails as stale reads the row again and applies the receipt to what it finds.

A notice tells more, that the partner's back end took the message, and moves less: it is kept beside the transfer, whose
state goes its own way. One that overtakes the receipt does not stand in for it (docs/adr/0010).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import CheckJob, CheckNoticeJob, CheckNoticeResult, CheckResult, SealedEnvelope
from gateway.domain.lifecycle import FINAL, TransferEvent, TransferState
from gateway.domain.records import Attempt, NoticeStored, TransferRow
from gateway.domain.statement import Notice, Receipt, Verdict
from gateway.errors import GatewayError, PeerError, TransferError
from gateway.ports import Clock, Settlement, Store, TakenNotice, Workers

_TRIES = 5
_MOVED_MEANWHILE = frozenset({"transfer.stale", "transfer.lease_lost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A verified receipt that an attempt brought, and the lease under which the attempt was made."""

    row: TransferRow
    receipt: Receipt
    token: str
    fence: int
    attempt: Attempt


class Brought(NamedTuple):
    """A statement that an attempt brought, and the envelope that it answers, if that is known."""

    row: TransferRow
    token: str
    envelope: SealedEnvelope | None


class Settle:
    """The use case, shared by dispatch (a receipt in the answer) and the partner listener (one that comes later)."""

    def __init__(self, *, store: Store, workers: Workers, clock: Clock) -> None:
        self._store = store
        self._workers = workers
        self._clock = clock

    async def check(self, brought: Sequence[Brought]) -> list[CheckResult]:
        """Return what workers say of statements, in their order."""
        now = self._clock.now()
        jobs = [_check_job(row, token, now, row.message_id, row.digest) for row, token, _ in brought]
        checked = await self._workers.check_all(jobs)
        # It may be a problem, which is bound to the envelope. So few are that only now its bytes are hashed.
        unbound = [
            (number, one.envelope)
            for number, (one, result) in enumerate(zip(brought, checked, strict=True))
            if one.envelope is not None and isinstance(result, GatewayError) and result.code == "receipt.not_bound"
        ]
        again = [replace(jobs[number], envelope_sha256=envelope.sha256) for number, envelope in unbound]
        for (number, _), result in zip(unbound, await self._workers.check_all(again), strict=True):
            checked[number] = result
        return checked

    async def receipts(self, fetched: Sequence[Fetched]) -> list[TransferRow | GatewayError]:
        """Commit together what verified receipts say, each as `receipt` would alone; return the rows, in order, or why
        one could not be settled."""
        now = self._clock.now()
        plain = [one for one in fetched if _is_plain(one.row, one.receipt)]
        settlements = [
            _settlement(one.row, one.receipt, one.token, now, fence=one.fence, attempt=one.attempt) for one in plain
        ]
        settled = iter(await self._store.settle_all(settlements) if settlements else ())
        return [
            await self._in_the_end(one, next(settled) if _is_plain(one.row, one.receipt) else None) for one in fetched
        ]

    async def _in_the_end(self, one: Fetched, came: TransferRow | GatewayError | None) -> TransferRow | GatewayError:
        """Return what came of a receipt, after another try by itself where that is called for."""
        if came is not None and not (isinstance(came, TransferError) and came.code in _MOVED_MEANWHILE):
            return came
        try:
            return await self.receipt(one.row, one.receipt, one.token, fence=one.fence, attempt=one.attempt)
        except GatewayError as error:
            return error

    async def receipt(
        self,
        row: TransferRow,
        receipt: Receipt,
        token: str,
        *,
        fence: int | None = None,
        attempt: Attempt | None = None,
    ) -> TransferRow:
        """Commit what a verified receipt says about `row`, and return the row as it stands then.

        A refusal counts only where the table lets it; a refusal that comes after anything final changes nothing.
        """
        accepted = receipt.verdict is Verdict.ACCEPTED
        if not accepted and receipt.message_id != row.message_id:
            # Of a message that another has taken the place of: what becomes of the transfer is for the new one to say.
            await self._store.record(rejected(row, TransferError("transfer.illegal_transition"), self._clock.now()))
            return row
        for _ in range(_TRIES):
            now = self._clock.now()
            if row.state in FINAL or (not accepted and row.state not in _MAY_BE_REFUSED):
                if not (accepted and row.state is TransferState.DELIVERED):
                    # A partner that contradicts itself, or what we cancelled: it changes nothing, and is evidence.
                    await self._store.record(rejected(row, TransferError("transfer.illegal_transition"), now))
                return row
            settlement = _settlement(row, receipt, token, now, fence=fence, attempt=attempt)
            (settled,) = await self._store.settle_all([settlement])
            if not isinstance(settled, GatewayError):
                return settled
            if not isinstance(settled, TransferError) or settled.code not in _MOVED_MEANWHILE:
                raise settled
            # Someone moved the row meanwhile. The receipt stays true, so apply it to the row as it is now.
            fence = None
            found = await self._store.transfer(row.id)
            if found is None:
                raise settled
            row = found.row
        raise TransferError("transfer.stale", "The transfer kept changing while its receipt was settled")

    async def late(self, message_id: MessageId, token: str, *, channel_party: PartyId) -> TransferRow:
        """Settle a receipt that a partner posted by itself. Raises EnvelopeError or TransferError `transfer.not_found`.

        One that can not be believed leaves an audit record and changes nothing.
        """
        row = await self._store.transfer_by_message(message_id)
        if row is None or row.recipient != channel_party:
            unknown = TransferError("transfer.not_found")
            await self.unread(unknown, channel_party=channel_party, message_id=message_id)
            raise unknown
        now = self._clock.now()
        checked = await self._check(row, token, message_id, await self._digest(row, message_id))
        if isinstance(checked, Receipt):
            return await self.receipt(row, checked, token)
        if isinstance(checked, GatewayError) and not speaks_against(checked):
            raise checked
        error = checked if isinstance(checked, GatewayError) else TransferError("transfer.illegal_transition")
        await self._store.record(rejected(row, error, now))
        raise error

    async def earlier(self, row: TransferRow, token: str) -> Receipt | None:
        """Return the receipt by which a partner says that it has an earlier message of the transfer, or None."""
        found = await self._store.transfer(row.id)
        for message in () if found is None else found.superseded:
            checked = await self._check(row, token, message.message_id, message.digest)
            if isinstance(checked, Receipt) and checked.verdict is Verdict.ACCEPTED:
                return checked
        return None

    async def _digest(self, row: TransferRow, message_id: MessageId) -> str:
        """Return the digest of a message of the transfer, be it the one it has now or an earlier one."""
        if message_id == row.message_id:
            return row.digest
        found = await self._store.transfer(row.id)
        earlier = () if found is None else found.superseded
        return next((one.digest for one in earlier if one.message_id == message_id), "")

    async def _check(self, row: TransferRow, token: str, message_id: MessageId, digest: str) -> CheckResult:
        return await self._workers.check(_check_job(row, token, self._clock.now(), message_id, digest))

    async def notice(self, message_id: MessageId, token: str, *, channel_party: PartyId) -> NoticeStored:
        """Keep a notice that a partner posted. Raises EnvelopeError or TransferError.

        One that can not be believed, or contradicts the one before it, leaves an audit record and changes nothing.
        """
        (kept,) = await self.notices([(message_id, token)], channel_party=channel_party)
        if isinstance(kept, GatewayError):
            raise kept
        return kept

    async def notices(
        self, given: Sequence[tuple[MessageId, str]], *, channel_party: PartyId
    ) -> list[NoticeStored | GatewayError]:
        """Keep each of several notices that a partner posted together, as `notice` would; or why it is not kept."""
        now = self._clock.now()
        found = await self._store.transfers_by_message({message_id for message_id, _ in given})
        rows = [_of_partner(found.get(message_id), channel_party) for message_id, _ in given]
        about = [(row, token) for row, (_, token) in zip(rows, given, strict=True) if row is not None]
        checked = await self._workers.check_notices([_notice_job(row, token, now) for row, token in about])
        taken = [
            TakenNotice(row, notice, token, now, _handed_over(row, notice, now))
            for (row, token), notice in zip(about, checked, strict=True)
            if isinstance(notice, Notice)
        ]
        stored = iter(await self._store.take_notices(taken))
        said = iter(checked)
        return [
            await self._kept(row, None if row is None else next(said), stored, message_id, channel_party)
            for row, (message_id, _) in zip(rows, given, strict=True)
        ]

    async def _kept(
        self,
        row: TransferRow | None,
        checked: CheckNoticeResult | None,
        stored: Iterator[NoticeStored | GatewayError],
        message_id: MessageId,
        channel_party: PartyId,
    ) -> NoticeStored | GatewayError:
        """Return what became of one notice, with evidence where it is not believed. `stored`: of those that are."""
        if isinstance(checked, Notice):
            return next(stored)
        try:
            if row is None or checked is None:
                unknown = TransferError("transfer.not_found")
                await self.notice_unread(unknown, channel_party=channel_party, message_id=message_id)
                return unknown
            if speaks_against(checked):
                entry = rejected(row, checked, self._clock.now())
                await self._store.record(replace(entry, event=AuditEvent.NOTICE_REJECTED))
        except GatewayError as error:
            return error
        return checked

    async def notice_unread(
        self, error: GatewayError, *, channel_party: PartyId, message_id: MessageId | None = None
    ) -> None:
        """Record that what a partner posted as a notice is about no message of ours to it. It was not verified."""
        await self._store.record(_unread(AuditEvent.NOTICE_REJECTED, error, channel_party, message_id, self._clock))

    async def unread(self, error: GatewayError, *, channel_party: PartyId, message_id: MessageId | None = None) -> None:
        """Record that what a partner posted as a receipt is about no message of ours to it. It was not verified."""
        await self._store.record(_unread(AuditEvent.RECEIPT_REJECTED, error, channel_party, message_id, self._clock))


_MAY_BE_REFUSED = frozenset({TransferState.IN_FLIGHT, TransferState.AWAITING_RECEIPT})


def _of_partner(row: TransferRow | None, partner: PartyId) -> TransferRow | None:
    """Return a transfer if it is one to `partner`."""
    return row if row is not None and row.recipient == partner else None


def _notice_job(row: TransferRow, token: str, now: datetime) -> CheckNoticeJob:
    return CheckNoticeJob(
        token=token,
        message_id=row.message_id,
        digest=row.digest,
        sender=row.sender,
        recipient=row.recipient,
        created=row.created,
        now=now,
    )


def _check_job(row: TransferRow, token: str, now: datetime, message_id: MessageId, digest: str) -> CheckJob:
    """Return the question whether `token` is the partner's word about a message of the transfer `row`."""
    return CheckJob(
        token=token,
        message_id=message_id,
        digest=digest,
        envelope_sha256=None,
        sender=row.sender,
        recipient=row.recipient,
        agreement=row.agreement,
        now=now,
    )


def speaks_against(error: GatewayError) -> bool:
    """Tell whether what `check` said speaks against a partner's statement.

    Else nobody could look at it, for a reason of ours (it ended its worker twice), which is no evidence about anybody.
    """
    return isinstance(error, PeerError)


def rejected(row: TransferRow, error: GatewayError, now: datetime) -> AuditEntry:
    """Return the evidence that a statement about `row` was not believed."""
    return AuditEntry(
        event=AuditEvent.RECEIPT_REJECTED,
        at=now,
        actor=f"party:{row.recipient}",
        transfer_id=row.id,
        message_id=row.message_id,
        facts={"code": error.code},
    )


def _unread(
    event: AuditEvent, error: GatewayError, partner: PartyId, message_id: MessageId | None, clock: Clock
) -> AuditEntry:
    actor, facts = f"party:{partner}", {"code": error.code}
    return AuditEntry(event=event, at=clock.now(), actor=actor, message_id=message_id, facts=facts)


def _handed_over(row: TransferRow, notice: Notice, now: datetime) -> AuditEntry:
    return AuditEntry(
        event=AuditEvent.TRANSFER_HANDED_OVER,
        at=now,
        actor=f"party:{row.recipient}",
        transfer_id=row.id,
        message_id=row.message_id,
        facts={"digest": notice.digest, "handed_over": notice.handed_over.isoformat()},
    )


def _is_plain(row: TransferRow, receipt: Receipt) -> bool:
    """Tell whether a receipt may simply be settled: it moves the transfer as the row stands."""
    if receipt.verdict is Verdict.ACCEPTED:
        return row.state not in FINAL
    return row.state in _MAY_BE_REFUSED and receipt.message_id == row.message_id


def _settlement(
    row: TransferRow, receipt: Receipt, token: str, now: datetime, *, fence: int | None, attempt: Attempt | None
) -> Settlement:
    accepted = receipt.verdict is Verdict.ACCEPTED
    return Settlement(
        row=row,
        event=TransferEvent.ACCEPTED if accepted else TransferEvent.REFUSED,
        audit=_evidence(row, receipt, now),
        now=now,
        fence=fence,
        attempt=attempt,
        sent=True,
        receipt=(receipt, token),
        code="" if accepted else receipt.code,
        detail="" if accepted else "The partner refused the message with a signed receipt",
    )


def _evidence(row: TransferRow, receipt: Receipt, now: datetime) -> AuditEntry:
    accepted = receipt.verdict is Verdict.ACCEPTED
    return AuditEntry(
        event=AuditEvent.TRANSFER_DELIVERED if accepted else AuditEvent.TRANSFER_REFUSED,
        at=now,
        actor=f"party:{row.recipient}",
        transfer_id=row.id,
        message_id=receipt.message_id,
        facts={"digest": receipt.digest, "code": receipt.code, "agreement_version": receipt.agreement_version},
    )
