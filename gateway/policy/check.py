"""The static check: what is wrong with a policy before any document is seen, in words an officer can act on.

A policy is held against every place of its schema set at once. The pass goes down the tree carrying the rule that
speaks (`rulings`), then up again asking of every class whether its view could stand: whatever the schema requires in
an element of which something is kept must be kept too. All findings come back together, each with file, line, and
what to write instead. A policy without findings gives, for every valid document, a valid view or a refusal.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import Finding
from gateway.policy.reading import nearest
from gateway.policy.rules import Action, Policy, Rule
from gateway.policy.rulings import rulings
from gateway.policy.selectors import SelectorKind
from gateway.schema import CompiledSet, SchemaNode, SchemaTree

__all__ = ["PlainRulings", "check_policy", "home_path", "is_kept", "named_attributes", "plain_rulings"]

# How a message shows its kind (gateway/document/facts.py); without these the receiver would take it for another.
_KIND_LEAVES: Final = ("FunctionCode", "TypeCode")
# A value of these types means something only together with the prefixes of its document, which a view does not keep.
_PREFIXED_TYPES: Final = frozenset({"QName", "NOTATION"})

PlainRulings = Mapping[str, Rule | None]
"""Path of a place → the rule that speaks for it; None: no rule, so default deny."""


def home_path(tree: SchemaTree, root: SchemaNode) -> str:
    """Return the path under which rules speak for a root: a bare body's is where it stands below the envelope."""
    return tree.home(root)


def plain_rulings(policy: Policy, tree: SchemaTree) -> PlainRulings:
    """Return for every place the rule that speaks for it as long as no rule has conditions."""
    found = rulings(policy, tree)
    return {anchor.path: next(iter(one.candidates), None) for anchor, one in found.items() if not anchor.attribute}


def is_kept(rule: Rule | None) -> bool:
    """Tell whether the rule that speaks for a place keeps it."""
    return rule is not None and rule.action is Action.KEEP


def named_attributes(rule: Rule | None, node: SchemaNode) -> tuple[str, ...]:
    """Return the attributes of `node` that its rule keeps, in the schema's order. None that has a namespace can be."""
    return () if rule is None else tuple(name for name, facts in node.attributes.items() if rule.names(facts))


def check_policy(policy: Policy, compiled: CompiledSet, *, whole: bool = True) -> tuple[Finding, ...]:
    """Return everything wrong with a policy under the schema set it names; nothing when it may be used.

    `whole` False: rules are missing that could not be read, so nothing is said that they might have changed.
    """
    if policy.schema_set != compiled.id:
        problem = f"is written for the schema set {policy.schema_set}, not for {compiled.id}"
        return (_finding(policy, None, "schema_set", problem, "Name the set that the agreement's flow names"),)
    unlisted = sorted({node.namespace for node in compiled.tree.nodes.values()} - {"", *compiled.prefixes.values()})
    if unlisted:
        problem = f"is under {compiled.id}, whose manifest does not list the namespace {unlisted[0]}"
        return (_finding(policy, None, "schema_set", problem, "Add the set anew with all its namespaces"),)
    check = _Check(policy, compiled)
    findings = [*check.paths()]
    whole = whole and not findings  # What follows from a rule can be told only when all rules have their places.
    findings += check.unknown_attributes()
    if whole:
        findings += [*check.missing_attributes(), *check.required()]
        findings += check.meaning() if check.keeps_something() else []
    return tuple(sorted(findings, key=lambda one: (one.line or 0, one.problem)))


def _finding(policy: Policy, rule: Rule | None, key: str, problem: str, fix: str) -> Finding:
    line = rule.line if rule is not None else None
    file = (rule.file if rule is not None else "") or policy.file
    return Finding(file=file, line=line, key=key, problem=problem, fix=fix)


@dataclass(slots=True)
class _Standing:
    """What the way up found: whether anything below is kept, and whether the element could be written."""

    has_kept: bool
    can_be_written: bool


