"""Whom to believe, what was agreed, and what is sealed."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from gateway.domain.access import Caller
from gateway.domain.agreement import Agreement, Flow
from gateway.domain.ids import AgreementId, KeyId, PartyId
from gateway.domain.jobs import ReferenceKind, SealedReference
from gateway.domain.message import MessageKind
from gateway.envelope import Signer, Unwrapper, VerificationKey, WrappingKey


class Sealer(Protocol):
    """Encryption at rest. `row` names where the bytes live and is bound to them as associated data."""

    def seal(self, plaintext: bytes, *, row: str) -> bytes: ...

    def unseal(self, sealed: bytes, *, row: str) -> bytes:
        """Raises TrustError `trust.unsealing_failed` for changed bytes or another row, which no try mends, and
        `trust.key_unknown` for an at-rest key that is not here: it may be put back."""
        ...

    def index(self, kind: ReferenceKind, value: str) -> str:
        """Return the keyed hash (hex) by which a reference value can be found."""
        ...


class PseudonymKeys(Protocol):
    """The keys of pseudonyms."""

    def key(self, agreement: AgreementId, period: str) -> bytes:
        """Return the 32 bytes for one agreement and period; always the same for the same two."""
        ...


class ReferenceReader(Protocol):
    """Shows sealed references to a person who may see them."""

    def reveal(self, reference: SealedReference, *, row: str) -> str: ...


class Agreements(Protocol):
    """The agreements this node holds."""

    def choose(
        self, *, sender: PartyId, recipient: PartyId, kind: MessageKind, now: datetime
    ) -> tuple[Agreement, Flow]:
        """Return what permits this exchange now. Raises AgreementError, or SchemaError `schema.set_not_valid`."""
        ...

    def version(self, agreement: AgreementId, version: int) -> Agreement:
        """Return one version, in force or not. Raises AgreementError `agreement.none`."""
        ...

    def partners(self) -> frozenset[PartyId]:
        """Return every party that is not ours and stands in an agreement."""
        ...

    def in_force(self, now: datetime) -> frozenset[str]:
        """Return the hashes (SHA-256, hex) of the texts that are in force."""
        ...

    def stopped(self, now: datetime) -> Mapping[str, str]:
        """Return why nothing goes now under each text that is held and not in force, by hash: a sentence for people."""
        ...


class Trust(Protocol):
    """Keys of our own and of partners, by party, with validity and revocation."""

    def steady(self) -> AbstractContextManager[None]:
        """Let what is known of revocation stand for all that is asked inside, having looked once: for one batch."""
        ...

    def signer(self, party: PartyId, now: datetime) -> Signer:
        """Return the current signing key of one of our own parties."""
        ...

    def unwrapper(self, party: PartyId, key_id: KeyId) -> Unwrapper:
        """Return the decryption key of our own with this id. Raises EnvelopeError `envelope.key_unknown`."""
        ...

    def verification_key(self, key_id: KeyId) -> VerificationKey:
        """Return the signing key with this id, and whose it is. Raises EnvelopeError `envelope.key_unknown`."""
        ...

    def wrapping_key(self, party: PartyId, now: datetime) -> WrappingKey:
        """Return the key to encrypt to for `party`: valid now, the newest. Raises TrustError `trust.key_unknown`."""
        ...


class Tokens(Protocol):
    """Bearer tokens of clients and operators."""

    def caller(self, authorization: str | None) -> Caller:
        """Return who sent this `Authorization` header. Raises AccessError `access.token_missing|token_invalid`."""
        ...


class Peers(Protocol):
    """Client certificates of partners, judged anew on every request."""

    def party_of(self, certificate: bytes | None, now: datetime) -> PartyId:
        """Return the party a certificate (DER) names, if chain, validity, EKU, SAN and revocation hold.

        Raises AccessError `access.certificate_missing` or `access.certificate_refused`.
        """
        ...
