"""A whole PKI for tests, in one folder: every party with its own authority, keys, bundle and revocation lists.

    pki = make_pki(tmp_path, ["GB-HMRC", "FR-DGDDI"], now)
    pki["GB-HMRC"].trust(clock)          FileTrust that knows all other parties as partners
    pki["GB-HMRC"].tls                   KeyFiles for a listener on localhost, 127.0.0.1, ::1

Paths are laid out as docs/security.md says. `forge` makes the certificates that no honest authority issues.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.domain.ids import PartyId
from gateway.trust import (
    FileTrust,
    KeyFiles,
    OwnFiles,
    PartnerFiles,
    PartnerGate,
    TrustFiles,
    Use,
    create_at_rest_key,
    export_bundle,
    party_uri,
    read_certificates,
    write_bundle_json,
)
from gateway.trust.pki import Authority, init, issue, refresh_crls, revoke

LOOPBACK = tuple(ip_address(one) for one in ("127.0.0.1", "::1"))
BOTH = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class PkiNode:
    """The files of one party."""

    party: PartyId
    folder: Path
    authority: Authority
    tls: KeyFiles
    signing: tuple[KeyFiles, ...]
    decryption: tuple[KeyFiles, ...]
    bundle: Path
    at_rest: Path
    pki: "TestPki" = field(repr=False)

    def files(self) -> TrustFiles:
        """The trust of this node: all other parties are its partners."""
        others = [one for one in self.pki.nodes.values() if one.party != self.party]
        return TrustFiles(
            own=(OwnFiles(party=self.party, signing=self.signing, decryption=self.decryption),),
            partners=tuple(PartnerFiles(party=one.party, bundle=one.bundle) for one in others),
            roots=self.pki.roots,
            crls=self.pki.crls,
        )

    def trust(self, clock: Callable[[], datetime]) -> FileTrust:
        return FileTrust(self.files(), clock=clock)

    def gate(self, clock: Callable[[], datetime]) -> PartnerGate:
        return PartnerGate(self.trust(clock), clock=clock)

    def revoke(
        self, files: KeyFiles, now: datetime, reason: x509.ReasonFlags = x509.ReasonFlags.key_compromise
    ) -> None:
        """Revoke one of this party's certificates."""
        revoke(self.authority.folder, read_certificates(files.certificate)[0], now=now, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPki:
    """All parties. `roots`: every root in one file; `crls`: every revocation list."""

    __test__: ClassVar[bool] = False
    folder: Path
    nodes: Mapping[str, PkiNode]

    def __getitem__(self, party: str) -> PkiNode:
        return self.nodes[party]

    @property
    def roots(self) -> Path:
        return self.folder / "roots.pem"

    @property
    def crls(self) -> tuple[Path, ...]:
        return tuple(path for node in self.nodes.values() for path in node.authority.crls)

    def refresh_crls(self, now: datetime) -> None:
        """Publish all lists again, as of `now`."""
        for node in self.nodes.values():
            refresh_crls(node.authority.folder, now=now)


def make_pki(folder: Path, parties: Sequence[str], now: datetime) -> TestPki:
    """Make everything under `folder/<PARTY>/`: pki/, keys/<PARTY>/, bundle.json, at-rest.key.json; and roots.pem."""
    nodes: dict[str, PkiNode] = {}
    pki = TestPki(folder=folder, nodes=nodes)
    for name in parties:
        nodes[name] = _make_node(pki, PartyId(name), now)
    pki.roots.write_bytes(b"".join(node.authority.roots.read_bytes() for node in nodes.values()))
    return pki


def _make_node(pki: TestPki, party: PartyId, now: datetime) -> PkiNode:
    folder = pki.folder / party
    authority = init(folder / "pki", now=now, name=f"{party} test")
    keys = folder / "keys"
    tls = issue(authority.folder, party, Use.TLS, keys=keys, now=now, dns=["localhost"], addresses=LOOPBACK).files
    sign = issue(authority.folder, party, Use.SIGN, keys=keys, now=now).files
    decrypt = issue(authority.folder, party, Use.DECRYPT, keys=keys, now=now).files
    node = PkiNode(
        party=party,
        folder=folder,
        authority=authority,
        tls=tls,
        signing=(sign,),
        decryption=(decrypt,),
        bundle=folder / "bundle.json",
        at_rest=folder / "at-rest.key.json",
        pki=pki,
    )
    write_bundle(node)
    create_at_rest_key(node.at_rest)
    return node


def write_bundle(node: PkiNode, *, pinned_tls: Sequence[Path] = ()) -> None:
    """Write the node's bundle (again)."""
    bundle = export_bundle(
        node.party,
        signing=[one.certificate for one in node.signing],
        encryption=[one.certificate for one in node.decryption],
        authorities=node.authority.chain,
        pinned_tls=pinned_tls,
    )
    node.bundle.write_bytes(write_bundle_json(bundle))


def forge(
    issuer: Authority,
    folder: Path,
    now: datetime,
    *,
    uris: Sequence[str] = (),
    usages: Sequence[x509.ObjectIdentifier] = BOTH,
    begins: timedelta = -timedelta(hours=1),
    ends: timedelta = timedelta(days=1),
    dns: str = "localhost",
    by: str = "issuing",
) -> KeyFiles:
    """Return a TLS key and certificate of any shape, signed by `issuer`; begin and end count from `now`.

    `by`: which of its authorities signs, `issuing` or `root`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    above = load_pem_private_key((issuer.folder / f"{by}.key.pem").read_bytes(), password=None)
    assert isinstance(above, ec.EllipticCurvePrivateKey)
    issuing = read_certificates(issuer.folder / f"{by}.crt.pem")[0]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")])
    names: list[x509.GeneralName] = [x509.DNSName(dns), x509.IPAddress(LOOPBACK[0])]
    names += [x509.UniformResourceIdentifier(uri) for uri in uris]
    builder = (
        x509.CertificateBuilder(issuing.subject, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above.public_key()), critical=False)
        .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    certificate = builder.sign(above, SHA256())
    files = KeyFiles(key=folder / "forged.key.pem", certificate=folder / "forged.crt.pem")
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files.key.chmod(0o600)
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM) + issuing.public_bytes(Encoding.PEM))
    return files


def uri(party: str) -> str:
    """Return the SAN URI of a party."""
    return party_uri(PartyId(party))
