"""A message of GB that holds more than FR may have: the whole document, as a gateway would send it that cuts nothing.

All else about it is right: agreement, hashes, signature, envelope, certificate of the channel. So what turns it away is
the look that the receiver takes at what arrived. Its refusal is verified as every statement here is.
"""

import asyncio
import hashlib
import secrets
import uuid
from datetime import UTC, datetime

from gateway.app import rulebook_of
from gateway.app.desk import open_trust
from gateway.demo.documents import Sample
from gateway.demo.history import OverShared
from gateway.demo.stage import FR, GB, Stage
from gateway.demo.statements import RECEIPT, public_certificates, what_is_wrong
from gateway.domain.ids import ConversationId, MessageId
from gateway.domain.message import MessageHeader
from gateway.envelope import encrypt
from gateway.envelope.compact import encode
from gateway.envelope.protected import write_message
from gateway.settings import Configuration, load_configuration
from gateway.system import SystemIds

REFUSED = "policy.over_shared"
"""What the receiver must answer, signed."""


async def send_too_much(stage: Stage, document: Sample) -> OverShared:
    """Post the whole of `document` to FR as a message of GB, and return what came back."""
    now = datetime.now(UTC).replace(microsecond=0)
    found = await asyncio.to_thread(load_configuration, stage.world.nodes[GB].config)
    header = _header(found, document, now)
    jws, jwe = _made(found, header, document.raw, now)
    status, answer = await stage.post(GB, FR, "/exchange/v1/messages", jwe)
    wrong = what_is_wrong(
        answer if answer.count(".") == 2 else None,
        RECEIPT,
        public_certificates(stage.bundle(GB, FR)),
        issuer=FR,
        audience=GB,
        about={
            "message_id": header.message_id,
            "digest": hashlib.sha256(jws.rpartition(b".")[0]).hexdigest(),
            "verdict": "refused",
            "code": REFUSED,
        },
    )
    return OverShared(document=document, message=header.message_id, status=status, refusal=wrong)


def _header(found: Configuration, document: Sample, now: datetime) -> MessageHeader:
    """Return the header that GB's gateway would give a view of the document."""
    agreement, flow = rulebook_of(found).choose(sender=GB, recipient=FR, kind=document.kind, now=now)
    return MessageHeader(
        message_id=MessageId(SystemIds().uuid7()),
        conversation=ConversationId(str(uuid.uuid4())),
        sequence=1,
        in_reply_to=None,
        supersedes=None,
        sender=GB,
        recipient=FR,
        kind=document.kind,
        schema_set=flow.schema_set,
        schema_set_sha256=flow.schema_set_sha256,
        agreement=agreement.ref,
        policy_sha256=flow.policy_sha256,
        terms=agreement.terms,
        created=now,
        expires=now + agreement.message_lifetime,
        nonce=secrets.token_bytes(16),
    )


def _made(found: Configuration, header: MessageHeader, payload: bytes, now: datetime) -> tuple[bytes, str]:
    """Return the JWS, and the JWE that it travels in. `sign_view` would not do it: this is no view."""
    trust = open_trust(found.node)
    signer = trust.signer(GB, now)
    signing_input = write_message(header, signer) + b"." + encode(payload)
    jws = signing_input + b"." + encode(signer.sign_digest(hashlib.sha256(signing_input).digest()))
    key = trust.wrapping_key(FR, now)
    return jws, encrypt(jws, message_id=header.message_id, sender=GB, recipient=FR, wrapping_key=key).jwe
