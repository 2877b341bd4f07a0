"""Rows: envelopes that must not be believed. All look the same from outside, but for the codes a sender needs."""

import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.domain.ids import PartyId
from gateway.domain.message import MessageHeader
from gateway.envelope import Signer, WrappingKey, es256, jwk_from_public_key, thumbprint
from gateway.envelope.compact import encode
from gateway.envelope.header import write_header
from tests.integration.hostile_stage import Row, Stage, aged, unopened
from tests.integration.one_gateway import GB, NL, US
from tests.integration.scripted_partner import ScriptedPartner, Sealed, compact_jws, now, signer_of

_REMOVE = object()


def _signed(**how: Any) -> Callable[[Stage], Sealed]:
    """Return a message whose signature or protected header is made in another way."""

    def make(stage: Stage) -> Sealed:
        header = stage.gb.header()
        return stage.gb.seal(stage.gb.sign(header, **how), header)

    return make


def _sealed(**outside: Any) -> Callable[[Stage], Sealed]:
    """Return an honest message in an envelope that says something else."""

    def make(stage: Stage) -> Sealed:
        header = stage.gb.header()
        return stage.gb.seal(stage.gb.sign(header), header, **outside)

    return make


def _enveloped(**changes: object) -> Callable[[Stage], Sealed]:
    """Return an honest message in an envelope whose protected header has other members, and is authentic."""

    def make(stage: Stage) -> Sealed:
        header = stage.gb.header()
        return _encrypted(stage.gb, header, stage.gb.sign(header), changes)

    return make


def _encrypted(partner: ScriptedPartner, header: MessageHeader, jws: str, changes: Mapping[str, object]) -> Sealed:
    key = partner.trust.wrapping_key(US, now())
    secrets = es256.fresh_secrets()
    members: dict[str, object] = {
        "alg": "ECDH-ES+A256KW",
        "enc": "A256GCM",
        "kid": key.key_id,
        "epk": jwk_from_public_key(secrets.ephemeral.public_key()),
        "typ": "wcx-message+jwe",
        "cty": "wcx-message+jws",
        "crit": ["wcx"],
        "wcx": {"id": header.message_id, "from": header.sender, "to": header.recipient},
        **changes,
    }
    protected = encode(json.dumps({name: value for name, value in members.items() if value is not _REMOVE}).encode())
    jwe = es256.encrypt(jws.encode("latin-1"), protected, recipient=key.public_key, secrets=secrets).decode()
    return replace(partner.seal(jws, header), jwe=jwe)


def _flipped(part: int) -> Callable[[Stage], Sealed]:
    """Return an honest envelope with one part changed; the header so that it can still be read."""

    def make(stage: Stage) -> Sealed:
        sealed = stage.gb.message()
        return replace(sealed, jwe=_one_changed(sealed.jwe, part, b'"id":"'))

    return make


def _flipped_inside(segment: int) -> Callable[[Stage], Sealed]:
    """Return an honest envelope around a JWS of which one segment was changed after it was signed."""

    def make(stage: Stage) -> Sealed:
        header = stage.gb.header()
        return stage.gb.seal(_one_changed(stage.gb.sign(header), segment, b'"nonce":"'), header)

    return make


