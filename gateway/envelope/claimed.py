"""Which message an envelope says it holds, before anything of it is believed: a name to answer by, never a fact."""

from typing import Final

from gateway.domain import limits
from gateway.domain.ids import MessageId, is_message_id
from gateway.envelope.compact import decode, parse_json
from gateway.errors import EnvelopeError

_MAX_HEADER_CHARACTERS: Final = limits.MAX_PROTECTED_HEADER_BYTES * 4 // 3 + 2


def claimed_message_id(jwe: str) -> MessageId | None:
    """Return the message id in the protected header of a compact JWE, or None where none can be read."""
    head = jwe[: _MAX_HEADER_CHARACTERS + 1].partition(".")[0]
    if len(head) > _MAX_HEADER_CHARACTERS or not head.isascii():
        return None
    try:
        routing = parse_json(decode(head.encode("ascii"))).get("wcx")
    except EnvelopeError:
        return None
    named = routing.get("id") if isinstance(routing, dict) else None
    return MessageId(named) if isinstance(named, str) and is_message_id(named) else None
