"""A partner that says exactly what a test wants: the real protocol and real keys, but no gateway that keeps it honest.

As a sender it makes messages step by step (`header`, `sign`, `seal`), so that a test can put a lie into any of them, and
posts them over any certificate. As a server it is in scripted_server.py.
"""

import hashlib
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
import uuid_utils

from gateway.app import Rulebook
from gateway.domain.batch import ANSWERS_TYPE, BATCH_TYPE, read_answers
from gateway.domain.ids import ConversationId, MessageId, PartyId
from gateway.domain.message import MessageHeader, MessageKind
from gateway.domain.statement import Notice, Problem, Receipt, Verdict
from gateway.envelope import (
    OpenedMessage,
    Routing,
    Signer,
    StatementType,
    WrappingKey,
    sign_receipt,
    statement_type,
    verify_problem,
    verify_receipt,
)
from gateway.envelope.compact import encode
from gateway.envelope.es256 import fresh_secrets
from gateway.envelope.header import write_header
from gateway.envelope.message import encrypt_with
from gateway.trust import FileSigner, KeyFiles, Purpose
from gateway.trust.keys import load_own_key
from tests.pki import PkiNode

JOSE = "application/jose"
BATCHES = "/exchange/v1/batches"
MESSAGES = "/exchange/v1/messages"
NOTICES = "/exchange/v1/notices"
PING = "/exchange/v1/ping"
NOTICE_BATCHES = "/exchange/v1/notices/batch"


def now() -> datetime:
    return datetime.now(UTC)


def whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def signer_of(files: KeyFiles) -> FileSigner:
    """Return what signs with a key file, whatever its certificate is worth today."""
    return FileSigner(load_own_key(files, Purpose.SIGN))


