"""FileTrust: the Trust port over our own key files, partner bundles, agreed roots and revocation lists.

Everything is loaded and checked once, all or nothing: each certificate must chain to an agreed root, a partner's to a
root of *its own* bundle, so that one partner's authority can not speak for another. What changes while running is
time, which the clock tells, and revocation lists, whose files are looked at on every call. What follows from both is
worked out anew when one of them may have changed it (judged.py).

A partner's keys count only while the lists above them are fresh, else `trust.crl_stale`. Our own signing keys are not
used once revoked, but do not wait for a fresh list: it is for others to judge us. Decryption keys of our own always
open what was sent to them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NoReturn

from cryptography import x509

from gateway.domain.ids import KeyId, PartyId
from gateway.domain.records import KeyFacts
from gateway.envelope import Signer, Unwrapper, VerificationKey, WrappingKey
from gateway.errors import ConfigurationError, EnvelopeError, TrustError
from gateway.trust.bundle import load_bundle
from gateway.trust.certificates import Purpose, build_path, p256_key, party_uri, read_certificates
from gateway.trust.certified import (
    Anchor,
    Certified,
    OwnFiles,
    OwnPublicKey,
    PartnerFiles,
    TrustFiles,
    certify,
    require_usage,
    verification_key_of,
)
from gateway.trust.crl import RevocationLists, Standing
from gateway.trust.judged import JudgedKeys
from gateway.trust.keys import FileSigner, FileUnwrapper, load_own_key

__all__ = ["FileTrust"]


class FileTrust:
    """Implements ports.Trust. Holds private keys, so it is never pickled; a worker makes its own from TrustFiles."""

    def __init__(self, files: TrustFiles, *, clock: Callable[[], datetime]) -> None:
        """Load and check every file. `clock` returns aware UTC time and judges how fresh a list is.

        Raises ConfigurationError or TrustError for the first file that can not be trusted, naming it.
        """
        self._clock = clock
        self.revocation = RevocationLists(files.crls, max_age=files.crl_max_age)
        self._roots = read_certificates(files.roots)
        self._signers: dict[KeyId, FileSigner] = {}
        self._unwrappers: dict[PartyId, dict[KeyId, FileUnwrapper]] = {}
        self._signing: dict[KeyId, Certified] = {}
        self._signer_of: JudgedKeys[PartyId, FileSigner] = JudgedKeys()
        self._verification: JudgedKeys[KeyId, VerificationKey] = JudgedKeys()
        self._wrapping: JudgedKeys[PartyId, WrappingKey] = JudgedKeys()
        self._encryption: dict[PartyId, list[Certified]] = {}
        anchors: dict[PartyId, Anchor] = {}
        for own in files.own:
            self._add_own(own)
        for partner in files.partners:
            if partner.party in anchors or partner.party in self._unwrappers:
                raise ConfigurationError("config.invalid", f"{partner.party} stands twice among parties and partners")
            anchors[partner.party] = self._add_partner(partner)
        self.anchors: Mapping[PartyId, Anchor] = MappingProxyType(anchors)

    def steady(self) -> AbstractContextManager[None]:
        """Look at the files of revocation lists once for all that is asked inside: one batch of a worker."""
        return self.revocation.steady()

    def signer(self, party: PartyId, now: datetime) -> Signer:
        """Return the newest of our own signing keys of `party` that is valid at `now` and not revoked.

        Raises TrustError `trust.key_unknown`.
        """
        self.revocation.refresh()
        generation = self.revocation.generation
        known = self._signer_of.get(party, generation, now)
        if known is not None:
            return known
        own = [one for one in self._signing.values() if one.own and one.party == party]
        found = self._signers[self._newest(own, now, f"{party} has no signing key that is valid now").key_id]
        return self._signer_of.keep(party, generation, now, self._turns(own), found)

    def unwrapper(self, party: PartyId, key_id: KeyId) -> Unwrapper:
        """Return the decryption key of our own with this id. Raises EnvelopeError `envelope.key_unknown`."""
        found = self._unwrappers.get(party, {}).get(key_id)
        if found is None:
            raise EnvelopeError("envelope.key_unknown", f"{party} has no decryption key with this id")
        return found

    def verification_key(self, key_id: KeyId) -> VerificationKey:
        """Return the signing key with this id, and whose it is, as revocation lists leave it.

        Raises EnvelopeError `envelope.key_unknown`; TrustError `trust.crl_stale` for a partner's key.
        """
        now = self._clock()
        self.revocation.refresh()
        generation = self.revocation.generation
        known = self._verification.get(key_id, generation, now)
        if known is not None:
            return known
        found = self._signing.get(key_id)
        if found is None:
            raise EnvelopeError("envelope.key_unknown", "no party we know has a signing key with this id")
        key = verification_key_of(found, self._standing(found, now))
        return self._verification.keep(key_id, generation, now, self.revocation.turning_points(found.path), key)

    def wrapping_key(self, party: PartyId, now: datetime) -> WrappingKey:
        """Return the key to encrypt to for `party`: valid now, not revoked, the newest.

        Raises TrustError `trust.key_unknown` or `trust.crl_stale`.
        """
        self.revocation.refresh()
        generation = self.revocation.generation
        known = self._wrapping.get(party, generation, now)
        if known is not None:
            return known
        keys = self._encryption.get(party, [])
        found = self._newest(keys, now, f"there is no encryption key of {party} that is valid now")
        self._standing(found, now)
        key = WrappingKey(
            key_id=found.key_id,
            party=party,
            public_key=p256_key(found.leaf),
            not_before=found.leaf.not_valid_before_utc,
            not_after=found.leaf.not_valid_after_utc,
        )
        turns = (*self._turns(keys), *self.revocation.turning_points(found.path))
        return self._wrapping.keep(party, generation, now, turns, key)

    def own_keys(self, party: PartyId) -> tuple[OwnPublicKey, ...]:
        """Return the public keys of one of our own parties that were never revoked, signing first, oldest first."""
        self.revocation.refresh()
        signing = [one for one in self._signing.values() if one.own and one.party == party]
        encryption = [one for one in self._encryption.get(party, []) if one.own]
        return (*self._published("sig", signing), *self._published("enc", encryption))

    def key_facts(self, party: PartyId) -> tuple[KeyFacts, ...]:
        """Return what is known of the public keys of a party, revoked ones too; signing first, oldest first."""
        self.revocation.refresh()
        signing = [one for one in self._signing.values() if one.party == party]
        return (*self._facts("sign", signing), *self._facts("decrypt", self._encryption.get(party, [])))

    def refresh(self, now: datetime) -> tuple[str, ...]:
        """Look at the revocation lists again and return what is wrong with them at `now`, for operators; often nothing.

        Nobody needs to call this for safety: every lookup looks at the files itself.
        """
        self.revocation.refresh()
        problems = list(self.revocation.problems)
        for one in (*self._signing.values(), *(key for keys in self._encryption.values() for key in keys)):
            if not one.own:
                try:
                    self.revocation.require_fresh(one.path, now)
                except TrustError as error:
                    problems.append(f"{one.party}: {error.detail}")
        return tuple(dict.fromkeys(problems))

    def __reduce__(self) -> NoReturn:
        raise TypeError("private keys are never pickled; a worker makes its own FileTrust from TrustFiles")

    # ── loading ──

    def _add_own(self, own: OwnFiles) -> None:
        if own.party in self._unwrappers:
            raise ConfigurationError("config.invalid", f"{own.party} stands twice among our parties")
        self._unwrappers[own.party] = {}
        self._encryption[own.party] = []
        uri = party_uri(own.party)
        for files in own.signing:
            key = load_own_key(files, Purpose.SIGN)
            path = self._path(key.certificate, self._roots, key.intermediates, str(files.certificate))
            self._add_signing(certify(own.party, path, str(files.certificate), uri=uri))
            self._signers[key.key_id] = FileSigner(key)
        for files in own.decryption:
            key = load_own_key(files, Purpose.DECRYPT)
            path = self._path(key.certificate, self._roots, key.intermediates, str(files.certificate))
            self._encryption[own.party].append(certify(own.party, path, str(files.certificate), uri=uri))
            self._unwrappers[own.party][key.key_id] = FileUnwrapper(key)

    def _add_partner(self, partner: PartnerFiles) -> Anchor:
        bundle = load_bundle(partner.bundle)
        origin = str(partner.bundle)
        if bundle.party != partner.party:
            raise ConfigurationError("config.invalid", f"{origin} is of {bundle.party}, not of {partner.party}")
        anchor = Anchor(
            party=partner.party,
            uri=partner.san_uri or party_uri(partner.party),
            pins=frozenset(partner.pins or bundle.tls_pins),
            # Roots that the bundle brings but nobody agreed on are not trusted.
            roots=tuple(one for one in bundle.roots if one in self._roots),
            intermediates=bundle.intermediates,
        )
        certified = [
            self._of_partner(anchor, certificate, purpose, origin)
            for purpose, certificates in ((Purpose.SIGN, bundle.signing), (Purpose.DECRYPT, bundle.encryption))
            for certificate in certificates
        ]
        for key in certified[: len(bundle.signing)]:
            self._add_signing(key)
        self._encryption[partner.party] = certified[len(bundle.signing) :]
        return anchor

    def _of_partner(self, anchor: Anchor, certificate: x509.Certificate, purpose: Purpose, origin: str) -> Certified:
        require_usage(certificate, purpose, origin)
        path = self._path(certificate, anchor.roots, anchor.intermediates, origin)
        return certify(anchor.party, path, origin, uri=anchor.uri, own=False, pinned=bool(anchor.pins))

    def _add_signing(self, key: Certified) -> None:
        # The key id stands for party and certificate; one key under two of either would make that ambiguous.
        if key.key_id in self._signing:
            raise ConfigurationError(
                "config.invalid", f"a signing key of {key.party} stands twice; a new certificate needs a new key"
            )
        self._signing[key.key_id] = key

    def _path(
        self,
        leaf: x509.Certificate,
        roots: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate],
        origin: str,
    ) -> tuple[x509.Certificate, ...]:
        # As of a time in its validity: an expired key still verifies what it signed, a future one waits.
        at = max(leaf.not_valid_before_utc, min(self._clock(), leaf.not_valid_after_utc))
        try:
            return build_path(leaf, roots=roots, intermediates=intermediates, at=at)
        except TrustError as error:
            raise TrustError(error.code, f"{origin}: {error.detail}") from error

    # ── looking up ──

    def _turns(self, keys: Iterable[Certified]) -> Iterator[datetime]:
        """When the choice among these keys may turn out otherwise."""
        for one in keys:
            yield from one.turning_points(self.revocation.standing(one.path))

    def _standing(self, key: Certified, now: datetime) -> Standing:
        if not key.own:
            self.revocation.require_fresh(key.path, now)
        return self.revocation.standing(key.path)

    def _published(self, use: Literal["sig", "enc"], keys: Iterable[Certified]) -> Iterator[OwnPublicKey]:
        for one in sorted(keys, key=lambda key: key.leaf.not_valid_before_utc):
            if not self.revocation.standing(one.path).revoked:
                yield OwnPublicKey(
                    use=use,
                    key_id=one.key_id,
                    public_key=p256_key(one.leaf),
                    not_before=one.leaf.not_valid_before_utc,
                    not_after=one.leaf.not_valid_after_utc,
                )

    def _facts(self, use: str, keys: Iterable[Certified]) -> Iterator[KeyFacts]:
        for one in sorted(keys, key=lambda key: key.leaf.not_valid_before_utc):
            yield KeyFacts(
                party=one.party,
                use=use,
                key_id=one.key_id,
                not_before=one.leaf.not_valid_before_utc,
                not_after=one.leaf.not_valid_after_utc,
                revoked=self.revocation.standing(one.path).revoked,
            )

    def _newest(self, keys: Iterable[Certified], now: datetime, otherwise: str) -> Certified:
        valid = [one for one in keys if one.valid(now, self.revocation.standing(one.path))]
        if not valid:
            raise TrustError("trust.key_unknown", otherwise)
        return max(valid, key=lambda one: (one.leaf.not_valid_before_utc, one.leaf.not_valid_after_utc, one.key_id))
