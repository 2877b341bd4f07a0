"""Encrypt a stored, signed view to the partner's current key. Pure; runs in a worker.

The JWS was made once and is kept sealed; every attempt wraps the same JWS in a fresh JWE. So the message digest stays
the same over all attempts, and a partner's key rotation strands nothing. `prepare` makes the first envelope itself
where nothing is ahead of a transfer; that one is like any other.
"""

from datetime import datetime

from gateway.domain.ids import MessageId, PartyId
from gateway.domain.jobs import SealedEnvelope, SealJob, SealResult
from gateway.envelope import encrypt
from gateway.errors import GatewayError
from gateway.exchange.desk import Desk, transfer_row
from gateway.ports import Trust


def seal(job: SealJob, desk: Desk) -> SealResult:
    """Return the compact JWE to send, or why it can not be made now."""
    try:
        jws = desk.sealer.unseal(job.sealed_jws, row=transfer_row(job.transfer_id))
        return wrap(
            jws, message_id=job.message_id, sender=job.sender, recipient=job.recipient, now=job.now, trust=desk.trust
        )
    except GatewayError as error:
        return error


def wrap(
    jws: bytes, *, message_id: MessageId, sender: PartyId, recipient: PartyId, now: datetime, trust: Trust
) -> SealedEnvelope:
    """Return a signed message in a fresh envelope. Raises TrustError when the recipient has no key to use at `now`."""
    key = trust.wrapping_key(recipient, now)
    envelope = encrypt(jws, message_id=message_id, sender=sender, recipient=recipient, wrapping_key=key)
    return SealedEnvelope(jwe=envelope.jwe)
