"""Which conversation a message belongs to, and who in it may go next.

A conversation on the wire is a random UUID between one party of ours and one partner. An answer belongs to that of the
message it answers. All else is recognised by references in the order explicit, MRN, LRN, UCR: a case reference of the
client's own is meant, an MRN is unique to one declaration, an LRN to one declarant, and a UCR may span several
consignments.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, literal_column, select, update

from gateway.domain.ids import ConversationId, MessageId, PartyId
from gateway.domain.jobs import ReferenceKind, SealedReference
from gateway.domain.lifecycle import TransferState
from gateway.errors import StorageError
from gateway.storage.engine import Connection, insert_into
from gateway.storage.inbox_tables import HAND_OVER_UNFINISHED, hand_over, inbox
from gateway.storage.tables import UNFINISHED, conversation, conversation_key, transfer
from gateway.storage.values import micros

PRECEDENCE: Final = (ReferenceKind.EXPLICIT, ReferenceKind.MRN, ReferenceKind.LRN, ReferenceKind.UCR)

_OF_RECEIVED = select(inbox.c.conversation).where(
    inbox.c.sender == bindparam("partner"),
    inbox.c.message_id == bindparam("message_id"),
    inbox.c.recipient == bindparam("party"),
)
_OF_SENT = select(transfer.c.conversation).where(
    transfer.c.message_id == bindparam("message_id"),
    transfer.c.recipient == bindparam("partner"),
    transfer.c.sender == bindparam("party"),
    (transfer.c.ever_sent == 1) | (transfer.c.state == TransferState.IN_FLIGHT.value),
)
_KEYS_AT_ONCE: Final = len(PRECEDENCE)
_NAMES: Final = tuple(f"key_{number}" for number in range(_KEYS_AT_ONCE))
_OF_KEYS = select(conversation_key.c.key_index, conversation_key.c.conversation).where(
    conversation_key.c.party == bindparam("party"),
    conversation_key.c.partner == bindparam("partner"),
    conversation_key.c.key_index.in_([bindparam(name) for name in _NAMES]),
)
_LAST = select(conversation.c.last_sequence).where(
    conversation.c.party == bindparam("party"),
    conversation.c.partner == bindparam("partner"),
    conversation.c.conversation == bindparam("conversation"),
)
_INSERT = insert_into(conversation)
_INSERT_KEY = insert_into(conversation_key)
_MOVE = (
    update(conversation)
    .where(
        conversation.c.party == bindparam("of_party"),
        conversation.c.partner == bindparam("of_partner"),
        conversation.c.conversation == bindparam("of"),
        conversation.c.last_sequence == bindparam("seen"),
    )
    .values(last_sequence=bindparam("to"))
)

_LOWEST = (
    select(transfer.c.sequence)
    .where(
        transfer.c.sender == bindparam("party"),
        transfer.c.recipient == bindparam("partner"),
        transfer.c.conversation == bindparam("conversation"),
        literal_column(UNFINISHED),
    )
    .order_by(transfer.c.sequence)
    .limit(1)
)
_SET_HEAD = (
    update(transfer)
    .where(
        transfer.c.sender == bindparam("of_party"),
        transfer.c.recipient == bindparam("of_partner"),
        transfer.c.conversation == bindparam("of"),
        transfer.c.sequence == bindparam("at"),
        transfer.c.head == 0,
    )
    .values(head=1)
)

_LOWEST_RECEIVED = (
    select(hand_over.c.message_id)
    .where(
        hand_over.c.sender == bindparam("sender"),
        hand_over.c.conversation == bindparam("conversation"),
        literal_column(HAND_OVER_UNFINISHED),
    )
    .order_by(hand_over.c.sequence, hand_over.c.message_id)
    .limit(1)
)
_STEP_BACK = (
    update(hand_over)
    .where(
        hand_over.c.sender == bindparam("of_sender"),
        hand_over.c.conversation == bindparam("of"),
        hand_over.c.message_id != bindparam("lowest"),
        hand_over.c.head == 1,
        literal_column(HAND_OVER_UNFINISHED),
    )
    .values(head=0)
)
_STEP_FORWARD = (
    update(hand_over)
    .where(hand_over.c.sender == bindparam("of_sender"), hand_over.c.message_id == bindparam("lowest"))
    .where(hand_over.c.head == 0)
    .values(head=1)
)


def keys_of(references: Iterable[SealedReference]) -> list[str]:
    """Return the indexes of references, the most telling first."""
    ordered = sorted(references, key=lambda one: PRECEDENCE.index(one.kind))
    return [reference.index for reference in ordered]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a message's place. `last_sequence`: of our last message there, None for a new conversation.
    `missing`: those of its references that lead nowhere yet."""

    conversation: ConversationId
    last_sequence: int | None
    missing: tuple[str, ...]