def careless_context(trusted: PkiNode, identity: KeyFiles | None) -> ssl.SSLContext:
    """Return the context of a client that trusts one party's authority and shows whatever it was given, or nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(trusted.authority.chain)
    if identity is not None:
        context.load_cert_chain(identity.certificate, identity.key)
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back. `status` 0: no answer at all, since TLS ended it. `said`: in which form the code was told."""

    status: int
    said: str
    code: str
    token: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A message as it would go out, and what its receipt or problem must be bound to."""

    jwe: str = field(repr=False)
    digest: str
    message_id: MessageId

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.jwe.encode("latin-1")).hexdigest()


class ScriptedPartner:
    """One party with its own keys (`node`), its own copy of the agreements, and the address of `us`."""

    def __init__(self, node: PkiNode, us: PkiNode, rulebook: Rulebook, view: bytes) -> None:
        self.party = node.party
        self.node = node
        self.us = us
        self.view = view
        self.rulebook = rulebook
        self.trust = node.trust(now)
        self.signer: Signer = signer_of(node.signing[0])
        self.url = ""

    def read_trust(self) -> None:
        """Read the bundles of the others again."""
        self.trust = self.node.trust(now)

    # ── making a message ──

    def header(self, *, kind: MessageKind = MessageKind.DECLARATION, **changes: Any) -> MessageHeader:
        """Return the header of an honest message to us, with `changes`."""
        agreement, flow = self.rulebook.choose(sender=self.party, recipient=self.us.party, kind=kind, now=now())
        created = whole_seconds(now())
        honest = MessageHeader(
            message_id=MessageId(str(uuid_utils.uuid7())),
            conversation=ConversationId(str(uuid4())),
            sequence=1,
            in_reply_to=None,
            supersedes=None,
            sender=self.party,
            recipient=self.us.party,
            kind=kind,
            schema_set=flow.schema_set,
            schema_set_sha256=flow.schema_set_sha256,
            agreement=agreement.ref,
            policy_sha256=flow.policy_sha256,
            terms=agreement.terms,
            created=created,
            expires=created + agreement.message_lifetime,
            nonce=uuid4().bytes,
        )
        return replace(honest, **changes)

    def sign(
        self,
        header: MessageHeader,
        payload: bytes | None = None,
        *,
        signer: Signer | None = None,
        named: Signer | None = None,
        protected: Mapping[str, object] | None = None,
    ) -> str:
        """Return a JWS. `signer` signs, `named` is the key that the header names, `protected` changes its members."""
        signer = signer or self.signer
        named = named or signer
        members: dict[str, object] = {
            "alg": "ES256",
            "kid": named.key_id,
            "x5t#S256": named.certificate_sha256,
            "typ": "wcx-message+jws",
            "cty": "xml",
            "crit": ["wcx"],
            "wcx": write_header(header),
        }
        return compact_jws({**members, **(protected or {})}, self.view if payload is None else payload, signer)

    def seal(
        self,
        jws: str,
        header: MessageHeader,
        *,
        key: WrappingKey | None = None,
        message_id: MessageId | None = None,
        sender: PartyId | None = None,
        recipient: PartyId | None = None,
    ) -> Sealed:
        """Return a JWS in a fresh envelope; outside it says the same as `header` unless told otherwise."""
        routing = Routing(
            message_id=message_id or header.message_id,
            sender=sender or header.sender,
            recipient=recipient or header.recipient,
        )
        key = key or self.trust.wrapping_key(self.us.party, now())
        jwe = encrypt_with(fresh_secrets(), jws.encode("latin-1"), routing=routing, wrapping_key=key).jwe
        return Sealed(jwe=jwe, digest=digest_of(jws), message_id=header.message_id)

    def message(self, payload: bytes | None = None, **changes: Any) -> Sealed:
        """Return an honest message in all but `payload` and `changes` of its header."""
        header = self.header(**changes)
        return self.seal(self.sign(header, payload), header)

    # ── sending ──

    async def post(self, sealed: Sealed, *, identity: KeyFiles | None = None, over: str = "own") -> Reply:
        """Post a message. `identity`: another certificate than our own; `over` "nothing" shows none."""
        reply = await self.ask("POST", MESSAGES, body=sealed.jwe.encode("latin-1"), identity=identity, over=over)
        return self._checked(reply, sealed)

    async def post_batch(self, batch: Sequence[Sealed]) -> tuple[Reply, list[Reply]]:
        """Post several messages in one request; return the answer and each of its lines, verified as in `post`."""
        body = "\n".join(sealed.jwe for sealed in batch).encode("latin-1")
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.post(
                f"{self.url}{BATCHES}",
                data=body,
                ssl=careless_context(self.us, self.node.tls),
                headers={"Content-Type": BATCH_TYPE},
            ) as response,
        ):
            answer = await response.read()
            if response.content_type != ANSWERS_TYPE:
                return _reply(response.status, response.headers, answer), []
            whole = Reply(status=response.status, said="answers", code="", headers=response.headers)
        lines = [
            Reply(
                status=line.status,
                said="statement" if line.token else "unsigned",
                code=line.code,
                token=line.token or "",
            )
            for line in read_answers(answer)
        ]
        return whole, [self._checked(line, sealed) for line, sealed in zip(lines, batch, strict=True)]

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        identity: KeyFiles | None = None,
        over: str = "own",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make one request on a connection of its own. A statement that comes back is not verified here."""
        shown = None if over == "nothing" else (identity or self.node.tls)
        context = careless_context(self.us, shown)
        try:
            async with (
                aiohttp.ClientSession(auto_decompress=False) as session,
                session.request(
                    method,
                    f"{self.url}{path}",
                    data=body,
                    ssl=context,
                    headers={"Content-Type": JOSE, **(headers or {})} if body is not None else headers,
                ) as response,
            ):
                return _reply(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, ConnectionError, ssl.SSLError):
            return Reply(status=0, said="nothing", code="")

    def _checked(self, reply: Reply, sealed: Sealed) -> Reply:
        """Return `reply` with the code of its statement, which must be genuine and bound to what was sent."""
        if not reply.token:
            return reply
        if statement_type(reply.token) is StatementType.PROBLEM:
            problem = verify_problem(
                reply.token,
                verification_key=self.trust.verification_key,
                issuer=self.us.party,
                audience=self.party,
                envelope_sha256=sealed.sha256,
                now=now(),
            )
            return replace(reply, said="problem", code=problem.code)
        receipt = verify_receipt(
            reply.token,
            verification_key=self.trust.verification_key,
            issuer=self.us.party,
            audience=self.party,
            message_id=sealed.message_id,
            digest=sealed.digest,
            now=now(),
        )
        return replace(reply, said=f"receipt {receipt.verdict}", code=receipt.code)

    # ── receipts ──

    def receipt(self, opened: OpenedMessage, **changes: Any) -> Receipt:
        """Return the honest receipt for a message of ours, with `changes`."""
        header = opened.header
        honest = Receipt(
            message_id=header.message_id,
            digest=opened.digest,
            verdict=Verdict.ACCEPTED,
            code="ok",
            agreement_version=header.agreement.version,
            issuer=self.party,
            audience=header.sender,
            issued_at=whole_seconds(now()),
            statement_id=str(uuid4()),
        )
        return replace(honest, **changes)

    def signed_receipt(self, opened: OpenedMessage, **changes: Any) -> str:
        return sign_receipt(self.receipt(opened, **changes), self.signer)

    def notice(self, opened: OpenedMessage, **changes: Any) -> Notice:
        """Return the honest notice that our back end took a message of theirs, with `changes`."""
        honest = Notice(
            message_id=opened.header.message_id,
            digest=opened.digest,
            handed_over=whole_seconds(now()),
            issuer=self.party,
            audience=opened.header.sender,
            issued_at=whole_seconds(now()),
            statement_id=str(uuid4()),
        )
        return replace(honest, **changes)

    def problem(self, jwe: str, **changes: Any) -> Problem:
        """Return the honest problem about an envelope, with `changes`."""
        honest = Problem(
            envelope_sha256=hashlib.sha256(jwe.encode()).hexdigest(),
            code="envelope.rejected",
            issuer=self.party,
            audience=self.us.party,
            issued_at=whole_seconds(now()),
            statement_id=str(uuid4()),
        )
        return replace(honest, **changes)


def compact_jws(protected: Mapping[str, object], payload: bytes, signer: Signer) -> str:
    """Return any header over any payload, signed."""
    head = json.dumps(protected, separators=(",", ":")).encode()
    signing_input = encode(head) + b"." + encode(payload)
    return (signing_input + b"." + encode(signer.sign_digest(hashlib.sha256(signing_input).digest()))).decode()


def digest_of(jws: str) -> str:
    """Return the message digest of anything with a full stop in it."""
    return hashlib.sha256(jws.rpartition(".")[0].encode("latin-1")).hexdigest()


def _reply(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    media_type = headers.get("Content-Type", "")
    if media_type == JOSE:
        return Reply(status=status, said="statement", code="", token=body.decode("ascii"), headers=headers)
    code = json.loads(body)["code"] if media_type == "application/problem+json" else ""
    return Reply(status=status, said="unsigned" if code else "empty", code=code, headers=headers)
