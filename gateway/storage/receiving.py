"""Receiving: the commit that decides whether a message is new, known, or another under a known id.

1. The pair (sender, message id) is looked up first. Accepted before with the same digest: the stored receipt, byte for
   byte, whatever this judgement says. With another digest: a conflict, and nothing but its audit record is written. The
   store can not sign, so the caller signs a refusal bound to the new digest.
   An id that we have sworn never to have had can not be accepted any more: nothing is written, and the caller signs
   a refusal that says so. A message that stands in place of one that was accepted gets the receipt of that one.
2. Unknown and refused: a record of the refusal, no more. Refusals are never final.
3. Unknown and admitted, but an answer to what its sender can not have of us: nothing is written. Only a transaction can
   tell, and again only the caller can sign, so it comes back with a refusal (2).
4. Unknown and admitted: inbox, payload, hand-over, receipt, references and conversation, all in this transaction,
   and the lease of the hand-over where that may go at once: written as a claim right after the commit would leave it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.failpoint import Failpoint, Reach, pass_by
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import Admitted, Refused, places_in_line
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY, NOT_SEEN_KEPT
from gateway.domain.message import MessageHeader
from gateway.domain.records import AdmitStored, ClaimAtOnce, StoredReceipt
from gateway.domain.statement import NotSeen, Verdict
from gateway.errors import CATALOGUE
from gateway.storage import conversations
from gateway.storage.admitted import New, write_messages
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.hand_overs import claim_entry
from gateway.storage.inbox_tables import dedupe, refusal
from gateway.storage.together import Among
from gateway.storage.values import micros, time_of

_FINAL = select(dedupe).where(dedupe.c.sender == bindparam("sender"), dedupe.c.message_id == bindparam("message_id"))
_KNOWN = _FINAL.where(dedupe.c.verdict == "accepted")
_FINALS = Among(select(dedupe).where(dedupe.c.sender == bindparam("sender")), dedupe.c.message_id)
_INSERT_DEDUPE = insert_into(dedupe)
_SWEAR = (
    update(dedupe)
    .where(dedupe.c.sender == bindparam("of_sender"), dedupe.c.message_id == bindparam("of"))
    .values(token=bindparam("said"))
)
_INSERT_REFUSAL = insert_into(refusal)
_REFUSED_AGAIN = (
    update(refusal)
    .where(
        refusal.c.sender == bindparam("of_sender"),
        refusal.c.message_id == bindparam("of"),
        refusal.c.digest == bindparam("of_digest"),
    )
    .values(
        code=bindparam("why"),
        token=bindparam("said"),
        times=refusal.c.times + 1,
        last=bindparam("at"),
        keep_until=bindparam("until"),
    )
)


class Judgement(NamedTuple):
    """What a worker said of a message, and the evidence of that. `claim`: whose hand-over may be leased with it."""

    result: Admitted | Refused
    now: datetime
    audit: AuditEntry
    claim: ClaimAtOnce | None = None


def admit(transaction: Transaction, judgement: Judgement) -> AdmitStored:
    """Do what `admit_all` does, for one."""
    (stored,) = admit_all(transaction, (judgement,), pass_by)
    return stored


def admit_all(transaction: Transaction, given: Sequence[Judgement], reach: Reach) -> list[AdmitStored]:
    """Decide about messages and write what follows; see `ports.Store.admit`."""
    return [stored for some in _independent(given) for stored in _admit(transaction, some, reach)]


def _independent(given: Sequence[Judgement]) -> Iterator[Sequence[Judgement]]:
    """Yield judgements in their order, together as long as none can change what becomes of another."""
    some: list[Judgement] = []
    seen: set[tuple[str, ...]] = set()
    for one in given:
        marks = _marks(one.result)
        if not seen.isdisjoint(marks):
            yield some
            some, seen = [], set()
        some.append(one)
        seen.update(marks)
    if some:
        yield some


def _marks(result: Admitted | Refused) -> list[tuple[str, ...]]:
    """Return what no two of a group may have in common."""
    header = result.header
    marks: list[tuple[str, ...]] = [(header.sender, header.message_id), (header.sender, header.conversation)]
    if header.supersedes is not None:
        marks.append((header.sender, header.supersedes))
    if isinstance(result, Admitted):
        marks += [(header.recipient, header.sender, one.index) for one in result.references]
    return marks


class _Decided(NamedTuple):
    """What is answered, the evidence of it, and whether the message itself is to be written."""

    stored: AdmitStored
    entries: Sequence[AuditEntry] = ()
    written: bool = False


def _admit(transaction: Transaction, given: Sequence[Judgement], reach: Reach) -> list[AdmitStored]:
    connection = transaction.connection
    finals = _finals(connection, given)
    decided = [_decide(connection, one, finals) for one in given]
    new = [
        New(one.result, one.now, one.claim)
        for one, decision in zip(given, decided, strict=True)
        if decision.written and isinstance(one.result, Admitted)
    ]
    claimed = iter(write_messages(connection, new) if new else ())
    for result, now, _ in new:
        _bury(connection, result.header, now, finals)
    stored: list[AdmitStored] = []
    for one, decision in zip(given, decided, strict=True):
        for entry in decision.entries:
            transaction.record(entry)
        leased = next(claimed) if decision.written else None
        if leased is not None:
            transaction.record(claim_entry(leased.row, leased.fence, one.now))
        stored.append(decision.stored if leased is None else replace(decision.stored, claimed=leased))
        reach(Failpoint.MESSAGE_WRITTEN)
    return stored


_Finals = Mapping[tuple[PartyId, MessageId], Row]
"""What is known for ever of message ids, each of one sender."""


def _finals(connection: Connection, given: Sequence[Judgement]) -> _Finals:
    ids: dict[PartyId, dict[str, None]] = {}
    for one in given:
        header = one.result.header
        of_sender = ids.setdefault(header.sender, {})
        of_sender[header.message_id] = None
        if header.supersedes is not None:
            of_sender[header.supersedes] = None
    return {
        (sender, row["message_id"]): row
        for sender, some in ids.items()
        for row in _FINALS.rows(connection, {"sender": sender}, list(some))
    }


def _decide(connection: Connection, judgement: Judgement, finals: _Finals) -> _Decided:
    """Decide about one message. A refusal is written here, a message by the caller."""
    result, now, audit, _ = judgement
    header = result.header
    known = finals.get((header.sender, header.message_id))
    if known is not None and known["verdict"] == _ACCEPTED:
        same = known["digest"] == result.digest
        stored = AdmitStored(token=known["token"], verdict=Verdict.ACCEPTED, code=known["code"], duplicate=True)
        if not same:
            stored = AdmitStored(token="", verdict=Verdict.REFUSED, code=_CONFLICT, conflict=True)
        return _Decided(stored, [_seen_before(result, now, same=same)])
    earlier = None if header.supersedes is None else finals.get((header.sender, header.supersedes))
    if earlier is not None and earlier["verdict"] == _ACCEPTED:
        stored = AdmitStored(token=earlier["token"], verdict=Verdict.ACCEPTED, code=earlier["code"], superseded=True)
        return _Decided(stored, [_seen_before(result, now, same=True)])
    receipt = result.receipt
    answer = AdmitStored(token=result.receipt_token, verdict=receipt.verdict, code=receipt.code)
    if isinstance(result, Refused):
        _write_refusal(connection, result, now)
        return _Decided(answer, [audit])
    if known is not None:
        return _Decided(AdmitStored(token="", verdict=Verdict.REFUSED, code=_NOT_SEEN, tombstoned=True))
    if _answers_unknown(connection, header):
        return _Decided(AdmitStored(token="", verdict=Verdict.REFUSED, code=_ANSWERS_UNKNOWN, answers_unknown=True))
    return _Decided(answer, [audit, _alarm(result, now)] if result.over_shared else [audit], written=True)


_ACCEPTED: Final = Verdict.ACCEPTED.value
_NOT_SEEN: Final = CATALOGUE["message.not_seen"].code
_CONFLICT: Final = CATALOGUE["message.id_reused"].code
_OVER_SHARED: Final = CATALOGUE["policy.over_shared"].code
_ANSWERS_UNKNOWN: Final = CATALOGUE["message.answers_unknown"].code


def _answers_unknown(connection: Connection, header: MessageHeader) -> bool:
    """Tell whether a message answers none that we sent to its sender in this conversation."""
    if header.in_reply_to is None:
        return False
    of_answered = conversations.of_sent(
        connection, party=header.recipient, partner=header.sender, message_id=header.in_reply_to
    )
    return of_answered != header.conversation


def _seen_before(result: Admitted | Refused, now: datetime, *, same: bool) -> AuditEntry:
    header = result.header
    facts: dict[str, str | int] = {"sender": header.sender, "recipient": header.recipient, "digest": result.digest}
    if not same:
        facts["code"] = _CONFLICT
    return AuditEntry(
        event=AuditEvent.MESSAGE_DUPLICATE if same else AuditEvent.MESSAGE_CONFLICT,
        at=now,
        actor=f"party:{header.sender}",
        message_id=header.message_id,
        facts=facts,
    )


def _alarm(result: Admitted, now: datetime) -> AuditEntry:
    """The entry that stands beside the acceptance of a message which holds more than was agreed: places, no values."""
    header = result.header
    return AuditEntry(
        event=AuditEvent.MESSAGE_OVER_SHARED,
        at=now,
        actor=f"party:{header.sender}",
        message_id=header.message_id,
        facts={
            "code": _OVER_SHARED,
            "digest": result.digest,
            "sender": header.sender,
            "recipient": header.recipient,
            "agreement": header.agreement.id,
            "agreement_version": header.agreement.version,
            "count": len(result.over_shared),
            "detail": places_in_line(result.over_shared),
        },
    )


def _write_refusal(connection: Connection, result: Refused, now: datetime) -> None:
    header, at = result.header, micros(now)
    code, token = result.receipt.code, result.receipt_token
    until = micros(now + DEDUPE_KEPT_AFTER_EXPIRY)
    again = {"of_sender": header.sender, "of": header.message_id, "of_digest": result.digest}
    if connection.run(_REFUSED_AGAIN, {**again, "why": code, "said": token, "at": at, "until": until}):
        return
    connection.run(
        _INSERT_REFUSAL,
        {
            "sender": header.sender,
            "message_id": header.message_id,
            "digest": result.digest,
            "recipient": header.recipient,
            "code": code,
            "token": token,
            "times": 1,
            "first": at,
            "last": at,
            "keep_until": until,
        },
    )


def _bury(connection: Connection, header: MessageHeader, now: datetime, finals: _Finals) -> None:
    """See that the message which this one stands in place of can not be accepted after it, should it come late."""
    instead_of = header.supersedes
    known = instead_of == header.message_id or (header.sender, instead_of) in finals
    if instead_of is not None and not known:
        of = {"sender": header.sender, "message_id": instead_of}
        connection.run(_INSERT_DEDUPE, {**of, **_tombstone_values(header.recipient, "", now)})


def _tombstone_values(recipient: PartyId, token: str, now: datetime) -> dict[str, Any]:
    return {
        "recipient": recipient,
        "digest": "",
        "verdict": "not_seen",
        "code": _NOT_SEEN,
        "token": token,
        "received": micros(now),
        "keep_until": micros(now + NOT_SEEN_KEPT),
    }


def forswear(transaction: Transaction, statement: NotSeen, token: str, *, now: datetime, audit: AuditEntry) -> str:
    """Give an id up; see `ports.Store.forswear`."""
    connection = transaction.connection
    of = {"sender": statement.audience, "message_id": statement.message_id}
    known = connection.one(_FINAL, of)
    if known is not None and known["token"]:
        return str(known["token"])
    if known is None:
        connection.run(_INSERT_DEDUPE, {**of, **_tombstone_values(statement.issuer, token, now)})
    else:  # buried by the message that stands in its place, and never asked after until now
        connection.run(_SWEAR, {"of_sender": statement.audience, "of": statement.message_id, "said": token})
    transaction.record(audit)
    return token


def read_given(connection: Connection, sender: PartyId, message_id: MessageId) -> StoredReceipt | None:
    """Return the receipt by which we accepted a partner's message, or None."""
    row = connection.one(_KNOWN, {"sender": sender, "message_id": message_id})
    if row is None:
        return None
    return StoredReceipt(
        message_id=message_id,
        partner=sender,
        verdict=Verdict.ACCEPTED,
        code=row["code"],
        token=row["token"],
        received=time_of(row["received"]),
    )
