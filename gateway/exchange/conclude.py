"""Commit what came of attempts to send: receipts together, all else by itself.

A verified receipt is final, and goes to `settle`. Whatever else a partner says, or does not say, means to try again,
until attempts or time are used up: no unsigned or unbound answer ends a transfer. Each change is made under the lease
of its attempt, so one that comes too late changes nothing. One that fails leaves the others of its group alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from gateway.audit import AuditEvent
from gateway.domain.failpoint import Failpoint, Reach
from gateway.domain.ids import TransferId
from gateway.domain.jobs import CheckResult, SealedEnvelope
from gateway.domain.lifecycle import TransferEvent
from gateway.domain.outcome import Damaged, ReceiptReturned, SendOutcome, TransientFailure, TransportAccepted
from gateway.domain.records import Attempt, ClaimedTransfer, TransferRow
from gateway.domain.retry import next_attempt_at
from gateway.domain.statement import Problem, Receipt, Verdict
from gateway.errors import GatewayError, TransferError
from gateway.exchange.attempts import attempt_entry
from gateway.exchange.settle import Brought, Fetched, Settle, rejected, speaks_against
from gateway.ports import Clock, Ids, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One attempt, and what came of it so far. `envelope`: None if none was made."""

    claimed: ClaimedTransfer
    outcome: SendOutcome | Damaged
    envelope: SealedEnvelope | None = None


Concluded = tuple[str, dict[str, str]]
"""What is told of an attempt: `ok` or the code that explains it, and further labels of its line."""


