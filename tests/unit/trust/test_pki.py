"""The development authority: what it writes, and what openssl thinks of it."""

import subprocess
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from gateway.domain.ids import PartyId
from gateway.errors import ConfigurationError, TrustError
from gateway.trust import Use, read_certificates
from gateway.trust.certificates import san_uris
from gateway.trust.pki import Authority, Issued, init, issue, refresh_crls, renew, revoke

PARTY = PartyId("GB-HMRC")
COMPROMISE = x509.ReasonFlags.key_compromise


@pytest.fixture
def authority(tmp_path: Path, now: datetime) -> Authority:
    return init(tmp_path / "pki", now=now, name="Test")


@pytest.fixture
def tls(authority: Authority, tmp_path: Path, now: datetime) -> Issued:
    return issue(
        authority.folder,
        PARTY,
        Use.TLS,
        keys=tmp_path / "keys",
        now=now,
        dns=["gw.example"],
        addresses=[ip_address("127.0.0.1")],
    )


def _crl(authority: Authority) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl(authority.crls[1].read_bytes())


def _number(authority: Authority) -> int:
    return _crl(authority).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_every_private_key_is_0600_in_folders_of_0700(tls: Issued, tmp_path: Path) -> None:
    keys = list(tmp_path.rglob("*.key.pem"))
    assert len(keys) == 3
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in keys} == {0o700}


def test_an_authority_is_never_made_over_another(authority: Authority, now: datetime) -> None:
    before = {path: path.read_bytes() for path in authority.folder.glob("*.pem")}
    with pytest.raises(ConfigurationError, match="exists already"):
        init(authority.folder, now=now)
    assert {path: path.read_bytes() for path in authority.folder.glob("*.pem")} == before


def test_numbers_count_up_and_older_keys_stay(authority: Authority, tls: Issued, tmp_path: Path, now: datetime) -> None:
    content = tls.files.key.read_bytes()
    second = issue(authority.folder, PARTY, Use.TLS, keys=tmp_path / "keys", now=now)
    assert second.files.key.name == "tls-2.key.pem"
    assert tls.files.key.read_bytes() == content


def test_a_renewed_certificate_has_a_new_key_and_the_same_names(
    authority: Authority, tls: Issued, tmp_path: Path, now: datetime
) -> None:
    later = now + timedelta(days=300)
    renewed = renew(authority.folder, tls.files.certificate, keys=tmp_path / "keys", now=later)
    old, new = (read_certificates(one.files.certificate)[0] for one in (tls, renewed))
    names = [one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for one in (old, new)]
    assert names[0] == names[1]
    assert old.public_key() != new.public_key()
    assert new.not_valid_after_utc > old.not_valid_after_utc


def test_a_certificate_ends_no_later_than_its_authority(authority: Authority, tmp_path: Path, now: datetime) -> None:
    long = issue(authority.folder, PARTY, Use.SIGN, keys=tmp_path / "keys", now=now, lifetime=timedelta(days=9999))
    assert long.not_after == read_certificates(authority.chain)[0].not_valid_after_utc


def test_host_names_stand_only_in_tls_certificates(authority: Authority, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(ConfigurationError, match="tls"):
        issue(authority.folder, PARTY, Use.SIGN, keys=tmp_path / "keys", now=now, dns=["gw.example"])


def test_revoking_publishes_a_new_list_with_the_reason(authority: Authority, tls: Issued, now: datetime) -> None:
    number = _number(authority)
    revoke(authority.folder, tls.serial, now=now, reason=x509.ReasonFlags.superseded)
    entry = _crl(authority).get_revoked_certificate_by_serial_number(tls.serial)
    assert entry is not None
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.superseded
    assert _number(authority) == number + 1


def test_a_second_revocation_keeps_the_date_and_only_sharpens(authority: Authority, tls: Issued, now: datetime) -> None:
    later = now + timedelta(days=1)
    for reason, expected in (
        (x509.ReasonFlags.superseded, x509.ReasonFlags.superseded),
        (COMPROMISE, COMPROMISE),
        (x509.ReasonFlags.superseded, COMPROMISE),
    ):
        revoke(authority.folder, tls.serial, now=now if expected is not COMPROMISE else later, reason=reason)
        entry = _crl(authority).get_revoked_certificate_by_serial_number(tls.serial)
        assert entry is not None
        assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is expected
        assert entry.revocation_date_utc == now


def test_a_foreign_serial_number_is_not_revoked(authority: Authority, now: datetime) -> None:
    with pytest.raises(TrustError) as caught:
        revoke(authority.folder, 12345, now=now)
    assert caught.value.code == "trust.certificate_invalid"


def test_refreshed_lists_keep_their_entries(authority: Authority, tls: Issued, now: datetime) -> None:
    revoke(authority.folder, tls.serial, now=now)
    refresh_crls(authority.folder, now=now + timedelta(days=6))
    assert _crl(authority).get_revoked_certificate_by_serial_number(tls.serial) is not None
    assert _crl(authority).last_update_utc == now + timedelta(days=6)


def test_a_lost_list_is_an_error_and_no_new_beginning(authority: Authority, tls: Issued, now: datetime) -> None:
    authority.crls[1].unlink()
    with pytest.raises(ConfigurationError):
        revoke(authority.folder, tls.serial, now=now)
    assert not authority.crls[1].exists()


@pytest.mark.parametrize(
    ("use", "purpose"), [(Use.TLS, "sslclient"), (Use.TLS, "sslserver"), (Use.SIGN, "any"), (Use.DECRYPT, "any")]
)
def test_openssl_accepts_the_path_strictly_and_notices_revocation(
    authority: Authority, tmp_path: Path, now: datetime, use: Use, purpose: str
) -> None:
    issued = issue(authority.folder, PARTY, use, keys=tmp_path / "keys", now=now)
    assert san_uris(read_certificates(issued.files.certificate)[0]) == ("urn:wco-gateway:party:GB-HMRC",)
    assert _openssl(authority, issued, purpose) == 0
    revoke(authority.folder, issued.serial, now=now, reason=COMPROMISE)
    assert _openssl(authority, issued, purpose) != 0


def _openssl(authority: Authority, issued: Issued, purpose: str) -> int:
    lists = authority.folder / "all.crl.pem"
    lists.write_bytes(b"".join(path.read_bytes() for path in authority.crls))
    command = ["openssl", "verify", "-x509_strict", "-crl_check_all", "-purpose", purpose, "-CRLfile", str(lists)]
    command += ["-CAfile", str(authority.roots), "-untrusted", str(authority.chain), str(issued.files.certificate)]
    return subprocess.run(command, capture_output=True, check=False).returncode
