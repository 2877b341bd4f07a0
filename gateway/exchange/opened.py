"""Open what the store gave out for hand-over: unsealed, and the view taken out of its message."""

from gateway.domain.outcome import Damaged, TransientFailure
from gateway.domain.records import ClaimedHandOver
from gateway.envelope import payload_of
from gateway.errors import EnvelopeError, GatewayError
from gateway.exchange.desk import inbox_row
from gateway.ports import Sealer


def opened(claimed: ClaimedHandOver, sealer: Sealer) -> bytes | TransientFailure | Damaged:
    """Return the view of a claimed message, or why there is none: for good, or for now (a key that is not here)."""
    row = claimed.row
    if claimed.unreadable:
        return not_opened(claimed.unreadable, "What is stored of the message can not be read")
    try:
        jws = sealer.unseal(claimed.sealed_message, row=inbox_row(row.sender, row.message_id))
        return payload_of(jws)
    except EnvelopeError as error:  # it was whole when it was stored
        return Damaged(code=error.code, detail=error.detail)
    except GatewayError as error:
        return not_opened(error.code, error.detail)


def not_opened(code: str, detail: str) -> TransientFailure | Damaged:
    """Return what came of an attempt whose stored message could not be opened: over for good, or to be tried again."""
    if code in {"storage.corrupt", "trust.unsealing_failed"}:
        return Damaged(code=code, detail=detail)
    return TransientFailure(code=code, detail=detail, sent=False, connected=True)
