"""Receiving: the commit that decides whether a message is new, known, or another under a known id.

1. The pair (sender, message id) is looked up first. Accepted before with the same digest: the stored receipt, byte for
   byte, whatever this judgement says. With another digest: a conflict, and nothing but its audit record is written. The
   store can not sign, so the caller signs a refusal bound to the new digest.
   An id that we have sworn never to have had can not be accepted any more: nothing is written, and the caller signs
   a refusal that says so. A message that stands in place of one that was accepted gets the receipt of that one.
2. Unknown and refused: a record of the refusal, no more. Refusals are never final.
3. Unknown and admitted, but an answer to what its sender can not have of us: nothing is written. Only a transaction can
   tell, and again only the caller can sign, so it comes back with a refusal (2).
4. Unknown and admitted: inbox, payload, hand-over, receipt, references and conversation, all in this transaction.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update

from gateway.audit import AuditEntry, AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import Admitted, Refused
from gateway.domain.lifecycle import HandOverState
from gateway.domain.limits import DEDUPE_KEPT_AFTER_EXPIRY, NOT_SEEN_KEPT
from gateway.domain.message import MessageHeader
from gateway.domain.records import AdmitStored, StoredReceipt
from gateway.domain.statement import NotSeen, Verdict
from gateway.errors import CATALOGUE
from gateway.storage import conversations
from gateway.storage.engine import Connection, Row, Transaction, insert_into
from gateway.storage.inbox_tables import dedupe, hand_over, inbox, inbox_payload, refusal
from gateway.storage.retention import kept_until
from gateway.storage.submissions import insert_references
from gateway.storage.values import micros, time_of

_FINAL = select(dedupe).where(dedupe.c.sender == bindparam("sender"), dedupe.c.message_id == bindparam("message_id"))
_KNOWN = _FINAL.where(dedupe.c.verdict == "accepted")
_INSERT_DEDUPE = insert_into(dedupe)
_SWEAR = (
    update(dedupe)
    .where(dedupe.c.sender == bindparam("of_sender"), dedupe.c.message_id == bindparam("of"))
    .values(token=bindparam("said"))
)
_INSERT_INBOX = insert_into(inbox)
_INSERT_PAYLOAD = insert_into(inbox_payload)
_INSERT_HAND_OVER = insert_into(hand_over)
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


def admit(transaction: Transaction, result: Admitted | Refused, *, now: datetime, audit: AuditEntry) -> AdmitStored:
    """Decide about one message and write what follows; see `ports.Store.admit`."""
    connection, header = transaction.connection, result.header
    known = connection.one(_FINAL, {"sender": header.sender, "message_id": header.message_id})
    if known is not None and known["verdict"] == Verdict.ACCEPTED.value:
        same = known["digest"] == result.digest
        transaction.record(_seen_before(result, now, same=same))
        if not same:
            return AdmitStored(token="", verdict=Verdict.REFUSED, code=_CONFLICT, conflict=True)
        return AdmitStored(token=known["token"], verdict=Verdict.ACCEPTED, code=known["code"], duplicate=True)
    earlier = _accepted_before(connection, header)
    if earlier is not None:
        transaction.record(_seen_before(result, now, same=True))
        return AdmitStored(token=earlier["token"], verdict=Verdict.ACCEPTED, code=earlier["code"], superseded=True)
    if isinstance(result, Refused):
        _write_refusal(connection, result, now)
    elif known is not None:
        return AdmitStored(token="", verdict=Verdict.REFUSED, code=_NOT_SEEN, tombstoned=True)
    elif _answers_unknown(connection, header):
        return AdmitStored(token="", verdict=Verdict.REFUSED, code=_ANSWERS_UNKNOWN, answers_unknown=True)
    else:
        _write_message(connection, result, now)
    transaction.record(audit)
    if isinstance(result, Admitted) and result.over_shared:
        transaction.record(_alarm(result, now))
    return AdmitStored(token=result.receipt_token, verdict=result.receipt.verdict, code=result.receipt.code)


_NOT_SEEN = CATALOGUE["message.not_seen"].code
_CONFLICT = CATALOGUE["message.id_reused"].code
_OVER_SHARED = CATALOGUE["policy.over_shared"].code
_MOST_DETAIL = 500
_ANSWERS_UNKNOWN = CATALOGUE["message.answers_unknown"].code


def _accepted_before(connection: Connection, header: MessageHeader) -> Row | None:
    """Return what is known of the message that this one stands in place of, if we accepted it."""
    if header.supersedes is None:
        return None
    return connection.one(_KNOWN, {"sender": header.sender, "message_id": header.supersedes})


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
            "detail": _within(" ".join(result.over_shared), _MOST_DETAIL),
        },
    )


def _within(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


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


def _write_message(connection: Connection, result: Admitted, now: datetime) -> None:
    header = result.header
    name = {"sender": header.sender, "message_id": header.message_id}
    connection.run(_INSERT_INBOX, {**name, **_inbox_values(header, result, now)})
    connection.run(_INSERT_PAYLOAD, {**name, "sealed": result.sealed_message})
    connection.run(_INSERT_HAND_OVER, {**name, **_hand_over_values(header, now)})
    connection.run(
        _INSERT_DEDUPE,
        {
            **name,
            "recipient": header.recipient,
            "digest": result.digest,
            "verdict": Verdict.ACCEPTED.value,
            "code": result.receipt.code,
            "token": result.receipt_token,
            "received": micros(now),
            "keep_until": micros(max(header.expires + DEDUPE_KEPT_AFTER_EXPIRY, kept_until(header, now))),
        },
    )
    insert_references(connection, "inbox", f"{header.sender}:{header.message_id}", result.references)
    if header.supersedes is not None:
        _bury(connection, header, now)
    _register(connection, result, now)
    conversations.let_next_be_handed_over(connection, header.sender, header.conversation)


def _bury(connection: Connection, header: MessageHeader, now: datetime) -> None:
    """See that the message which this one stands in place of can not be accepted after it, should it come late."""
    of = {"sender": header.sender, "message_id": header.supersedes}
    if connection.one(_FINAL, of) is None:
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


def _register(connection: Connection, result: Admitted, now: datetime) -> None:
    """Make the conversation known, so that what we send about the same references joins it."""
    header = result.header
    known = conversations.look_up(
        connection,
        party=header.recipient,
        partner=header.sender,
        keys=conversations.keys_of(result.references),
        joins=header.conversation,  # a partner's header says itself where it belongs
        otherwise=header.conversation,
    )
    conversations.register(connection, known, party=header.recipient, partner=header.sender, sequence=None, now=now)


def _inbox_values(header: MessageHeader, result: Admitted, now: datetime) -> dict[str, Any]:
    return {
        "recipient": header.recipient,
        "kind": header.kind.value,
        "conversation": header.conversation,
        "sequence": header.sequence,
        "in_reply_to": header.in_reply_to,
        "supersedes": header.supersedes,
        "schema_set": header.schema_set,
        "schema_set_sha256": header.schema_set_sha256,
        "agreement_id": header.agreement.id,
        "agreement_version": header.agreement.version,
        "agreement_sha256": header.agreement.sha256,
        "policy_sha256": header.policy_sha256,
        "legal_basis": header.terms.legal_basis,
        "purpose": header.terms.purpose,
        "onward_use": header.terms.onward_use,
        "retention_days": header.terms.retention_days,
        "digest": result.digest,
        "size_bytes": result.size_bytes,
        "created": micros(header.created),
        "expires": micros(header.expires),
        "received": micros(now),
        "over_shared": "\n".join(result.over_shared),  # places: names of elements, which have no line break
    }


def _hand_over_values(header: MessageHeader, now: datetime) -> dict[str, Any]:
    return {
        "recipient": header.recipient,
        "conversation": header.conversation,
        "sequence": header.sequence,
        "state": HandOverState.PENDING.value,
        "version": 1,
        "head": 0,  # decided right after, among all of the conversation
        "fence": 0,
        "lease_until": None,
        "attempts": 0,
        "next_attempt_at": micros(now),
        "updated": micros(now),
        "handed_over": None,
        "last_code": "",
        "last_detail": "",
        "keep_until": micros(kept_until(header, now)),
        "purged": None,
    }


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
