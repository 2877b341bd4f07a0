"""Revocation lists count only while fresh and only when the issuer signed them."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.errors import TrustError
from gateway.trust import read_certificates
from gateway.trust.crl import RevocationLists
from gateway.trust.pki import refresh_crls
from tests.pki import PkiNode, TestPki

Path_ = tuple[x509.Certificate, ...]
COMPROMISE = x509.ReasonFlags.key_compromise


@pytest.fixture
def node(pki: TestPki) -> PkiNode:
    return pki["GB-HMRC"]


@pytest.fixture
def path(node: PkiNode) -> Path_:
    return (read_certificates(node.tls.certificate)[0], *read_certificates(node.authority.chain))


def _sign(node: PkiNode, now: datetime, *extensions: tuple[x509.ExtensionType, bool], number: int = 99) -> bytes:
    key = load_pem_private_key((node.authority.folder / "issuing.key.pem").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    issuer = read_certificates(node.authority.chain)[0].subject
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer)
    builder = builder.last_update(now).next_update(now + timedelta(days=1))
    for extension, critical in ((x509.CRLNumber(number), False), *extensions):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def test_a_path_with_fresh_lists_stands(node: PkiNode, path: Path_, now: datetime) -> None:
    lists = RevocationLists(node.authority.crls)
    lists.require_fresh(path, now)
    assert not lists.standing(path).revoked
    assert lists.problems == ()


@pytest.mark.parametrize("which", [0, 1])
def test_every_issuer_of_a_path_needs_a_list(node: PkiNode, path: Path_, now: datetime, which: int) -> None:
    expect_stale(RevocationLists([node.authority.crls[which]]), path, now)


@pytest.mark.parametrize("away", [timedelta(days=7, seconds=1), -timedelta(minutes=6)])
def test_a_list_past_its_time_or_from_the_future_is_stale(
    node: PkiNode, path: Path_, now: datetime, away: timedelta
) -> None:
    lists = RevocationLists(node.authority.crls)
    lists.require_fresh(path, now + timedelta(days=7))
    expect_stale(lists, path, now + away)


def test_a_list_older_than_agreed_is_stale(node: PkiNode, path: Path_, now: datetime) -> None:
    lists = RevocationLists(node.authority.crls, max_age=timedelta(hours=1))
    lists.require_fresh(path, now + timedelta(hours=1))
    expect_stale(lists, path, now + timedelta(hours=1, seconds=1))


@pytest.mark.parametrize(
    ("reason", "compromised"),
    [
        (x509.ReasonFlags.superseded, False),
        (x509.ReasonFlags.cessation_of_operation, False),
        (x509.ReasonFlags.affiliation_changed, False),
        (x509.ReasonFlags.key_compromise, True),
        (x509.ReasonFlags.ca_compromise, True),
        (x509.ReasonFlags.privilege_withdrawn, True),
        (x509.ReasonFlags.certificate_hold, True),
        (x509.ReasonFlags.unspecified, True),
    ],
)
def test_the_reason_tells_compromise_from_retirement(
    node: PkiNode, path: Path_, now: datetime, reason: x509.ReasonFlags, compromised: bool
) -> None:
    lists = RevocationLists(node.authority.crls)
    node.revoke(node.tls, now, reason)
    lists.refresh()
    standing = lists.standing(path)
    assert standing.revoked
    assert (standing.compromised, standing.retired_at) == (compromised, None if compromised else now)


def test_a_changed_file_is_read_at_the_next_look(node: PkiNode, path: Path_, now: datetime) -> None:
    lists = RevocationLists(node.authority.crls)
    generation = lists.generation
    lists.refresh()
    assert lists.generation == generation
    node.revoke(node.tls, now, COMPROMISE)
    lists.refresh()
    assert lists.generation > generation
    assert lists.standing(path).compromised


@pytest.mark.parametrize("change", ["broken", "gone", "older"])
def test_knowledge_is_never_taken_back(node: PkiNode, path: Path_, now: datetime, change: str) -> None:
    file = node.authority.crls[1]
    older = file.read_bytes()
    node.revoke(node.tls, now, COMPROMISE)
    lists = RevocationLists(node.authority.crls)
    assert lists.standing(path).compromised
    if change == "gone":
        file.unlink()
    else:
        file.write_bytes(older if change == "older" else b"not a list")
    lists.refresh()
    assert lists.standing(path).compromised
    assert bool(lists.problems) == (change != "older")
    expect_stale(lists, path, now + timedelta(days=8))


def test_a_mended_file_ends_the_problem(node: PkiNode, now: datetime) -> None:
    file = node.authority.crls[1]
    good = file.read_bytes()
    file.write_bytes(b"not a list")
    lists = RevocationLists(node.authority.crls)
    assert lists.problems
    file.write_bytes(good)
    lists.refresh()
    assert lists.problems == ()


def test_a_list_by_another_key_is_worth_nothing(pki: TestPki, path: Path_, now: datetime, tmp_path: Path) -> None:
    # The same issuer name, signed with the key of another authority.
    node = pki["GB-HMRC"]
    key = load_pem_private_key((pki["FR-DGDDI"].authority.folder / "issuing.key.pem").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = x509.CertificateRevocationListBuilder().issuer_name(read_certificates(node.authority.chain)[0].subject)
    builder = builder.last_update(now).next_update(now + timedelta(days=1)).add_extension(x509.CRLNumber(99), False)
    (tmp_path / "forged.crl").write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    expect_stale(RevocationLists([node.authority.crls[0], tmp_path / "forged.crl"]), path, now)
    node.revoke(node.tls, now, COMPROMISE)
    assert RevocationLists([*node.authority.crls, tmp_path / "forged.crl"]).standing(path).compromised


def test_a_list_with_an_unknown_critical_extension_is_not_used(
    node: PkiNode, path: Path_, now: datetime, tmp_path: Path
) -> None:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    file = tmp_path / "odd.crl"
    file.write_bytes(_sign(node, now, (unknown, False)))
    RevocationLists([node.authority.crls[0], file]).require_fresh(path, now)
    file.write_bytes(_sign(node, now, (unknown, True)))
    expect_stale(RevocationLists([node.authority.crls[0], file]), path, now)
    delta = x509.DeltaCRLIndicator(1)
    file.write_bytes(_sign(node, now, (delta, True)))
    expect_stale(RevocationLists([node.authority.crls[0], file]), path, now)


def test_one_file_may_hold_several_lists_or_one_in_der(
    node: PkiNode, path: Path_, now: datetime, tmp_path: Path
) -> None:
    (tmp_path / "all.pem").write_bytes(b"".join(one.read_bytes() for one in node.authority.crls))
    ders = []
    for number, file in enumerate(node.authority.crls):
        ders.append(tmp_path / f"{number}.crl")
        ders[-1].write_bytes(x509.load_pem_x509_crl(file.read_bytes()).public_bytes(Encoding.DER))
    for files in ([tmp_path / "all.pem"], ders):
        lists = RevocationLists(files)
        lists.require_fresh(path, now)
        assert lists.problems == ()


def test_a_renewed_list_makes_a_stale_path_good_again(node: PkiNode, path: Path_, now: datetime) -> None:
    later = now + timedelta(days=8)
    lists = RevocationLists(node.authority.crls)
    expect_stale(lists, path, later)
    refresh_crls(node.authority.folder, now=later)
    lists.refresh()
    lists.require_fresh(path, later)


def test_a_batch_looks_at_the_lists_once_and_the_next_one_again(node: PkiNode, path: Path_, now: datetime) -> None:
    later = now + timedelta(days=8)
    lists = RevocationLists(node.authority.crls)
    with lists.steady():
        refresh_crls(node.authority.folder, now=later)
        lists.refresh()
        expect_stale(lists, path, later)
    with lists.steady():
        lists.require_fresh(path, later)


def expect_stale(lists: RevocationLists, path: Path_, now: datetime) -> None:
    with pytest.raises(TrustError) as caught:
        lists.require_fresh(path, now)
    assert caught.value.code == "trust.crl_stale"
    assert caught.value.retryable
