"""Gateways with a tap on every way between them, and the oracle's question about each message that travelled.

The gateways are processes of their own, joined by mutual TLS. On each way stands a relay with the TLS identities of both
ends (relay.py), so that the envelope and its HTTP request can be read as they were really sent. A message is opened here
with jwcrypto and the recipient's key file; what was handed over comes from the recipient's back end. The oracle judges
these bytes. No code of the policy room runs on this side; of the gateway's code only the hashes of agreements and
policies are asked for, as both parties hold them.
"""

import asyncio
import json
import re
import shutil
import tomllib
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_pem_x509_certificate
from jwcrypto.common import JWSEHeaderParameter
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from lxml import etree
from ruamel.yaml import YAML

from gateway.bundled import config_folder, schema_folder
from gateway.client import OperationsClient, Submission
from gateway.demo.layout import AUDIENCE, NodeLayout
from gateway.domain.access import Role
from gateway.domain.ids import ClientId, MessageId, PartyId
from gateway.domain.lifecycle import TransferState
from gateway.settings import Configuration, load_configuration
from gateway.trust import issue_token
from tests.integration.relay import Relay, Request, as_client, as_server
from tests.oracle.headers import judge_headers, leaks
from tests.oracle.oracle import Judge
from tests.oracle.selecting import read_privacy
from tests.oracle.xsd_paths import Place, read_paths
from tests.world import TwoGateways, two_gateways

ARRIVAL_SECONDS = 120.0
WCX = {"wcx": JWSEHeaderParameter("message header", True, True, None)}
MESSAGES = "POST /exchange/v1/messages"
BATCHES = "POST /exchange/v1/batches"
PING = "POST /exchange/v1/ping"
NOTICES = "POST /exchange/v1/notices"
NOTICE_BATCHES = "POST /exchange/v1/notices/batch"
NOTICE_MEMBERS = {
    "iss": r"[A-Z]{2}-[A-Z0-9]{2,16}",
    "aud": r"[A-Z]{2}-[A-Z0-9]{2,16}",
    "iat": r"[0-9]{10}",
    "jti": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "message_id": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "digest": r"[0-9a-f]{64}",
    "handed_over": r"[0-9]{10}",
}
"""All that a notice may hold: nothing of it has room for a word of the document."""
HTTP_HEADERS = {"host", "content-type", "content-length", "accept", "accept-encoding", "user-agent", "connection"}
"""What a request to a partner may tell besides the envelope."""


