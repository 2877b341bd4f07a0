"""The floor: the least that both ends must do for one message, in memory, with no network, no disk and no gateway.

    parse ► validate ► filter ► validate ► serialise ► sign ► encrypt          at the sender
    decrypt ► verify ► parse ► validate ► make a receipt                       at the receiver
    check the receipt                                                          at the sender

Nothing of `gateway` is imported here, only lxml, `cryptography`, pybase64 and the standard library (tests/law sees to
it), so the floor stays where it is when the gateway becomes faster or slower. It trusts its input: no limits, no strict
parsing, no explanation. Formats: docs/protocol.md §5 to §10.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import pybase64
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from lxml import etree

BATCH: Final = 32
"""Messages that go through a stage before any goes to the next."""

ROOT: Final = Path(__file__).resolve().parents[2]
SCHEMA: Final = ROOT / "wco_schemas" / "dms-declaration" / "dms-declaration.xsd"
DECLARATION: Final = Path(__file__).with_name("declaration.xml")
_MARK: Final = b"@MARK@"

# What the example policy `customs-cooperation` keeps back, as paths. A test compares the view with the gateway's.
_BODY: Final = "/m:MetaData/d:Declaration"
_ITEM: Final = f"{_BODY}/d:GoodsShipment/d:GovernmentAgencyGoodsItem"
_WITHHELD: Final = (
    f"{_BODY}/d:Authentication",
    f"{_BODY}/d:ObligationGuarantee/d:AccessCode",
    f"{_BODY}/d:Consignment/d:Carrier/d:Communication",
    *(f"{_BODY}/d:{party}/d:{what}" for party in ("Declarant", "Exporter") for what in ("Contact", "Communication")),
    *(
        f"{_BODY}/d:GoodsShipment/d:{party}/d:{what}"
        for party in ("Buyer", "Importer", "Seller")
        for what in ("Contact", "Communication")
    ),
    *(f"{_ITEM}/d:{party}/d:{what}" for party in ("Buyer", "Seller") for what in ("Contact", "Communication")),
    f"{_BODY}/d:AdditionalInformation/d:StatementDescription",
    f"{_ITEM}/d:AdditionalInformation/d:StatementDescription",
    f"{_ITEM}/d:AdditionalDocument/d:Name",
    f"{_ITEM}/d:Packaging/d:PackingMaterialDescription",
    f"{_BODY}/d:GoodsShipment/d:TradeTerms/d:Description",
    "//@*[name() != 'currencyID' and name() != 'unitCode' and name() != 'formatCode']",
)
_NAMESPACES: Final = {
    "m": "urn:wco:datamodel:WCO:DocumentMetaData-DMS:2",
    "d": "urn:wco:datamodel:WCO:DEC-DMS:2",
}

_CURVE: Final = ec.SECP256R1()
_ES256: Final = ec.ECDSA(Prehashed(SHA256()))
_ECDH: Final = ec.ECDH()
_ALGORITHM: Final = b"ECDH-ES+A256KW"
_OTHER_INFO: Final = len(_ALGORITHM).to_bytes(4, "big") + _ALGORITHM + bytes(8) + (256).to_bytes(4, "big")

# Headers of the size that real ones have; the floor reads them and believes them.
_HASH: Final = "5f" * 32
_THUMBPRINT: Final = "Vl" * 21 + "V"
_ID: Final = "0197a1b2-c3d4-7e5f-8a6b-9c7d8e9f0a1b"
_SIGNED_BY: Final = {"alg": "ES256", "kid": _THUMBPRINT, "x5t#S256": _THUMBPRINT}
_ROUTING: Final = {"id": _ID, "from": "GB-HMRC", "to": "FR-DGDDI"}
_WCX: Final = {
    "v": 1,
    **_ROUTING,
    "kind": "declaration",
    "conversation": _ID,
    "sequence": 1,
    "schema_set": {"id": "dms-declaration", "sha256": _HASH},
    "agreement": {"id": "gb-fr", "version": 1, "sha256": _HASH},
    "policy_sha256": _HASH,
    "terms": {
        "legal_basis": "Mutual assistance agreement, article 5",
        "purpose": "Customs clearance and control at both ends",
        "onward_use": "Not to be passed on without written consent",
        "retention_days": 1095,
    },
    "created": "2026-06-01T12:00:00Z",
    "expires": "2026-06-08T12:00:00Z",
}
_MESSAGE_HEADER: Final = {**_SIGNED_BY, "typ": "wcx-message+jws", "cty": "xml", "crit": ["wcx"]}
_ENVELOPE_HEADER: Final = {
    "alg": "ECDH-ES+A256KW",
    "enc": "A256GCM",
    "kid": _THUMBPRINT,
    "typ": "wcx-message+jwe",
    "cty": "wcx-message+jws",
    "crit": ["wcx"],
    "wcx": _ROUTING,
}
_RECEIPT_HEADER: Final = {**_SIGNED_BY, "typ": "wcx-receipt+jws"}
_RECEIPT: Final = {
    "iss": "FR-DGDDI",
    "aud": "GB-HMRC",
    "iat": 1780315200,
    "jti": _ID,
    "message_id": _ID,
    "verdict": "accepted",
    "code": "ok",
    "agreement_version": 1,
}


class Form(StrEnum):
    """How messages go through the floor: each to its end before the next, or stage by stage."""

    PLAIN = "floor"
    BATCHED = "batched_floor"


def declaration(mark: str) -> bytes:
    """Return the declaration of the benchmark, 209 elements in 10 KB, with references made of `mark`."""
    return DECLARATION.read_bytes().replace(_MARK, mark.encode())


def declarations(name: str, number: int) -> list[bytes]:
    """Return `number` declarations that share no reference, so that none has to wait for another."""
    text = DECLARATION.read_bytes()
    return [text.replace(_MARK, f"{name}-{one:06d}".encode()) for one in range(number)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What came out of an envelope: the view's bytes and the digest of what was signed (hex)."""

    view: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the two ends have: a signing key each, and the receiver's key agreement key."""

    sender: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(_CURVE))
    receiver: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(_CURVE))
    agreement: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(_CURVE))


