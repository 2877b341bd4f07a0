"""Lay out a small world in one folder: an authority, and for each party a node with keys, settings and agreements.

    <folder>/ca/                    a development authority that all parties agreed on
    <folder>/<party>/node.toml      its settings; keys/, partners/, tokens/, data/ and secrets lie beside it
    <folder>/demo.env               where everything listens, as variables of a shell

Everything is made fresh, stays on loopback, and is for demonstrations and tests only.
"""

import json
import re
import secrets
import shutil
import socket
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from gateway.bundled import config_folder
from gateway.domain.access import Role
from gateway.domain.ids import ClientId, PartyId
from gateway.trust import (
    KeyFiles,
    Use,
    create_at_rest_key,
    create_issuer,
    create_pseudonym_secret,
    export_bundle,
    issue_token,
    pki,
    write_bundle_json,
)
from gateway.trust.files import write_secret

SUBMITTER = ClientId("national-system")
OPERATOR = ClientId("operator")
ADMIN = ClientId("administrator")
AUDIENCE = "gateway"

_PORTS = range(20_000, 32_000)
"""Below what systems give out by themselves, so that nobody gets the port of a gateway that is down for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLayout:
    """One node: where its files are, where it listens, and tokens to use it with."""

    party: PartyId
    folder: Path
    submission_port: int
    partner_port: int
    operations_port: int
    backend_port: int
    webhook_secret: str = field(repr=False)
    submitter_token: str = field(repr=False)
    operator_token: str = field(repr=False)
    admin_token: str = field(repr=False)

    @property
    def config(self) -> Path:
        """Its settings file."""
        return self.folder / "node.toml"

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it and its back end listen."""
        return self.submission_port, self.partner_port, self.operations_port, self.backend_port

    @property
    def data(self) -> Path:
        """The folder of its database."""
        return self.folder / "data"

    @property
    def submission_url(self) -> str:
        """Where national systems submit."""
        return f"http://127.0.0.1:{self.submission_port}"

    @property
    def operations_url(self) -> str:
        """Where operators look, in a browser too."""
        return f"http://127.0.0.1:{self.operations_port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All nodes and the authority they share."""

    folder: Path
    authority: Path
    nodes: Mapping[PartyId, NodeLayout]


def lay_out(
    folder: Path,
    parties: Sequence[PartyId],
    *,
    agreements: Path,
    now: datetime,
    workers: int = 1,
    partner_ports: Mapping[tuple[PartyId, PartyId], int] | None = None,
    extra: str = "",
    hand_over_batch: Mapping[PartyId, int] | None = None,
) -> World:
    """Make a world in `folder` and return it.

    `agreements`: the folder every node reads, with agreements between these parties only. `partner_ports`: where a
    party reaches another, if not directly (a relay between them). `extra`: TOML lines at the head of every node's
    settings. `hand_over_batch`: how many messages one webhook to a party's back end may bring, where that is
    not 1.
    """
    authority = folder / "ca"
    pki.init(authority, now=now)
    free = iter(free_ports(4 * len(parties)))
    ports = {party: [next(free) for _ in range(4)] for party in parties}
    for party in parties:
        _issue_keys(authority, folder / party, party, now)
    nodes: dict[PartyId, NodeLayout] = {}
    for party in parties:
        home = folder / party
        node = _node(home, party, ports[party], now)
        for partner in parties:
            if partner != party:
                _introduce(partner, folder / partner, home / "partners" / partner, authority)
        reach = {
            partner: (partner_ports or {}).get((party, partner), ports[partner][1])
            for partner in parties
            if partner != party
        }
        text = _settings(
            node,
            reach,
            authority=authority,
            agreements=agreements,
            workers=workers,
            extra=extra,
            hand_over_batch=(hand_over_batch or {}).get(party, 1),
        )
        node.config.write_text(text, encoding="utf-8")
        nodes[party] = node
    (folder / "demo.env").write_text(_addresses(nodes), encoding="utf-8")
    return World(folder=folder, authority=authority, nodes=nodes)


def _addresses(nodes: Mapping[PartyId, NodeLayout]) -> str:
    """Return the ports that were free this time under names that stay, so that commands can be written down."""
    lines = ["# Where the gateways of this demo listen. In a shell: . ./demo.env"]
    for party, node in nodes.items():
        name = party.replace("-", "_")
        lines += [
            f"{name}_SUBMISSION={node.submission_url}",
            f"{name}_OPERATIONS={node.operations_url}",
            f"{name}_PARTNER=https://127.0.0.1:{node.partner_port}",
            f"{name}_BACKEND=http://127.0.0.1:{node.backend_port}/webhook",
        ]
    return "\n".join(lines) + "\n"


def copy_agreement(name: str, folder: Path) -> Path:
    """Copy one example agreement and the example policies to `folder`; return the folder of agreements.

    Only the waits between tries are made shorter, so that nobody sits through a back-off meant for another continent.
    """
    shutil.copytree(config_folder() / "policies", folder / "policies")
    agreements = folder / "agreements"
    agreements.mkdir()
    text = (config_folder() / "agreements" / f"{name}.yaml").read_text(encoding="utf-8")
    text = re.sub(r"first_wait: \S+", "first_wait: 1s", text)
    text = re.sub(r"cap: \S+", "cap: 2s", text)
    (agreements / f"{name}.yaml").write_text(text, encoding="utf-8")
    return agreements