def of_received(
    connection: Connection, *, party: PartyId, partner: PartyId, message_id: MessageId
) -> ConversationId | None:
    """Return the conversation of a message in the inbox of `party` that `partner` sent, or None."""
    row = connection.one(_OF_RECEIVED, {"party": party, "partner": partner, "message_id": message_id})
    return None if row is None else row["conversation"]


def of_sent(
    connection: Connection, *, party: PartyId, partner: PartyId, message_id: MessageId
) -> ConversationId | None:
    """Return the conversation of a message of `party` that `partner` may have, or None.

    An attempt that is under way counts: an answer may overtake the receipt for what it answers.
    """
    row = connection.one(_OF_SENT, {"party": party, "partner": partner, "message_id": message_id})
    return None if row is None else row["conversation"]


def look_up(
    connection: Connection,
    *,
    party: PartyId,
    partner: PartyId,
    keys: Iterable[str],
    joins: ConversationId | None,
    otherwise: ConversationId,
) -> Known:
    """Return where a message belongs: in `joins` if that is given, else where its references lead, else `otherwise`."""
    asked = list(dict.fromkeys(keys))
    led = _conversations_of(connection, party, partner, asked)
    known = [led[key] for key in asked if key in led]
    conversation = joins or (known[0] if known else otherwise)
    last = _last_sequence(connection, party, partner, conversation)
    missing = tuple(key for key in asked if key not in led)
    return Known(conversation=conversation, last_sequence=last, missing=missing)


def _conversations_of(
    connection: Connection, party: PartyId, partner: PartyId, keys: list[str]
) -> dict[str, ConversationId]:
    """Return where each of `keys` leads, without those that lead nowhere."""
    found: dict[str, ConversationId] = {}
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        padded = [*some, *some[:1] * (_KEYS_AT_ONCE - len(some))]
        values = {"party": party, "partner": partner, **dict(zip(_NAMES, padded, strict=True))}
        found.update({row["key_index"]: row["conversation"] for row in connection.rows(_OF_KEYS, values)})
    return found


def _last_sequence(
    connection: Connection, party: PartyId, partner: PartyId, conversation: ConversationId
) -> int | None:
    row = connection.one(_LAST, {"party": party, "partner": partner, "conversation": conversation})
    return None if row is None else int(row["last_sequence"])


def register(
    connection: Connection, known: Known, *, party: PartyId, partner: PartyId, sequence: int | None, now: datetime
) -> None:
    """Write what `look_up` found missing, with our last sequence in the conversation (None: we sent nothing now).

    A reference that leads to a conversation already goes on doing so.
    """
    if known.last_sequence is None:
        connection.run(
            _INSERT,
            {
                "party": party,
                "partner": partner,
                "conversation": known.conversation,
                "last_sequence": sequence or 0,
                "created": micros(now),
            },
        )
    elif sequence is not None:
        values = {"of_party": party, "of_partner": partner, "of": known.conversation, "to": sequence}
        if connection.run(_MOVE, {**values, "seen": known.last_sequence}) != 1:
            raise StorageError("storage.constraint", "Another message took this place in the conversation")
    named = {"party": party, "partner": partner, "conversation": known.conversation}
    if known.missing:
        connection.run_many(_INSERT_KEY, [{**named, "key_index": key} for key in known.missing])


def is_lowest(connection: Connection, *, party: PartyId, partner: PartyId, of: ConversationId, sequence: int) -> bool:
    """Tell whether nothing unfinished stands before this sequence."""
    row = connection.one(_LOWEST, {"party": party, "partner": partner, "conversation": of})
    return row is None or sequence <= row["sequence"]


def let_next_go(connection: Connection, *, party: PartyId, partner: PartyId, of: ConversationId) -> None:
    """Mark the lowest unfinished transfer of a conversation as the one that may go. Call when one has finished."""
    row = connection.one(_LOWEST, {"party": party, "partner": partner, "conversation": of})
    if row is not None:
        connection.run(_SET_HEAD, {"of_party": party, "of_partner": partner, "of": of, "at": row["sequence"]})


def let_next_be_handed_over(connection: Connection, sender: PartyId, of: ConversationId) -> None:
    """Mark the lowest message of a conversation that is not handed over, and no other, as the one that may go.

    Call when one was added, since a lower sequence may arrive late, and when one has finished.
    """
    row = connection.one(_LOWEST_RECEIVED, {"sender": sender, "conversation": of})
    if row is not None:
        lowest = row["message_id"]
        connection.run(_STEP_BACK, {"of_sender": sender, "of": of, "lowest": lowest})
        connection.run(_STEP_FORWARD, {"of_sender": sender, "lowest": lowest})