class Floor:
    """Both ends in one process, with a parser, a schema and keys of their own. Each stage is one method.

    `keys`: where the ends are in several processes after all; drawn if not given.
    """

    def __init__(self, keys: Secrets | None = None) -> None:
        # Dropping blank text makes the view as short as the gateway's. It would also drop a value of blanks alone; this
        # declaration has none.
        self._parser = etree.XMLParser(
            resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True, remove_blank_text=True
        )
        self._schema = etree.XMLSchema(etree.parse(SCHEMA))
        self._withheld = etree.XPath(" | ".join(_WITHHELD), namespaces=_NAMESPACES)
        self._keys = Secrets() if keys is None else keys
        self._sender_public = self._keys.sender.public_key()
        self._receiver_public = self._keys.receiver.public_key()
        self._agreement_public = self._keys.agreement.public_key()

    def through(self, raw: bytes) -> None:
        """Take one message from the bytes handed in to the checked receipt. Raises if anything does not hold."""
        root = self.parse(raw)
        self.validate(root)
        self.cut(root)
        self.validate(root)
        opened = self.verify(self.decrypt(self.encrypt(self.sign(self.serialise(root)))))
        self.validate(self.parse(opened.view))
        self.check_receipt(self.make_receipt(opened.digest), opened.digest)

    def through_together(self, raws: Sequence[bytes]) -> None:
        """Take a batch through, each stage over all of it before the next."""
        roots = [self.parse(raw) for raw in raws]
        for stage in (self.validate, self.cut, self.validate):
            for root in roots:
                stage(root)
        views = [self.serialise(root) for root in roots]
        del roots
        tokens = [self.sign(view) for view in views]
        envelopes = [self.encrypt(token) for token in tokens]
        tokens = [self.decrypt(envelope) for envelope in envelopes]
        arrived = [self.verify(token) for token in tokens]
        roots = [self.parse(one.view) for one in arrived]
        for root in roots:
            self.validate(root)
        receipts = [self.make_receipt(one.digest) for one in arrived]
        for receipt, one in zip(receipts, arrived, strict=True):
            self.check_receipt(receipt, one.digest)

    # ── the document ──

    def parse(self, raw: bytes) -> etree._Element:
        """Return the tree, without comments and blank text."""
        root: etree._Element = etree.fromstring(raw, self._parser)
        return root

    def validate(self, root: etree._Element) -> None:
        """Raise unless the schema accepts the tree."""
        if not self._schema(root):
            raise ValueError("the declaration of the benchmark is not valid")

    def cut(self, root: etree._Element) -> None:
        """Take out of the tree what the policy withholds, found by one union XPath."""
        for one in self.withheld(root):
            parent = one.getparent()
            if isinstance(one, str):
                del parent.attrib[one.attrname]  # type: ignore[attr-defined]  # lxml's str that knows where it stood
            else:
                parent.remove(one)

    def withheld(self, root: etree._Element) -> list[Any]:
        """Return the elements and attributes in the tree that the policy withholds."""
        found: list[Any] = self._withheld(root)
        return found

    def serialise(self, root: etree._Element) -> bytes:
        """Return the bytes of the view."""
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)

    # ── the envelope ──

    def sign(self, view: bytes) -> bytes:
        """Return the view as a compact JWS (ES256)."""
        return _jws(_message_header(), view, self._keys.sender)

    def encrypt(self, token: bytes) -> bytes:
        """Return the token in a compact JWE (ECDH-ES+A256KW on P-256, A256GCM)."""
        ephemeral = ec.generate_private_key(_CURVE)
        numbers = ephemeral.public_key().public_numbers()
        header = _encoded(_envelope_header(numbers.x, numbers.y))
        content_key, iv = os.urandom(32), os.urandom(12)
        wrapped = aes_key_wrap(_derive(ephemeral.exchange(_ECDH, self._agreement_public)), content_key)
        sealed = AESGCM(content_key).encrypt(iv, token, header)
        return b".".join((header, _b64(wrapped), _b64(iv), _b64(sealed[:-16]), _b64(sealed[-16:])))

    def decrypt(self, envelope: bytes) -> bytes:
        """Return the token in an envelope."""
        header, wrapped, iv, sealed, tag = envelope.split(b".")
        epk = json.loads(_unb64(header))["epk"]
        x, y = (int.from_bytes(_unb64(epk[axis].encode()), "big") for axis in "xy")
        ephemeral = ec.EllipticCurvePublicNumbers(x, y, _CURVE).public_key()
        content_key = aes_key_unwrap(_derive(self._keys.agreement.exchange(_ECDH, ephemeral)), _unb64(wrapped))
        return AESGCM(content_key).decrypt(_unb64(iv), _unb64(sealed) + _unb64(tag), header)

    def verify(self, token: bytes) -> Opened:
        """Return what was signed. Raises if the signature does not hold."""
        view, digest = _opened(token, self._sender_public)
        return Opened(view=view, digest=digest)

    # ── the receipt ──

    def make_receipt(self, digest: str) -> bytes:
        """Return the receiver's statement that the message with this digest was accepted."""
        return _jws(_RECEIPT_HEADER, json.dumps({**_RECEIPT, "digest": digest}).encode(), self._keys.receiver)

    def check_receipt(self, token: bytes, digest: str) -> None:
        """Raise unless the receipt is the receiver's and about this digest."""
        said = json.loads(_opened(token, self._receiver_public)[0])
        if said["digest"] != digest or said["verdict"] != "accepted":
            raise ValueError("the receipt is about another message")

    # ── for comparison with the gateway's envelope ──

    def primitives(self, data: bytes) -> None:
        """Do the cryptography of one message over `data`, without any token around it: sign, agree, derive, wrap,
        encrypt; agree, derive, unwrap, decrypt, verify."""
        self.primitives_together([data])

    def primitives_together(self, batch: Sequence[bytes]) -> None:
        """The same over a batch, each of the four stages over all of it before the next."""
        signatures = [self._keys.sender.sign(hashlib.sha256(data).digest(), _ES256) for data in batch]
        sealed = [self._seal(data) for data in batch]
        plain = [self._unseal(*one) for one in sealed]
        for signature, data in zip(signatures, plain, strict=True):
            self._sender_public.verify(signature, hashlib.sha256(data).digest(), _ES256)

    def _seal(self, data: bytes) -> tuple[ec.EllipticCurvePublicKey, bytes, bytes, bytes]:
        ephemeral = ec.generate_private_key(_CURVE)
        content_key, iv = os.urandom(32), os.urandom(12)
        wrapped = aes_key_wrap(_derive(ephemeral.exchange(_ECDH, self._agreement_public)), content_key)
        return ephemeral.public_key(), wrapped, iv, AESGCM(content_key).encrypt(iv, data, b"")

    def _unseal(self, ephemeral: ec.EllipticCurvePublicKey, wrapped: bytes, iv: bytes, sealed: bytes) -> bytes:
        shared = self._keys.agreement.exchange(_ECDH, ephemeral)
        return AESGCM(aes_key_unwrap(_derive(shared), wrapped)).decrypt(iv, sealed, b"")


