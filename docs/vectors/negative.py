"""The negative vectors: tokens that are wrong, each in one way, with the code that a refusal must carry.

Each is otherwise right: rightly encrypted, rightly signed. An implementation that misses the one fault would take it.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pybase64
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from positive import (
    CREATED,
    EAST,
    NORTH,
    OTHER_MESSAGE_ID,
    SECRETS,
    SIGNERS,
    STATEMENT_IDS,
    STRANGER,
    VIEW_XML,
    VectorSigner,
    b64,
    constant,
    envelope,
    message,
    notice,
    padded,
    private_key,
    receipt,
    signed,
    statements,
    wrapping_key,
)

from gateway.envelope import jwk_from_public_key, sign_notice, sign_receipt
from gateway.envelope.es256 import encrypt
from gateway.errors import CATALOGUE

Header = dict[str, Any]


def as_json(value: Any) -> bytes:
    """Return JSON without spaces; duplicate members and odd numbers are put in as text by the caller."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def seal(header: Header | bytes, plaintext: str) -> str:
    """Return a JWE under any header, else rightly encrypted to XB-SOUTH."""
    protected = b64(header if isinstance(header, bytes) else as_json(header)).encode()
    return encrypt(plaintext.encode(), protected, recipient=wrapping_key("south").public_key, secrets=SECRETS).decode()


def sign(header: Header | bytes, payload: bytes = VIEW_XML, signer: VectorSigner = SIGNERS["north"]) -> str:
    """Return a JWS under any header, else rightly signed."""
    signing_input = b64(header if isinstance(header, bytes) else as_json(header)) + "." + b64(payload)
    return signing_input + "." + b64(signer.sign(signing_input.encode()))


def changed(header: Header, **changes: Any) -> Header:
    """Return a header with members changed, or dropped where the change is None. `x5t` stands for `x5t#S256`."""
    named = {name.replace("x5t", "x5t#S256") if name == "x5t" else name: value for name, value in changes.items()}
    return {name: value for name, value in (header | named).items() if value is not None}


def flipped(token: str, segment: int) -> str:
    """Return the token with the first bit of a segment's bytes changed."""
    segments = token.split(".")
    data = pybase64.urlsafe_b64decode(padded(segments[segment]))
    segments[segment] = b64(bytes([data[0] ^ 0x80]) + data[1:])
    return ".".join(segments)


def with_segment(token: str, segment: int, content: str) -> str:
    """Return the token with another segment."""
    segments = token.split(".")
    segments[segment] = content
    return ".".join(segments)


Case = tuple[str, str, str]
"""What is wrong, the token, the code."""


def wrong_envelopes() -> Iterator[Case]:
    """Yield JWEs that are wrong on the outside."""
    good, jws = envelope().jwe, signed().jws.decode()
    header: Header = message()["jwe_header"]
    yield from wrong_form(good)
    yield from wrong_header_text(header, jws)
    yield from wrong_algorithms(header, jws)
    yield from wrong_members(header, jws)
    yield from wrong_ephemeral_keys(header, jws)
    yield from wrong_addresses(header, jws)
    yield from altered(good, header)


def wrong_form(good: str) -> Iterator[Case]:
    """Yield what is no compact JWE at all."""
    yield "four segments", good.rpartition(".")[0], "envelope.malformed"
    yield "six segments", good + ".", "envelope.malformed"
    yield "padding", good + "==", "envelope.malformed"
    yield "odd trailing bits", good[:-1] + chr(ord(good[-1]) + 1), "envelope.malformed"
    yield "the other base64 alphabet", with_segment(good, 1, "+" + good.split(".")[1][1:]), "envelope.malformed"
    yield "a line feed", good + "\n", "envelope.malformed"


