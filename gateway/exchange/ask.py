"""Ask a partner what became of a message of ours, and commit what it says.

Three things make asking necessary: a receipt that is overdue, an operator who wants to cancel or skip what was sent,
and a message that has to be replaced. The answer is a value: the partner has it (its receipt settles the transfer), it
swears never to have had it (`not_seen`, kept as evidence; the message can not go any more), or it can not be known now.

Only a verified `not_seen` proves that a message was not accepted. A refusal does not: the same message may come to the
partner once more, out of some buffer, and be judged anew.
"""

from dataclasses import dataclass
from typing import assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.jobs import CheckAskedJob, CheckAskedResult
from gateway.domain.lifecycle import TransferState
from gateway.domain.outcome import ReceiptReturned, TransientFailure, TransportAccepted
from gateway.domain.records import TransferRow
from gateway.domain.statement import NotSeen, Receipt, Verdict
from gateway.errors import TransferError
from gateway.exchange.settle import Settle, rejected
from gateway.ports import Clock, ReceiptChannel, Store, Telemetry, Workers

__all__ = ["Answered", "Ask"]

_AGAIN = 2
"""A partner that owes a refusal gives that first; the question after it is answered with the proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What came of asking. `row`: the transfer as it stands now. `code` and `detail`: why nothing was learnt, empty if
    something was. `judging`: the partner has the message, and its receipt comes later."""

    row: TransferRow
    code: str = ""
    detail: str = ""
    judging: bool = False


class Ask:
    """The use case."""

    def __init__(
        self,
        *,
        store: Store,
        workers: Workers,
        channel: ReceiptChannel,
        settle: Settle,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._store = store
        self._workers = workers
        self._channel = channel
        self._settle = settle
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, row: TransferRow) -> Answered:
        """Ask once about the message of `row`, and commit the answer. Raises StorageError, and as `Store.settle`."""
        outcome = await self._channel.fetch_receipt(row.recipient, row.message_id)
        match outcome:
            case ReceiptReturned():
                found = await self._statement(row, outcome.token)
            case TransportAccepted():
                found = Answered(row=row, judging=True, code="transfer.outcome_unknown", detail=_JUDGING)
            case TransientFailure():
                found = Answered(row=row, code=outcome.code, detail=outcome.detail)
            case _:
                assert_never(outcome)
        self._telemetry.line(
            "transfer.ask",
            outcome="failure" if found.code else "success",
            code=found.code,
            partner=row.recipient,
            transfer_id=row.id,
            state=found.row.state.value,
        )
        return found

    async def until_known(self, row: TransferRow) -> TransferRow:
        """Return the row once it is certain what became of its message: DELIVERED, or never accepted.

        Raises TransferError `transfer.outcome_unknown`, with words for the partner that ask it to disregard the
        message, when no answer settles it now.
        """
        said = ""
        for _ in range(_AGAIN):
            if row.outcome_known or row.state is TransferState.DELIVERED:
                return row
            found = await self(row)
            row, said = found.row, found.detail or "the partner refused the message, and may yet accept it"
        if row.outcome_known or row.state is TransferState.DELIVERED:
            return row
        raise TransferError(
            "transfer.outcome_unknown",
            f"The message was sent, and what became of it can not be known now: {said}",
            facts={"recall": recall(row)},
        )

    async def _statement(self, row: TransferRow, token: str) -> Answered:
        checked: CheckAskedResult = await self._workers.check_asked(
            CheckAskedJob(
                token=token,
                message_id=row.message_id,
                digest=row.digest,
                sender=row.sender,
                recipient=row.recipient,
                now=self._clock.now(),
            )
        )
        now = self._clock.now()
        match checked:
            case Receipt():
                return await self._receipt(row, checked, token)
            case NotSeen():
                audit = AuditEntry(
                    event=AuditEvent.TRANSFER_NOT_SEEN,
                    at=now,
                    actor=f"party:{row.recipient}",
                    transfer_id=row.id,
                    message_id=row.message_id,
                    facts={"state": row.state.value},
                )
                return Answered(row=await self._store.note_not_seen(row, checked, token, now=now, audit=audit))
            case _:
                await self._store.record(rejected(row, checked, now))
                return Answered(row=row, code=checked.code, detail=checked.detail or checked.entry.title)

    async def _receipt(self, row: TransferRow, receipt: Receipt, token: str) -> Answered:
        if receipt.verdict is Verdict.ACCEPTED or row.state is TransferState.AWAITING_RECEIPT:
            return Answered(row=await self._settle.receipt(row, receipt, token))
        return Answered(row=row)  # it is refused already, here at least


_JUDGING = "the partner has the message, and is still judging it"


def recall(row: TransferRow) -> str:
    """Return words for a partner's operators that ask them to disregard a message. No value of the document."""
    return (
        f"To {row.recipient}: please disregard message {row.message_id} from {row.sender} "
        f"(conversation {row.conversation}, number {row.sequence}, agreement {row.agreement.id}), "
        f"made {row.created:%Y-%m-%d %H:%M} UTC. If your back end has it already, treat it as withdrawn and tell us so."
    )