def batches(raws: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    """Yield the messages in batches of BATCH."""
    for start in range(0, len(raws), BATCH):
        yield raws[start : start + BATCH]


def run(floor: Floor, form: Form, raws: Sequence[bytes]) -> None:
    """Take all messages through in this form."""
    if form is Form.BATCHED:
        for batch in batches(raws):
            floor.through_together(batch)
    else:
        for raw in raws:
            floor.through(raw)


def _jws(header: dict[str, Any], payload: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    signed = _encoded(header) + b"." + _b64(payload)
    r, s = decode_dss_signature(key.sign(hashlib.sha256(signed).digest(), _ES256))
    return signed + b"." + _b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _opened(token: bytes, key: ec.EllipticCurvePublicKey) -> tuple[bytes, str]:
    """Return payload and digest of a JWS. The header is read, as it must be."""
    signed, _, end = token.rpartition(b".")
    header, _, payload = signed.partition(b".")
    if json.loads(_unb64(header))["alg"] != "ES256":
        raise ValueError("the token has another algorithm")
    pair = _unb64(end)
    digest = hashlib.sha256(signed)
    signature = encode_dss_signature(int.from_bytes(pair[:32], "big"), int.from_bytes(pair[32:], "big"))
    key.verify(signature, digest.digest(), _ES256)
    return _unb64(payload), digest.hexdigest()


def _derive(shared: bytes) -> bytes:
    return ConcatKDFHash(algorithm=SHA256(), length=32, otherinfo=_OTHER_INFO).derive(shared)


def _b64(data: bytes) -> bytes:
    return pybase64.urlsafe_b64encode(data).rstrip(b"=")


def _unb64(segment: bytes) -> bytes:
    return pybase64.b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_", validate=True)


def _encoded(header: dict[str, Any]) -> bytes:
    return _b64(json.dumps(header, separators=(",", ":")).encode())


def _message_header() -> dict[str, Any]:
    return {**_MESSAGE_HEADER, "wcx": {**_WCX, "nonce": _b64(os.urandom(16)).decode()}}


def _envelope_header(x: int, y: int) -> dict[str, Any]:
    point = {"x": _b64(x.to_bytes(32, "big")).decode(), "y": _b64(y.to_bytes(32, "big")).decode()}
    return {**_ENVELOPE_HEADER, "epk": {"crv": "P-256", "kty": "EC", **point}}