@dataclass(frozen=True, kw_only=True)
class OnTheWire:
    """One message as it was sent: the request, and what a holder of the right keys reads in it."""

    http: Request
    jwe_header: bytes
    jws_header: bytes
    payload: bytes = field(repr=False)

    @property
    def message_id(self) -> MessageId:
        """The id that the outer header names."""
        return MessageId(json.loads(self.jwe_header)["wcx"]["id"])


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """What an agreement says about one flow: its policy, as the oracle reads the file and what that includes, the schema
    set, and the header members it fixes. Pseudonyms are judged by their form: their key is a node's secret."""

    oracle: Judge
    schema_set: str
    members: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Tapped:
    """Running gateways and the taps between them."""

    gateways: TwoGateways
    taps: Mapping[tuple[PartyId, PartyId], Relay]

    async def arrive(self, recipient: PartyId, message_ids: Collection[str]) -> Mapping[str, bytes]:
        """Return what the recipient's back end was handed over, by message id, when all of `message_ids` are there."""
        backend = self.gateways.sides[recipient].backend
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while not set(message_ids) <= backend.by_id.keys():  # noqa: ASYNC110 - other processes make it come true
                await asyncio.sleep(0.05)
        assert backend.rejected == 0
        return {message_id: found.document for message_id, found in backend.by_id.items()}

    async def release(self, submission: Submission, recipient: PartyId, original: bytes) -> None:
        """Release what the policy has an officer look at first, and find that nothing else was held."""
        (transfer,) = submission.transfers
        holds = self.agreed(submission, recipient).oracle.held_by(original)
        assert (transfer.state is TransferState.HELD) is bool(holds), (recipient, transfer.state)
        if holds:
            async with officer_at(self.gateways.sides[submission.sender].layout) as officer:
                await officer.release_transfer(transfer.id, reason="looked at")

    def sent(self, sender: PartyId, recipient: PartyId) -> Mapping[str, list[OnTheWire]]:
        """Return every message that went this way, by id; more than one under an id where it was sent again.

        Besides messages only pings may go this way, with nothing in them, and notices, with nothing of a document in them.
        """
        found: dict[str, list[OnTheWire]] = {}
        for request in self.taps[sender, recipient].requests():
            if request.line == PING:
                assert (request.body, request.headers.keys() - HTTP_HEADERS) == (b"", set())
                continue
            # Several go in one request, a line each; a token holds no line feed, so every byte is in some line.
            tokens = request.body.decode("ascii").split("\n")
            assert len(tokens) == 1 or request.line in (BATCHES, NOTICE_BATCHES)
            if request.line in (NOTICES, NOTICE_BATCHES):
                assert not [wrong for token in tokens for wrong in self._judge_notice(request, token, sender)]
                continue
            assert request.line in (MESSAGES, BATCHES), "nothing else goes this way in these tests"
            for token in tokens:
                message = self._opened(request, token, sender, recipient)
                found.setdefault(message.message_id, []).append(message)
        return found

    def _judge_notice(self, request: Request, token: str, issuer: PartyId) -> Iterator[str]:
        """Yield what a notice tells besides that a message was handed over."""
        notice = JWS()
        notice.allowed_algs = ["ES256"]
        notice.deserialize(token, key=signing_key(self.gateways.world.nodes[issuer].folder, issuer))
        header, claims = (segment(token, number) for number in (0, 1))
        for raw in (header, claims):
            if raw != json.dumps(json.loads(raw), separators=(",", ":"), ensure_ascii=False).encode():
                yield "a notice is not in its shortest form"
        if json.loads(header).keys() != {"alg", "kid", "x5t#S256", "typ"}:
            yield "the header of a notice has other members"
        said = json.loads(claims)
        if said.keys() != NOTICE_MEMBERS.keys():
            yield "a notice has other members"
        yield from (name for name, form in NOTICE_MEMBERS.items() if not re.fullmatch(form, str(said.get(name))))
        yield from (f"the request has the header {name}" for name in request.headers.keys() - HTTP_HEADERS)

    def _opened(self, request: Request, token: str, sender: PartyId, recipient: PartyId) -> OnTheWire:
        nodes = self.gateways.world.nodes
        envelope = JWE(algs=["ECDH-ES+A256KW", "A256GCM"], header_registry=WCX)
        envelope.deserialize(token, key=decryption_key(nodes[recipient].folder, recipient))
        jws = envelope.payload.decode("ascii")
        message = JWS(header_registry=WCX)
        message.allowed_algs = ["ES256"]
        message.deserialize(jws, key=signing_key(nodes[sender].folder, sender))
        return OnTheWire(
            http=request,
            jwe_header=segment(token, 0),
            jws_header=segment(jws, 0),
            payload=segment(jws, 1),
        )

    def agreed(self, submission: Submission, recipient: PartyId) -> Agreed:
        """Return what the agreement files say about this submission's flow."""
        return self.agreed_way(submission.sender, recipient, submission.kind.value)

    def agreed_way(self, sender: PartyId, recipient: PartyId, kind: str) -> Agreed:
        """Return what the agreement files say about messages of a kind from one party to another."""
        configuration = configured(self.gateways.sides[sender].layout.config)
        for file in agreement_files(configuration):
            content = YAML(typ="safe", pure=True).load(file)
            for flow in content["flows"]:
                if (flow["from"], flow["to"]) == (sender, recipient) and kind in flow["kinds"]:
                    return _agreed(configuration, file, content, flow, kind)
        raise AssertionError("no agreement file covers this")


