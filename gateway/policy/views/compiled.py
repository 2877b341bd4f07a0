"""A policy compiled against a schema set, once per process: its places, what may come apart, what it demands."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError
from gateway.policy.checking.check import check_policy
from gateway.policy.consistency.mending import Relations
from gateway.policy.consistency.relating import relations
from gateway.policy.language.rules import Policy
from gateway.policy.ruling.deciding import Deciding
from gateway.policy.views.demands import Demanded, Demands, demands_of
from gateway.policy.views.places import Place, Places
from gateway.policy.views.quick import Quick, quick
from gateway.schema import CompiledSet, SchemaNode, ValidDocument

__all__ = ["CompiledPolicy", "compile_policy", "demands"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPolicy:
    """A policy ready to apply. `roots` by qualified name; `prefixes`: how its views are written.

    `homes`: path of each root → path under which rules speak for it (a bare body's is below the envelope).
    `relations` and `demands`: by qualified name of a root, what may come apart when elements go, and what is asked of
    the whole message.
    `quick`: what names alone tell; None where they do not tell enough. `has_mixed`: the set has classes in which text
    may stand between elements.
    """

    policy: Policy
    schema_set: SchemaSetId
    schema_set_sha256: str
    roots: Mapping[object, Place] = field(repr=False)
    homes: Mapping[str, str] = field(repr=False)
    deciding: Deciding = field(repr=False)
    relations: Mapping[object, Relations] = field(repr=False)
    demands: Mapping[object, Demands] = field(repr=False)
    prefixes: Mapping[str, str] = field(repr=False)
    namespaces: frozenset[str] = field(repr=False)
    quick: Quick | None = field(default=None, repr=False)
    has_mixed: bool = False

    @property
    def sha256(self) -> str:
        """The policy's hash."""
        return self.policy.sha256


def compile_policy(policy: Policy, compiled: CompiledSet) -> CompiledPolicy:
    """Return the policy compiled against its set. Raises ConfigurationError `policy.invalid` with every finding."""
    findings = tuple(one for one in check_policy(policy, compiled) if one.is_error)
    if findings:
        raise ConfigurationError("policy.invalid", findings=findings)
    tree, deciding = compiled.tree, Deciding(policy, compiled.tree)
    homes = {root.path: tree.home(root) for root in tree.roots}
    nodes: dict[object, SchemaNode] = {root.qualified: tree.nodes[homes[root.path]] for root in tree.roots}
    roots: dict[object, Place] = {}
    for tag, node in nodes.items():
        place = Places(deciding, node).root()
        if place is not None:
            roots[tag] = place
    return CompiledPolicy(
        policy=policy,
        schema_set=compiled.id,
        schema_set_sha256=compiled.sha256,
        roots=roots,
        homes=homes,
        deciding=deciding,
        relations={tag: relations(deciding, nodes[tag]) for tag in nodes if tag in roots},
        demands=demands_of(policy, tree, nodes),
        prefixes=compiled.prefixes,
        namespaces=frozenset(node.namespace for node in tree.nodes.values()),
        quick=quick(roots, nodes),
        has_mixed=any(node.is_mixed for node in tree.nodes.values()),
    )


def demands(document: ValidDocument, policy: CompiledPolicy) -> Demanded:
    """Return what a policy demands of a document before it is sent: nothing, to refuse it, or a human's release."""
    return policy.demands[document.root.tag].asked_of(document)