def wrong_header_text(header: Header, jws: str) -> Iterator[Case]:
    """Yield headers that are no JSON as we take it."""
    text = as_json(header).decode()
    yield "header is not JSON", seal(text[:-1].encode(), jws), "envelope.malformed"
    yield (
        "header is not UTF-8",
        seal(text.replace("XA", "\udcff").encode(errors="surrogateescape"), jws),
        "envelope.malformed",
    )
    yield "header is an array", seal(b"[]", jws), "envelope.malformed"
    yield "duplicate member", seal((text[:-1] + ',"alg":"ECDH-ES+A256KW"}').encode(), jws), "envelope.malformed"
    yield (
        "duplicate member inside",
        seal(text.replace('"kty"', '"kty":"EC","kty"').encode(), jws),
        "envelope.malformed",
    )
    yield "a fraction", seal((text[:-1] + ',"n":1.0}').encode(), jws), "envelope.malformed"
    yield "not a number", seal((text[:-1] + ',"n":NaN}').encode(), jws), "envelope.malformed"
    yield "a huge integer", seal((text[:-1] + ',"n":9007199254740992}').encode(), jws), "envelope.malformed"
    yield "a lone surrogate", seal((text[:-1] + ',"n":"\\ud800"}').encode(), jws), "envelope.malformed"
    yield "nested too deep", seal((text[:-1] + ',"n":' + "[" * 9 + "]" * 9 + "}").encode(), jws), "envelope.malformed"
    yield "oversize header", seal(changed(header, n="x" * 8192), jws), "envelope.malformed"


def wrong_algorithms(header: Header, jws: str) -> Iterator[Case]:
    """Yield what is encrypted, or said to be, in another way than the profile's."""
    for algorithm in ("RSA1_5", "RSA-OAEP-256", "dir", "ECDH-ES", "ECDH-ES+A128KW", "A256KW", "none", None):
        yield f"alg {algorithm or 'absent'}", seal(changed(header, alg=algorithm), jws), "envelope.algorithm_refused"
    pbes2 = changed(header, alg="PBES2-HS256+A128KW", p2s="c2FsdHNhbHQ", p2c=2**31)
    yield "password-based, many rounds", seal(pbes2, jws), "envelope.algorithm_refused"
    for content in ("A128GCM", "A256CBC-HS512", None):
        yield f"enc {content or 'absent'}", seal(changed(header, enc=content), jws), "envelope.algorithm_refused"
    yield "compressed", seal(changed(header, zip="DEF"), jws), "envelope.header_refused"


def wrong_members(header: Header, jws: str) -> Iterator[Case]:
    """Yield headers with a member too many, or with `crit` or a type that are not right."""
    extras = {
        "jku": "https://a.example/",
        "x5u": "https://a.example/",
        "jwk": header["epk"],
        "x5c": [],
        "apu": "",
        "p2c": 1,
    }
    for name, value in extras.items():
        yield f"unexpected {name}", seal(header | {name: value}, jws), "envelope.header_refused"
    yield "crit absent", seal(changed(header, crit=None), jws), "envelope.header_refused"
    for crit in ([], ["wcx", "exp"], ["exp"], ["wcx", "wcx"], "wcx"):
        yield f"crit {json.dumps(crit)}", seal(changed(header, crit=crit), jws), "envelope.header_refused"
    yield "typ of a receipt", seal(changed(header, typ="wcx-receipt+jws"), jws), "envelope.type_refused"
    yield "typ in capitals", seal(changed(header, typ="WCX-MESSAGE+JWE"), jws), "envelope.type_refused"
    yield "cty JWT", seal(changed(header, cty="JWT"), jws), "envelope.type_refused"


def wrong_ephemeral_keys(header: Header, jws: str) -> Iterator[Case]:
    """Yield public keys of the sender that are no points of the curve, or say more than that."""
    epk = header["epk"]
    yield (
        "epk not on the curve",
        seal(changed(header, epk=epk | {"y": b64(bytes(31) + b"\1")}), jws),
        "envelope.header_refused",
    )
    yield "epk on P-384", seal(changed(header, epk=epk | {"crv": "P-384"}), jws), "envelope.header_refused"
    yield "epk with a private part", seal(changed(header, epk=epk | {"d": epk["x"]}), jws), "envelope.header_refused"
    yield (
        "epk with a short coordinate",
        seal(changed(header, epk=epk | {"x": b64(bytes(31))}), jws),
        "envelope.header_refused",
    )


