"""The store: durable state of one node, in domain verbs.

Methods commit before they return: whoever awaited one may acknowledge. They raise StorageError,
`storage.commit_unknown` when the outcome of a COMMIT is unknown: then nobody may be acknowledged, and the caller asks
again by id.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from gateway.audit import AuditEntry, AuditRecord
from gateway.domain.hold import Approval, HoldStart
from gateway.domain.ids import ClientId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import Admitted, PreparedTransfer, Refused
from gateway.domain.lifecycle import HandOverEvent, HandOverState, NoticeState, TransferEvent, TransferState
from gateway.domain.records import (
    AcceptOutcome,
    AcceptSubmission,
    AdmitStored,
    Attempt,
    ClaimAtOnce,
    ClaimedHandOver,
    ClaimedTransfer,
    IdempotencyScope,
    InboxRow,
    KeyReused,
    NoticeStored,
    OwedNotice,
    PartnerHealth,
    Replayed,
    StoredReceipt,
    SubmissionRow,
    TransferDetail,
    TransferRow,
)
from gateway.domain.statement import Notice, NotSeen, Receipt
from gateway.errors import GatewayError
from gateway.ports.held import HeldStore
from gateway.ports.later import LaterStore
from gateway.ports.settlement import HandOverSettlement, NoticeSettlement, Settlement, TakenNotice
from gateway.ports.wordings import WordingStore


class Store(HeldStore, LaterStore, WordingStore, Protocol):
    """Durable state of one node. Every change commits with its audit entry, or not at all."""

    # ── submissions ──

    async def find_submission(self, scope: IdempotencyScope) -> Replayed | KeyReused | None:
        """Return what is known of an idempotency key, or None."""
        ...

    async def accept(self, change: AcceptSubmission, audit: Sequence[AuditEntry]) -> AcceptOutcome:
        """Commit a submission with its transfers, references, idempotency row and audit entries.

        An answer joins the conversation of what it answers, which must be in the inbox of the sender, from the
        recipient that is answered: else AnswersUnknown. `change.claim` leases what `claim` would, in the same commit.
        """
        ...

    async def accept_all(
        self, changes: Sequence[tuple[AcceptSubmission, Sequence[AuditEntry]]]
    ) -> list[AcceptOutcome | GatewayError]:
        """Do what `accept` does for each, in their order and in one transaction; each fails alone, as a value.

        What was leased by a commit that is unknown is given back: whoever asked never heard of it."""
        ...

    async def submission(self, submission_id: SubmissionId) -> SubmissionRow | None: ...

    async def submissions(self, *, client: ClientId, limit: int, before: SubmissionId | None) -> list[SubmissionRow]:
        """Return a client's submissions, newest first."""
        ...

    async def original(self, submission_id: SubmissionId) -> bytes | None:
        """Return the sealed original document (row name `submission:{id}`), or None: it goes with the last payload made
        of it."""
        ...

    # ── transfers ──

    async def claim(
        self,
        recipient: PartyId,
        *,
        limit: int,
        now: datetime,
        lease: timedelta,
        in_force: Collection[str] | None = None,
        stopped: Mapping[str, str] | None = None,
    ) -> list[ClaimedTransfer]:
        """Lease due transfers to `recipient`, audited. Within a conversation only the lowest unfinished sequence that
        nothing blocks; a partner whose back-off is not over gets none. `in_force`: hashes of the agreements that hold
        now; a due transfer under another one becomes HELD instead, for what `stopped` says of that one (a sentence, by
        hash). What can not be read is leased all the same, with the code that says why (`unreadable`)."""
        ...

    async def settle(
        self,
        row: TransferRow,
        event: TransferEvent,
        *,
        audit: AuditEntry,
        now: datetime,
        fence: int | None = None,
        attempt: Attempt | None = None,
        sent: bool = False,
        receipt: tuple[Receipt, str] | None = None,
        next_attempt_at: datetime | None = None,
        deadline: datetime | None = None,
        code: str = "",
        detail: str = "",
    ) -> TransferRow:
        """Move a transfer by the TRANSITIONS table, compare-and-set on (state, version) and, if given, the fence.

        Raises TransferError `transfer.stale` when the row changed meanwhile, `transfer.lease_lost` when the fence did,
        `transfer.illegal_transition` for a pair not in the table. Records attempt and receipt in the same commit, and
        the partner's health: success for ACCEPTED, REFUSED and TAKEN. `sent`: whether a byte may have left; a lost
        lease always counts as sent, so that `ever_sent` is true whenever the partner may have the message; of one that
        was given back nothing was sent, and its attempt counts no more. `deadline`: a new deadline, where the event
        brings one (requeued). When the commit is unknown, the row is read back: the change is found, or made. While the
        store can not write, it is tried for up to a minute before StorageError is raised, since nobody would make the
        change again before the lease ends.
        """
        ...

    async def settle_all(self, settlements: Sequence[Settlement]) -> list[TransferRow | GatewayError]:
        """Do what `settle` does for each, in their order and in one transaction; each fails alone, as a value."""
        ...

    async def hold(
        self, row: TransferRow, start: HoldStart, *, audit: AuditEntry, now: datetime, deadline: datetime
    ) -> TransferRow:
        """Have a transfer wait for a person until `deadline`; compare-and-set and errors as in `settle`."""
        ...

    async def hold_ended(
        self, in_force: Collection[str], *, limit: int, now: datetime, stopped: Mapping[str, str] | None = None
    ) -> list[TransferRow]:
        """Hold transfers that are QUEUED under an agreement whose hash is not in `in_force`, due or not, at most
        `limit`, with a hold and a record of the audit each, in one commit; `stopped` as in `claim`. Return them as they
        stand then; fewer than `limit` mean that none is left."""
        ...

    async def approve(self, row: TransferRow, approval: Approval, *, audit: AuditEntry) -> TransferRow:
        """Note one officer's approval of a transfer that stays HELD. Raises as `settle` and `check_officer` do."""
        ...

    async def release(
        self, row: TransferRow, last: Approval, signed: PreparedTransfer | None, *, audit: AuditEntry, until: datetime
    ) -> TransferRow:
        """Let a HELD transfer go, with the `last` approval: QUEUED, to be sent `until` then. Raises as `approve`.
        `signed` takes the place of an unsigned view in the same commit; such a view can not go without."""
        ...

    async def prepare_again(
        self, row: TransferRow, prepared: PreparedTransfer, start: HoldStart, *, audit: AuditEntry, now: datetime
    ) -> TransferRow:
        """Put another unsigned view in place of the one that was held. The approvals so far count no more."""
        ...

    async def note_not_seen(
        self, row: TransferRow, statement: NotSeen, token: str, *, now: datetime, audit: AuditEntry
    ) -> TransferRow:
        """Keep a partner's verified word that it never accepted the message of a transfer, nor ever will. The message
        can not be claimed any more; a transfer AWAITING_RECEIPT is QUEUED. Raises as `settle`."""
        ...

    async def supersede(
        self,
        row: TransferRow,
        prepared: PreparedTransfer,
        start: HoldStart | None,
        *,
        audit: AuditEntry,
        now: datetime,
    ) -> TransferRow:
        """Put another message in place of the signed one, which stays on record with its digest. A dead letter is
        QUEUED by it. `start`: the new one is an unsigned view, and the transfer becomes HELD. Raises as `settle`, and
        TransferError `transfer.outcome_unknown` while the partner may yet accept the old message."""
        ...

    async def transfer(self, transfer_id: TransferId) -> TransferDetail | None: ...

    async def transfer_by_message(self, message_id: MessageId) -> TransferRow | None:
        """Return the transfer that carries a message, or carried it before another took its place."""
        ...

    async def transfers_by_message(self, message_ids: Collection[MessageId]) -> Mapping[MessageId, TransferRow]:
        """Return the transfers that carry these messages, as one moment saw them; an unknown one is left out."""
        ...

    async def transfers(
        self,
        *,
        limit: int,
        before: TransferId | None = None,
        state: TransferState | None = None,
        recipient: PartyId | None = None,
        reference_index: str | None = None,
        oldest_first: bool = False,
    ) -> list[TransferRow]:
        """Return transfers, newest first unless told otherwise. `before` pages through the newest first only."""
        ...

    async def to_follow_up(self, partner: PartyId, *, limit: int, now: datetime) -> list[TransferRow]:
        """Return transfers to `partner` that can not go on by themselves: those whose receipt is overdue, and those
        QUEUED whose message the partner has sworn never to have had. None while its back-off lasts."""
        ...

    async def dead_letters(
        self,
        *,
        limit: int,
        recipient: PartyId | None = None,
        code: str | None = None,
        since: datetime | None = None,
        after: TransferId | None = None,
    ) -> list[TransferRow]:
        """Return transfers that are DEAD_LETTERED and were not skipped, the oldest first: to `recipient`, with `code`
        as their latest difficulty, dead-lettered at `since` or later, and younger than `after`."""
        ...

    async def view(self, transfer_id: TransferId) -> bytes | None:
        """Return the sealed JWS of a transfer (row `transfer:{id}`) or its unsigned view (row `held:{id}`), or None."""
        ...

    async def receipt(self, message_id: MessageId) -> StoredReceipt | None:
        """Return the receipt we got for a message of ours."""
        ...

    async def due_at(self, recipient: PartyId) -> datetime | None:
        """Return when the next transfer to `recipient` becomes due, or None when none waits."""
        ...

    async def overdue(self, *, now: datetime, limit: int) -> list[TransferRow]:
        """Return transfers whose lease ended, whose deadline passed or whose receipt is overdue."""
        ...

    async def take_notice(
        self, row: TransferRow, notice: Notice, token: str, *, now: datetime, audit: AuditEntry
    ) -> NoticeStored:
        """Keep a verified notice about a transfer, and its `handed_over`, with the audit entry; nothing else moves.

        The first stays. The same time said again writes nothing; for another time the store writes the entry itself,
        and no more.
        """
        ...

    async def take_notices(self, given: Sequence[TakenNotice]) -> list[NoticeStored | GatewayError]:
        """As `take_notice`, for several at once, in their order; in one commit where that is possible. An error is a
        value here."""
        ...

    # ── partner health ──

    async def partner_failed(
        self,
        partner: PartyId,
        *,
        now: datetime,
        not_before: datetime,
        code: str,
        since: datetime | None = None,
        detail: str = "",
        audit: AuditEntry | None = None,
    ) -> None:
        """Count a failure in a row and leave the partner alone until `not_before`; `code` and `detail` say why.

        `since`: when the attempt that failed began. If a failure was counted after that, this one is of the same
        outage, and nothing is written.
        """
        ...

    async def partner_heard(self, partner: PartyId, *, now: datetime) -> None:
        """Clear the back-off so that one attempt is made at once; failures in a row stay counted."""
        ...

    async def partner_reached(self, partner: PartyId, *, now: datetime) -> None:
        """Note that the partner answered us: it is no longer one that can not be reached, nor was it tried in vain."""
        ...

    async def partners(self) -> list[PartnerHealth]: ...

    # ── receiving ──

    async def admit(self, result: Admitted | Refused, *, now: datetime, audit: AuditEntry) -> AdmitStored:
        """Decide and commit: (sender, message id) seen and accepted with this digest → its stored receipt; with another
        → conflict; unknown → act on `result`. Inbox, dedupe, hand-over, receipt and audit share the commit.

        `audit` is the entry for the verdict of `result`; the store writes the entry for duplicate or conflict itself,
        and the alarm beside the acceptance of a message that holds more than was agreed.
        For a conflict the token is empty: the store can not sign, so the caller signs a refusal of the new digest. It
        is empty too, and nothing is written, for an answer to what its sender can not have of us in this conversation
        (`answers_unknown`): the caller signs a refusal and comes back with it. So it is for an id that we gave up
        (`tombstoned`). A message that stands in place of one we accepted gets the receipt of that one (`superseded`);
        one that is accepted in place of another gives the other's id up.
        """
        ...

    async def admit_all(
        self,
        given: Sequence[tuple[Admitted | Refused, AuditEntry]],
        *,
        now: datetime,
        claim: ClaimAtOnce | None = None,
    ) -> list[AdmitStored | GatewayError]:
        """As `admit`, for several messages, each with its entry, in their order: each as if it had been given alone,
        in one commit where that is possible. An error is a value here.

        `claim`: whose hand-overs to lease in the same commit, if nothing of their conversation waits before: as
        `claim_hand_overs` would right after it. What was leased by a commit that is unknown is given back."""
        ...

    async def forswear(self, statement: NotSeen, token: str, *, now: datetime, audit: AuditEntry) -> str:
        """Give up the id of a partner's message: it was never accepted, and can not be from this commit on. Return the
        token that answers the question after it: the receipt of a message that was accepted after all, the statement
        given before, or `token`. Audited once."""
        ...

    async def given_receipt(self, sender: PartyId, message_id: MessageId) -> StoredReceipt | None:
        """Return the receipt we gave for a partner's message."""
        ...

    async def inbox(
        self,
        *,
        limit: int,
        before: MessageId | None = None,
        state: HandOverState | None = None,
        over_shared: bool = False,
    ) -> list[InboxRow]:
        """Return inbox messages, the last received first. `over_shared`: only those that hold more than was agreed."""
        ...

    async def inbox_message(
        self, message_id: MessageId, *, sender: PartyId | None = None
    ) -> tuple[InboxRow, bytes] | None:
        """Return the row and its sealed JWS (row name `inbox:{sender}:{message id}`), empty when it was purged.

        A message id is unique for one sender only; without `sender` the first received under the id is meant.
        """
        ...

    async def answers_given(self, sender: PartyId, message_id: MessageId) -> list[TransferRow]:
        """Return our transfers that answer a partner's message, in the order of their sequence."""
        ...

    # ── hand-over ──

    async def claim_hand_overs(
        self, recipients: Collection[PartyId], *, limit: int, now: datetime, lease: timedelta, actor: str = "system"
    ) -> list[ClaimedHandOver]:
        """Lease due hand-overs to `recipients`; within (sender, conversation) only the lowest sequence not yet handed
        over. `actor`: who leases them, for the audit. What can not be read is leased all the same, as in `claim`."""
        ...

    async def hand_over(self, message_id: MessageId, *, sender: PartyId) -> tuple[InboxRow, int] | None:
        """Return the row of a message and the fence of its latest lease; None for an unknown one."""
        ...

    async def settle_hand_over(
        self,
        row: InboxRow,
        event: HandOverEvent,
        *,
        audit: AuditEntry,
        now: datetime,
        fence: int | None = None,
        next_attempt_at: datetime | None = None,
        code: str = "",
        detail: str = "",
        begun: bool = True,
    ) -> InboxRow:
        """Move a hand-over by the HAND_OVER_TRANSITIONS table; compare-and-set and errors as in `settle`.

        ACKNOWLEDGED owes the sender a notice, in the same commit. `begun`: whether anything was tried under a lease
        that was lost; if not, its attempt counts no more.
        """
        ...

    async def settle_hand_overs(self, settlements: Sequence[HandOverSettlement]) -> list[InboxRow | GatewayError]:
        """Do what `settle_hand_over` does for each, in their order and in one transaction; each fails alone, as a
        value."""
        ...

    async def overdue_hand_overs(self, *, now: datetime, limit: int) -> list[InboxRow]: ...

    async def notices_owed(self, partner: PartyId, *, limit: int, now: datetime) -> list[OwedNotice]:
        """Return the notices that are due to `partner`, the earliest first; none while its back-off lasts.

        Every hand-over that is acknowledged owes one to the message's sender, from the same commit on.
        """
        ...

    async def notice_owed(self, sender: PartyId, message_id: MessageId) -> OwedNotice | None:
        """Return the notice that is owed, or was, for a message; None before it was handed over."""
        ...

    async def settle_notice(
        self,
        owed: OwedNotice,
        becomes: NoticeState,
        *,
        now: datetime,
        audit: AuditEntry | None = None,
        next_attempt_at: datetime | None = None,
        code: str = "",
        detail: str = "",
    ) -> bool:
        """Note what came of an attempt; OWED means that it is tried again at `next_attempt_at`. GIVEN is a success in
        the partner's health. Return False, having written nothing, if another attempt was noted meanwhile.
        """
        ...

    async def settle_notices(self, settlements: Sequence[NoticeSettlement]) -> list[bool | GatewayError]:
        """Do what `settle_notice` does for each, in their order and in one transaction; each fails alone, as a
        value."""
        ...

    # ── evidence and upkeep ──

    async def record(self, entry: AuditEntry) -> None:
        """Commit an audit entry that belongs to no other change."""
        ...

    async def audit(
        self, *, after: int = 0, limit: int = 1000, transfer_id: TransferId | None = None, message_id: str | None = None
    ) -> list[AuditRecord]:
        """Return records of this node's chain in order, from sequence `after` + 1."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Return how many transfers and hand-overs stand in each state, as `transfer.QUEUED`, `hand_over.PENDING`."""
        ...

    async def recover(self, *, now: datetime) -> int:
        """After a start: give back every lease of the previous process. Return how many were given back."""
        ...

    async def clock_set_back(self, by: timedelta, *, now: datetime, audit: AuditEntry) -> None:
        """Move leases, next attempts and back-offs that lie ahead back by `by`, since they are lengths of time.

        `now`: by the clock as it stands after it was set. Deadlines and expiry stay where they are.
        """
        ...

    async def purge(self, *, now: datetime) -> int:
        """Delete some of what is past its keeping, and return how much; 0 when nothing is left.

        Payloads go when the retention of their agreement is over, each with an audit entry: of transfers that are
        DELIVERED, CANCELLED or skipped, and of messages that are HANDED_OVER. What may yet be needed stays, however
        old. A dedupe row stays at least as long as the payload.
        """
        ...

    async def ready(self) -> None:
        """Raise StorageError unless a commit is possible now."""
        ...
