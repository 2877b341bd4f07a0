"""Whom a TLS certificate names, and every reason to refuse one, on either side."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain.ids import PartyId
from gateway.errors import AccessError, ChannelError, TrustError
from gateway.trust import FileTrust, PartnerGate, plain_server_context
from tests.pki import TestPki, forge, make_pki, uri, write_bundle
from tests.unit.trust.conftest import StandingClock
from tests.unit.trust.flaws import CLIENT_FLAWS, FR, GB, SERVER_FLAWS, der_of


class _Connection:
    """Stands for an SSL object: all that is asked of one is the certificate of the other end."""

    def __init__(self, der: bytes | None) -> None:
        self._der = der

    def getpeercert(self, binary_form: bool) -> bytes | None:
        return self._der if binary_form else None


def test_a_good_certificate_names_its_party(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    gate = pki[FR].gate(clock)
    assert gate.party_of(der_of(pki[GB].tls), now) == GB
    gate.check_server(_Connection(der_of(pki[GB].tls)), GB, now)  # type: ignore[arg-type]  # a stand-in


@pytest.mark.parametrize("flaw", CLIENT_FLAWS)
def test_a_flawed_client_certificate_is_refused(
    pki: TestPki, clock: StandingClock, now: datetime, tmp_path: Path, flaw: str
) -> None:
    gate = pki[FR].gate(clock)
    der = der_of(CLIENT_FLAWS[flaw](pki, tmp_path / "flawed", now))
    with pytest.raises(AccessError) as caught:
        gate.party_of(der, now)
    assert caught.value.code == "access.certificate_refused"


@pytest.mark.parametrize("flaw", SERVER_FLAWS)
def test_a_flawed_server_certificate_is_refused(
    pki: TestPki, clock: StandingClock, now: datetime, tmp_path: Path, flaw: str
) -> None:
    gate = pki[FR].gate(clock)
    der = der_of(SERVER_FLAWS[flaw](pki, tmp_path / "flawed", now))
    with pytest.raises(ChannelError) as caught:
        gate.check_server(_Connection(der), GB, now)  # type: ignore[arg-type]  # a stand-in
    assert caught.value.code == "channel.tls_refused"


@pytest.mark.parametrize("der", [None, b""])
def test_no_certificate_is_told_as_such(pki: TestPki, clock: StandingClock, now: datetime, der: bytes | None) -> None:
    gate = pki[FR].gate(clock)
    with pytest.raises(AccessError) as missing:
        gate.party_of(der, now)
    assert missing.value.code == "access.certificate_missing"
    with pytest.raises(ChannelError):
        gate.check_server(_Connection(der), GB, now)  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(ChannelError):
        gate.check_server(None, GB, now)


@pytest.mark.parametrize("der", [b"\0", b"0\x03\x02\x01\x01"])
def test_what_is_no_certificate_is_refused(pki: TestPki, clock: StandingClock, now: datetime, der: bytes) -> None:
    with pytest.raises(AccessError) as caught:
        pki[FR].gate(clock).party_of(der, now)
    assert caught.value.code == "access.certificate_refused"


def test_our_own_certificate_names_no_partner(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    with pytest.raises(AccessError, match="no partner"):
        pki[FR].gate(clock).party_of(der_of(pki[FR].tls), now)


def test_a_signing_certificate_opens_no_connection(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    with pytest.raises(AccessError, match="key usage"):
        pki[FR].gate(clock).party_of(der_of(pki[GB].signing[0]), now)


def test_a_partner_that_is_not_the_expected_one_is_refused(tmp_path: Path, clock: StandingClock, now: datetime) -> None:
    pki = make_pki(tmp_path / "three", [GB, FR, "NL-DOUANE"], now)
    gate = pki[FR].gate(clock)
    with pytest.raises(ChannelError, match="gateway of NL-DOUANE, not of GB-HMRC"):
        gate.check_server(_Connection(der_of(pki["NL-DOUANE"].tls)), GB, now)  # type: ignore[arg-type]  # a stand-in


def test_what_was_accepted_is_judged_again_on_every_request(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    gate, der = pki[FR].gate(clock), der_of(pki[GB].tls)
    assert gate.party_of(der, now) == GB
    with pytest.raises(TrustError) as stale:
        gate.party_of(der, now + timedelta(days=8))
    assert stale.value.code == "trust.crl_stale"
    pki.refresh_crls(now + timedelta(days=399))
    with pytest.raises(AccessError, match="expired"):
        gate.party_of(der, now + timedelta(days=400))
    pki.refresh_crls(now)
    assert pki[FR].gate(clock).party_of(der, now) == GB
    fresh = pki[FR].gate(clock)
    assert fresh.party_of(der, now) == GB
    pki[GB].revoke(pki[GB].tls, now)
    with pytest.raises(AccessError, match="revoked"):
        fresh.party_of(der, now)


def test_a_pinned_partner_is_known_by_its_key_alone(
    pki: TestPki, clock: StandingClock, now: datetime, tmp_path: Path
) -> None:
    unnamed = forge(pki[GB].authority, tmp_path / "unnamed", now, uris=[])
    write_bundle(pki[GB], pinned_tls=[unnamed.certificate])
    gate = pki[FR].gate(clock)
    assert gate.party_of(der_of(unnamed), now) == GB
    with pytest.raises(AccessError, match="no partner"):
        gate.party_of(der_of(pki[GB].tls), now)


def test_a_pin_does_not_excuse_naming_another_party(
    pki: TestPki, clock: StandingClock, now: datetime, tmp_path: Path
) -> None:
    other = forge(pki[GB].authority, tmp_path / "other", now, uris=[uri("XX-NOBODY")])
    write_bundle(pki[GB], pinned_tls=[other.certificate])
    with pytest.raises(AccessError, match="more than one party"):
        pki[FR].gate(clock).party_of(der_of(other), now)


def test_another_uri_may_be_agreed(pki: TestPki, clock: StandingClock, now: datetime, tmp_path: Path) -> None:
    files = pki[FR].files()
    agreed = replace(files, partners=(replace(files.partners[0], san_uri="urn:example:gb"),))
    gate = PartnerGate(FileTrust(agreed, clock=clock), clock=clock)
    named = forge(pki[GB].authority, tmp_path / "named", now, uris=["urn:example:gb"])
    assert gate.party_of(der_of(named), now) == GB
    with pytest.raises(AccessError, match="no partner"):
        gate.party_of(der_of(pki[GB].tls), now)


def test_no_context_is_made_for_a_stranger_or_with_an_exposed_key(pki: TestPki, clock: StandingClock) -> None:
    gate = pki[FR].gate(clock)
    with pytest.raises(TrustError) as unknown:
        gate.client_context(pki[FR].tls, PartyId("XX-NOBODY"))
    assert unknown.value.code == "trust.key_unknown"
    pki[FR].tls.key.chmod(0o644)
    for make in (gate.server_context, plain_server_context):
        with pytest.raises(TrustError) as exposed:
            make(pki[FR].tls)
        assert exposed.value.code == "trust.key_exposed"
