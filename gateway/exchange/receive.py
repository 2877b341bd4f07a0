"""Take envelopes from a partner: judge each in a worker, commit, and only then hand its receipt back.

The commit decides, not the judgement: an id accepted before gets its stored receipt again, byte for byte, and another
message under a known id gets a refusal bound to its own digest while the first stays what it is. So does an answer to a
message that we never sent to its sender, which only the store can know.

Envelopes that came in one request are judged at once and committed together, and each gets the answer it would have got
alone: a line that can not be read, or fails in any other way, changes nothing for its neighbours.

From a partner whose receipts come later an envelope is taken unread: it is kept as it came, and answered 202 when that
is committed. `judge` is the same judgement as for everybody, made later (`later`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import AdmitJob, AdmitResult, Admitted, Refused, Unopened, places_in_line
from gateway.domain.later import JUDGED_WITHIN, Taken, TakenEnvelope
from gateway.domain.records import AdmitStored
from gateway.domain.retry import RetryPolicy, wait_before_retry
from gateway.domain.statement import Verdict
from gateway.envelope import claimed_message_id, sign_receipt
from gateway.errors import EnvelopeError, GatewayError, RequestError
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.doorbell import Doorbells
from gateway.ports import Clock, Ids, Store, Telemetry, Trust, Workers

_JUDGE_AGAIN = RetryPolicy(first_wait=timedelta(seconds=1), cap=timedelta(minutes=1))
"""How long after each other an envelope is looked at of which nothing could be said."""

_LOOK_EVERY_SECONDS = 0.1
"""A partner that sends is alive, and sends a lot. Whether it was thought dead is not asked more often than this."""


def hand_over_bell(recipient: PartyId) -> str:
    """Name the bell of the loop that hands over what is for `recipient`, a party of ours."""
    return f"hand-over:{recipient}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back to the partner: an HTTP status and a signed statement, or None if none can be signed.

    `message_id`: which message it is about, as far as that can be told.
    """

    status: int
    token: str | None
    code: str
    message_id: MessageId | None = None


def judge_bell(partner: PartyId) -> str:
    """Name the bell of the loop that judges later what `partner` sent."""
    return f"judge:{partner}"


