"""Whose keys count, and until when: validity, overlap, revocation, and one partner's authority for one partner only."""

import pickle
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.domain.ids import KeyId, PartyId
from gateway.errors import ConfigurationError, GatewayError, TrustError
from gateway.trust import FileTrust, TrustFiles, Use, certified
from gateway.trust.pki import issue
from tests.pki import PkiNode, TestPki, make_pki, write_bundle
from tests.unit.trust.conftest import StandingClock

GB, FR = PartyId("GB-HMRC"), PartyId("FR-DGDDI")
SUPERSEDED = x509.ReasonFlags.superseded


def _key_of(node: PkiNode, clock: StandingClock) -> KeyId:
    return node.trust(clock).signer(node.party, clock.moment).key_id


def _another(node: PkiNode, use: Use, **options: datetime) -> PkiNode:
    """Return the node with one more key, and its bundle written again."""
    issued = issue(node.authority.folder, node.party, use, keys=node.folder / "keys", **options)  # type: ignore[arg-type]  # now, not_before
    signing = (*node.signing, issued.files) if use is Use.SIGN else node.signing
    decryption = (*node.decryption, issued.files) if use is Use.DECRYPT else node.decryption
    grown = replace(node, signing=signing, decryption=decryption)
    write_bundle(grown)
    return grown


