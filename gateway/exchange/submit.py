"""Take a document from a national system: prepare it for every recipient, commit, and only then answer.

The `Idempotency-Key` makes asking again safe. The commit decides it, so two equal requests at once give one submission;
only where the work comes to nothing is it looked up by itself, since what was accepted once stays accepted whatever
would be said of it now. Refusals are recorded as evidence but not remembered under the key: the client may mend the
document and use the same key again.

Conversation and sequence stand in the signed header, yet which conversation a document belongs to is known only after
reading it. So each transfer is first prepared as the start of a new conversation; the commit answers
`ConversationKnown` when the references say otherwise, and the submission is prepared again in its true place
(docs/adr/0003).
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import ClientId, ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import PreparedSubmission, PreparedTransfer, PrepareJob, RefusedSubmission, Slot
from gateway.domain.limits import MAX_RECIPIENTS
from gateway.domain.priority import Priority
from gateway.domain.records import (
    Accepted,
    AcceptOutcome,
    AcceptSubmission,
    AnswersUnknown,
    ConversationKnown,
    IdempotencyScope,
    KeyReused,
    Replayed,
    SubmissionRow,
)
from gateway.domain.telling import PLAIN, Telling
from gateway.errors import GatewayError, RequestError, StorageError, Violation
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.fast_path import FastPath
from gateway.ports import Clock, Ids, Store, Workers

_TRIES = 8
"""How often a submission is prepared again because others of its conversation were faster."""

_HASHED_HERE = 256 * 1024
"""Bodies up to this are hashed on the event loop: a tenth of a millisecond for most, less than a thread costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """What a client asks. `conversation_key`: the client's own case reference, if it has one.

    `telling` says how a refusal is to be told. It is no part of what makes a request the same.
    """

    client: ClientId
    sender: PartyId
    recipients: tuple[PartyId, ...]
    body: bytes = field(repr=False)
    idempotency_key: str
    conversation_key: str | None = None
    priority: Priority = Priority.NORMAL
    in_reply_to: MessageId | None = None
    telling: Telling = PLAIN


class RecipientsRefusedError(RequestError):
    """The submission is refused; `problems` says why for each recipient, or under None for the document itself."""

    def __init__(self, problems: Mapping[PartyId | None, GatewayError]) -> None:
        super().__init__("request.recipients_refused")
        self.problems = dict(problems)


def fingerprint(request: SubmitRequest) -> str:
    """Return SHA-256 (hex) over what makes a request the same: body, sorted recipients, parameters."""
    parameters = [
        request.sender,
        sorted(request.recipients),
        request.conversation_key,
        request.priority.value,
        request.in_reply_to,
        hashlib.sha256(request.body).hexdigest(),
    ]
    return hashlib.sha256(json.dumps(parameters).encode()).hexdigest()


async def _fingerprint(request: SubmitRequest) -> str:
    """Return `fingerprint`, made beside the event loop where it would stop that for long."""
    if len(request.body) <= _HASHED_HERE:
        return fingerprint(request)
    return await asyncio.to_thread(fingerprint, request)