def wrong_addresses(header: Header, jws: str) -> Iterator[Case]:
    """Yield what is not for this party, this key, or any message."""
    yield "wcx with another member", seal(changed(header, wcx=header["wcx"] | {"n": 1}), jws), "envelope.header_refused"
    yield (
        "wcx id is no UUIDv7",
        seal(changed(header, wcx=header["wcx"] | {"id": STATEMENT_IDS[0].replace("-7000-", "-4000-")}), jws),
        "envelope.header_refused",
    )
    yield (
        "for another party",
        seal(changed(header, wcx=header["wcx"] | {"to": EAST}), jws),
        "envelope.recipient_mismatch",
    )
    yield "unknown decryption key", seal(changed(header, kid=STRANGER.key_id), jws), "envelope.key_unknown"


def altered(good: str, header: Header) -> Iterator[Case]:
    """Yield a right envelope that somebody changed on the way."""
    yield "short tag", with_segment(good, 4, good.split(".")[4][:16]), "envelope.malformed"
    yield "short iv", with_segment(good, 2, b64(SECRETS.iv[:8])), "envelope.malformed"
    yield "encrypted key empty", with_segment(good, 1, ""), "envelope.malformed"
    for segment, name in ((1, "encrypted key"), (2, "iv"), (3, "ciphertext"), (4, "tag")):
        yield f"a bit of the {name} flipped", flipped(good, segment), "envelope.decryption_failed"
    other = b64(as_json(changed(header, wcx=header["wcx"] | {"id": OTHER_MESSAGE_ID})))
    yield "header exchanged", with_segment(good, 0, other), "envelope.decryption_failed"


