"""The rules of a node, read once: schema sets, agreements, policies. A frozen value that workers get as it is.

Workers compile from this value and never read the files again, so that all of them follow the same rules whatever
happens to the files meanwhile.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.domain.agreement import Agreement, Flow, choose_agreement, is_in_force, why_stopped
from gateway.domain.ids import AgreementId, PartyId, RuleSetId, SchemaSetId
from gateway.domain.message import MessageKind
from gateway.domain.wording import Wording, WordingKind
from gateway.errors import AgreementError
from gateway.policy import Policy, flatten
from gateway.schema import CodeCatalogue, RuleSet, SchemaSet, SchemaTree, check_set_valid
from gateway.settings import Configuration


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """Implements `ports.Agreements`. `policies` by their SHA-256, not compiled yet. `own`: the parties of this node.

    `texts`: of the agreements, as they stand in their files. `trees`: those of the sets that policies are written for,
    read once here and not again in every worker.
    """

    own: frozenset[PartyId]
    agreements: tuple[Agreement, ...]
    sets: Mapping[SchemaSetId, SchemaSet] = field(repr=False)
    trees: Mapping[SchemaSetId, SchemaTree] = field(repr=False, compare=False)
    policies: Mapping[str, Policy] = field(repr=False)
    texts: Mapping[tuple[AgreementId, int], str] = field(default_factory=dict, repr=False, compare=False)
    rule_sets: Mapping[RuleSetId, RuleSet] = field(repr=False)
    code_lists: CodeCatalogue = field(repr=False)

    def wordings(self) -> tuple[Wording, ...]:
        """Return every text that is followed: agreements as they stand in their files, policies with all they include.

        An agreement that is suspended is followed too: it says that nothing is sent.
        """
        agreements = (
            Wording(kind=WordingKind.AGREEMENT, id=one.id, version=one.version, sha256=one.sha256, text=text)
            for one in self.agreements
            if (text := self.texts.get((one.id, one.version))) is not None
        )
        policies = (
            Wording(kind=WordingKind.POLICY, id=one.id, version=one.version, sha256=one.sha256, text=flatten(one))
            for one in self.policies.values()
        )
        return (*agreements, *policies)

    def choose(
        self, *, sender: PartyId, recipient: PartyId, kind: MessageKind, now: datetime
    ) -> tuple[Agreement, Flow]:
        """Return what permits this exchange now.

        Raises AgreementError, or SchemaError `schema.set_not_valid` when the flow's schema set is not to be used now.
        """
        agreement, flow = choose_agreement(self.agreements, sender=sender, recipient=recipient, kind=kind, now=now)
        check_set_valid(self.sets[flow.schema_set], now.astimezone(UTC).date())
        return agreement, flow

    def version(self, agreement: AgreementId, version: int) -> Agreement:
        """Return one version, in force or not. Raises AgreementError `agreement.none`."""
        for one in self.agreements:
            if one.id == agreement and one.version == version:
                return one
        raise AgreementError("agreement.none", f"Agreement {agreement} version {version} is not known here")

    @property
    def sha256(self) -> str:
        """The hash of what is in force, lower-case hex: over a sorted line `id NUL version NUL sha256 LF` an agreement.

        An agreement's own hash covers its policies and schema sets.
        """
        lines = sorted(f"{one.id}\0{one.version}\0{one.sha256}\n" for one in self.agreements)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def in_force(self, now: datetime) -> frozenset[str]:
        """Return the hashes of the texts that are in force."""
        return frozenset(one.sha256 for one in self.agreements if is_in_force(one, now))

    def stopped(self, now: datetime) -> dict[str, str]:
        """Return why nothing goes now under each text that is held and not in force, by hash."""
        told = ((one.sha256, why_stopped(one, now)) for one in self.agreements)
        return {sha256: why for sha256, why in told if why is not None}

    def partners(self) -> frozenset[PartyId]:
        """Return every party that is not ours and stands in an agreement with one of ours."""
        ours = [one for one in self.agreements if one.parties & self.own]
        return frozenset(party for one in ours for party in one.parties) - self.own


class RulesInForce:
    """The rulebook a node follows now; implements `ports.Agreements`.

    `generation` counts from 1; only a reload changes either.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        self.book = rulebook
        self.generation = 1

    def agreements(self) -> tuple[Agreement, ...]:
        """Return all agreements, in force today or not."""
        return self.book.agreements

    def partners(self) -> frozenset[PartyId]:
        """Return every party that is not ours and stands in an agreement with one of ours."""
        return self.book.partners()

    def choose(
        self, *, sender: PartyId, recipient: PartyId, kind: MessageKind, now: datetime
    ) -> tuple[Agreement, Flow]:
        """Return what permits this exchange now. Raises AgreementError."""
        return self.book.choose(sender=sender, recipient=recipient, kind=kind, now=now)

    def version(self, agreement: AgreementId, version: int) -> Agreement:
        """Return one version, in force or not. Raises AgreementError `agreement.none`."""
        return self.book.version(agreement, version)

    def in_force(self, now: datetime) -> frozenset[str]:
        """Return the hashes of the texts that are in force."""
        return self.book.in_force(now)

    def stopped(self, now: datetime) -> dict[str, str]:
        """Return why nothing goes now under each text that is held and not in force, by hash."""
        return self.book.stopped(now)

    def schema_sets(self) -> dict[SchemaSetId, tuple[SchemaSet, SchemaTree]]:
        """Return the schema sets that policies are written for, each with its tree."""
        return {set_id: (self.book.sets[set_id], tree) for set_id, tree in self.book.trees.items()}


def rulebook_of(configuration: Configuration) -> Rulebook:
    """Return the rules of a configuration that was read and checked."""
    return Rulebook(
        own=frozenset(party.id for party in configuration.node.parties),
        agreements=configuration.book.agreements,
        sets=configuration.catalogue,
        trees=configuration.book.trees,
        policies=configuration.book.policies,
        texts=configuration.book.texts,
        rule_sets=configuration.book.rule_sets,
        code_lists=configuration.book.code_lists,
    )