class _Check:
    """One policy against one set."""

    def __init__(self, policy: Policy, compiled: CompiledSet) -> None:
        self.policy = policy
        self.tree = compiled.tree
        self.kinds = compiled.schema_set.kinds
        self.rulings = plain_rulings(policy, compiled.tree)
        self.anchors = {id(rule): rule.selector.matches(compiled.tree) for rule in policy.rules}

    def finding(self, rule: Rule | None, key: str, problem: str, fix: str) -> Finding:
        return _finding(self.policy, rule, key, problem, fix)

    # ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────

    def paths(self) -> Iterator[Finding]:
        """Rules on paths that the set does not have."""
        for rule in self.policy.rules:
            if not self.anchors[id(rule)]:
                yield self.finding(rule, rule.action, f"names {rule.path}, {self.why_unknown(rule)}", self.mend(rule))

    def why_unknown(self, rule: Rule) -> str:
        if rule.selector.kind is not SelectorKind.PLAIN or rule.selector.attribute:
            return f"which nothing in the schema set {self.policy.schema_set} is"
        if self.bare_home(rule) is not None:
            return "which starts at a bare body"
        return f"which is not a path of the schema set {self.policy.schema_set}"

    def bare_home(self, rule: Rule) -> str | None:
        """Where a rule that starts at a bare body should start, or None when it does not."""
        for root in self.tree.roots:
            home = home_path(self.tree, root)
            if home != root.path and rule.selector.steps[:1] == (root.path[1:],):
                return home
        return None

    def mend(self, rule: Rule) -> str:
        if rule.selector.kind is not SelectorKind.PLAIN or rule.selector.attribute:
            return "Correct it; `gateway schema facts` lists all there are"
        home = self.bare_home(rule)
        if home is not None:
            return f"Write {'/'.join((home, *rule.selector.steps[1:]))}; it speaks for a bare body too"
        known, rest = self.known_part(rule.selector.steps)
        children = self.steps_below(known)
        near = nearest(rest, children)
        where = f"Below {known}" if known else "At the start"
        if near:
            return f"{where} there is no `{rest}`; did you mean `{near}`?"
        return f"{where} there is no `{rest}`; there is {', '.join(children) or 'nothing: it holds a value'}"

    def known_part(self, steps: tuple[str, ...]) -> tuple[str, str]:
        """Return the longest part of an unknown path that exists, and the step after it."""
        parts = ["".join(f"/{step}" for step in steps[:length]) for length in range(len(steps))]
        longest = max(length for length, part in enumerate(parts) if not part or part in self.rulings)
        return parts[longest], steps[longest]

    def steps_below(self, path: str) -> list[str]:
        node = self.tree.node(path)
        nodes = self.tree.roots if node is None else node.children
        return [one.path.rpartition("/")[2] for one in nodes if one.path in self.rulings]

    # ── attributes ───────────────────────────────────────────────────────────────────────────────────────────────

    def spoken_for(self, rule: Rule) -> list[SchemaNode]:
        """The places that a rule speaks for."""
        return [self.tree.nodes[path] for path, ruling in self.rulings.items() if ruling is rule]

    def unknown_attributes(self) -> Iterator[Finding]:
        """Attributes that nothing the rule speaks for takes."""
        for rule in self.policy.rules:
            if not is_kept(rule) or not self.anchors[id(rule)] or rule.attributes == "required":
                continue
            taken = sorted({name for node in self.spoken_for(rule) for name in node.attributes})
            for name in rule.attributes:
                if name not in taken:
                    yield self.finding(rule, "attributes", *self.unknown_attribute(name, taken))

    def missing_attributes(self) -> Iterator[Finding]:
        """Attributes that the schema requires and the rule does not keep."""
        for rule in self.policy.rules:
            if not is_kept(rule):
                continue
            missing: dict[str, list[str]] = {}
            for node in self.spoken_for(rule):
                for name, facts in node.attributes.items():
                    if facts.required and name not in named_attributes(rule, node):
                        missing.setdefault(name, []).append(node.path)
            for name, paths in missing.items():
                problem = f"keeps {_such_as(paths)} without the attribute {name}, which the schema requires"
                fix = f"Add {name} to `attributes`, write `attributes: required`, or drop the element"
                yield self.finding(rule, "attributes", problem, fix)

    def unknown_attribute(self, name: str, taken: list[str]) -> tuple[str, str]:
        near = nearest(name, taken)
        problem = f"names the attribute {name}, which nothing the rule speaks for takes"
        if near:
            return problem, f"Did you mean `{near}`?"
        return problem, f"Remove it; possible are {', '.join(taken)}" if taken else "Remove it"

    # ── what the schema requires ─────────────────────────────────────────────────────────────────────────────────

    def required(self) -> Iterator[Finding]:
        """Elements of which something is kept while something the schema requires in them is not."""
        findings: list[Finding] = []
        standings = [self.stand(root, findings) for root in self.tree.roots if root.path in self.rulings]
        if not any(standing.has_kept for standing in standings):
            fix = "Add a rule such as `keep: /MetaData/Declaration/FunctionCode`"
            findings.append(self.finding(None, "rules", "keep nothing at all", fix))
        return iter(findings)

    def stand(self, node: SchemaNode, findings: list[Finding]) -> _Standing:
        rule = self.rulings[node.path]
        if node.is_leaf:
            return _Standing(is_kept(rule), is_kept(rule))
        below = [(child, self.stand(child, findings)) for child in node.children]
        if not any(standing.can_be_written for _, standing in below):
            return _Standing(any(standing.has_kept for _, standing in below), can_be_written=False)
        for child, standing in below:
            if child.least and not standing.can_be_written:
                findings.append(self.lost(node, child))
        return _Standing(has_kept=True, can_be_written=True)

    def lost(self, node: SchemaNode, child: SchemaNode) -> Finding:
        """The finding for a required child that is not kept while its parent is."""
        dropping = self.rulings[child.path]
        fix = f"Keep {child.path}, or drop {node.path} as a whole"
        if dropping is not None and not is_kept(dropping):
            problem = f"drops {child.path}, which the schema requires in every {node.name} that is kept"
            return self.finding(dropping, Action.DROP, problem, fix)
        inside = [rule for rule in self.policy.rules if is_kept(rule) and f"{rule.path}/".startswith(f"{node.path}/")]
        keeping = min(inside, key=lambda rule: rule.line) if inside else self.rulings[node.path]
        problem = f"keeps a part of {node.path} without {child.name}, which the schema requires in it"
        return self.finding(keeping, Action.KEEP, problem, fix)

    def keeps_something(self) -> bool:
        return any(is_kept(rule) for rule in self.rulings.values())

    # ── what would lose its meaning ──────────────────────────────────────────────────────────────────────────────

    def meaning(self) -> Iterator[Finding]:
        """Values that mean nothing without prefixes; codes without which the kind of message can not be told."""
        for path, rule in self.rulings.items():
            node = self.tree.nodes[path]
            if node.value is not None and node.value.base in _PREFIXED_TYPES and is_kept(rule):
                problem = f"keeps {path}, whose value refers to a prefix that a view does not have"
                yield self.finding(rule, Action.KEEP, problem, f"Add `drop: {path}`")
        if len(self.kinds) < 2:
            return
        for path, rule in self.rulings.items():
            parent = self.tree.node(path.rpartition("/")[0])
            tells_kind = parent is not None and parent.name == "Declaration"
            tells_kind = tells_kind and self.is_body(path) and self.tree.nodes[path].name in _KIND_LEAVES
            if tells_kind and not is_kept(rule):
                name = self.tree.nodes[path].name
                problem = f"lack {path}, without which the receiver can not tell the kind of message"
                if rule is not None:
                    problem = f"drops {path}, without which the receiver can not tell the kind of message"
                yield self.finding(rule, "rules" if rule is None else rule.action, problem, f"Keep {name}")

    def is_body(self, path: str) -> bool:
        """Whether a leaf stands directly in a body, not in a declaration nested in a response."""
        return path.rpartition("/")[0] in {home_path(self.tree, root) for root in self.tree.roots}


def _such_as(paths: list[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"
