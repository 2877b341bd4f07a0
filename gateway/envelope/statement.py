"""Signed statements that are not messages: receipts, problems, notices, and the frame for others.

A statement is a compact JWS over a JSON object with `iss aud iat jti` (RFC 7519 §4.1) and the members of its type,
exactly these. Its `typ` is checked first, so that one kind of statement can never pass for another. A receipt counts
only for the message whose digest it names; whoever holds it, the message and the public keys can verify it offline. So
does a notice, which says that the issuer's back end took the message.
Times are whole seconds; a fraction is dropped on writing.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import orjson

from gateway.domain import limits
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.statement import Notice, NotSeen, Problem, Receipt, Verdict
from gateway.envelope import es256, members, protected
from gateway.envelope.compact import encode, parse_json, parse_jws
from gateway.envelope.keys import Signer
from gateway.envelope.message import FindVerificationKey, check_key
from gateway.envelope.protected import StatementType
from gateway.errors import EnvelopeError

MAX_STATEMENT_BYTES: Final = 16 * 1024
"""Receipts and problems have fixed members and stay far below; capabilities come with a limit of their own."""

ACCEPTED_CODE: Final = "ok"
_MAX_CODE_CHARS: Final = 64
_CODE: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*")

_FRAME: Final = frozenset({"iss", "aud", "iat", "jti"})
_RECEIPT: Final = _FRAME | {"message_id", "digest", "verdict", "code", "agreement_version"}
_NOTICE: Final = _FRAME | {"message_id", "digest", "handed_over"}
_NOT_SEEN: Final = _FRAME | {"message_id"}
_PROBLEM: Final = _FRAME | {"envelope_sha256", "code"}


def statement_type(token: str, *, max_bytes: int = MAX_STATEMENT_BYTES) -> StatementType:
    """Return which statement a token claims to be, its form being canonical. Nothing is verified.

    Raises EnvelopeError `receipt.invalid`, the cause in facts: whatever came back, it is no answer to a message.
    """
    with _as_invalid("receipt.invalid"):
        return protected.read_statement_type(parse_jws(token, max_bytes=max_bytes).header)


def sign_statement(kind: StatementType, claims: Mapping[str, object], signer: Signer) -> str:
    """Return a signed statement. `claims` must hold `iss aud iat jti`; else ValueError."""
    _read_frame(claims)
    signing_input = protected.write_statement(kind, signer) + b"." + encode(orjson.dumps(claims))
    signature = signer.sign_digest(hashlib.sha256(signing_input).digest())
    return (signing_input + b"." + encode(signature)).decode()


def verify_statement(
    token: str,
    *,
    kind: StatementType,
    verification_key: FindVerificationKey,
    issuer: PartyId,
    now: datetime,
    max_bytes: int = MAX_STATEMENT_BYTES,
) -> Mapping[str, object]:
    """Return the claims that `issuer` signed, `iss aud iat jti` among them and well formed.

    Checks form, type, key (known, its owner the issuer, not revoked, valid at `iat`), that `iat` is not in the future
    by more than the clock skew, and the signature. The audience is the caller's to check. Raises EnvelopeError.
    """
    # 1. One reading of the token; exactly the header of this type; a signature in form and range.
    parsed = parse_jws(token, max_bytes=max_bytes)
    named = protected.read_statement(parsed.header, kind)
    signature = es256.read_signature(parsed.signature)
    # 2. One reading of the claims.
    claims = parse_json(parsed.payload)
    try:
        claimed_issuer, issued_at = _read_frame(claims)
    except ValueError as error:
        raise EnvelopeError("envelope.malformed", str(error)) from error
    # 3. A key we know, of the party we expect, valid when the statement was made.
    key = verification_key(named.key_id)
    check_key(key, named, issued_at)
    if {key.party, claimed_issuer} != {issuer}:
        raise EnvelopeError("envelope.sender_mismatch")
    if issued_at > now + limits.MAX_CLOCK_SKEW:
        raise EnvelopeError("envelope.created_in_future")
    # 4. The signature.
    es256.verify(key.public_key, hashlib.sha256(parsed.signing_input).digest(), signature)
    return claims


def sign_receipt(receipt: Receipt, signer: Signer) -> str:
    """Return a receipt as a compact JWS. Raises ValueError for one that could not be read back."""
    claims = {
        **_frame(receipt),
        "message_id": receipt.message_id,
        "digest": receipt.digest,
        "verdict": receipt.verdict.value,
        "code": receipt.code,
        "agreement_version": receipt.agreement_version,
    }
    _read_receipt(claims)
    return sign_statement(StatementType.RECEIPT, claims, signer)


def verify_receipt(
    token: str,
    *,
    verification_key: FindVerificationKey,
    issuer: PartyId,
    audience: PartyId,
    message_id: MessageId,
    digest: str,
    now: datetime,
) -> Receipt:
    """Return the receipt that `issuer` signed about exactly this message for `audience`.

    Raises EnvelopeError: `receipt.not_bound` for a genuine receipt about another message or for another audience;
    `envelope.key_unknown` (fetch the partner's keys, try again); `receipt.invalid` for all else, the cause in facts.
    """
    with _as_invalid("receipt.invalid"):
        claims = verify_statement(
            token, kind=StatementType.RECEIPT, verification_key=verification_key, issuer=issuer, now=now
        )
        receipt = _read_receipt(claims)
    if (receipt.message_id, receipt.digest, receipt.audience) != (message_id, digest, audience):
        raise EnvelopeError("receipt.not_bound")
    return receipt


def sign_problem(problem: Problem, signer: Signer) -> str:
    """Return a problem as a compact JWS. Raises ValueError for one that could not be read back."""
    claims = {**_frame(problem), "envelope_sha256": problem.envelope_sha256, "code": problem.code}
    _read_problem(claims)
    return sign_statement(StatementType.PROBLEM, claims, signer)


def verify_problem(
    token: str,
    *,
    verification_key: FindVerificationKey,
    issuer: PartyId,
    audience: PartyId,
    envelope_sha256: str,
    now: datetime,
) -> Problem:
    """Return the problem that `issuer` signed about exactly this envelope for `audience`. Raises as `verify_receipt`.

    A problem never ends a transfer: it tells of bytes that could not be opened, not of a message.
    """
    with _as_invalid("receipt.invalid"):
        claims = verify_statement(
            token, kind=StatementType.PROBLEM, verification_key=verification_key, issuer=issuer, now=now
        )
        problem = _read_problem(claims)
    if (problem.envelope_sha256, problem.audience) != (envelope_sha256, audience):
        raise EnvelopeError("receipt.not_bound")
    return problem


def sign_notice(notice: Notice, signer: Signer) -> str:
    """Return a notice as a compact JWS. Raises ValueError for one that could not be read back."""
    claims = {
        **_frame(notice),
        "message_id": notice.message_id,
        "digest": notice.digest,
        "handed_over": int(notice.handed_over.timestamp()),
    }
    _read_notice(claims)
    return sign_statement(StatementType.HANDED_OVER, claims, signer)


def verify_notice(
    token: str,
    *,
    verification_key: FindVerificationKey,
    issuer: PartyId,
    audience: PartyId,
    message_id: MessageId,
    digest: str,
    now: datetime,
) -> Notice:
    """Return the notice that `issuer` signed about exactly this message for `audience`.

    Raises EnvelopeError: `notice.not_bound` for a genuine notice about another message or for another audience;
    `envelope.key_unknown`; `notice.invalid` for all else, the cause in facts.
    """
    with _as_invalid("notice.invalid"):
        claims = verify_statement(
            token, kind=StatementType.HANDED_OVER, verification_key=verification_key, issuer=issuer, now=now
        )
        notice = _read_notice(claims)
    if (notice.message_id, notice.digest, notice.audience) != (message_id, digest, audience):
        raise EnvelopeError("notice.not_bound")
    return notice


def sign_not_seen(not_seen: NotSeen, signer: Signer) -> str:
    """Return the statement that no message was, or will be, accepted under an id, as a compact JWS."""
    claims = {**_frame(not_seen), "message_id": not_seen.message_id}
    _read_not_seen(claims)
    return sign_statement(StatementType.NOT_SEEN, claims, signer)


def verify_not_seen(
    token: str,
    *,
    verification_key: FindVerificationKey,
    issuer: PartyId,
    audience: PartyId,
    message_id: MessageId,
    now: datetime,
) -> NotSeen:
    """Return what `issuer` swore to `audience` about exactly this message id. Raises as `verify_receipt`."""
    with _as_invalid("receipt.invalid"):
        claims = verify_statement(
            token, kind=StatementType.NOT_SEEN, verification_key=verification_key, issuer=issuer, now=now
        )
        not_seen = _read_not_seen(claims)
    if (not_seen.message_id, not_seen.audience) != (message_id, audience):
        raise EnvelopeError("receipt.not_bound")
    return not_seen


@contextmanager
def _as_invalid(code: str) -> Iterator[None]:
    """Let all that is wrong with a statement look the same, but for a key that may become known."""
    try:
        yield
    except ValueError as error:
        raise EnvelopeError(code, str(error), facts={"cause": "envelope.malformed"}) from error
    except EnvelopeError as error:
        if error.code == "envelope.key_unknown":
            raise
        raise EnvelopeError(code, error.detail, facts={"cause": error.code}) from error


def _frame(statement: Receipt | Problem | Notice | NotSeen) -> dict[str, object]:
    if statement.issued_at.tzinfo is None:
        raise ValueError("issued_at must be aware")
    return {
        "iss": statement.issuer,
        "aud": statement.audience,
        "iat": int(statement.issued_at.timestamp()),
        "jti": statement.statement_id,
    }


def _read_frame(claims: Mapping[str, object]) -> tuple[PartyId, datetime]:
    if not claims.keys() >= _FRAME:
        raise ValueError("a statement must have iss, aud, iat and jti")
    members.party(claims["aud"], "aud")
    members.uuid(claims["jti"], "jti")
    return members.party(claims["iss"], "iss"), members.numeric_date(claims["iat"], "iat")


def _read_receipt(value: object) -> Receipt:
    claims = members.exact(value, "a receipt", _RECEIPT)
    verdict, code = _verdict(claims["verdict"]), _code(claims["code"])
    if (verdict is Verdict.ACCEPTED) != (code == ACCEPTED_CODE):
        raise ValueError("code must be ok if, and only if, verdict is accepted")
    return Receipt(
        message_id=members.message_id(claims["message_id"], "message_id"),
        digest=members.sha256_hex(claims["digest"], "digest"),
        verdict=verdict,
        code=code,
        agreement_version=members.integer(claims["agreement_version"], "agreement_version", least=1),
        issuer=members.party(claims["iss"], "iss"),
        audience=members.party(claims["aud"], "aud"),
        issued_at=members.numeric_date(claims["iat"], "iat"),
        statement_id=members.uuid(claims["jti"], "jti"),
    )


def _read_notice(value: object) -> Notice:
    claims = members.exact(value, "a notice", _NOTICE)
    issued_at = members.numeric_date(claims["iat"], "iat")
    handed_over = members.numeric_date(claims["handed_over"], "handed_over")
    if handed_over > issued_at:
        raise ValueError("handed_over must not be after iat")
    return Notice(
        message_id=members.message_id(claims["message_id"], "message_id"),
        digest=members.sha256_hex(claims["digest"], "digest"),
        handed_over=handed_over,
        issuer=members.party(claims["iss"], "iss"),
        audience=members.party(claims["aud"], "aud"),
        issued_at=issued_at,
        statement_id=members.uuid(claims["jti"], "jti"),
    )


def _read_not_seen(value: object) -> NotSeen:
    claims = members.exact(value, "a not_seen statement", _NOT_SEEN)
    return NotSeen(
        message_id=members.message_id(claims["message_id"], "message_id"),
        issuer=members.party(claims["iss"], "iss"),
        audience=members.party(claims["aud"], "aud"),
        issued_at=members.numeric_date(claims["iat"], "iat"),
        statement_id=members.uuid(claims["jti"], "jti"),
    )


def _read_problem(value: object) -> Problem:
    claims = members.exact(value, "a problem", _PROBLEM)
    code = _code(claims["code"])
    if code == ACCEPTED_CODE:
        raise ValueError("code must name what is wrong")
    return Problem(
        envelope_sha256=members.sha256_hex(claims["envelope_sha256"], "envelope_sha256"),
        code=code,
        issuer=members.party(claims["iss"], "iss"),
        audience=members.party(claims["aud"], "aud"),
        issued_at=members.numeric_date(claims["iat"], "iat"),
        statement_id=members.uuid(claims["jti"], "jti"),
    )


def _verdict(value: object) -> Verdict:
    try:
        return Verdict(members.string(value, "verdict"))
    except ValueError:
        raise ValueError("verdict must be accepted or refused") from None  # the enum's own text quotes the value


def _code(value: object) -> str:
    found = members.string(value, "code")
    # The partner may be newer than we are and know more codes; the form is fixed, the list is not.
    if len(found) > _MAX_CODE_CHARS or not _CODE.fullmatch(found):
        raise ValueError("code must be a code of the protocol")
    return found
