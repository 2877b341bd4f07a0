"""One real gateway, FR-DGDDI, among scripted partners: a real node on real ports, a real database, a PKI each.

The node runs in the test's own process, so that a test can look into its database between two requests; everything a
partner can reach of it (TLS, HTTP, the workers' code, SQLite with its commits) is what runs in production.
"""

import json
import re
import secrets
import shutil
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509

from gateway.app import Node, Rulebook, rulebook_of
from gateway.app.node import DATABASE
from gateway.bundled import config_folder, schema_folder
from gateway.client import OperationsClient, SubmissionClient
from gateway.demo.backend import StandInBackend
from gateway.demo.layout import free_ports
from gateway.document import read
from gateway.domain.access import Role
from gateway.domain.ids import ClientId, PartyId
from gateway.domain.limits import DocumentLimits
from gateway.domain.message import MessageKind
from gateway.policy import apply_policy, compile_policy
from gateway.schema import compile_set, validate
from gateway.settings import load_configuration
from gateway.trust import KeyFiles, Use, create_issuer, issue_token
from gateway.trust.files import write_secret
from gateway.trust.pki import issue
from tests.integration.scripted_partner import ScriptedPartner
from tests.pki import PkiNode, TestPki, make_pki, write_bundle
from tests.ports import kept

US = PartyId("FR-DGDDI")
GB = PartyId("GB-HMRC")
NL = PartyId("NL-DOUANE")

DOCUMENT = schema_folder() / "samples" / "valid" / "export-one-item.xml"
MAX_DOCUMENT_BYTES = 64 * 1024

WATCHERS = (Role.OPERATOR, Role.OFFICER, Role.AUDITOR, Role.ADMIN)
"""Who may look at the gateway; each is a client of its own with a token."""

# What a partner's request may leave behind whatever comes of it: evidence, and when the partner was last heard. What we owe
# to partners that do not listen is tried again and again, whether or not one of them asks anything.
EVIDENCE = frozenset({"audit", "audit_head", "notice_owed", "partner_health"})

