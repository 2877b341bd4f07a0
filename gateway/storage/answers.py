"""Which messages answer which: a partner's to ours, and ours to a partner's.

What is answered is named by `in_reply_to` of the signed header. That the other side has it was decided when the answer
was accepted or admitted (`accepting.py`, `receiving.py`), so here the name is all that is asked for.
"""

from sqlalchemy import bindparam, select

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import HandOverState
from gateway.domain.message import MessageKind
from gateway.domain.records import Answer, TransferRow
from gateway.storage.engine import Connection
from gateway.storage.inbox_tables import hand_over, inbox
from gateway.storage.tables import transfer
from gateway.storage.values import time_of, time_or_none, transfer_row

_RECEIVED = (
    select(
        inbox.c.message_id,
        inbox.c.kind,
        inbox.c.sequence,
        inbox.c.received,
        hand_over.c.state,
        hand_over.c.handed_over,
    )
    .select_from(
        inbox.join(hand_over, (hand_over.c.sender == inbox.c.sender) & (hand_over.c.message_id == inbox.c.message_id))
    )
    .where(
        inbox.c.in_reply_to == bindparam("answered"),
        inbox.c.sender == bindparam("partner"),
        inbox.c.recipient == bindparam("party"),
    )
    .order_by(inbox.c.sequence, inbox.c.message_id)
)
_GIVEN = (
    select(transfer)
    .where(transfer.c.in_reply_to == bindparam("answered"), transfer.c.recipient == bindparam("partner"))
    .order_by(transfer.c.sequence)
)


def read(connection: Connection, of: TransferRow) -> tuple[Answer, ...]:
    """Return what the partner answered to one of our messages, in the order of its sequence."""
    between = {"answered": of.message_id, "partner": of.recipient, "party": of.sender}
    return tuple(
        Answer(
            message_id=row["message_id"],
            kind=MessageKind(row["kind"]),
            sequence=row["sequence"],
            received=time_of(row["received"]),
            hand_over=HandOverState(row["state"]),
            handed_over=time_or_none(row["handed_over"]),
        )
        for row in connection.rows(_RECEIVED, between)
    )


def read_given(connection: Connection, sender: PartyId, message_id: MessageId) -> list[TransferRow]:
    """Return our transfers that answer a partner's message, in the order of our sequence."""
    return [transfer_row(row) for row in connection.rows(_GIVEN, {"answered": message_id, "partner": sender})]