class Conclude:
    """The last step of dispatch: from what attempts brought to what is committed of them."""

    def __init__(self, *, store: Store, settle: Settle, clock: Clock, ids: Ids, reach: Reach) -> None:
        self._store = store
        self._settle = settle
        self._clock = clock
        self._ids = ids
        self._reach = reach

    async def check(self, sent: Sequence[Sent]) -> dict[TransferId, CheckResult]:
        """Return what the statements turn out to be that attempts brought."""
        brought = [
            Brought(one.claimed.row, one.outcome.token, one.envelope)
            for one in sent
            if isinstance(one.outcome, ReceiptReturned)
        ]
        for _ in brought:
            self._reach(Failpoint.RECEIPT_IN)
        checked = await self._settle.check(brought)
        return {one.row.id: result for one, result in zip(brought, checked, strict=True)}

    async def commit(
        self, sent: Sequence[Sent], checked: Mapping[TransferId, CheckResult], started: datetime
    ) -> list[Concluded]:
        """Commit what came of each attempt, receipts together; return the code that explains it, and what else its line
        says. `checked`: what the statements turned out to be that attempts brought."""
        verified = [self._verified(one, checked.get(one.claimed.row.id), started) for one in sent]
        others = await asyncio.gather(
            *(
                self._look_at(one, checked.get(one.claimed.row.id), started)
                for one, fetched in zip(sent, verified, strict=True)
                if fetched is None
            )
        )
        rest = iter(others)
        looked = [next(rest) if fetched is None else fetched for fetched in verified]
        receipts = [one for one in looked if isinstance(one, Fetched)]
        try:
            settled: Sequence[TransferRow | GatewayError] = await self._settle.receipts(receipts)
            for _ in (one for one in settled if isinstance(one, TransferRow)):
                self._reach(Failpoint.RECEIPT_COMMITTED)
        except GatewayError as error:
            settled = [error] * len(receipts)
        except Exception as error:  # noqa: BLE001 - a task's outermost boundary: what the others came to is told
            return [_internal(error) if isinstance(one, Fetched) else one for one in looked]
        came = iter(settled)
        return [_told(one, next(came)) if isinstance(one, Fetched) else one for one in looked]

    def _verified(self, sent: Sent, checked: CheckResult | None, started: datetime) -> Fetched | None:
        """Return the receipt that an attempt brought, if it is one that can be believed."""
        if not isinstance(sent.outcome, ReceiptReturned) or not isinstance(checked, Receipt):
            return None
        self._reach(Failpoint.RECEIPT_VERIFIED)
        row, accepted = sent.claimed.row, checked.verdict is Verdict.ACCEPTED
        attempt = self._attempt_row(row, started, "delivered" if accepted else "refused", checked.code, "")
        return Fetched(row=row, receipt=checked, token=sent.outcome.token, fence=sent.claimed.fence, attempt=attempt)

    async def _look_at(self, sent: Sent, checked: CheckResult | None, started: datetime) -> Fetched | Concluded:
        """Return a receipt for an earlier message, or what was committed of an attempt that brought none."""
        try:
            came = await self._outcome(sent, checked, started)
            return came if isinstance(came, Fetched) else (came, {})
        except GatewayError as error:
            return error.code, {}
        except Exception as error:  # noqa: BLE001 - one message must not stop the others of its group
            return _internal(error)

    async def _outcome(self, sent: Sent, checked: CheckResult | None, started: datetime) -> str | Fetched:
        """Commit what came of the attempt; return `ok` or the code that explains it. A receipt for an earlier message
        is returned to be committed with the others of its group."""
        match sent.outcome:
            case ReceiptReturned():
                return await self._statement(sent, checked, started)
            case TransportAccepted():
                return await self._taken(sent.claimed, started)
            case TransientFailure():
                return await self._failed(sent.claimed, sent.outcome, started)
            case Damaged():
                return await self._give_up(sent.claimed, sent.outcome, started)
            case _:
                assert_never(sent.outcome)

    async def _statement(self, sent: Sent, checked: CheckResult | None, started: datetime) -> str | Fetched:
        """Commit an attempt whose statement is no receipt for its message."""
        claimed, row, now = sent.claimed, sent.claimed.row, self._clock.now()
        if isinstance(sent.outcome, ReceiptReturned) and isinstance(checked, GatewayError) and row.supersedes:
            # The partner may have accepted the message that this one stands in place of: its receipt settles it.
            checked = await self._settle.earlier(row, sent.outcome.token) or checked
        if (fetched := self._verified(sent, checked, started)) is not None:
            return fetched
        if isinstance(checked, Problem):
            detail = "The partner could not open the message, and said so in a signed problem"
            failure = TransientFailure(code=checked.code, detail=detail, sent=True, connected=True)
            return await self._failed(claimed, failure, started)
        if not isinstance(checked, GatewayError):
            raise GatewayError("internal", "Nobody looked at a statement")
        if speaks_against(checked):
            await self._store.record(rejected(row, checked, now))
        failure = TransientFailure(code=checked.code, detail=checked.detail, sent=True, connected=True)
        return await self._failed(claimed, failure, started)

    async def _taken(self, claimed: ClaimedTransfer, started: datetime) -> str:
        row, now = claimed.row, self._clock.now()
        await self._store.settle(
            row,
            TransferEvent.TAKEN,
            audit=attempt_entry(AuditEvent.TRANSFER_TAKEN, row, now),
            now=now,
            fence=claimed.fence,
            attempt=self._attempt_row(row, started, "taken", "ok", "The partner will send its receipt later"),
            sent=True,
            next_attempt_at=now + row.retry.cap,
        )
        return "ok"

    async def _failed(self, claimed: ClaimedTransfer, failure: TransientFailure, started: datetime) -> str:
        row, now = claimed.row, self._clock.now()
        jitter = self._ids.jitter()
        again = next_attempt_at(row.retry, attempt=row.attempts, jitter=jitter, now=now, deadline=row.deadline)
        if again is not None and failure.retry_after is not None:
            again = min(max(again, now + failure.retry_after), row.deadline)
        return await self._note_failed(
            claimed, failure, started, again, code=failure.code if again else _why_no_more(row), sent=failure.sent
        )

    async def _give_up(self, claimed: ClaimedTransfer, damage: Damaged, started: datetime) -> str:
        """Dead-letter at once what there is nothing left to try with. Put back from a backup, it can be requeued."""
        return await self._note_failed(claimed, damage, started, None, code=damage.code, sent=False)

    async def _note_failed(
        self,
        claimed: ClaimedTransfer,
        failure: TransientFailure | Damaged,
        started: datetime,
        again: datetime | None,
        *,
        code: str,
        sent: bool,
    ) -> str:
        row, now = claimed.row, self._clock.now()
        event = TransferEvent.EXHAUSTED if again is None else TransferEvent.FAILED
        audit = AuditEvent.TRANSFER_EXHAUSTED if again is None else AuditEvent.TRANSFER_FAILED
        try:
            await self._store.settle(
                row,
                event,
                audit=attempt_entry(audit, row, now, code=failure.code),
                now=now,
                fence=claimed.fence,
                attempt=self._attempt_row(row, started, "failed", failure.code, failure.detail, again),
                sent=sent,
                next_attempt_at=again,
                code=code,
                detail=failure.detail,
            )
        except TransferError as error:
            # Our lease ended, or a receipt came by another way. Who holds the row now decides about it.
            return error.code
        return failure.code

    def _attempt_row(
        self, row: TransferRow, started: datetime, outcome: str, code: str, detail: str, again: datetime | None = None
    ) -> Attempt:
        return Attempt(
            transfer_id=row.id,
            number=row.attempts,
            started=started,
            ended=self._clock.now(),
            outcome=outcome,
            code=code,
            detail=detail,
            again=again,
        )


def _told(fetched: Fetched, settled: TransferRow | GatewayError) -> Concluded:
    return settled.code if isinstance(settled, GatewayError) else fetched.receipt.code, {}


def _internal(error: Exception) -> Concluded:
    return "internal", {"error": type(error).__name__}


def _why_no_more(row: TransferRow) -> str:
    """Return the code that tells why a transfer is not tried again; the attempt itself keeps its own."""
    used_up = row.retry.attempts is not None and row.attempts >= row.retry.attempts
    return "transfer.attempts_exhausted" if used_up else "transfer.deadline"
