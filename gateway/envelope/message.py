"""Messages: a view is signed once, encrypted as often as it is sent, and opened by one numbered list of checks.

    View ─ sign_view ─► SignedView ─ encrypt ─► Envelope ═══► decrypt_envelope ─► verify_message ─► OpenedMessage

The JWS is made once and kept; each attempt puts it into a fresh JWE. So the **digest**, SHA-256 over the JWS signing
input, names the message for ever: duplicate checks, receipts and audit use it. The token's own hash would not do, for
anybody can turn one valid ECDSA signature into another.

The order of the checks below is the security argument. Nothing is looked up for a token that is not canonical; no key
is used for a header that is not exactly the profile's; no byte of the payload is believed, and no header member acted
on, before the signature holds. `check_times` stands apart because an expired message that is otherwise genuine gets a
signed refusal bound to its digest, while a failure here can only be answered with a Problem about unknown bytes.

Which party is speaking is told four times (certificate of the channel, owner of the signing key, sender inside, sender
outside); all must name the same one.
"""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.domain import limits
from gateway.domain.ids import KeyId, MessageId, PartyId
from gateway.domain.message import MessageHeader, View
from gateway.envelope import es256, protected
from gateway.envelope.compact import encode, parse_jwe, parse_jws, payload_in
from gateway.envelope.header import Routing
from gateway.envelope.keys import Signer, Unwrapper, VerificationKey, WrappingKey
from gateway.errors import EnvelopeError

FindUnwrapper = Callable[[PartyId, KeyId], Unwrapper]
"""Returns one of our decryption keys; raises EnvelopeError `envelope.key_unknown`. `ports.Trust.unwrapper` is one."""

FindVerificationKey = Callable[[KeyId], VerificationKey]
"""Returns a party's signing key; raises EnvelopeError `envelope.key_unknown`. `ports.Trust.verification_key` is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedView:
    """A view, signed for good. `digest` is the message digest in hex."""

    jws: bytes = field(repr=False)
    header: MessageHeader
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A compact JWE for one attempt."""

    jwe: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptedEnvelope:
    """What was inside an envelope. Nothing of it is believed yet."""

    jws: bytes = field(repr=False)
    routing: Routing


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedMessage:
    """A message whose signature, sender and recipient hold. `payload` is the exact XML of the view, not yet read."""

    header: MessageHeader
    payload: bytes = field(repr=False)
    digest: str
    key_id: KeyId


def sign_view(view: View, header: MessageHeader, signer: Signer) -> SignedView:
    """Return `view` signed under `header`.

    Raises ValueError if the header describes another view or could not be read on arrival; both are our own faults.
    """
    described = (header.kind, header.schema_set, header.schema_set_sha256, header.policy_sha256)
    if described != (view.kind, view.schema_set, view.schema_set_sha256, view.policy_sha256):
        raise ValueError("the header does not describe the view")
    signing_input = protected.write_message(header, signer) + b"." + encode(view.xml)
    digest = hashlib.sha256(signing_input)
    jws = signing_input + b"." + encode(signer.sign_digest(digest.digest()))
    return SignedView(jws=jws, header=header, digest=digest.hexdigest())


def encrypt(
    jws: bytes, *, message_id: MessageId, sender: PartyId, recipient: PartyId, wrapping_key: WrappingKey
) -> Envelope:
    """Return a signed message in a fresh envelope. The ids are those of its signed header.

    Raises ValueError if the key is not the recipient's.
    """
    if wrapping_key.party != recipient:
        raise ValueError("the key is not the recipient's")
    routing = Routing(message_id=message_id, sender=sender, recipient=recipient)
    return encrypt_with(es256.fresh_secrets(), jws, routing=routing, wrapping_key=wrapping_key)


def encrypt_with(secrets: es256.OneTimeSecrets, jws: bytes, *, routing: Routing, wrapping_key: WrappingKey) -> Envelope:
    """Return the envelope that these secrets give. For `encrypt` and the published vectors only."""
    header = protected.write_envelope(routing, wrapping_key, secrets.ephemeral.public_key())
    jwe = es256.encrypt(jws, header, recipient=wrapping_key.public_key, secrets=secrets)
    return Envelope(jwe=jwe.decode("ascii"))