def _one_changed(token: str, segment: int, member: bytes) -> str:
    """Return a token with one bit of a segment turned; in the header, another first character of `member`."""
    parts = [bytearray(urlsafe_b64decode(one + "==")) for one in token.split(".")]
    changed = parts[segment]
    if segment == 0:
        place = changed.index(member) + len(member)
        changed[place] = ord("1") if changed[place] == ord("0") else ord("0")
    else:
        changed[len(changed) // 2] ^= 1
    return ".".join(encode(bytes(one)).decode() for one in parts)


def _spelled(spell: Callable[[str], str]) -> Callable[[Stage], Sealed]:
    """Return an honest envelope, written in another way."""

    def make(stage: Stage) -> Sealed:
        sealed = stage.gb.message()
        return replace(sealed, jwe=spell(sealed.jwe))

    return make


def _unsigned(stage: Stage) -> Sealed:
    header = stage.gb.header()
    jws = stage.gb.sign(header, protected={"alg": "none"}).rpartition(".")[0] + "."
    return stage.gb.seal(jws, header)


def _mac_under_public_key(stage: Stage) -> Sealed:
    """The old confusion: an HMAC whose secret is the public key that everybody has."""
    header = stage.gb.header()
    head, payload, _ = stage.gb.sign(header, protected={"alg": "HS256"}).split(".")
    public = stage.gb.trust.verification_key(stage.gb.signer.key_id).public_key
    secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = hmac.digest(secret, f"{head}.{payload}".encode(), "sha256")
    return stage.gb.seal(f"{head}.{payload}.{encode(mac).decode()}", header)


def _psychic(stage: Stage) -> Sealed:
    header = stage.gb.header()
    jws = stage.gb.sign(header).rpartition(".")[0]
    return stage.gb.seal(f"{jws}.{encode(bytes(64)).decode()}", header)


def _swapped(key: PartyId, inside: PartyId, outside: PartyId) -> Callable[[Stage], Sealed]:
    """Return a message made of what different parties are: signing key, sender inside, sender outside."""

    def make(stage: Stage) -> Sealed:
        partners = stage.world.partners
        header = partners[inside].header()
        jws = partners[inside].sign(header, signer=partners[key].signer)
        return partners[inside].seal(jws, header, sender=outside)

    return make


def _under_spare_key(name: str, age: timedelta = timedelta(0)) -> Callable[[Stage], Sealed]:
    def make(stage: Stage) -> Sealed:
        header = aged(stage.gb.header(), age)
        return stage.gb.seal(stage.gb.sign(header, signer=signer_of(stage.world.spare[name])), header)

    return make


def _named_with_other_certificate(stage: Stage) -> Sealed:
    header = stage.gb.header()
    other = signer_of(stage.world.spare["retired"]).certificate_sha256
    return stage.gb.seal(stage.gb.sign(header, protected={"x5t#S256": other}), header)


def _signed_by_other_than_named(stage: Stage) -> Sealed:
    header = stage.gb.header()
    return stage.gb.seal(stage.gb.sign(header, signer=stage.nl.signer, named=stage.gb.signer), header)


def _of_our_own(stage: Stage) -> Sealed:
    header = replace(stage.gb.header(), sender=US)
    return stage.gb.seal(stage.gb.sign(header), header)


def _to_other_inside(stage: Stage) -> Sealed:
    header = replace(stage.gb.header(), recipient=NL)
    return stage.gb.seal(stage.gb.sign(header), header, recipient=US)


def _other_id_outside(stage: Stage) -> Sealed:
    header, other = stage.gb.header(), stage.gb.header()
    return stage.gb.seal(stage.gb.sign(header), header, message_id=other.message_id)


def _for_another_party(stage: Stage) -> Sealed:
    """An envelope to NL, which NL or whoever listens there brings to us."""
    header = replace(stage.gb.header(), recipient=NL)
    return stage.gb.seal(stage.gb.sign(header), header, key=_key_of(stage, NL))


def _addressed_to_us_under_another_key(stage: Stage) -> Sealed:
    header = stage.gb.header()
    stranger = generate_private_key(SECP256R1()).public_key()
    key = replace(_key_of(stage, US), key_id=thumbprint(stranger), public_key=stranger)
    return stage.gb.seal(stage.gb.sign(header), header, key=key)


def _key_of(stage: Stage, party: PartyId) -> WrappingKey:
    return stage.gb.trust.wrapping_key(party, now())


def _receipt_inside(stage: Stage) -> Sealed:
    """A genuine statement of GB where a message should be."""
    header = stage.gb.header()
    signer: Signer = stage.gb.signer
    claims = {"iss": GB, "aud": US, "iat": 1, "jti": "x", "wcx": write_header(header)}
    members = {
        "alg": "ES256",
        "kid": signer.key_id,
        "x5t#S256": signer.certificate_sha256,
        "typ": "wcx-receipt+jws",
    }
    return stage.gb.seal(compact_jws(members, json.dumps(claims).encode(), signer), header)


def _from_the_future(stage: Stage) -> Sealed:
    return stage.gb.message(**_times(stage, timedelta(minutes=6)))


def _times(stage: Stage, ahead: timedelta) -> dict[str, Any]:
    later = aged(stage.gb.header(), -ahead)
    return {"created": later.created, "expires": later.expires}


def _doubled_member(jwe: str) -> str:
    head, _, rest = jwe.partition(".")
    text = urlsafe_b64decode(head + "==")
    return encode(text.replace(b'{"alg":', b'{"alg":"ECDH-ES+A256KW","alg":', 1)).decode() + "." + rest


SWAPS = [
    (certificate, key, inside, outside)
    for certificate, key, inside, outside in product((GB, NL), repeat=4)
    if len({certificate, key, inside, outside}) == 2
]

FLIPPED = [
    unopened("a bit of the envelope's header", _flipped(0), "envelope.decryption_failed"),
    unopened("a bit of the encrypted key", _flipped(1), "envelope.decryption_failed"),
    unopened("a bit of the initialisation vector", _flipped(2), "envelope.decryption_failed"),
    unopened("a bit of the ciphertext", _flipped(3), "envelope.decryption_failed"),
    unopened("a bit of the tag", _flipped(4), "envelope.decryption_failed"),
    unopened("a bit of the signed header", _flipped_inside(0), "envelope.signature_invalid"),
    unopened("a bit of the signed view", _flipped_inside(1), "envelope.signature_invalid"),
    unopened("a bit of the signature", _flipped_inside(2), "envelope.signature_invalid"),
]

WHO = [
    unopened(
        f"certificate of {certificate}, key of {key}, from {inside} inside and {outside} outside",
        _swapped(key, inside, outside),
        "envelope.sender_mismatch",
        by=certificate,
    )
    for certificate, key, inside, outside in SWAPS
] + [
    unopened("from ourselves", _of_our_own, "envelope.sender_mismatch"),
    unopened("to another party, in an envelope to us", _to_other_inside, "envelope.recipient_mismatch"),
    unopened("an envelope for another party", _for_another_party, "envelope.recipient_mismatch"),
    unopened("another message id outside", _other_id_outside, "envelope.header_refused"),
]

KEYS = [
    unopened("signed by another party's key than is named", _signed_by_other_than_named, "envelope.signature_invalid"),
    unopened("signed by a key revoked for compromise", _under_spare_key("compromised"), "envelope.key_revoked"),
    unopened(
        "signed by a key revoked for compromise, before it was",
        _under_spare_key("compromised", timedelta(days=2)),
        "envelope.key_revoked",
    ),
    unopened("signed by a key after it was retired", _under_spare_key("retired"), "envelope.key_not_valid"),
    unopened("signed by a key after it expired", _under_spare_key("expired"), "envelope.key_not_valid"),
    unopened(
        "signed by a key before it was valid",
        _under_spare_key("expired", timedelta(days=45)),
        "envelope.key_not_valid",
    ),
    unopened(
        "signed by a key nobody introduced",
        _under_spare_key("not introduced"),
        "envelope.key_unknown",
        public="envelope.key_unknown",
    ),
    unopened(
        "signed by a known key under another certificate",
        _named_with_other_certificate,
        "envelope.key_unknown",
        public="envelope.key_unknown",
    ),
    unopened(
        "encrypted to a key we do not have",
        _addressed_to_us_under_another_key,
        "envelope.key_unknown",
        public="envelope.key_unknown",
    ),
    unopened(
        "made in the future",
        _from_the_future,
        "envelope.created_in_future",
        public="envelope.created_in_future",
    ),
]

TOKENS = [
    unopened("JWS alg none", _unsigned, "envelope.algorithm_refused"),
    unopened("JWS alg HS256 under the public key", _mac_under_public_key, "envelope.algorithm_refused"),
    unopened("JWS alg RS256", _signed(protected={"alg": "RS256"}), "envelope.algorithm_refused"),
    unopened("JWS alg ES384", _signed(protected={"alg": "ES384"}), "envelope.algorithm_refused"),
    unopened("JWS with a signature of zeros", _psychic, "envelope.signature_invalid"),
    unopened("JWS of another type", _signed(protected={"typ": "JWT"}), "envelope.type_refused"),
    unopened("a receipt in the place of a message", _receipt_inside, "envelope.type_refused"),
    unopened("JWS with b64 false", _signed(protected={"b64": False}), "envelope.header_refused"),
    unopened("JWS with a key of its own", _signed(protected={"jwk": {"kty": "EC"}}), "envelope.header_refused"),
    unopened(
        "JWS that names a key's address", _signed(protected={"jku": "https://x.example"}), "envelope.header_refused"
    ),
    unopened("JWS with more that is critical", _signed(protected={"crit": ["wcx", "exp"]}), "envelope.header_refused"),
    unopened("JWE alg RSA1_5", _enveloped(alg="RSA1_5"), "envelope.algorithm_refused"),
    unopened("JWE alg dir", _enveloped(alg="dir"), "envelope.algorithm_refused"),
    unopened("JWE alg PBES2", _enveloped(alg="PBES2-HS256+A128KW"), "envelope.algorithm_refused"),
    unopened("JWE alg none", _enveloped(alg="none"), "envelope.algorithm_refused"),
    unopened("JWE enc A128GCM", _enveloped(enc="A128GCM"), "envelope.algorithm_refused"),
    unopened("JWE of another type", _enveloped(typ="JWE"), "envelope.type_refused"),
    unopened("JWE with zip", _enveloped(zip="DEF"), "envelope.header_refused"),
    unopened("JWE with apu", _enveloped(apu="R0I"), "envelope.header_refused"),
    unopened("JWE without crit", _enveloped(crit=_REMOVE), "envelope.header_refused"),
    unopened(
        "JWE with a point that is not on the curve",
        _enveloped(epk={"crv": "P-256", "kty": "EC", "x": "A" * 43, "y": "A" * 43}),
        "envelope.header_refused",
    ),
    unopened("padding", _spelled(lambda jwe: jwe + "="), "envelope.malformed"),
    unopened("a line feed at the end", _spelled(lambda jwe: jwe + "\n"), "envelope.malformed"),
    unopened("a sixth segment", _spelled(lambda jwe: jwe + ".AA"), "envelope.malformed"),
    unopened("a member twice", _spelled(_doubled_member), "envelope.malformed"),
    unopened("the JSON serialisation", _spelled(lambda jwe: json.dumps({"ciphertext": jwe})), "envelope.malformed"),
    unopened("nothing", _spelled(lambda _: ""), "envelope.malformed"),
    unopened("bytes beyond ASCII", _spelled(lambda jwe: jwe[:-1] + "\xff"), "envelope.malformed"),
    unopened("the bare view", _spelled(lambda _: "<?xml version='1.0'?><a/>"), "envelope.malformed"),
]

ROWS: list[Row] = [*FLIPPED, *WHO, *KEYS, *TOKENS]