def _agreed(configuration: Configuration, file: Path, content: Any, flow: Any, kind: str) -> Agreed:
    (agreement,) = (one for one in configuration.book.agreements if one.id == content["agreement"])
    ours = agreement.flow(PartyId(flow["from"]), PartyId(flow["to"]), kind)  # type: ignore[arg-type]
    assert ours is not None
    manifest = tomllib.loads((schema_folder() / flow["schema_set"] / "manifest.toml").read_text("utf-8"))
    return Agreed(
        oracle=oracle(file.parent / flow["policy"], flow["schema_set"]),
        schema_set=flow["schema_set"],
        members={
            "from": flow["from"],
            "to": flow["to"],
            "kind": kind,
            "schema_set": {"id": flow["schema_set"], "sha256": manifest["hash"]},
            "agreement": {"id": content["agreement"], "version": content["version"], "sha256": agreement.sha256},
            "policy_sha256": ours.policy_sha256,
            "terms": {name: content[name] for name in ("legal_basis", "purpose", "onward_use", "retention_days")},
        },
    )


# ── judging ──────────────────────────────────────────────────────────────────────────────────────────────────────


def judge(original: bytes, messages: Sequence[OnTheWire], handed_over: bytes, agreed: Agreed) -> list[str]:
    """Return all that is wrong with what came of a document for one partner; nothing when it is as agreed."""
    complaints = agreed.oracle.complaints(original, handed_over)
    if not xsd(agreed.schema_set).validate(etree.fromstring(handed_over)):
        complaints.append("the view is not valid")
    if not messages:
        complaints.append("no message of this id was seen on the way")
    for message in messages:
        complaints += _judge_message(original, message, handed_over, agreed)
    return complaints


def _judge_message(original: bytes, message: OnTheWire, handed_over: bytes, agreed: Agreed) -> Iterator[str]:
    jws, jwe = json.loads(message.jws_header), json.loads(message.jwe_header)
    yield from judge_headers(original, jws, jwe, agreed.members)
    for name, raw, header in (("JWS", message.jws_header, jws), ("JWE", message.jwe_header, jwe)):
        # Blanks, escapes and members that stand twice would be room for words that a parsed header does not show.
        if raw != json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode():
            yield f"the {name} header is not in its shortest form"
    if message.payload != handed_over:
        yield "what was handed over is not what was sent"
    yield from (f"the request has the header {name}" for name in message.http.headers.keys() - HTTP_HEADERS)
    yield from leaks(original, [dict(message.http.headers)])


@cache
def oracle(policy: Path, set_id: str) -> Judge:
    """Return the oracle for a policy file, over the bundled sets and their privacy classes."""
    included = {file.relative_to(policy.parent).as_posix(): file.read_bytes() for file in policy.parent.rglob("*.yaml")}
    privacy = read_privacy((schema_folder() / "privacy" / "dms.toml").read_bytes(), places(set_id))
    return Judge(policy.read_bytes(), places(set_id), included, privacy)


@cache
def places(set_id: str) -> Mapping[str, Place]:
    """Return what the oracle's own reader finds in the XSD files of a bundled set."""
    return read_paths(schema_folder() / set_id)


@cache
def xsd(set_id: str) -> etree.XMLSchema:
    """Return a bundled set compiled by libxml2 straight from its files."""
    folder = schema_folder() / set_id
    manifest = tomllib.loads((folder / "manifest.toml").read_text("utf-8"))
    return etree.XMLSchema(etree.parse(folder / manifest["entry"]))


def segment(token: str, number: int) -> bytes:
    """Return one segment of a compact token, decoded."""
    text = token.split(".")[number]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@cache
def decryption_key(home: Path, party: PartyId) -> JWK:
    """Return the private key a party's envelopes are encrypted to."""
    return JWK.from_pem((home / "keys" / party / "decrypt-1.key.pem").read_bytes())