class Receive:
    """The use case. `later`: the partners whose envelopes are taken unread."""

    def __init__(
        self,
        *,
        store: Store,
        workers: Workers,
        trust: Trust,
        clock: Clock,
        ids: Ids,
        bells: Doorbells,
        telemetry: Telemetry,
        arrivals: Arrivals,
        later: Collection[PartyId] = (),
        reach: Reach = pass_by,
    ) -> None:
        self._store = store
        self._workers = workers
        self._trust = trust
        self._clock = clock
        self._ids = ids
        self._bells = bells
        self._telemetry = telemetry
        self._arrivals = arrivals
        self._later = frozenset(later)
        self._reach = reach
        self._looked: dict[PartyId, float] = {}  # when a partner's back-off was last looked at, in monotonic seconds

    async def __call__(self, jwe: str, *, channel_party: PartyId) -> Answer:
        """Return the answer to one envelope. Raises GatewayError `node.draining`, or StorageError when nothing may be
        acknowledged."""
        self._check_taking()
        await self._heard_from(channel_party)
        about = claimed_message_id(jwe) if channel_party in self._later else None
        if about is not None:  # what names no message can not be asked after later
            return await self._take(jwe, about, channel_party)
        (answer,) = await self._judged([jwe], channel_party)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def batch(self, envelopes: Sequence[str], *, channel_party: PartyId, max_bytes: int) -> list[Answer]:
        """Return the answer to each of several envelopes, in their order.

        `max_bytes`: of one envelope; a longer one is not looked at.
        """
        self._check_taking()
        await self._heard_from(channel_party)
        answers = [await self._unjudged(one, channel_party, max_bytes) for one in envelopes]
        left = [number for number, answer in enumerate(answers) if answer is None]
        try:
            judged = await self._judged([envelopes[number] for number in left], channel_party)
        except Exception as error:  # noqa: BLE001 - as at `_unjudged`
            judged = [error] * len(left)
        for number, answer in zip(left, judged, strict=True):
            answers[number] = answer
        return [
            answer if isinstance(answer, Answer) else self._no_verdict(envelope, answer, channel_party)
            for envelope, answer in zip(envelopes, answers, strict=True)
        ]

    async def _unjudged(self, jwe: str, channel_party: PartyId, max_bytes: int) -> Answer | Exception | None:
        """Return the answer to an envelope of a batch that is not judged now, or None for one that is."""
        try:
            if len(jwe) > max_bytes:
                return await self._too_large(jwe, channel_party)
            about = claimed_message_id(jwe) if channel_party in self._later else None
            return None if about is None else await self._take(jwe, about, channel_party)
        except Exception as error:  # noqa: BLE001 - one envelope must not cost the others of its batch their answers
            return error

    def _no_verdict(self, jwe: str, error: Exception | None, channel_party: PartyId) -> Answer:
        """Return the answer to an envelope of a batch of which nothing could be said."""
        if isinstance(error, GatewayError):
            code, status = error.public_code, error.entry.status
        else:
            code, status = "internal", 500
            self._telemetry.line(
                "message.receive", outcome="failure", code=code, partner=channel_party, error=type(error).__name__
            )
        return Answer(status=status, token=None, code=code, message_id=claimed_message_id(jwe))

    def _check_taking(self) -> None:
        if self._bells.hushed:
            raise GatewayError("node.draining")

    async def _too_large(self, jwe: str, channel_party: PartyId) -> Answer:
        error = RequestError("request.too_large")
        await self.unread(error, channel_party=channel_party)
        about = claimed_message_id(jwe)
        return Answer(status=error.entry.status, token=None, code=error.public_code, message_id=about)

    async def _take(self, jwe: str, about: MessageId, channel_party: PartyId) -> Answer:
        """Keep an envelope to be judged later. Raises GatewayError `capacity.exhausted` when too much waits."""
        now = self._clock.now()
        envelope = TakenEnvelope(
            sender=channel_party, message_id=about, jwe=jwe, received=now, until=now + JUDGED_WITHIN
        )
        audit = AuditEntry(
            event=AuditEvent.MESSAGE_TAKEN,
            at=now,
            actor=f"party:{channel_party}",
            message_id=about,
            facts={"envelope_sha256": sha256(jwe.encode("latin-1", "replace")).hexdigest()},
        )
        if await self._store.take_envelope(envelope, audit=audit) is Taken.NO_ROOM:
            raise GatewayError("capacity.exhausted")
        self._reach(Failpoint.ENVELOPE_TAKEN)
        self._bells.ring(judge_bell(channel_party))
        return Answer(status=202, token=None, code="ok", message_id=about)

    async def judge(self, envelope: TakenEnvelope) -> None:
        """Judge an envelope that was answered with 202, and commit the verdict with the receipt that is owed for it.

        What can not be judged now is put off, and given up after a day: nobody was told that it was accepted. Raises
        StorageError, and GatewayError when no worker could be had.
        """
        clock, now = self._clock.monotonic(), self._clock.now()
        result = await self._workers.admit(
            AdmitJob(jwe=envelope.jwe, channel_party=envelope.sender, statement_id=self._ids.uuid4(), now=now)
        )
        if isinstance(result, Unopened):
            code = result.error.code
            await self._not_judged(envelope, result)
        else:
            stored = await self._commit_one(result, envelope)
            code = (await self._concluded(result, stored, envelope)).code
        self._telemetry.line(
            "message.judge",
            outcome="success" if code == "ok" else "failure",
            duration=timedelta(seconds=self._clock.monotonic() - clock),
            code="" if code == "ok" else code,
            partner=envelope.sender,
            message_id=envelope.message_id,
            **_noted(result),
        )

    async def _not_judged(self, envelope: TakenEnvelope, result: Unopened) -> None:
        now = self._clock.now()
        wait = wait_before_retry(_JUDGE_AGAIN, attempt=envelope.attempts + 1, jitter=self._ids.jitter())
        if result.error.retryable and wait is not None and now + wait < envelope.until:
            await self._store.put_off_taken(envelope, until=now + wait)
            return
        facts = {"code": result.error.code, "envelope_sha256": result.envelope_sha256}
        audit = AuditEntry(
            event=AuditEvent.MESSAGE_UNOPENED,
            at=now,
            actor=f"party:{envelope.sender}",
            message_id=envelope.message_id,
            facts=facts,
        )
        await self._store.drop_taken(envelope, audit=audit)

    async def _judged(self, envelopes: Sequence[str], channel_party: PartyId) -> list[Answer | Exception]:
        """Judge envelopes and commit what is decided, together; return the answers, or what stood in the way of one."""
        clock, now = self._clock.monotonic(), self._clock.now()
        results = await self._workers.admit_all(
            [
                AdmitJob(jwe=jwe, channel_party=channel_party, statement_id=self._ids.uuid4(), now=now)
                for jwe in envelopes
            ]
        )
        decided = [one for one in results if isinstance(one, Admitted | Refused)]
        stored = iter(await self._commit(decided))
        answers = [
            await self._answer(
                jwe, result, next(stored) if isinstance(result, Admitted | Refused) else None, channel_party
            )
            for jwe, result in zip(envelopes, results, strict=True)
        ]
        self._lines(answers, results, timedelta(seconds=self._clock.monotonic() - clock), channel_party)
        return answers

    async def _answer(
        self,
        jwe: str,
        result: AdmitResult | GatewayError,
        stored: AdmitStored | GatewayError | None,
        channel_party: PartyId,
    ) -> Answer | Exception:
        """Return the answer to one envelope, whatever became of it."""
        try:
            if isinstance(result, GatewayError):
                return result
            if isinstance(result, Unopened):
                return replace(await self._unopened(result, channel_party), message_id=claimed_message_id(jwe))
            if isinstance(stored, GatewayError) or stored is None:
                return stored or GatewayError("internal", "A message came to nothing")
            return await self._concluded(result, stored)
        except Exception as error:  # noqa: BLE001 - one envelope must not cost the others of its batch their answers
            return error

    def _lines(
        self,
        answers: Sequence[Answer | Exception],
        results: Sequence[AdmitResult | GatewayError],
        duration: timedelta,
        partner: PartyId,
    ) -> None:
        """Tell of envelopes: one line for all that came together, and one for each of which there is more to tell."""
        taken = sum(isinstance(one, Answer) and one.code == "ok" for one in answers)
        if len(answers) > 1:
            self._telemetry.line(
                "message.group",
                outcome="success" if taken == len(answers) else "failure",
                duration=duration,
                partner=partner,
                messages=len(answers),
                taken=taken,
            )
        for answer, result in zip(answers, results, strict=True):
            noted = {} if isinstance(result, GatewayError) else _noted(result)
            if isinstance(answer, Answer) and (len(answers) == 1 or answer.code != "ok" or noted):
                self._telemetry.line(
                    "message.receive",
                    outcome="success" if answer.code == "ok" else "failure",
                    duration=duration,
                    code="" if answer.code == "ok" else answer.code,
                    partner=partner,
                    **noted,
                )

    async def unread(self, error: GatewayError, *, channel_party: PartyId) -> None:
        """Record that a request with a message was refused before its body was read, or read to the end."""
        await self._record_unopened(channel_party, {"code": error.code})

    async def _unopened(self, result: Unopened, channel_party: PartyId) -> Answer:
        facts = {"code": result.error.code, "envelope_sha256": result.envelope_sha256}
        await self._record_unopened(channel_party, facts)
        # One status for all that can not be believed: it must not tell which check failed (RFC 7516 §11.5).
        status = 503 if result.error.entry.status == 503 else 400
        return Answer(status=status, token=result.token, code=result.error.public_code)

    async def _record_unopened(self, channel_party: PartyId, facts: Mapping[str, str | int]) -> None:
        await self._store.record(
            AuditEntry(
                event=AuditEvent.MESSAGE_UNOPENED,
                at=self._clock.now(),
                actor=f"party:{channel_party}",
                facts=facts,
            )
        )

    async def _concluded(
        self, result: Admitted | Refused, stored: AdmitStored, taken: TakenEnvelope | None = None
    ) -> Answer:
        """Return the answer to what was committed, after another commit where only the store knew better. `taken`: the
        envelope, if it was taken unread: then its receipt is owed."""
        if stored.answers_unknown:
            stored = await self._commit_one(self._refusal(result, EnvelopeError("message.answers_unknown")), taken)
        about = result.header.message_id
        if stored.tombstoned:
            stored = await self._commit_one(self._refusal(result, EnvelopeError("message.not_seen")), taken)
        if stored.superseded:
            return Answer(status=409, token=stored.token, code="message.id_reused", message_id=about)
        if stored.conflict:
            second = self._refusal(
                result, EnvelopeError("message.id_reused")
            )  # bound to the digest of what came second
            if taken is not None:
                await self._owe(taken, second)
            return Answer(status=409, token=second.receipt_token, code=stored.code, message_id=about)
        if stored.verdict is Verdict.ACCEPTED and not stored.duplicate:
            self._reach(Failpoint.MESSAGE_COMMITTED)
            self._bells.ring(hand_over_bell(result.header.recipient))
        return Answer(status=200, token=stored.token, code=stored.code, message_id=about)

    async def _owe(self, taken: TakenEnvelope, refused: Refused) -> None:
        now = self._clock.now()
        audit = _verdict(refused, now)
        await self._store.answer_taken(taken, refused.receipt, refused.receipt_token, now=now, audit=audit)

    async def _commit(self, decided: Sequence[Admitted | Refused]) -> Sequence[AdmitStored | GatewayError]:
        """Commit what was decided. What may be handed over at once is leased in the same commit."""
        now = self._clock.now()
        with self._arrivals.places_for([one for one in decided if isinstance(one, Admitted)]) as claim:
            try:
                stored = await self._store.admit_all(
                    [(one, _verdict(one, now)) for one in decided], now=now, claim=claim
                )
            except GatewayError as error:
                return [error] * len(decided)
            self._arrivals.put([one.claimed for one in stored if isinstance(one, AdmitStored) and one.claimed])
        return stored

    async def _commit_one(self, result: Admitted | Refused, taken: TakenEnvelope | None) -> AdmitStored:
        now = self._clock.now()
        audit = _verdict(result, now)
        if taken is not None:
            return await self._store.admit_taken(taken, result, now=now, audit=audit)
        return await self._store.admit(result, now=now, audit=audit)

    def _refusal(self, result: Admitted | Refused, error: GatewayError) -> Refused:
        """Return what `admit` would have said, had it known what only the store knows."""
        receipt = replace(result.receipt, verdict=Verdict.REFUSED, code=error.public_code)
        token = sign_receipt(receipt, self._trust.signer(receipt.issuer, self._clock.now()))
        return Refused(header=result.header, digest=result.digest, error=error, receipt=receipt, receipt_token=token)

    async def _heard_from(self, partner: PartyId) -> None:
        """A partner that calls is alive: what waits for it may try at once."""
        at = self._clock.monotonic()
        if at - self._looked.get(partner, float("-inf")) < _LOOK_EVERY_SECONDS:
            return
        self._looked[partner] = at
        if any(one.partner == partner and one.not_before is not None for one in await self._store.partners()):
            await self._store.partner_heard(partner, now=self._clock.now())
            self._bells.ring(partner)


