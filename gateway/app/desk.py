"""How a worker lays out its desk: from a frozen snapshot it opens its own keys and compiles its own rules."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from gateway.app.rulebook import Rulebook
from gateway.domain.ids import SchemaSetId
from gateway.domain.profile import ProfileTerms
from gateway.errors import ConfigurationError
from gateway.exchange.desk import Desk
from gateway.failpoints import read_failpoint
from gateway.policy import compile_policy
from gateway.ports import Sealer
from gateway.schema import CompiledProfile, CompiledSet, compile_code_lists, compile_profile, compile_set
from gateway.settings import KeyFiles as KeyFileSettings
from gateway.settings import NodeSettings
from gateway.system import SystemClock
from gateway.trust import (
    FilePseudonymKeys,
    FileSealer,
    FileTrust,
    KeyFiles,
    OwnFiles,
    PartnerFiles,
    PlainSealer,
    TrustFiles,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All that a worker is given. No key is in it, only where keys are. `generation` counts reloads."""

    generation: int
    settings: NodeSettings
    rulebook: Rulebook


def lay_desk(snapshot: Snapshot) -> Desk:
    """Return a desk of this process's own. Raises GatewayError when a key, set or policy can not be used."""
    settings, rulebook = snapshot.settings, snapshot.rulebook
    # Only sets that something names: a catalogue may hold many releases.
    named = {flow.schema_set for agreement in rulebook.agreements for flow in agreement.flows}
    named |= {policy.schema_set for policy in rulebook.policies.values()}
    sets = {one: compile_set(rulebook.sets[one], rulebook.trees.get(one)) for one in sorted(named)}
    return Desk(
        own=rulebook.own,
        limits=settings.documents.limits,
        agreements=rulebook,
        sets=sets,
        policies={
            sha256: compile_policy(policy, sets[policy.schema_set]) for sha256, policy in rulebook.policies.items()
        },
        trust=open_trust(settings),
        sealer=open_sealer(settings),
        pseudonyms=open_pseudonyms(settings),
        profiles=_profiles(rulebook, sets),
        reach=read_failpoint(os.environ, allowed=settings.insecure_failpoints),
    )


def _profiles(
    rulebook: Rulebook, sets: Mapping[SchemaSetId, CompiledSet]
) -> dict[tuple[SchemaSetId, str], CompiledProfile]:
    flows = {
        (flow.schema_set, flow.profile.sha256): flow.profile
        for agreement in rulebook.agreements
        for flow in agreement.flows
        if flow.profile.sha256
    }
    return {key: _profile(terms, sets[key[0]], rulebook) for key, terms in flows.items()}


def _profile(terms: ProfileTerms, compiled: CompiledSet, rulebook: Rulebook) -> CompiledProfile:
    checks = (
        compile_code_lists(rulebook.code_lists, compiled.tree, compiled.id, terms.code_lists)
        if terms.code_lists
        else None
    )
    rule_set = None if terms.rules is None else rulebook.rule_sets[terms.rules]
    return compile_profile(terms, compiled, rule_set, checks)


def open_trust(settings: NodeSettings, *, clock: Callable[[], datetime] | None = None) -> FileTrust:
    """Return this process's own keys and those of partners. Raises ConfigurationError or TrustError.

    `clock` judges how fresh revocation lists are; the system's unless another is given.
    """
    own = tuple(
        OwnFiles(
            party=party.id,
            signing=tuple(key_files(one) for one in party.signing),
            decryption=tuple(key_files(one) for one in party.decryption),
        )
        for party in settings.parties
    )
    partners = tuple(
        PartnerFiles(
            party=partner.id, bundle=partner.folder / "partner.json", san_uri=partner.san_uri, pins=partner.pins
        )
        for partner in settings.partners
    )
    trust = settings.trust
    files = TrustFiles(own=own, partners=partners, roots=trust.roots, crls=trust.crls, crl_max_age=trust.crl_max_age)
    return FileTrust(files, clock=clock or SystemClock().now)


def open_sealer(settings: NodeSettings) -> Sealer:
    """Return what seals at rest; nothing seals under `insecure_plain_at_rest`. Raises GatewayError."""
    if settings.insecure_plain_at_rest:
        return PlainSealer()
    if settings.at_rest is None:
        raise ConfigurationError("config.invalid", "The settings name no key for sealing at rest: add [at_rest]")
    return FileSealer(settings.at_rest.key, settings.at_rest.retired)


def open_pseudonyms(settings: NodeSettings) -> FilePseudonymKeys | None:
    """Return the keys of pseudonyms, or None where the settings name no secret. Raises TrustError."""
    return None if settings.pseudonyms is None else FilePseudonymKeys(settings.pseudonyms.secret)


def key_files(files: KeyFileSettings) -> KeyFiles:
    """Return key files as the trust room takes them."""
    return KeyFiles(key=files.key, certificate=files.certificate)