def test_a_key_announced_for_later_takes_over_at_its_time_and_not_before(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    begins = now + timedelta(days=3)
    grown = _another(pki[GB], Use.SIGN, now=now, not_before=begins)
    ours, theirs = grown.trust(clock), pki[FR].trust(clock)
    old = ours.signer(GB, now).key_id
    assert ours.signer(GB, begins - timedelta(seconds=1)).key_id == old
    new = ours.signer(GB, begins).key_id
    assert new != old
    assert {theirs.verification_key(one).party for one in (old, new)} == {GB}


def test_a_partner_encrypts_to_the_newest_key_and_older_ones_still_open(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    old = pki[FR].trust(clock).wrapping_key(GB, now).key_id
    grown = _another(pki[GB], Use.DECRYPT, now=now + timedelta(minutes=1))
    new = pki[FR].trust(clock).wrapping_key(GB, now).key_id
    assert new != old
    assert [grown.trust(clock).unwrapper(GB, one).key_id for one in (old, new)] == [old, new]


def test_an_expired_key_still_loads_and_keeps_its_dates(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    key_id = _key_of(pki[GB], clock)
    later = clock.pass_by(days=400)
    pki.refresh_crls(later)
    key = pki[FR].trust(clock).verification_key(key_id)
    assert key.not_before <= now <= key.not_after < later
    assert not key.revoked


def test_a_key_revoked_for_compromise_is_marked_at_the_next_lookup(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    key_id = _key_of(pki[GB], clock)
    trust = pki[FR].trust(clock)
    assert not trust.verification_key(key_id).revoked
    pki[GB].revoke(pki[GB].signing[0], now)
    assert trust.verification_key(key_id).revoked


def test_a_superseded_key_is_retired_as_of_the_revocation(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    key_id = _key_of(pki[GB], clock)
    moment = clock.pass_by(hours=5)
    pki[GB].revoke(pki[GB].signing[0], moment, SUPERSEDED)
    key = pki[FR].trust(clock).verification_key(key_id)
    assert (key.revoked, key.not_after) == (False, moment)


@pytest.mark.parametrize("reason", [SUPERSEDED, x509.ReasonFlags.key_compromise])
def test_nothing_is_encrypted_to_or_signed_with_a_revoked_key(
    pki: TestPki, clock: StandingClock, now: datetime, reason: x509.ReasonFlags
) -> None:
    theirs, ours = pki[FR].trust(clock), pki[GB].trust(clock)
    pki[GB].revoke(pki[GB].decryption[0], now, reason)
    pki[GB].revoke(pki[GB].signing[0], now, reason)
    for ask in (lambda: theirs.wrapping_key(GB, now), lambda: ours.signer(GB, now)):
        with pytest.raises(TrustError) as caught:
            ask()
        assert caught.value.code == "trust.key_unknown"


def test_a_revoked_decryption_key_still_opens_what_was_sent_to_it(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    trust = pki[GB].trust(clock)
    key_id = trust.wrapping_key(GB, now).key_id
    pki[GB].revoke(pki[GB].decryption[0], now)
    assert trust.unwrapper(GB, key_id).key_id == key_id


def test_a_stale_list_refuses_a_partners_keys_until_it_is_renewed(pki: TestPki, clock: StandingClock) -> None:
    key_id = _key_of(pki[GB], clock)
    trust = pki[FR].trust(clock)
    later = clock.pass_by(days=8)
    for ask in (lambda: trust.verification_key(key_id), lambda: trust.wrapping_key(GB, later)):
        with pytest.raises(TrustError) as caught:
            ask()
        assert caught.value.code == "trust.crl_stale"
    assert any(GB in one for one in trust.refresh(later))
    assert trust.signer(FR, later)
    pki.refresh_crls(later)
    assert trust.verification_key(key_id).party == GB
    assert trust.refresh(later) == ()


def test_one_partners_stale_list_does_not_touch_another_partner(
    tmp_path: Path, clock: StandingClock, now: datetime
) -> None:
    pki = make_pki(tmp_path / "three", [GB, FR, "NL-DOUANE"], now)
    later = clock.pass_by(days=8)
    pki.refresh_crls(later)
    pki[GB].authority.crls[1].unlink()
    trust = pki[FR].trust(clock)
    assert trust.wrapping_key(PartyId("NL-DOUANE"), later)
    with pytest.raises(TrustError) as caught:
        trust.wrapping_key(GB, later)
    assert caught.value.code == "trust.crl_stale"


def test_a_bundle_from_an_authority_nobody_agreed_on_is_refused(pki: TestPki, clock: StandingClock) -> None:
    pki.roots.write_bytes(pki[FR].authority.roots.read_bytes())
    expect_refusal(pki[FR].files(), clock, "trust.certificate_invalid", "agreed root")


def test_a_partner_can_not_bring_a_key_of_another_partners_authority(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    # FR's authority certifies a key that names GB; even in GB's own bundle it does not chain to GB's root.
    stray = issue(pki[FR].authority.folder, GB, Use.SIGN, keys=pki.folder / "stray", now=now)
    write_bundle(replace(pki[GB], signing=(stray.files,)))
    expect_refusal(pki[FR].files(), clock, "trust.certificate_invalid", "agreed root")


def test_a_bundle_speaks_for_its_own_party_only(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    files = pki[FR].files()
    renamed = replace(files, partners=(replace(files.partners[0], party=PartyId("NL-DOUANE")),))
    expect_refusal(renamed, clock, "config.invalid", "not of NL-DOUANE")
    stray = issue(pki[GB].authority.folder, PartyId("NL-DOUANE"), Use.SIGN, keys=pki.folder / "stray", now=now)
    write_bundle(replace(pki[GB], signing=(stray.files,)))
    expect_refusal(files, clock, "trust.certificate_invalid", "does not name GB-HMRC")


def test_a_tls_certificate_is_no_signing_certificate(pki: TestPki, clock: StandingClock) -> None:
    write_bundle(replace(pki[GB], signing=(pki[GB].tls,)))
    expect_refusal(pki[FR].files(), clock, "trust.certificate_invalid", "key usage")


def test_a_key_that_stands_twice_is_refused(pki: TestPki, clock: StandingClock) -> None:
    write_bundle(replace(pki[GB], signing=(*pki[GB].signing, *pki[GB].signing)))
    expect_refusal(pki[FR].files(), clock, "config.invalid", "twice")


def test_a_party_that_stands_twice_is_refused(pki: TestPki, clock: StandingClock) -> None:
    files = pki[FR].files()
    expect_refusal(replace(files, partners=files.partners * 2), clock, "config.invalid", "twice")
    expect_refusal(replace(files, own=files.own * 2), clock, "config.invalid", "twice")


def test_a_published_test_key_is_no_partners_key(
    pki: TestPki, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certified, "VECTOR_KEY_IDS", (_key_of(pki[GB], clock),))
    expect_refusal(pki[FR].files(), clock, "trust.certificate_invalid", "published")


def test_our_own_keys_are_published_until_they_are_revoked(pki: TestPki, clock: StandingClock, now: datetime) -> None:
    trust = _another(pki[GB], Use.SIGN, now=now, not_before=now + timedelta(days=1)).trust(clock)
    published = trust.own_keys(GB)
    assert [one.use for one in published] == ["sig", "sig", "enc"]
    assert published[0].key_id == trust.signer(GB, now).key_id
    assert trust.own_keys(FR) == ()
    pki[GB].revoke(pki[GB].signing[0], now)
    assert trust.own_keys(GB) == published[1:]


def test_trust_is_never_pickled(pki: TestPki, clock: StandingClock) -> None:
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(pki[GB].trust(clock))


def expect_refusal(files: TrustFiles, clock: StandingClock, code: str, words: str) -> None:
    with pytest.raises(GatewayError, match=words) as caught:
        FileTrust(files, clock=clock)
    assert caught.value.code == code
    assert isinstance(caught.value, TrustError | ConfigurationError)


def test_people_see_every_key_of_a_party_with_its_dates_revoked_ones_too(
    pki: TestPki, clock: StandingClock, now: datetime
) -> None:
    grown = _another(pki[GB], Use.SIGN, now=now)
    pki[GB].revoke(grown.signing[0], now)
    theirs, ours = pki[FR].trust(clock), grown.trust(clock)
    for trust in (theirs, ours):
        facts = trust.key_facts(GB)
        assert [(one.use, one.revoked) for one in facts] == [("sign", True), ("sign", False), ("decrypt", False)]
        assert all(one.party == GB and one.not_before <= now < one.not_after for one in facts)
    assert theirs.key_facts(PartyId("XX-NOBODY")) == ()