def _verdict(result: Admitted | Refused, now: datetime) -> AuditEntry:
    """Return the evidence of what was decided about a message."""
    header = result.header
    facts: dict[str, str | int] = {
        "code": "ok" if isinstance(result, Admitted) else result.error.code,
        "digest": result.digest,
        "kind": header.kind.value,
        "sender": header.sender,
        "agreement": header.agreement.id,
        "agreement_version": header.agreement.version,
    }
    if isinstance(result, Refused) and (places := result.error.facts.get("paths")):
        # Nothing is kept of the message, and its receipt has a code alone: here people learn what was too much.
        facts |= {"count": len(places), "detail": places_in_line(places)}
    return AuditEntry(
        event=AuditEvent.MESSAGE_ACCEPTED if isinstance(result, Admitted) else AuditEvent.MESSAGE_REFUSED,
        at=now,
        actor=f"party:{header.sender}",
        message_id=header.message_id,
        facts=facts,
    )


def _noted(result: AdmitResult) -> dict[str, str | int]:
    """Return what operators need and the partner is not told: the place of a failure of ours, never a value, and at
    how many places a message that was taken holds more than was agreed."""
    if isinstance(result, Unopened) and result.error.code == "internal":
        return {"detail": result.error.detail}
    if isinstance(result, Admitted) and result.over_shared:
        return {"over_shared": len(result.over_shared)}
    return {}