class Submit:
    """The use case. One instance per node; requests with the same key are let in one at a time.

    `document_log` is given every document as it was handed in; only `insecure_log_documents` sets it.
    """

    def __init__(
        self,
        *,
        store: Store,
        workers: Workers,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        fast_path: FastPath,
        document_log: Callable[[bytes], None] | None = None,
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._workers = workers
        self._clock = clock
        self._ids = ids
        self._bells = bells
        self._fast_path = fast_path
        self._document_log = document_log
        self._reach = reach
        self._in_progress: set[tuple[ClientId, str]] = set()

    async def __call__(self, request: SubmitRequest) -> tuple[SubmissionRow, bool]:
        """Return the committed submission, and whether it was committed by an earlier equal request.

        Raises RecipientsRefusedError, RequestError, or StorageError; after `storage.commit_unknown` ask again with the
        same key.
        """
        if self._bells.hushed:
            raise GatewayError("node.draining")
        if not 1 <= len(set(request.recipients)) <= MAX_RECIPIENTS:
            raise RequestError("request.malformed", f"Name between 1 and {MAX_RECIPIENTS} recipients")
        if self._document_log is not None:
            self._document_log(request.body)
        scope = IdempotencyScope(
            client=request.client, key=request.idempotency_key, fingerprint=await _fingerprint(request)
        )
        place = (request.client, request.idempotency_key)
        if place in self._in_progress:
            raise RequestError("request.idempotency_in_progress")
        self._in_progress.add(place)
        try:
            outcome = await self._accept(request, scope)
        finally:
            self._in_progress.discard(place)
        if isinstance(outcome, KeyReused):
            raise RequestError("request.idempotency_key_reused")
        if isinstance(outcome, Accepted) and outcome.row is not None:
            return outcome.row, False
        row = await self._store.submission(outcome.submission_id)
        if row is None:
            raise StorageError("storage.corrupt", "A committed submission can not be read back")
        return row, isinstance(outcome, Replayed)

    async def _accept(self, request: SubmitRequest, scope: IdempotencyScope) -> Accepted | Replayed | KeyReused:
        places: dict[PartyId, tuple[ConversationId, int]] = {}
        for _ in range(_TRIES):
            job = self._job(request, places)
            try:
                prepared = await self._workers.prepare(job)
            except GatewayError:
                if (known := await self._store.find_submission(scope)) is not None:
                    return known
                raise
            if isinstance(prepared, RefusedSubmission):
                if (known := await self._store.find_submission(scope)) is not None:
                    return known
                await self._record_refusal(request, prepared)
                raise RecipientsRefusedError(prepared.problems)
            outcome = await self._commit(request, scope, job, prepared)
            match outcome:
                case ConversationKnown():
                    places.update(outcome.places)
                case Accepted():
                    self._reach(Failpoint.SUBMISSION_COMMITTED)
                    for recipient in request.recipients:
                        self._bells.ring(recipient)
                    return outcome
                case Replayed() | KeyReused():
                    return outcome
                case AnswersUnknown():
                    refused = _nothing_to_answer(request, outcome)
                    await self._record_refusal(request, refused)
                    raise RecipientsRefusedError(refused.problems)
                case _:
                    assert_never(outcome)
        raise RequestError("capacity.exhausted", "Too many submissions of one conversation at once; try again")

    async def _commit(
        self, request: SubmitRequest, scope: IdempotencyScope, job: PrepareJob, prepared: PreparedSubmission
    ) -> AcceptOutcome:
        """Commit what was prepared. What nothing stands before is claimed in the same commit and handed to dispatch."""
        with self._fast_path.place_for(prepared.transfers) as claim:
            change = AcceptSubmission(
                submission_id=job.submission_id,
                priority=request.priority,
                sender=request.sender,
                scope=scope,
                prepared=prepared,
                now=job.now,
                claim=claim,
            )
            outcome = await self._store.accept(change, self._evidence(request, change))
            if isinstance(outcome, Accepted):
                self._fast_path.put(prepared.transfers, outcome.claimed)
            return outcome

    def _job(self, request: SubmitRequest, places: Mapping[PartyId, tuple[ConversationId, int]]) -> PrepareJob:
        slots: dict[PartyId, Slot] = {}
        for recipient in sorted(set(request.recipients)):
            message_id = self._ids.uuid7()
            conversation, sequence = places.get(recipient, (ConversationId(self._ids.uuid4()), 1))
            slots[recipient] = Slot(
                transfer_id=TransferId(message_id),
                message_id=MessageId(message_id),
                conversation=conversation,
                sequence=sequence,
                nonce=self._ids.nonce(),
            )
        return PrepareJob(
            submission_id=SubmissionId(self._ids.uuid7()),
            body=request.body,
            sender=request.sender,
            client=request.client,
            slots=slots,
            conversation_key=request.conversation_key,
            in_reply_to=request.in_reply_to,
            now=self._clock.now(),
            telling=request.telling,
            at_once=self._fast_path.open_for(slots),
        )

    def _evidence(self, request: SubmitRequest, change: AcceptSubmission) -> Sequence[AuditEntry]:
        """Return one entry for the submission and one per transfer, in the order they become true."""
        actor = f"client:{request.client}"
        prepared: PreparedSubmission = change.prepared
        entries = [
            AuditEntry(
                event=AuditEvent.SUBMISSION_ACCEPTED,
                at=change.now,
                actor=actor,
                facts={
                    "sender": request.sender,
                    "kind": prepared.facts_kind.value,
                    "transfers": len(prepared.transfers),
                    "warnings": sum(len(transfer.warned) for transfer in prepared.transfers),
                },
            )
        ]
        for transfer in prepared.transfers:
            entries.append(
                AuditEntry(
                    event=AuditEvent.TRANSFER_ACCEPTED,
                    at=change.now,
                    actor=actor,
                    transfer_id=transfer.slot.transfer_id,
                    message_id=transfer.slot.message_id,
                    facts=prepared_facts(transfer),
                )
            )
            if not transfer.signed:
                entries.append(_held(transfer, change, actor))
        return entries

    async def _record_refusal(self, request: SubmitRequest, refused: RefusedSubmission) -> None:
        codes = sorted({error.code for error in refused.problems.values()})
        await self._store.record(
            AuditEntry(
                event=AuditEvent.SUBMISSION_REFUSED,
                at=self._clock.now(),
                actor=f"client:{request.client}",
                facts={"sender": request.sender, "code": " ".join(codes), "count": len(refused.problems)},
            )
        )


def prepared_facts(transfer: PreparedTransfer) -> dict[str, str | int]:
    """Return what the audit trail says of a view; it has a digest once it is signed."""
    facts: dict[str, str | int] = {
        "recipient": transfer.recipient,
        "agreement": transfer.header.agreement.id,
        "agreement_version": transfer.header.agreement.version,
        "policy_sha256": transfer.header.policy_sha256,
        "schema_set_sha256": transfer.header.schema_set_sha256,
        "kept": transfer.kept,
        "withheld": transfer.withheld,
    }
    return {**facts, "digest": transfer.digest} if transfer.signed else facts


def rules_in(reasons: Iterable[Violation]) -> str:
    """Return the rules that a person has to look at, by id, for the audit trail; no path and no value."""
    return " ".join(sorted({one.rule or one.code for one in reasons}))


def _held(transfer: PreparedTransfer, change: AcceptSubmission, actor: str) -> AuditEntry:
    return AuditEntry(
        event=AuditEvent.TRANSFER_HELD,
        at=change.now,
        actor=actor,
        transfer_id=transfer.slot.transfer_id,
        message_id=transfer.slot.message_id,
        facts={
            "rule": rules_in(transfer.held_for),
            "count": len(transfer.held_for),
            "approvals": transfer.approvals,
        },
    )


def _nothing_to_answer(request: SubmitRequest, outcome: AnswersUnknown) -> RefusedSubmission:
    return RefusedSubmission(
        problems={
            recipient: RequestError(
                "message.answers_unknown",
                f"The message that `in_reply_to` names is not in the inbox of {request.sender}, from {recipient}",
            )
            for recipient in sorted(outcome.recipients)
        }
    )