Rows = Mapping[str, frozenset[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One audit record, as far as a test compares it."""

    event: str
    code: str
    actor: str
    message_id: str | None
    transfer_id: str | None
    facts: Mapping[str, str | int]


class Silent:
    """The Telemetry port, for tests that look at the database instead."""

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        """Write nothing."""


@dataclass(kw_only=True)
class OneGateway:
    """The gateway, its files, its back end and its partners. `spare`: keys of GB that are not what they should be."""

    folder: Path
    pki: TestPki
    backend: StandInBackend
    partners: Mapping[PartyId, ScriptedPartner]
    ports: Mapping[PartyId, int]
    spare: Mapping[str, KeyFiles]
    tokens: Mapping[Role, str] = field(repr=False)
    poll: str
    node: Node | None = None

    @property
    def gb(self) -> ScriptedPartner:
        return self.partners[GB]

    @property
    def nl(self) -> ScriptedPartner:
        return self.partners[NL]

    @property
    def config(self) -> Path:
        return self.folder / "node.toml"

    @property
    def agreements(self) -> Path:
        return self.folder / "config" / "agreements"

    @property
    def database(self) -> Path:
        return self.folder / "data" / DATABASE

    async def start(self) -> None:
        """Start the gateway and tell the partners where it listens."""
        configuration = load_configuration(self.config)
        self.node = Node(configuration.node, _quick(rulebook_of(configuration)), Silent())
        await self.node.__aenter__()
        for partner in self.partners.values():
            partner.url = self.node.listeners["partner"].url

    async def stop(self) -> None:
        if self.node is not None:
            await self.node.__aexit__(None, None, None)
            self.node = None

    async def restart(self) -> None:
        """Stop, and start again with what the files say now."""
        await self.stop()
        self.config.write_text(_settings(self.pki, self.ports, self.backend, self.poll), encoding="utf-8")
        await self.start()

    def agree(self, **changes: str) -> None:
        """Write our file of the agreement with GB anew, with `changes` of its members; it counts from a restart on."""
        (self.agreements / "gb-fr.yaml").write_text(agreement(GB, **changes), encoding="utf-8")

    def our_new_key(self, use: Use) -> None:
        """Give us a newer key beside the old one, and tell the partners; it counts from a restart on."""
        us = self.pki[US]
        made = issue(us.authority.folder, US, use, keys=us.folder / "keys", now=datetime.now(UTC)).files
        name = "signing" if use is Use.SIGN else "decryption"
        object.__setattr__(us, name, (*getattr(us, name), made))
        write_bundle(us)
        for partner in self.partners.values():
            partner.read_trust()

    def _url(self, listener: str) -> str:
        assert self.node is not None
        return self.node.listeners[listener].url

    def submissions(self) -> SubmissionClient:
        return SubmissionClient(self._url("submission"), self.tokens[Role.SUBMITTER])

    def operations(self) -> OperationsClient:
        return OperationsClient(self._url("operations"), self.tokens[Role.OPERATOR])

    # ── looking into the database ──

    def ask(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a question to the database, asked from outside the gateway."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def change(self, sql: str) -> None:
        """Change the database of a gateway that is stopped."""
        assert self.node is None
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(sql)

    def rows(self) -> Rows:
        """Return every row of every table, byte for byte, but for EVIDENCE."""
        names = [name for (name,) in self.ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: frozenset(self.ask(f'SELECT * FROM "{name}"')) for name in names if name not in EVIDENCE}

    def last_seq(self) -> int:
        """Return how many audit records there are."""
        return int(self.ask("SELECT coalesce(max(seq), 0) FROM audit")[0][0])

    def events(self, *, after: int = 0, transfer_id: str | None = None) -> list[Event]:
        """Return the audit records after a sequence number, of one transfer or of all."""
        found = self.ask(
            "SELECT event, actor, message_id, transfer_id, facts FROM audit WHERE seq > ? ORDER BY seq", after
        )
        events = []
        for event, actor, message_id, of_transfer, facts in found:
            if transfer_id in {None, of_transfer}:
                known = json.loads(facts)
                events.append(
                    Event(
                        event=event,
                        code=str(known.get("code", "")),
                        actor=actor,
                        message_id=message_id,
                        transfer_id=of_transfer,
                        facts=known,
                    )
                )
        return events


def changed_tables(before: Rows, after: Rows) -> set[str]:
    """Return the names of the tables that hold other rows than before."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@asynccontextmanager
async def one_gateway(
    folder: Path,
    *,
    agreements: Mapping[str, str] | None = None,
    start: bool = True,
    poll: str = "100ms",
) -> AsyncIterator[OneGateway]:
    """Lay out and start FR-DGDDI with the partners GB-HMRC and NL-DOUANE; stop everything afterwards.

    `agreements`: more files than the one with each partner, by name. `poll`: how often our node looks for work unasked,
    and how long it leaves a partner alone that could not be reached for the first time.
    """
    moment = datetime.now(UTC)
    # Keys that were made two months ago, so that some of them can have expired since.
    pki = make_pki(folder / "pki", [US, GB, NL], moment - timedelta(days=60))
    spare = _spare_keys(pki[GB], moment)
    pki.refresh_crls(moment)
    files = {"gb-fr": agreement(GB), "fr-nl": agreement(NL, name="fr-nl"), **(agreements or {})}
    shutil.copytree(config_folder() / "policies", folder / "config" / "policies")
    (folder / "config" / "agreements").mkdir()
    for name, text in files.items():
        (folder / "config" / "agreements" / f"{name}.yaml").write_text(text, encoding="utf-8")
    ports = dict(zip((GB, NL), free_ports(2), strict=True))
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    backend = StandInBackend(secret)
    await backend.start()
    try:
        tokens = _write_node(folder, pki, ports, backend, secret, moment, poll)
        rulebook = rulebook_of(load_configuration(folder / "node.toml"))
        view = view_of(DOCUMENT)
        partners = {party: ScriptedPartner(pki[party], pki[US], rulebook, view) for party in (GB, NL)}
        world = OneGateway(
            folder=folder,
            pki=pki,
            backend=backend,
            partners=partners,
            ports=ports,
            spare=spare,
            tokens=tokens,
            poll=poll,
        )
        with kept(ports.values()):
            try:
                if start:
                    await world.start()
                yield world
            finally:
                await world.stop()
    finally:
        await backend.stop()


def _quick(rulebook: Rulebook) -> Rulebook:
    """Let the first retry come after a moment: how long a sender waits is no part of what is signed or hashed."""
    return replace(
        rulebook,
        agreements=tuple(
            replace(one, retry=replace(one.retry, first_wait=timedelta(milliseconds=100)))
            for one in rulebook.agreements
        ),
    )


def agreement(partner: PartyId, *, name: str = "gb-fr", **changes: str) -> str:
    """Return the example agreement as one between us and `partner`, with `changes` of its members.

    It lacks the flows for cancellations, so that there is a kind of message that it does not cover.
    """
    text = (config_folder() / "agreements" / "gb-fr.yaml").read_text(encoding="utf-8")
    text, removed = re.subn(r"(?m)^  - from: .*\n    to: .*\n    kinds: \[cancellation\]\n(?:    .*\n)*", "", text)
    if removed != 2:
        raise ValueError("the example agreement does not let both sides send cancellations")
    changes = {
        "agreement": name,
        "max_document_bytes": str(MAX_DOCUMENT_BYTES),
        **changes,
    }
    for member, value in changes.items():
        text, count = re.subn(rf"(?m)^( *){member}: .*$", rf"\g<1>{member}: {value}", text)
        if count != 1:
            raise ValueError(f"the example agreement has no single member {member}")
    return text.replace(GB, partner)


@cache
def view_of(document: Path, policy: str = "customs-cooperation") -> bytes:
    """Return what the example agreement lets a partner have of a sample document."""
    from gateway.settings.agreements import load_agreements
    from gateway.settings.schemas import load_catalogue

    catalogue = load_catalogue(schema_folder())
    book = load_agreements((config_folder() / "agreements",), catalogue)
    example = next(one for one in book.agreements if one.id == "gb-fr")
    flow = example.flow(GB, US, MessageKind.DECLARATION)
    assert flow is not None
    compiled = compile_set(catalogue[flow.schema_set])
    valid = validate(read(document.read_bytes(), DocumentLimits()), compiled)
    return apply_policy(valid, compile_policy(book.policies[flow.policy_sha256], compiled), compiled).xml


def _spare_keys(gb: PkiNode, moment: datetime) -> dict[str, KeyFiles]:
    """Make more keys of GB, all in its bundle but for the stranger: compromised, retired, expired; TLS too."""
    keys, authority, party = gb.folder / "keys", gb.authority.folder, gb.party
    begun = moment - timedelta(days=30)

    def another(use: Use, lifetime: timedelta = timedelta(days=397)) -> KeyFiles:
        names: dict[str, Any] = {"dns": ["localhost"]} if use is Use.TLS else {}
        made = issue(authority, party, use, keys=keys, now=begun, lifetime=lifetime, **names)
        return made.files

    spare = {
        "compromised": another(Use.SIGN),
        "retired": another(Use.SIGN),
        "expired": another(Use.SIGN, timedelta(days=10)),
        "tls revoked": another(Use.TLS),
        "tls superseded": another(Use.TLS),
        "tls expired": another(Use.TLS, timedelta(days=10)),
    }
    introduced = tuple(spare[name] for name in ("compromised", "retired", "expired"))
    object.__setattr__(gb, "signing", (*gb.signing, *introduced))
    write_bundle(gb)
    spare["not introduced"] = another(Use.SIGN)
    yesterday = moment - timedelta(days=1)
    gb.revoke(spare["compromised"], yesterday)
    gb.revoke(spare["retired"], yesterday, x509.ReasonFlags.superseded)
    gb.revoke(spare["tls revoked"], yesterday)
    gb.revoke(spare["tls superseded"], yesterday, x509.ReasonFlags.superseded)
    return spare


def _write_node(
    folder: Path,
    pki: TestPki,
    ports: Mapping[PartyId, int],
    backend: StandInBackend,
    secret: str,
    moment: datetime,
    poll: str,
) -> dict[Role, str]:
    """Write the settings of our node and return tokens to use it with."""
    write_secret(folder / "webhook.secret", secret.encode())
    create_issuer(folder / "tokens")
    for party in ports:
        introduction = folder / "partners" / party
        introduction.mkdir(parents=True)
        shutil.copy(pki[party].bundle, introduction / "partner.json")
    (folder / "node.toml").write_text(_settings(pki, ports, backend, poll), encoding="utf-8")
    return {
        role: issue_token(
            folder / "tokens",
            issuer="urn:wco-gateway:issuer:test",
            audience="gateway",
            client=ClientId(role.value),
            roles=[role],
            now=moment,
            lifetime=timedelta(hours=1),
        )
        for role in (Role.SUBMITTER, *WATCHERS)
    }


def _settings(pki: TestPki, ports: Mapping[PartyId, int], backend: StandInBackend, poll: str) -> str:
    us = pki[US]
    listeners = "\n".join(
        f'[listeners.{name}]\nhost = "127.0.0.1"\nport = 0\n{extra}'
        for name, extra in (("submission", ""), ("partner", f"tls = {_pair(us.tls)}\n"), ("operations", ""))
    )
    partners = "\n".join(
        f'[[partners]]\nid = "{party}"\nurl = "https://127.0.0.1:{port}"\nfolder = "partners/{party}"\n'
        for party, port in ports.items()
    )
    watchers = "\n".join(f'[[clients]]\nid = "{role}"\nroles = ["{role}"]\n' for role in WATCHERS)
    return f"""name = "{US.lower()}"
data_dir = "data"
agreements = ["config/agreements"]
workers = 0

{listeners}
[documents]
max_bytes = {MAX_DOCUMENT_BYTES}

[tokens]
issuer = "urn:wco-gateway:issuer:test"
audience = "gateway"
jwks = "tokens/jwks.json"

[trust]
roots = {_path(pki.roots)}
crls = [{", ".join(_path(one) for one in pki.crls)}]

[at_rest]
key = {_path(us.at_rest)}

[timing]
poll = "{poll}"
sweep = "500ms"

[[parties]]
id = "{US}"
tls = {_pair(us.tls)}
signing = [{", ".join(_pair(one) for one in us.signing)}]
decryption = [{", ".join(_pair(one) for one in us.decryption)}]

[parties.backend]
url = "http://127.0.0.1:{backend.port}/webhook"
secret_file = "webhook.secret"

[[clients]]
id = "submitter"
roles = ["submitter"]
parties = ["{US}"]

{watchers}
{partners}"""


def _path(path: Path) -> str:
    return json.dumps(str(path.resolve()))


def _pair(files: KeyFiles) -> str:
    return f"{{ key = {_path(files.key)}, certificate = {_path(files.certificate)} }}"