def wrong_messages() -> Iterator[Case]:
    """Yield JWSs that are wrong; each travels in a right envelope."""
    header: Header = message()["jws_header"]
    good = signed().jws.decode()
    text = as_json(header).decode()
    south, revoked, old = SIGNERS["south"], SIGNERS["north-revoked"], SIGNERS["north-old"]
    yield "not a token", "<Declaration/>", "envelope.malformed"
    yield "nested the wrong way", envelope().jwe, "envelope.malformed"
    yield "not ASCII", "é." + good, "envelope.malformed"
    yield "duplicate member in wcx", sign(text.replace('"v":1', '"v":1,"v":1').encode()), "envelope.malformed"
    for algorithm in ("none", "HS256", "RS256", "ES384", "ES256K", "EdDSA", "Ed25519", None):
        yield f"alg {algorithm or 'absent'}", sign(changed(header, alg=algorithm)), "envelope.algorithm_refused"
    yield "alg none, no signature", with_segment(sign(changed(header, alg="none")), 2, ""), "envelope.algorithm_refused"
    yield "typ of a receipt", sign(changed(header, typ="wcx-receipt+jws")), "envelope.type_refused"
    yield "typ absent", sign(changed(header, typ=None)), "envelope.type_refused"
    yield "cty json", sign(changed(header, cty="json")), "envelope.type_refused"
    yield "payload not encoded", sign(changed(header, b64=False, crit=["b64", "wcx"])), "envelope.header_refused"
    yield "crit absent", sign(changed(header, crit=None)), "envelope.header_refused"
    yield "crit names more", sign(changed(header, crit=["wcx", "exp"])), "envelope.header_refused"
    extras = {"jwk": jwk_from_public_key(STRANGER.private_key.public_key()), "jku": "https://a.example/", "x5c": []}
    for name, value in extras.items():
        yield f"unexpected {name}", sign(header | {name: value}, signer=STRANGER), "envelope.header_refused"
    yield "kid is no thumbprint", sign(changed(header, kid="north")), "envelope.header_refused"
    yield "x5t#S256 absent", sign(changed(header, x5t=None)), "envelope.header_refused"
    yield from wrong_wcx(header)
    yield "signature absent", with_segment(good, 2, ""), "envelope.signature_invalid"
    yield "signature of zeros", with_segment(good, 2, b64(bytes(64))), "envelope.signature_invalid"
    yield (
        "signature too long",
        with_segment(good, 2, b64(bytes(1) + SIGNERS["north"].sign(b""))),
        "envelope.signature_invalid",
    )
    der = private_key("XA-NORTH signing").sign(b"", ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    yield "signature in DER", with_segment(good, 2, b64(der)), "envelope.signature_invalid"
    yield (
        "signature of other bytes",
        with_segment(good, 2, b64(SIGNERS["north"].sign(b"other"))),
        "envelope.signature_invalid",
    )
    yield (
        "payload exchanged",
        with_segment(good, 1, b64(VIEW_XML.replace(b">9<", b">5<"))),
        "envelope.signature_invalid",
    )
    yield "signed by another key than named", sign(header, signer=south), "envelope.signature_invalid"
    yield "unknown signing key", sign(changed(header, kid=STRANGER.key_id), signer=STRANGER), "envelope.key_unknown"
    yield "known key, other certificate", sign(changed(header, x5t=south.certificate_sha256)), "envelope.key_unknown"
    named = {"kid": revoked.key_id, "x5t": revoked.certificate_sha256}
    yield "revoked key", sign(changed(header, **named), signer=revoked), "envelope.key_revoked"
    named = {"kid": old.key_id, "x5t": old.certificate_sha256}
    yield "created after the key was retired", sign(changed(header, **named), signer=old), "envelope.key_not_valid"
    named = {"kid": south.key_id, "x5t": south.certificate_sha256}
    yield "signed by another party", sign(changed(header, **named), signer=south), "envelope.sender_mismatch"


def wrong_wcx(header: Header) -> Iterator[Case]:
    """Yield messages whose `wcx` member is wrong, rightly signed."""
    changes: dict[str, tuple[str, Any]] = {
        "version 2": ("v", 2),
        "version true": ("v", True),
        "nonce absent": ("nonce", None),
        "nonce too short": ("nonce", b64(bytes(15))),
        "unknown member": ("mrn", "x"),
        "kind unknown": ("kind", "manifest"),
        "sequence zero": ("sequence", 0),
        "sequence as text": ("sequence", "1"),
        "created with an offset": ("created", "2026-06-01T12:00:00+00:00"),
        "created with a fraction": ("created", "2026-06-01T12:00:00.0Z"),
        "created on no day": ("created", "2026-02-30T12:00:00Z"),
        "expires before created": ("expires", "2026-05-31T12:00:00Z"),
        "conversation in capitals": ("conversation", header["wcx"]["conversation"].upper()),
        "in_reply_to no UUID": ("in_reply_to", "none"),
        "policy hash in capitals": ("policy_sha256", header["wcx"]["policy_sha256"].upper()),
        "schema set without hash": ("schema_set", {"id": "dms-declaration"}),
        "agreement version as text": ("agreement", header["wcx"]["agreement"] | {"version": "3"}),
        "terms with a line feed": ("terms", header["wcx"]["terms"] | {"purpose": "a\nb"}),
        "sender with a space": ("from", "XA NORTH"),
    }
    for name, (member, value) in changes.items():
        yield name, sign(changed(header, wcx=changed(header["wcx"], **{member: value}))), "envelope.header_refused"
    swapped = header["wcx"] | {"id": OTHER_MESSAGE_ID}
    yield "another id inside than outside", sign(changed(header, wcx=swapped)), "envelope.header_refused"
    swapped = header["wcx"] | {"from": EAST}
    yield "another sender inside than outside", sign(changed(header, wcx=swapped)), "envelope.sender_mismatch"
    swapped = header["wcx"] | {"to": EAST}
    yield "another recipient inside than outside", sign(changed(header, wcx=swapped)), "envelope.recipient_mismatch"


def wrong_receipts() -> Iterator[Case]:
    """Yield receipts that must not settle the message."""
    south = SIGNERS["south"]
    good = sign_receipt(receipt(), south)
    kinds = statements()["statements"]
    claims: Header = kinds["accepted"]["claims"]
    header: Header = json.loads(pybase64.urlsafe_b64decode(padded(good.split(".")[0])))

    def signed_claims(**changes: Any) -> str:
        return sign(header, as_json(changed(claims, **changes)), south)

    yield "of another message", sign_receipt(receipt(message_id=OTHER_MESSAGE_ID), south), "receipt.not_bound"
    yield "of another digest", sign_receipt(receipt(digest=constant("other").hex()), south), "receipt.not_bound"
    yield "to another audience", sign_receipt(receipt(audience=EAST), south), "receipt.not_bound"
    yield "a problem", kinds["problem"]["token"], "receipt.invalid"
    yield "signed by the sender itself", sign_receipt(receipt(issuer=NORTH), SIGNERS["north"]), "receipt.invalid"
    yield "issued in another name", sign_receipt(receipt(issuer=EAST), south), "receipt.invalid"
    yield "a bit of the signature flipped", flipped(good, 2), "receipt.invalid"
    yield "claims exchanged", with_segment(good, 1, b64(as_json(claims | {"verdict": "refused"}))), "receipt.invalid"
    yield "unknown key", sign_receipt(receipt(), STRANGER), "envelope.key_unknown"
    yield "alg none", with_segment(sign(changed(header, alg="none"), as_json(claims)), 2, ""), "receipt.invalid"
    yield "crit in the header", sign(header | {"crit": ["wcx"]}, as_json(claims), south), "receipt.invalid"
    yield (
        "issued in the future",
        sign_receipt(receipt(issued_at=CREATED + timedelta(hours=1)), south),
        "receipt.invalid",
    )
    yield "iat with a fraction", signed_claims(iat=1.5), "receipt.invalid"
    yield "jti absent", signed_claims(jti=None), "receipt.invalid"
    yield "another member", signed_claims(note="x"), "receipt.invalid"
    yield "verdict unknown", signed_claims(verdict="maybe"), "receipt.invalid"
    yield "accepted with an error code", signed_claims(code="schema.invalid"), "receipt.invalid"
    yield "refused with code ok", signed_claims(verdict="refused"), "receipt.invalid"
    yield "claims are an array", sign(header, b"[]", south), "receipt.invalid"


def wrong_notices() -> Iterator[Case]:
    """Yield notices that must not be kept about the message."""
    south = SIGNERS["south"]
    good = sign_notice(notice(), south)
    kinds = statements()["statements"]
    claims: Header = kinds["handed_over"]["claims"]
    header: Header = json.loads(pybase64.urlsafe_b64decode(padded(good.split(".")[0])))

    def signed_claims(**changes: Any) -> str:
        return sign(header, as_json(changed(claims, **changes)), south)

    yield "of another message", sign_notice(notice(message_id=OTHER_MESSAGE_ID), south), "notice.not_bound"
    yield "of another digest", sign_notice(notice(digest=constant("other").hex()), south), "notice.not_bound"
    yield "to another audience", sign_notice(notice(audience=EAST), south), "notice.not_bound"
    yield "a receipt", kinds["accepted"]["token"], "notice.invalid"
    yield "signed by the sender itself", sign_notice(notice(issuer=NORTH), SIGNERS["north"]), "notice.invalid"
    yield "issued in another name", sign_notice(notice(issuer=EAST), south), "notice.invalid"
    yield "a bit of the signature flipped", flipped(good, 2), "notice.invalid"
    yield "claims exchanged", with_segment(good, 1, b64(as_json(claims | {"jti": STATEMENT_IDS[0]}))), "notice.invalid"
    yield "unknown key", sign_notice(notice(), STRANGER), "envelope.key_unknown"
    yield "issued in the future", sign_notice(notice(issued_at=CREATED + timedelta(hours=1)), south), "notice.invalid"
    yield "handed over after it was said", signed_claims(handed_over=claims["iat"] + 1), "notice.invalid"
    yield "handed_over absent", signed_claims(handed_over=None), "notice.invalid"
    yield "handed_over a text", signed_claims(handed_over=str(claims["handed_over"])), "notice.invalid"
    yield "another member", signed_claims(verdict="accepted"), "notice.invalid"


def negative() -> dict[str, Any]:
    """Return negative.json."""

    def listed(cases: Iterator[Case]) -> list[dict[str, str]]:
        return [
            {"name": name, "token": token, "code": code, "public_code": CATALOGUE[code].public_code}
            for name, token, code in cases
        ]

    outer: Header = message()["jwe_header"]
    sealed = ((name, seal(outer, jws), code) for name, jws, code in wrong_messages())
    outside = changed(outer, wcx=outer["wcx"] | {"from": EAST})
    swapped = (
        ("another sender outside than inside", seal(outside, signed().jws.decode()), "envelope.sender_mismatch"),
    )
    return {
        "now": "2026-06-01T12:00:05Z",
        "envelopes": listed(wrong_envelopes()),
        "messages": listed(sealed) + listed(iter(swapped)),
        "receipts": listed(wrong_receipts()),
        "notices": listed(wrong_notices()),
    }
