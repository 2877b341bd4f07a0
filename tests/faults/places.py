"""Where every message of many conversations stands and came by, and whether that was in order (I13).

Read from both databases and the back ends alone: the sender's rows say what place each transfer has and how it ended,
the partner's audit when it accepted each message, the back end what it got.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

UNFINISHED = """
    SELECT (SELECT count(*) FROM transfer WHERE state NOT IN ('DELIVERED', 'CANCELLED') AND skipped = 0)
         + (SELECT count(*) FROM hand_over WHERE state <> 'HANDED_OVER')
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One transfer in its conversation. `skipped`: given up, so that those behind it could go."""

    conversation: str
    sequence: int
    state: str
    skipped: bool


def unfinished(database: Path) -> int:
    """Return how many transfers of a gateway are not at their end, and how many hand-overs."""
    with _opened(database) as opened:
        return int(opened.execute(UNFINISHED).fetchone()[0])


def places(database: Path) -> list[Place]:
    """Return every transfer of the gateway that sends."""
    with _opened(database) as opened:
        rows = opened.execute("SELECT conversation, sequence, state, skipped FROM transfer").fetchall()
    return [Place(conversation=a, sequence=b, state=state, skipped=bool(skipped)) for a, b, state, skipped in rows]


def happened(database: Path) -> Counter[str]:
    """Return how often each event stands in the audit of a gateway."""
    with _opened(database) as opened:
        return Counter(dict(opened.execute("SELECT event, count(*) FROM audit GROUP BY event").fetchall()))


def accepted(database: Path) -> list[str]:
    """Return the message ids that a gateway accepted, in its order."""
    with _opened(database) as opened:
        asked = "SELECT message_id FROM audit WHERE event = 'message.accepted' ORDER BY seq"
        return [message_id for (message_id,) in opened.execute(asked)]


def out_of_order(
    sent: Sequence[Place], taken: Sequence[str], got: Iterable[tuple[str, tuple[str, int]]]
) -> Iterator[str]:
    """Return what breaks the order of a conversation.

    `taken`: message ids as the partner accepted them. `got`: what its back end got, in order: the message id, and which
    place of which conversation its submitter was told for the document that was in it.
    """
    place_of: dict[str, tuple[str, int]] = {}
    at_back_end: defaultdict[str, list[int]] = defaultdict(list)
    for message_id, (conversation, sequence) in got:
        if message_id not in place_of:
            place_of[message_id] = conversation, sequence
            at_back_end[conversation].append(sequence)
    at_partner: defaultdict[str, list[int]] = defaultdict(list)
    for message_id in taken:
        conversation, sequence = place_of.get(message_id, (f"of {message_id}, never handed over", 0))
        at_partner[conversation].append(sequence)
    delivered: defaultdict[str, list[int]] = defaultdict(list)
    for one in sorted(sent, key=lambda place: place.sequence):
        if one.state == "DELIVERED":
            delivered[one.conversation].append(one.sequence)
        elif not one.skipped:
            yield f"{one.sequence} of {one.conversation} is {one.state}"
    for where, found in (("partner", at_partner), ("back end", at_back_end)):
        for conversation in sorted(delivered.keys() | found.keys()):
            if found[conversation] != delivered[conversation]:
                told = json.dumps([found[conversation], delivered[conversation]])
                yield f"{conversation} at the {where}, and as it should be: {told}"


def _opened(database: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True))
