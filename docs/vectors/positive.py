"""The positive vectors: keys, a message with every value between plaintext and envelope, receipts, a notice, a problem.

Everything here is fixed: private keys come from SHA-256 over their own names, signatures are deterministic (RFC 6979),
one-time secrets are constants. All of these keys are public; a gateway refuses them as trust by their thumbprints
(gateway/envelope/vectors.py).
"""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pybase64
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.domain.ids import AgreementId, ConversationId, KeyId, MessageId, PartyId, SchemaSetId
from gateway.domain.message import AgreementRef, MessageHeader, MessageKind, Terms, View
from gateway.domain.statement import Notice, Problem, Receipt, Verdict
from gateway.envelope import (
    Envelope,
    Routing,
    SignedView,
    WrappingKey,
    certificate_thumbprint,
    jwk_from_public_key,
    sign_notice,
    sign_problem,
    sign_receipt,
    sign_view,
    thumbprint,
)
from gateway.envelope.es256 import OneTimeSecrets, derive_key_encryption_key
from gateway.envelope.message import encrypt_with

NORTH, SOUTH, EAST = PartyId("XA-NORTH"), PartyId("XB-SOUTH"), PartyId("XC-EAST")
NOT_BEFORE, NOT_AFTER = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
CREATED = datetime(2026, 6, 1, 12, tzinfo=UTC)
ANSWERED = CREATED + timedelta(seconds=2)
HANDED_OVER = CREATED + timedelta(seconds=3)
NOTIFIED = CREATED + timedelta(seconds=5)
MESSAGE_ID = MessageId("019e8325-8800-7000-8000-00000000a001")
OTHER_MESSAGE_ID = MessageId("019e8325-8800-7000-8000-00000000a002")
STATEMENT_IDS = (
    "019e8325-8fd0-7000-8000-00000000b001",
    "019e8325-8fd0-7000-8000-00000000b002",
    "019e8325-9b88-7000-8000-00000000b003",
)

VIEW_XML = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<d:Declaration xmlns:d="urn:wco:datamodel:WCO:DEC-DMS:2">'
    b"<d:FunctionCode>9</d:FunctionCode><d:GoodsItemQuantity>1</d:GoodsItemQuantity>"
    b"</d:Declaration>"
)


def b64(data: bytes) -> str:
    """Return base64url without padding."""
    return pybase64.urlsafe_b64encode(data).rstrip(b"=").decode()


def constant(name: str) -> bytes:
    """Return 32 bytes that everyone can make: SHA-256 over a name."""
    return hashlib.sha256(f"wco-gateway test vector, public: {name}".encode()).digest()


