"""One message from one party to another, with the keys of both; tests change one thing at a time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain.ids import AgreementId, ConversationId, MessageId, PartyId, SchemaSetId
from gateway.domain.message import AgreementRef, MessageHeader, MessageKind, Terms, View
from gateway.domain.statement import Notice, Problem, Receipt, Verdict
from gateway.envelope import Envelope, OpenedMessage, SignedView, encrypt, open_envelope, sign_view
from tests.keys import KeyRing, PartyKeys, make_party_keys

NORTH, SOUTH, EAST = make_party_keys("XA-NORTH"), make_party_keys("XB-SOUTH"), make_party_keys("XC-EAST")
RING = KeyRing((NORTH, SOUTH, EAST))
CREATED = datetime(2026, 6, 1, 12, tzinfo=UTC)
MESSAGE_ID = MessageId("019e8325-8800-7000-8000-00000000a001")
OTHER_ID = MessageId("019e8325-8800-7000-8000-00000000a002")
STATEMENT_ID = "019e8325-8fd0-7000-8000-00000000b001"

HEADER = MessageHeader(
    message_id=MESSAGE_ID,
    conversation=ConversationId("0b0f8a2e-6a57-4c29-9b1a-3f52c5b0c001"),
    sequence=1,
    in_reply_to=None,
    supersedes=None,
    sender=NORTH.party,
    recipient=SOUTH.party,
    kind=MessageKind.DECLARATION,
    schema_set=SchemaSetId("dms-declaration"),
    schema_set_sha256="1a" * 32,
    agreement=AgreementRef(id=AgreementId("north-south"), version=3, sha256="2b" * 32),
    policy_sha256="3c" * 32,
    terms=Terms(legal_basis="Article 7", purpose="Risk analysis", onward_use="none", retention_days=90),
    created=CREATED,
    expires=CREATED + timedelta(days=2),
    nonce=bytes(range(16)),
)
VIEW = View(
    xml=b"<Declaration><FunctionCode>9</FunctionCode></Declaration>",
    kind=MessageKind.DECLARATION,
    schema_set=HEADER.schema_set,
    schema_set_sha256=HEADER.schema_set_sha256,
    policy_sha256=HEADER.policy_sha256,
    kept=1,
    withheld=0,
)
RECEIPT = Receipt(
    message_id=MESSAGE_ID,
    digest="4d" * 32,
    verdict=Verdict.ACCEPTED,
    code="ok",
    agreement_version=3,
    issuer=SOUTH.party,
    audience=NORTH.party,
    issued_at=CREATED + timedelta(seconds=2),
    statement_id=STATEMENT_ID,
)
NOTICE = Notice(
    message_id=MESSAGE_ID,
    digest="4d" * 32,
    handed_over=CREATED + timedelta(seconds=3),
    issuer=SOUTH.party,
    audience=NORTH.party,
    issued_at=CREATED + timedelta(seconds=3),
    statement_id=STATEMENT_ID,
)
PROBLEM = Problem(
    envelope_sha256="5e" * 32,
    code="envelope.rejected",
    issuer=SOUTH.party,
    audience=NORTH.party,
    issued_at=CREATED + timedelta(seconds=2),
    statement_id=STATEMENT_ID,
)


def signed(header: MessageHeader = HEADER, view: View = VIEW, keys: PartyKeys = NORTH) -> SignedView:
    """Return the view signed by `keys`."""
    return sign_view(view, header, keys.signer)


def sealed(message: SignedView, keys: PartyKeys = SOUTH) -> Envelope:
    """Return a message in an envelope to `keys`, routed as its header says."""
    return encrypt(
        message.jws,
        message_id=message.header.message_id,
        sender=message.header.sender,
        recipient=message.header.recipient,
        wrapping_key=keys.wrapping,
    )


def opened(jwe: str, *, channel: PartyId = NORTH.party, ring: KeyRing = RING, **options: Any) -> OpenedMessage:
    """Open an envelope as XB-SOUTH would."""
    return open_envelope(
        jwe,
        channel_party=channel,
        ours={SOUTH.party},
        unwrapper=ring.unwrapper,
        verification_key=ring.verification_key,
        **options,
    )


def known_as(keys: PartyKeys, **changes: Any) -> KeyRing:
    """Return the key ring in which a party's signing key is known otherwise."""
    others = tuple(one for one in RING.parties if one.party != keys.party)
    return KeyRing((*others, replace(keys, verification=replace(keys.verification, **changes))))