@cache
def signing_key(home: Path, party: PartyId) -> JWK:
    """Return the public key a party's messages verify with."""
    certificate = load_pem_x509_certificate((home / "keys" / party / "sign-1.crt.pem").read_bytes())
    return JWK.from_pem(certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


@cache
def configured(config: Path) -> Configuration:
    """Return the configuration of a node."""
    return load_configuration(config)


def agreement_files(configuration: Configuration) -> list[Path]:
    """Return the agreement files of a node."""
    return [Path(file) for file in configuration.book.files.values()]


# ── the world ────────────────────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def tapped_gateways(folder: Path, agreements: Sequence[str]) -> AsyncIterator[Tapped]:
    """Start a gateway for each party of these example agreements, with a tap on every way that one of them permits."""
    pairs = {name: _place_agreement(folder / "config", name) for name in agreements}
    ways = [way for one, other in pairs.values() for way in ((one, other), (other, one))]
    taps = {way: Relay() for way in ways}
    ports = {way: tap.port for way, tap in taps.items()}
    async with two_gateways(
        folder,
        parties=sorted({party for pair in pairs.values() for party in pair}),
        agreements=folder / "config",
        partner_ports=ports,
        start=False,
    ) as gateways:
        try:
            for party in gateways.sides:
                own = [name for name, pair in pairs.items() if party in pair]
                _narrow(gateways, party, [folder / "config" / name for name in own], [pairs[name] for name in own])
            for way, tap in taps.items():
                await _tap(gateways, tap, *way)
            await asyncio.gather(*(side.process.start() for side in gateways.sides.values()))
            yield Tapped(gateways=gateways, taps=taps)
        finally:
            await asyncio.gather(*(side.process.stop() for side in gateways.sides.values()))
            await asyncio.gather(*(tap.stop() for tap in taps.values()))


async def _tap(gateways: TwoGateways, tap: Relay, sender: PartyId, recipient: PartyId) -> None:
    sides, root = gateways.sides, gateways.world.authority / "root.crt.pem"
    await tap.start(
        sides[recipient].layout.partner_port,
        inward=as_server(sides[recipient].layout.folder / "keys" / recipient, root),
        outward=as_client(sides[sender].layout.folder / "keys" / sender, root),
    )


def _place_agreement(config: Path, name: str) -> tuple[PartyId, PartyId]:
    """Copy an example agreement to a folder of its own, and return its parties."""
    if not (config / "policies").exists():
        shutil.copytree(config_folder() / "policies", config / "policies")
    (config / name).mkdir()
    file = config / name / f"{name}.yaml"
    shutil.copy(config_folder() / "agreements" / file.name, file)
    one, other = YAML(typ="safe", pure=True).load(file)["parties"]
    return PartyId(one), PartyId(other)


def officer_at(node: NodeLayout) -> OperationsClient:
    """Return a client for the officer that `_narrow` gave a node."""
    now, home = datetime.now(UTC), node.folder
    who = {"client": ClientId("officer"), "roles": [Role.OFFICER], "issuer": f"urn:wco-gateway:issuer:{home.name}"}
    token = issue_token(home / "tokens", audience=AUDIENCE, now=now, lifetime=timedelta(hours=1), **who)  # type: ignore[arg-type]
    return OperationsClient(node.operations_url, token)


def _narrow(
    gateways: TwoGateways, party: PartyId, agreements: Sequence[Path], pairs: Sequence[tuple[PartyId, PartyId]]
) -> None:
    """Let a node know only the agreements it is a party of, and only those partners; and an officer who releases."""
    config = gateways.sides[party].layout.config
    text = config.read_text("utf-8")
    folders = json.dumps([str(one) for one in agreements])
    text = re.sub(r"^agreements = .*$", lambda _: f"agreements = {folders}", text, flags=re.MULTILINE)
    partners = {one for pair in pairs for one in pair} - {party}
    for stranger in gateways.sides.keys() - partners - {party}:
        text = re.sub(rf'\[\[partners\]\]\nid = "{stranger}"\n(?:\w+ = .*\n)*', "", text)
    config.write_text(f'{text}\n[[clients]]\nid = "officer"\nroles = ["officer"]\n', "utf-8")