def private_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the published P-256 key of this name. The chance that the hash is out of range is 2^-32; it is not."""
    return ec.derive_private_key(int.from_bytes(constant(name), "big"), ec.SECP256R1())


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSigner:
    """A published signing key with its self-signed certificate."""

    name: str
    party: PartyId
    not_before: datetime = NOT_BEFORE
    not_after: datetime = NOT_AFTER
    revoked: bool = False

    @property
    def private_key(self) -> ec.EllipticCurvePrivateKey:
        """The private half."""
        return private_key(self.name)

    @property
    def key_id(self) -> KeyId:
        """RFC 7638 thumbprint."""
        return thumbprint(self.private_key.public_key())

    @property
    def certificate(self) -> bytes:
        """DER, the same every time."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"TEST VECTOR {self.name}")])
        builder = x509.CertificateBuilder(subject, subject, self.private_key.public_key(), 1)
        builder = builder.not_valid_before(self.not_before).not_valid_after(self.not_after)
        signed = builder.sign(self.private_key, hashes.SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(Encoding.DER)

    @property
    def certificate_sha256(self) -> str:
        """x5t#S256."""
        return certificate_thumbprint(self.certificate)

    def sign(self, data: bytes) -> bytes:
        """Return R‖S over some bytes."""
        return self.sign_digest(hashlib.sha256(data).digest())

    def sign_digest(self, digest: bytes) -> bytes:
        """Return R‖S by RFC 6979."""
        der = self.private_key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def published(self) -> dict[str, Any]:
        """Return the line of keys.json."""
        return {
            "party": self.party,
            "use": "sign",
            "kid": self.key_id,
            "x5t#S256": self.certificate_sha256,
            "not_before": f"{self.not_before:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{self.not_after:%Y-%m-%dT%H:%M:%SZ}",
            "revoked": self.revoked,
            "certificate": pybase64.b64encode(self.certificate).decode(),
            "jwk": published_jwk(self.private_key),
        }


def published_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return a JWK with its private member, which is only ever right for a test vector."""
    d = key.private_numbers().private_value.to_bytes(32, "big")
    return {**jwk_from_public_key(key.public_key()), "d": b64(d)}


SIGNERS = {
    "north": VectorSigner(name="XA-NORTH signing", party=NORTH),
    "north-old": VectorSigner(name="XA-NORTH retired signing", party=NORTH, not_after=datetime(2026, 3, 1, tzinfo=UTC)),
    "north-revoked": VectorSigner(name="XA-NORTH revoked signing", party=NORTH, revoked=True),
    "south": VectorSigner(name="XB-SOUTH signing", party=SOUTH),
}
DECRYPTION = {
    "north": (NORTH, private_key("XA-NORTH decryption")),
    "south": (SOUTH, private_key("XB-SOUTH decryption")),
}
STRANGER = VectorSigner(name="stranger signing", party=EAST)
SECRETS = OneTimeSecrets(
    ephemeral=private_key("ephemeral"), cek=constant("content encryption key"), iv=constant("iv")[:12]
)

HEADER = MessageHeader(
    message_id=MESSAGE_ID,
    conversation=ConversationId("0b0f8a2e-6a57-4c29-9b1a-3f52c5b0c001"),
    sequence=1,
    in_reply_to=None,
    supersedes=None,
    sender=NORTH,
    recipient=SOUTH,
    kind=MessageKind.DECLARATION,
    schema_set=SchemaSetId("dms-declaration"),
    schema_set_sha256=constant("schema set").hex(),
    agreement=AgreementRef(id=AgreementId("north-south"), version=3, sha256=constant("agreement").hex()),
    policy_sha256=constant("policy").hex(),
    terms=Terms(
        legal_basis="Article 7 of the example agreement",
        purpose="Risk analysis at import",
        onward_use="none",
        retention_days=90,
    ),
    created=CREATED,
    expires=CREATED + timedelta(days=2),
    nonce=constant("nonce")[:16],
)
VIEW = View(
    xml=VIEW_XML,
    kind=MessageKind.DECLARATION,
    schema_set=HEADER.schema_set,
    schema_set_sha256=HEADER.schema_set_sha256,
    policy_sha256=HEADER.policy_sha256,
    kept=2,
    withheld=1,
)
ROUTING = Routing(message_id=MESSAGE_ID, sender=NORTH, recipient=SOUTH)


def wrapping_key(owner: str) -> WrappingKey:
    """Return a party's public encryption key."""
    party, key = DECRYPTION[owner]
    public = key.public_key()
    return WrappingKey(
        key_id=thumbprint(public), party=party, public_key=public, not_before=NOT_BEFORE, not_after=NOT_AFTER
    )


# ── what is right ────────────────────────────────────────────────────────────────────────────────────────────────


def keys() -> dict[str, Any]:
    """Return keys.json."""
    decryption = {
        f"{owner}-decryption": {
            "party": party,
            "use": "decrypt",
            "kid": thumbprint(key.public_key()),
            "not_before": f"{NOT_BEFORE:%Y-%m-%dT%H:%M:%SZ}",
            "not_after": f"{NOT_AFTER:%Y-%m-%dT%H:%M:%SZ}",
            "jwk": published_jwk(key),
        }
        for owner, (party, key) in DECRYPTION.items()
    }
    return {
        "warning": "TEST VECTORS. These private keys are public. A gateway must refuse them.",
        "keys": {name: signer.published() for name, signer in SIGNERS.items()} | decryption,
    }


def signed() -> SignedView:
    """Return the message."""
    return sign_view(VIEW, HEADER, SIGNERS["north"])


def envelope() -> Envelope:
    """Return the message in its envelope."""
    return encrypt_with(SECRETS, signed().jws, routing=ROUTING, wrapping_key=wrapping_key("south"))


def envelope_sha256() -> str:
    """Return what a problem about the envelope names."""
    return hashlib.sha256(envelope().jwe.encode()).hexdigest()


def message() -> dict[str, Any]:
    """Return message.json."""
    shared_secret = SECRETS.ephemeral.exchange(ec.ECDH(), wrapping_key("south").public_key)
    signed_view, jwe = signed(), envelope()
    jws = signed_view.jws.decode()
    return {
        "sender": NORTH,
        "recipient": SOUTH,
        "now": "2026-06-01T12:00:01Z",
        "message_id": MESSAGE_ID,
        "view_utf8": VIEW_XML.decode(),
        "jws_header": json.loads(pybase64.urlsafe_b64decode(padded(jws.split(".")[0]))),
        "jws_signing_input": jws.rpartition(".")[0],
        "digest": signed_view.digest,
        "jws": jws,
        "ephemeral_jwk": published_jwk(SECRETS.ephemeral),
        "z": shared_secret.hex(),
        "kek": derive_key_encryption_key(shared_secret).hex(),
        "cek": SECRETS.cek.hex(),
        "iv": SECRETS.iv.hex(),
        "jwe_header": json.loads(pybase64.urlsafe_b64decode(padded(jwe.jwe.split(".")[0]))),
        "jwe": jwe.jwe,
        "jwe_sha256": envelope_sha256(),
    }


def padded(segment: str) -> str:
    """Return base64url with its padding back."""
    return segment + "=" * (-len(segment) % 4)


def receipt(**changes: Any) -> Receipt:
    """Return the receipt of the message, with changes."""
    accepted = Receipt(
        message_id=MESSAGE_ID,
        digest=signed().digest,
        verdict=Verdict.ACCEPTED,
        code="ok",
        agreement_version=HEADER.agreement.version,
        issuer=SOUTH,
        audience=NORTH,
        issued_at=ANSWERED,
        statement_id=STATEMENT_IDS[0],
    )
    return replace(accepted, **changes)


REFUSED: dict[str, Any] = {
    "verdict": Verdict.REFUSED,
    "code": "agreement.not_in_force",
    "statement_id": STATEMENT_IDS[1],
}


def problem(**changes: Any) -> Problem:
    """Return the problem about the envelope, with changes."""
    rejected = Problem(
        envelope_sha256=envelope_sha256(),
        code="envelope.rejected",
        issuer=SOUTH,
        audience=NORTH,
        issued_at=ANSWERED,
        statement_id=STATEMENT_IDS[0],
    )
    return replace(rejected, **changes)


def notice(**changes: Any) -> Notice:
    """Return the notice about the message, with changes."""
    handed_over = Notice(
        message_id=MESSAGE_ID,
        digest=signed().digest,
        handed_over=HANDED_OVER,
        issuer=SOUTH,
        audience=NORTH,
        issued_at=NOTIFIED,
        statement_id=STATEMENT_IDS[2],
    )
    return replace(handed_over, **changes)


def statements() -> dict[str, Any]:
    """Return statements.json."""
    tokens = {
        "accepted": sign_receipt(receipt(), SIGNERS["south"]),
        "refused": sign_receipt(receipt(**REFUSED), SIGNERS["south"]),
        "problem": sign_problem(problem(), SIGNERS["south"]),
        "handed_over": sign_notice(notice(), SIGNERS["south"]),
    }
    return {
        "issuer": SOUTH,
        "audience": NORTH,
        "now": "2026-06-01T12:00:05Z",
        "message_id": MESSAGE_ID,
        "digest": signed().digest,
        "envelope_sha256": envelope_sha256(),
        "statements": {
            name: {"token": token, "claims": json.loads(pybase64.urlsafe_b64decode(padded(token.split(".")[1])))}
            for name, token in tokens.items()
        },
    }
