"""Agreements: who may send what to whom, under what law, cut down by which policy.

An agreement is versioned and hashed (AS4 calls the like a P-Mode). Both parties hold the same file; the hash over its
canonical form, which includes the hashes of its schema sets and policies, travels signed in every message, so each
side can prove which text was in force.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.domain.ids import AgreementId, PartyId, SchemaSetId
from gateway.domain.message import AgreementRef, MessageKind, Terms
from gateway.domain.profile import NO_PROFILE, ProfileTerms
from gateway.domain.retry import RetryPolicy
from gateway.errors import AgreementError


class PseudonymPeriod(StrEnum):
    """How long a pseudonym stays the same: it can be followed within a period, and not from one to the next."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    NONE = "none"

    def at(self, moment: datetime) -> str:
        """Return the period that an aware time lies in, in UTC: `2026-11`, `2026-Q4`, `2026`, or `always`."""
        if moment.tzinfo is None:
            raise ValueError("a period needs an aware time")
        day = moment.astimezone(UTC)
        match self:
            case PseudonymPeriod.MONTH:
                return f"{day.year}-{day.month:02}"
            case PseudonymPeriod.QUARTER:
                return f"{day.year}-Q{(day.month + 2) // 3}"
            case PseudonymPeriod.YEAR:
                return str(day.year)
            case PseudonymPeriod.NONE:
                return "always"


class OverSharing(StrEnum):
    """What a receiver does with a message that holds more than the policy keeps."""

    REFUSE = "refuse"
    """A signed refusal; nothing of the message is stored."""
    ACCEPT_AND_ALARM = "accept_and_alarm"
    """It is taken as it came, and an alarm names the places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One direction of an agreement: these kinds, from this party to that one, under this set and this policy.

    `profile`: what is asked of a document beyond the set.
    """

    sender: PartyId
    recipient: PartyId
    kinds: frozenset[MessageKind]
    schema_set: SchemaSetId
    schema_set_sha256: str
    policy: str
    policy_sha256: str
    profile: ProfileTerms = NO_PROFILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One version of an agreement. In force from `valid_from` up to, not including, `valid_until`, unless suspended.

    `message_lifetime`: how long after its making a message may still be accepted; at least the retry deadline.
    `release_approvals`: how many officers release what a rule holds: 1, or 2 (four eyes).
    `pseudonym_period`: how long the keys of its pseudonyms last.
    `over_shared`: what becomes of a message that holds more than its policy keeps.
    """

    id: AgreementId
    version: int
    sha256: str
    parties: frozenset[PartyId]
    flows: tuple[Flow, ...]
    terms: Terms
    crypto_profile: str
    valid_from: datetime
    valid_until: datetime
    suspended: bool
    retry: RetryPolicy
    message_lifetime: timedelta
    max_document_bytes: int
    release_approvals: int = 1
    pseudonym_period: PseudonymPeriod = PseudonymPeriod.QUARTER
    over_shared: OverSharing = OverSharing.REFUSE

    @property
    def ref(self) -> AgreementRef:
        """What messages say of this agreement."""
        return AgreementRef(id=self.id, version=self.version, sha256=self.sha256)

    def flow(self, sender: PartyId, recipient: PartyId, kind: MessageKind) -> Flow | None:
        """Return the flow that covers this exchange, or None."""
        for flow in self.flows:
            if flow.sender == sender and flow.recipient == recipient and kind in flow.kinds:
                return flow
        return None


def canonical_text(content: Mapping[str, Any]) -> bytes:
    """Return an agreement's content as both parties hash it: UTF-8 JSON with sorted keys and no spaces (RFC 8785 for
    the values that occur: strings, integers, booleans, lists, objects)."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def agreement_sha256(content: Mapping[str, Any]) -> str:
    """Return the hash of an agreement's content: SHA-256, hex, over its canonical text."""
    return hashlib.sha256(canonical_text(content)).hexdigest()


def is_in_force(agreement: Agreement, now: datetime) -> bool:
    """Tell whether an agreement holds now. `now` is aware."""
    return not agreement.suspended and agreement.valid_from <= now < agreement.valid_until


def check_in_force(agreement: Agreement, now: datetime) -> None:
    """Raise AgreementError `agreement.suspended` or `agreement.not_in_force`. `now` is aware."""
    if agreement.suspended:
        raise AgreementError(
            "agreement.suspended", f"Agreement {agreement.id} version {agreement.version} is suspended"
        )
    if not agreement.valid_from <= now < agreement.valid_until:
        raise AgreementError(
            "agreement.not_in_force",
            f"Agreement {agreement.id} version {agreement.version} is in force from {agreement.valid_from:%Y-%m-%d} "
            f"until {agreement.valid_until:%Y-%m-%d}",
        )


def why_stopped(agreement: Agreement, now: datetime) -> str | None:
    """Return in one sentence why nothing goes under an agreement now, for a person to read; None while it is in force.

    `now` is aware. It speaks of our own copy: the other side may have suspended its own, or not.
    """
    if agreement.suspended:
        return f"Agreement {agreement.id} version {agreement.version} is suspended at this end"
    if now < agreement.valid_from:
        return f"Agreement {agreement.id} version {agreement.version} begins on {agreement.valid_from:%Y-%m-%d}"
    if now >= agreement.valid_until:
        return f"Agreement {agreement.id} version {agreement.version} ended on {agreement.valid_until:%Y-%m-%d}"
    return None


def check_unchanged(agreement: Agreement, known: AgreementRef, now: datetime) -> None:
    """Raise AgreementError unless `agreement` is the very text that `known` names, and in force.

    `agreement.mismatch` for another text, else what `check_in_force` raises.
    """
    if agreement.ref != known:
        raise AgreementError(
            "agreement.mismatch", f"The text of agreement {known.id} version {known.version} is another one now"
        )
    check_in_force(agreement, now)


def choose_agreement(
    agreements: Iterable[Agreement], *, sender: PartyId, recipient: PartyId, kind: MessageKind, now: datetime
) -> tuple[Agreement, Flow]:
    """Return the agreement and flow that permit this exchange now: the highest version in force.

    Raises AgreementError that tells apart: no agreement at all, the kind is not covered, none in force.
    """
    between = [one for one in agreements if {sender, recipient} <= one.parties]
    if not between:
        raise AgreementError("agreement.none", f"No agreement covers messages from {sender} to {recipient}")
    covering = [(one, flow) for one in between if (flow := one.flow(sender, recipient, kind)) is not None]
    if not covering:
        raise AgreementError("agreement.kind_not_covered", f"No agreement lets {sender} send a {kind} to {recipient}")
    refusal: AgreementError | None = None
    for agreement, flow in sorted(covering, key=lambda pair: pair[0].version, reverse=True):
        try:
            check_in_force(agreement, now)
        except AgreementError as error:
            refusal = refusal or error
        else:
            return agreement, flow
    if refusal is None:
        raise AgreementError("agreement.none")
    raise refusal
