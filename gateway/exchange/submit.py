"""Take a document from a national system: prepare it for every recipient, commit, and only then answer.

The `Idempotency-Key` makes asking again safe. The commit decides it, so two equal requests at once give one submission;
only where the work comes to nothing is it looked up by itself, since what was accepted once stays accepted whatever
would be said of it now. Refusals are recorded as evidence but not remembered under the key: the client may mend the
document and use the same key again.

Conversation and sequence stand in the signed header, yet which conversation a document belongs to is known only after
reading it. So each transfer is first prepared as the start of a new conversation; the commit answers
`ConversationKnown` when the references say otherwise, and the submission is prepared again in its true place
(docs/adr/0003).

Several submissions may come in one request. Each has its own key, its own verdict and its own all-or-none; only the
work is shared: one batch for the workers, one change of the store. A single one is a group of one.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import ClientId, ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.jobs import PreparedSubmission, PreparedTransfer, PrepareJob, RefusedSubmission, Slot
from gateway.domain.limits import MAX_RECIPIENTS
from gateway.domain.priority import Priority
from gateway.domain.records import (
    Accepted,
    AcceptSubmission,
    AnswersUnknown,
    ClaimAtOnce,
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


Submitted = tuple[SubmissionRow, bool]
"""A committed submission, and whether an earlier equal request committed it."""


@dataclass(slots=True, eq=False)
class _Line:
    """One request on its way. `places`: those of its messages in conversations, as far as they are known."""

    request: SubmitRequest
    scope: IdempotencyScope
    places: dict[PartyId, tuple[ConversationId, int]] = field(default_factory=dict)
    outcome: Submitted | GatewayError | None = None

    @property
    def place(self) -> tuple[ClientId, str]:
        """What no two requests may hold at once."""
        return self.request.client, self.request.idempotency_key

    @property
    def came_to(self) -> Submitted | GatewayError:
        """What came of it in the end."""
        return GatewayError("internal", "A submission came to nothing") if self.outcome is None else self.outcome


@dataclass(frozen=True, slots=True)
class _Ready:
    line: _Line
    job: PrepareJob
    prepared: PreparedSubmission


def _waves(lines: Iterable[_Line]) -> list[list[_Line]]:
    """Return the requests so that no two of a wave share a key."""
    waves: list[list[_Line]] = []
    seen: Counter[tuple[ClientId, str]] = Counter()
    for line in lines:
        if seen[line.place] == len(waves):
            waves.append([])
        waves[seen[line.place]].append(line)
        seen[line.place] += 1
    return waves


def _in_order(lines: Iterable[_Line]) -> None:
    """Give those that were told the same next place in a conversation the places that follow, in their order."""
    last: dict[tuple[PartyId, PartyId, ConversationId], int] = {}
    for line in lines:
        for recipient, (conversation, sequence) in line.places.items():
            key = line.request.sender, recipient, conversation
            last[key] = max(sequence, last.get(key, 0) + 1)
            line.places[recipient] = conversation, last[key]


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

    async def __call__(self, request: SubmitRequest) -> Submitted:
        """Return the committed submission, and whether it was committed by an earlier equal request.

        Raises RecipientsRefusedError, RequestError, or StorageError; after `storage.commit_unknown` ask again with the
        same key.
        """
        (outcome,) = await self.several([request])
        if not isinstance(outcome, GatewayError):
            return outcome
        try:
            raise outcome
        finally:
            # The error knows this place by its traceback. Known here too, it would keep itself, and the document with
            # it, until Python's collector comes by: many refused documents, much memory.
            del outcome

    async def several(self, requests: Sequence[SubmitRequest]) -> list[Submitted | GatewayError]:
        """Return for each of `requests` what it alone would have come to, an error as a value.

        They are prepared together and share a commit, in their order: messages of one conversation keep it. Those that
        share a key are taken one after the other, so a repeated one is answered like the first.
        """
        lines = [_Line(request, await self._scope(request)) for request in requests]
        for wave in _waves(lines):
            await self._take([line for line in wave if self._may_come(line)])
        return [line.came_to for line in lines]

    async def _scope(self, request: SubmitRequest) -> IdempotencyScope:
        print_ = await _fingerprint(request)
        return IdempotencyScope(client=request.client, key=request.idempotency_key, fingerprint=print_)

    def _may_come(self, line: "_Line") -> bool:
        """Tell whether a request may be worked on now; else say to it why not."""
        if self._bells.hushed:
            line.outcome = GatewayError("node.draining")
        elif not 1 <= len(set(line.request.recipients)) <= MAX_RECIPIENTS:
            line.outcome = RequestError("request.malformed", f"Name between 1 and {MAX_RECIPIENTS} recipients")
        elif line.place in self._in_progress:
            line.outcome = RequestError("request.idempotency_in_progress")
        elif self._document_log is not None:
            self._document_log(line.request.body)
        return line.outcome is None

    async def _take(self, lines: "Sequence[_Line]") -> None:
        places = {line.place for line in lines}
        self._in_progress |= places
        try:
            for _ in range(_TRIES):
                lines = await self._commit(await self._prepare(lines))
                if not lines:
                    return
        finally:
            self._in_progress -= places
        for line in lines:
            detail = "Too many submissions of one conversation at once; try again"
            line.outcome = RequestError("capacity.exhausted", detail)

    async def _prepare(self, lines: "Sequence[_Line]") -> "list[_Ready]":
        """Return what was prepared, in the order of its requests; the others have come to something else."""
        now = self._clock.now()
        hoped_for = self._fast_path.hoped_for({one for line in lines for one in line.request.recipients})
        jobs = [self._job(line, now, hoped_for) for line in lines]
        results = await self._workers.prepare_all(jobs)
        ready: list[_Ready] = []
        refused: list[tuple[_Line, RefusedSubmission | GatewayError]] = []
        for line, job, result in zip(lines, jobs, results, strict=True):
            if isinstance(result, PreparedSubmission):
                ready.append(_Ready(line, job, result))
            else:
                refused.append((line, result))
        await asyncio.gather(*(self._refuse(line, why) for line, why in refused))
        return ready

    async def _refuse(self, line: "_Line", why: RefusedSubmission | GatewayError) -> None:
        """Say no, unless it was accepted before: what was accepted once stays so."""
        try:
            if (known := await self._store.find_submission(line.scope)) is not None:
                await self._known(line, known)
            elif isinstance(why, RefusedSubmission):
                await self._record_refusal(line.request, why)
                line.outcome = RecipientsRefusedError(why.problems)
            else:
                line.outcome = why
        except GatewayError as error:
            line.outcome = error

    async def _known(self, line: "_Line", known: Replayed | KeyReused | Accepted) -> None:
        """Answer with a submission as the store has it."""
        if isinstance(known, KeyReused):
            line.outcome = RequestError("request.idempotency_key_reused")
            return
        row = await self._store.submission(known.submission_id)
        if row is None:
            raise StorageError("storage.corrupt", "A committed submission can not be read back")
        line.outcome = row, isinstance(known, Replayed)

    async def _commit(self, ready: "Sequence[_Ready]") -> "list[_Line]":
        """Commit what was prepared; return those that must be prepared once more, now that their places are known.

        What nothing stands before is claimed in the same commit and handed to dispatch.
        """
        with self._fast_path.places_for([one.prepared.transfers for one in ready]) as claims:
            changes = [self._change(one, claim) for one, claim in zip(ready, claims, strict=True)]
            try:
                outcomes = await self._store.accept_all([(change, self._evidence(change)) for change in changes])
            except GatewayError as error:
                outcomes = [error] * len(ready)
            for one, outcome in zip(ready, outcomes, strict=True):
                if isinstance(outcome, Accepted):
                    self._fast_path.put(one.prepared.transfers, outcome.claimed)
        again: list[_Line] = []
        for one, outcome in zip(ready, outcomes, strict=True):
            if isinstance(outcome, ConversationKnown):
                one.line.places.update(outcome.places)
                again.append(one.line)
            else:
                await self._conclude(one.line, outcome)
        _in_order(again)
        return again

    async def _conclude(
        self, line: "_Line", outcome: Accepted | Replayed | KeyReused | AnswersUnknown | GatewayError
    ) -> None:
        try:
            match outcome:
                case Accepted():
                    self._reach(Failpoint.SUBMISSION_COMMITTED)
                    for recipient in line.request.recipients:
                        self._bells.ring(recipient)
                    if outcome.row is not None:
                        line.outcome = outcome.row, False
                    else:
                        await self._known(line, outcome)
                case Replayed() | KeyReused():
                    await self._known(line, outcome)
                case AnswersUnknown():
                    refused = _nothing_to_answer(line.request, outcome)
                    await self._record_refusal(line.request, refused)
                    line.outcome = RecipientsRefusedError(refused.problems)
                case GatewayError():
                    line.outcome = outcome
                case _:
                    assert_never(outcome)
        except GatewayError as error:
            line.outcome = error

    def _change(self, one: "_Ready", claim: ClaimAtOnce | None) -> AcceptSubmission:
        request = one.line.request
        return AcceptSubmission(
            submission_id=one.job.submission_id,
            priority=request.priority,
            sender=request.sender,
            scope=one.line.scope,
            prepared=one.prepared,
            now=one.job.now,
            claim=claim,
        )

    def _job(self, line: "_Line", now: datetime, at_once: frozenset[PartyId]) -> PrepareJob:
        request = line.request
        slots: dict[PartyId, Slot] = {}
        for recipient in sorted(set(request.recipients)):
            message_id = self._ids.uuid7()
            conversation, sequence = line.places.get(recipient, (ConversationId(self._ids.uuid4()), 1))
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
            now=now,
            telling=request.telling,
            at_once=at_once.intersection(slots),
        )

    def _evidence(self, change: AcceptSubmission) -> Sequence[AuditEntry]:
        """Return one entry for the submission and one per transfer, in the order they become true."""
        actor = f"client:{change.scope.client}"
        prepared: PreparedSubmission = change.prepared
        entries = [
            AuditEntry(
                event=AuditEvent.SUBMISSION_ACCEPTED,
                at=change.now,
                actor=actor,
                facts={
                    "sender": change.sender,
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