def open_envelope(
    jwe: str,
    *,
    channel_party: PartyId,
    ours: Collection[PartyId],
    unwrapper: FindUnwrapper,
    verification_key: FindVerificationKey,
    max_bytes: int = limits.max_envelope_bytes(limits.MAX_DOCUMENT_BYTES),
) -> OpenedMessage:
    """Return the message in an envelope: `decrypt_envelope`, then `verify_message`. Raises EnvelopeError."""
    decrypted = decrypt_envelope(jwe, ours=ours, unwrapper=unwrapper, max_bytes=max_bytes)
    return verify_message(decrypted, channel_party=channel_party, verification_key=verification_key)


def decrypt_envelope(
    jwe: str,
    *,
    ours: Collection[PartyId],
    unwrapper: FindUnwrapper,
    max_bytes: int = limits.max_envelope_bytes(limits.MAX_DOCUMENT_BYTES),
) -> DecryptedEnvelope:
    """Return what is inside an envelope to one of `ours`. Raises EnvelopeError."""
    # 1. One reading of the token, or none.
    token = parse_jwe(jwe, max_bytes=max_bytes)
    # 2. Exactly the header of the profile; the ephemeral key is a point on the curve.
    header = protected.read_envelope(token.header)
    # 3. It is for us.
    if header.routing.recipient not in ours:
        raise EnvelopeError("envelope.recipient_mismatch")
    # 4. The key it was encrypted to is one of that party's.
    key = unwrapper(header.routing.recipient, header.key_id)
    # 5. Header, key and content are untouched since somebody encrypted them to us. Anybody could have.
    return DecryptedEnvelope(jws=es256.decrypt(token, header.ephemeral, key), routing=header.routing)


def verify_message(
    decrypted: DecryptedEnvelope, *, channel_party: PartyId, verification_key: FindVerificationKey
) -> OpenedMessage:
    """Return the message that `channel_party` signed. Raises EnvelopeError. Does not look at the clock."""
    # 6. One reading of the inner token. Its size was bounded with the envelope's.
    token = parse_jws(decrypted.jws, max_bytes=len(decrypted.jws))
    # 7. Exactly the header of the profile, every member of its type; a signature in form and range.
    named, header = protected.read_message(token.header)
    signature = es256.read_signature(token.signature)
    # 8. A key we know, with the certificate it was introduced with, not revoked, valid when the message was made.
    key = verification_key(named.key_id)
    check_key(key, named, header.created)
    # 9. One sender: the channel's certificate, the key's owner, the signed header and the outside agree.
    if {key.party, header.sender, decrypted.routing.sender} != {channel_party}:
        raise EnvelopeError("envelope.sender_mismatch")
    # 10. One recipient (3 made sure that it is us) and one message id, inside and outside.
    if header.recipient != decrypted.routing.recipient:
        raise EnvelopeError("envelope.recipient_mismatch")
    if header.message_id != decrypted.routing.message_id:
        raise EnvelopeError("envelope.header_refused", "the outer header names another message")
    # 11. The signature, over the same bytes that give the digest.
    digest = hashlib.sha256(token.signing_input)
    es256.verify(key.public_key, digest.digest(), signature)
    return OpenedMessage(header=header, payload=token.payload, digest=digest.hexdigest(), key_id=key.key_id)


def payload_of(jws: bytes) -> bytes:
    """Return the payload of a message that was verified before it was stored. Raises EnvelopeError if it is damaged."""
    return payload_in(jws)


def check_key(key: VerificationKey, named: protected.SigningKeyRef, moment: datetime) -> None:
    """Raise EnvelopeError unless `key` is what the token named, not revoked, and was valid at `moment`."""
    if (key.key_id, key.certificate_sha256) != (named.key_id, named.certificate_sha256):
        # A renewed certificate over the same key: the directory is behind, and fetching it again helps.
        raise EnvelopeError("envelope.key_unknown", "the key is not known with this certificate")
    if key.revoked:
        raise EnvelopeError("envelope.key_revoked")
    if not key.not_before <= moment <= key.not_after:
        raise EnvelopeError("envelope.key_not_valid")


def check_times(header: MessageHeader, *, now: datetime, skew: timedelta = limits.MAX_CLOCK_SKEW) -> None:
    """Raise EnvelopeError `envelope.expired` or `envelope.created_in_future`. `now` is aware.

    `skew`: how far ahead the partner's clock may be. A message is expired from `expires` on.
    """
    if now >= header.expires:
        raise EnvelopeError("envelope.expired")
    if header.created > now + skew:
        raise EnvelopeError("envelope.created_in_future")
