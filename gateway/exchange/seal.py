"""Encrypt a stored, signed view to the partner's current key. Pure; runs in a worker.

The JWS was made once and is kept sealed; every attempt wraps the same JWS in a fresh JWE. So the message digest stays
the same over all attempts, and a partner's key rotation strands nothing.
"""

from gateway.domain.jobs import SealedEnvelope, SealJob, SealResult
from gateway.envelope import encrypt
from gateway.errors import GatewayError
from gateway.exchange.desk import Desk, transfer_row


def seal(job: SealJob, desk: Desk) -> SealResult:
    """Return the compact JWE to send, or why it can not be made now."""
    try:
        jws = desk.sealer.unseal(job.sealed_jws, row=transfer_row(job.transfer_id)).decode("ascii")
        envelope = encrypt(
            jws,
            message_id=job.message_id,
            sender=job.sender,
            recipient=job.recipient,
            wrapping_key=desk.trust.wrapping_key(job.recipient, job.now),
        )
    except GatewayError as error:
        return error
    return SealedEnvelope(jwe=envelope.jwe, sha256=envelope.sha256)