def _issue_keys(authority: Path, home: Path, party: PartyId, now: datetime) -> None:
    keys = home / "keys"
    pki.issue(authority, party, Use.TLS, keys=keys, now=now, dns=["localhost"], addresses=[ip_address("127.0.0.1")])
    pki.issue(authority, party, Use.SIGN, keys=keys, now=now)
    pki.issue(authority, party, Use.DECRYPT, keys=keys, now=now)
    create_at_rest_key(home / "at-rest.key")
    create_pseudonym_secret(home / "pseudonym.key")
    create_issuer(home / "tokens")


def _node(home: Path, party: PartyId, ports: Sequence[int], now: datetime) -> NodeLayout:
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    write_secret(home / "webhook.secret", secret.encode())
    return NodeLayout(
        party=party,
        folder=home,
        submission_port=ports[0],
        partner_port=ports[1],
        operations_port=ports[2],
        backend_port=ports[3],
        webhook_secret=secret,
        submitter_token=_token(home, SUBMITTER, [Role.SUBMITTER], now),
        operator_token=_token(home, OPERATOR, [Role.OPERATOR, Role.AUDITOR], now),
        admin_token=_token(home, ADMIN, [Role.ADMIN], now),
    )


def _token(home: Path, client: ClientId, roles: Sequence[Role], now: datetime) -> str:
    token = issue_token(
        home / "tokens",
        issuer=_issuer(home),
        audience=AUDIENCE,
        client=client,
        roles=roles,
        now=now,
        lifetime=timedelta(hours=12),
    )
    write_secret(home / "tokens" / f"{client}.token", token.encode())
    return token


def _issuer(home: Path) -> str:
    return f"urn:wco-gateway:issuer:{home.name}"


def _introduce(partner: PartyId, its_home: Path, ours: Path, authority: Path) -> None:
    """Hand over a partner's bundle, as two administrations do before the first message."""
    ours.mkdir(parents=True)
    keys = its_home / "keys" / partner
    bundle = export_bundle(
        partner,
        signing=[keys / "sign-1.crt.pem"],
        encryption=[keys / "decrypt-1.crt.pem"],
        authorities=authority / "chain.crt.pem",
    )
    (ours / "partner.json").write_bytes(write_bundle_json(bundle))


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on or keeps. Raises RuntimeError if there are too few."""
    free: list[int] = []
    for port in secrets.SystemRandom().sample(_PORTS, len(_PORTS)):
        # Not with SO_REUSEADDR: what somebody keeps for a gateway that is down for a moment is not free.
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == count:
            return free
    raise RuntimeError(f"127.0.0.1 has not {count} free ports")


def _partners(reach: Mapping[PartyId, int]) -> str:
    return "\n".join(
        f"""[[partners]]
id = "{partner}"
url = "https://127.0.0.1:{port}"
folder = "partners/{partner}"
"""
        for partner, port in reach.items()
    )


def _settings(
    node: NodeLayout,
    reach: Mapping[PartyId, int],
    *,
    authority: Path,
    agreements: Path,
    workers: int,
    extra: str,
    hand_over_batch: int,
) -> str:
    keys = f"keys/{node.party}"
    tls = _pair(KeyFiles(key=Path(f"{keys}/tls-1.key.pem"), certificate=Path(f"{keys}/tls-1.crt.pem")))
    return f"""# Written by the demo: one node of a small world on this machine.
name = "{node.party.lower()}"
data_dir = "data"
agreements = [{_text(agreements)}]
workers = {workers}
{extra}
[listeners.submission]
host = "127.0.0.1"
port = {node.submission_port}

[listeners.partner]
host = "127.0.0.1"
port = {node.partner_port}
tls = {tls}

[listeners.operations]
host = "127.0.0.1"
port = {node.operations_port}

[tokens]
issuer = "{_issuer(node.folder)}"
audience = "{AUDIENCE}"
jwks = "tokens/jwks.json"

[trust]
roots = {_text(authority / "root.crt.pem")}
crls = [{_text(authority / "root.crl.pem")}, {_text(authority / "issuing.crl.pem")}]

[at_rest]
key = "at-rest.key"

[pseudonyms]
secret = "pseudonym.key"

[timing]
poll = "500ms"
sweep = "1s"

[[parties]]
id = "{node.party}"
tls = {tls}
signing = [{_pair(KeyFiles(key=Path(f"{keys}/sign-1.key.pem"), certificate=Path(f"{keys}/sign-1.crt.pem")))}]
decryption = [{_pair(KeyFiles(key=Path(f"{keys}/decrypt-1.key.pem"), certificate=Path(f"{keys}/decrypt-1.crt.pem")))}]

[parties.backend]
url = "http://127.0.0.1:{node.backend_port}/webhook"
secret_file = "webhook.secret"
first_wait = "200ms"
cap = "2s"
batch = {hand_over_batch}

[[clients]]
id = "{SUBMITTER}"
roles = ["submitter"]
parties = ["{node.party}"]

[[clients]]
id = "{OPERATOR}"
roles = ["operator", "auditor"]

[[clients]]
id = "{ADMIN}"
roles = ["admin"]

{_partners(reach)}"""


def _text(path: Path) -> str:
    return json.dumps(str(path.resolve()))


def _pair(files: KeyFiles) -> str:
    return f'{{ key = "{files.key}", certificate = "{files.certificate}" }}'
