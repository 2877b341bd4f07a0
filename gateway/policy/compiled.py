"""A policy compiled against a schema set, once per process: one `Place` per element of which anything can be kept.

Places hang together as the elements do, each finding its children by qualified name, so deciding about an element is
one look into a dictionary whatever the number of rules. What is not in the dictionary does not leave.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.domain.ids import SchemaSetId
from gateway.errors import ConfigurationError, Finding
from gateway.policy.check import PlainRulings, check_policy, home_path, is_kept, named_attributes, plain_rulings
from gateway.policy.quick import Quick, quick
from gateway.policy.rules import Policy
from gateway.schema import CompiledSet, SchemaNode

__all__ = ["CompiledPolicy", "Place", "compile_policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What happens to the elements at one path of which something is kept.

    `attributes` are kept. `children` by qualified name (lxml types a tag wider than str). `required`: qualified names
    of children with the least number the schema asks for.
    `may_be_empty`: a class that the schema requires and a rule keeps; an empty one is written empty.
    """

    path: str
    is_leaf: bool
    attributes: tuple[str, ...]
    children: Mapping[object, "Place"] = field(repr=False)
    required: tuple[tuple[str, int], ...]
    may_be_empty: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPolicy:
    """A policy ready to apply. `roots` by qualified name; `prefixes`: how its views are written.

    `homes`: path of each root → path under which rules speak for it (a bare body's is below the envelope).
    `quick`: what names alone tell; None where they do not tell enough.
    """

    policy: Policy
    schema_set: SchemaSetId
    schema_set_sha256: str
    roots: Mapping[object, Place] = field(repr=False)
    homes: Mapping[str, str] = field(repr=False)
    rulings: PlainRulings = field(repr=False)
    prefixes: Mapping[str, str] = field(repr=False)
    namespaces: frozenset[str] = field(repr=False)
    quick: Quick | None = field(default=None, repr=False)

    @property
    def sha256(self) -> str:
        """The policy's hash."""
        return self.policy.sha256


def compile_policy(policy: Policy, compiled: CompiledSet) -> CompiledPolicy:
    """Return the policy compiled against its set. Raises ConfigurationError `policy.invalid` with every finding."""
    findings = (*check_policy(policy, compiled), *_not_yet(policy, compiled))
    if findings:
        raise ConfigurationError("policy.invalid", findings=findings)
    tree, prefixes = compiled.tree, compiled.prefixes
    ruled = plain_rulings(policy, tree)
    homes = {root.path: home_path(tree, root) for root in tree.roots}
    roots: dict[object, Place] = {}
    nodes: dict[object, SchemaNode] = {}
    for root in tree.roots:
        node = nodes[root.qualified] = tree.nodes[homes[root.path]]
        place = _place(node, ruled)
        if place is not None:
            roots[root.qualified] = place
    return CompiledPolicy(
        policy=policy,
        schema_set=compiled.id,
        schema_set_sha256=compiled.sha256,
        roots=roots,
        homes=homes,
        rulings=ruled,
        prefixes=prefixes,
        namespaces=frozenset(node.namespace for node in tree.nodes.values()),
        quick=quick(roots, nodes),
    )


def _not_yet(policy: Policy, compiled: CompiledSet) -> Iterator[Finding]:
    """What the language can say and places can not hold so far."""
    for rule in policy.rules:
        anchors = rule.selector.matches(compiled.tree)
        if rule.change is not None or rule.conditions or any(anchor.attribute for anchor in anchors):
            problem = "changes values, has conditions or is about an attribute, which is not applied so far"
            fix = "Write it with keep or drop, for elements, without conditions"
            yield Finding(file=rule.file, line=rule.line, key=rule.action, problem=problem, fix=fix)


def _place(node: SchemaNode, ruled: PlainRulings) -> Place | None:
    """Return the place for `node`, or None when nothing of it can be kept."""
    rule = ruled[node.path]
    children: dict[object, Place] = {}
    required: dict[str, int] = {}
    for child in node.children:
        place = _place(child, ruled)
        if place is not None:
            children[child.qualified] = place
        if child.least:
            required[child.qualified] = required.get(child.qualified, 0) + child.least
    if not children and not (node.is_leaf and is_kept(rule)) and not _may_be_empty(node, ruled):
        return None
    return Place(
        path=node.path,
        is_leaf=node.is_leaf,
        attributes=named_attributes(rule, node),
        children=children,
        required=tuple(required.items()),
        may_be_empty=_may_be_empty(node, ruled),
    )


def _may_be_empty(node: SchemaNode, ruled: PlainRulings) -> bool:
    return not node.is_leaf and node.least > 0 and is_kept(ruled[node.path])
