"""Which conversation a message belongs to, and who in it may go next.

A conversation on the wire is a random UUID between one party of ours and one partner. An answer belongs to that of the
message it answers. All else is recognised by references in the order explicit, MRN, LRN, UCR: a case reference of the
client's own is meant, an MRN is unique to one declaration, an LRN to one declarant, and a UCR may span several
consignments.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, literal_column, select, update

from gateway.domain.ids import ConversationId, MessageId, PartyId
from gateway.domain.jobs import ReferenceKind, SealedReference
from gateway.domain.lifecycle import TransferState
from gateway.errors import StorageError
from gateway.storage.engine import Connection, insert_into
from gateway.storage.inbox_tables import HAND_OVER_UNFINISHED, hand_over, inbox
from gateway.storage.tables import UNFINISHED, conversation, conversation_key, transfer
from gateway.storage.together import Among

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
_OF_KEYS = Among(
    select(conversation_key.c.key_index, conversation_key.c.conversation).where(
        conversation_key.c.party == bindparam("party"), conversation_key.c.partner == bindparam("partner")
    ),
    conversation_key.c.key_index,
)
_LAST = Among(
    select(conversation.c.conversation, conversation.c.last_sequence).where(
        conversation.c.party == bindparam("party"), conversation.c.partner == bindparam("partner")
    ),
    conversation.c.conversation,
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

_UNFINISHED_IN = Among(
    select(transfer.c.conversation)
    .distinct()
    .where(
        transfer.c.sender == bindparam("party"),
        transfer.c.recipient == bindparam("partner"),
        literal_column(UNFINISHED),
    ),
    transfer.c.conversation,
)
_UNFINISHED_RECEIVED_IN = Among(
    select(hand_over.c.conversation)
    .distinct()
    .where(hand_over.c.sender == bindparam("sender"), literal_column(HAND_OVER_UNFINISHED)),
    hand_over.c.conversation,
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


class Sought(NamedTuple):
    """Where a message may belong: in `joins` if that is given, else where its references lead (`keys`, the most telling
    first), else `otherwise`."""

    party: PartyId
    partner: PartyId
    keys: Sequence[str]
    joins: ConversationId | None
    otherwise: ConversationId


class Known(NamedTuple):
    """What is known of a message's place. `last_sequence`: of our last message there, None for a new conversation.
    `missing`: those of its references that lead nowhere yet."""

    party: PartyId
    partner: PartyId
    conversation: ConversationId
    last_sequence: int | None
    missing: Sequence[str]


Pair = tuple[PartyId, PartyId]
"""A party of ours and a partner."""


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


def look_up(connection: Connection, sought: Sequence[Sought]) -> list[Known]:
    """Return where messages belong, in their order, as if each were the only one."""
    led = _conversations_of(connection, sought)
    places = [_place(one, led) for one in sought]
    last = _last_sequences(connection, sought, places)
    return [
        Known(
            one.party,
            one.partner,
            place,
            last.get((one.party, one.partner, place)),
            [key for key in dict.fromkeys(one.keys) if (one.party, one.partner, key) not in led],
        )
        for one, place in zip(sought, places, strict=True)
    ]


def _place(sought: Sought, led: Mapping[tuple[PartyId, PartyId, str], ConversationId]) -> ConversationId:
    if sought.joins:
        return sought.joins
    known = (led.get((sought.party, sought.partner, key)) for key in sought.keys)
    return next((one for one in known if one is not None), sought.otherwise)


def _conversations_of(
    connection: Connection, sought: Sequence[Sought]
) -> dict[tuple[PartyId, PartyId, str], ConversationId]:
    """Return where each reference leads, without those that lead nowhere."""
    keys: dict[Pair, dict[str, None]] = {}
    for one in sought:
        keys.setdefault((one.party, one.partner), {}).update(dict.fromkeys(one.keys))
    return {
        (*pair, row["key_index"]): row["conversation"]
        for pair, among in keys.items()
        for row in _OF_KEYS.rows(connection, {"party": pair[0], "partner": pair[1]}, list(among))
    }


def _last_sequences(
    connection: Connection, sought: Sequence[Sought], places: Sequence[ConversationId]
) -> dict[tuple[PartyId, PartyId, ConversationId], int]:
    among: dict[Pair, dict[ConversationId, None]] = {}
    for one, place in zip(sought, places, strict=True):
        among.setdefault((one.party, one.partner), {})[place] = None
    return {
        (*pair, row["conversation"]): row["last_sequence"]
        for pair, some in among.items()
        for row in _LAST.rows(connection, {"party": pair[0], "partner": pair[1]}, list(some))
    }


def register(connection: Connection, taken: Sequence[tuple[Known, int | None, int]]) -> None:
    """Write what `look_up` found missing, with our last sequence in each conversation (None: we sent nothing now), and
    since when it is known, in microseconds. No two may be of one conversation, or share a reference.

    A reference that leads to a conversation already goes on doing so.
    """
    begun = [_begun(known, sequence or 0, at) for known, sequence, at in taken if known.last_sequence is None]
    moved = [
        _moved(known, sequence)
        for known, sequence, _ in taken
        if known.last_sequence is not None and sequence is not None
    ]
    keys = [
        {"party": known.party, "partner": known.partner, "conversation": known.conversation, "key_index": key}
        for known, _, _ in taken
        for key in known.missing
    ]
    if begun:
        connection.run_many(_INSERT, begun)
    if moved and connection.run_many(_MOVE, moved) != len(moved):
        raise StorageError("storage.constraint", "Another message took this place in the conversation")
    if keys:
        connection.run_many(_INSERT_KEY, keys)


def _begun(known: Known, sequence: int, at: int) -> dict[str, Any]:
    return {
        "party": known.party,
        "partner": known.partner,
        "conversation": known.conversation,
        "last_sequence": sequence,
        "created": at,
    }


def _moved(known: Known, sequence: int) -> dict[str, Any]:
    return {
        "of_party": known.party,
        "of_partner": known.partner,
        "of": known.conversation,
        "seen": known.last_sequence,
        "to": sequence,
    }


def unfinished(
    connection: Connection, places: Iterable[tuple[PartyId, PartyId, ConversationId]]
) -> set[tuple[PartyId, PartyId, ConversationId]]:
    """Return those of `places`, each a sender, a recipient and a conversation, that hold an unfinished transfer."""
    of_pair: dict[Pair, list[str]] = {}
    for party, partner, of in places:
        of_pair.setdefault((party, partner), []).append(of)
    return {
        (party, partner, left["conversation"])
        for (party, partner), among in of_pair.items()
        for left in _UNFINISHED_IN.rows(connection, {"party": party, "partner": partner}, among)
    }


def let_next_go(connection: Connection, places: Iterable[tuple[PartyId, PartyId, ConversationId]]) -> None:
    """Mark the lowest unfinished transfer of conversations as the one that may go. Call when some have finished."""
    for party, partner, of in sorted(unfinished(connection, places)):
        row = connection.one(_LOWEST, {"party": party, "partner": partner, "conversation": of})
        if row is not None:
            connection.run(_SET_HEAD, {"of_party": party, "of_partner": partner, "of": of, "at": row["sequence"]})


def unfinished_received(
    connection: Connection, places: Iterable[tuple[PartyId, ConversationId]]
) -> set[tuple[PartyId, ConversationId]]:
    """Return those of `places`, each a sender and a conversation, that hold a message not handed over yet."""
    of_sender: dict[PartyId, dict[str, None]] = {}
    for sender, of in places:
        of_sender.setdefault(sender, {})[of] = None
    return {
        (sender, left["conversation"])
        for sender, among in of_sender.items()
        for left in _UNFINISHED_RECEIVED_IN.rows(connection, {"sender": sender}, list(among))
    }


def let_next_be_handed_over(connection: Connection, places: Iterable[tuple[PartyId, ConversationId]]) -> None:
    """Mark the lowest message of conversations that is not handed over, and no other, as the one that may go.

    Call when one was added, since a lower sequence may arrive late, and when one has finished. `places`: sender and
    conversation of each.
    """
    for sender, of in sorted(unfinished_received(connection, places)):
        row = connection.one(_LOWEST_RECEIVED, {"sender": sender, "conversation": of})
        if row is not None:
            lowest = row["message_id"]
            connection.run(_STEP_BACK, {"of_sender": sender, "of": of, "lowest": lowest})
            connection.run(_STEP_FORWARD, {"of_sender": sender, "lowest": lowest})
