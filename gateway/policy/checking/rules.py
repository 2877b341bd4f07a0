"""The part of the static check that looks at each rule: where it stands, what it changes, what it is beside.

What is shared by several policies may be made for several schema sets. Then it says `shared`, and may stand nowhere; in
silence it may not, for a name that is misspelt in an included file withholds, or gives away, in every policy.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

from gateway.errors import Finding, Level
from gateway.policy.changing.fitting import fits
from gateway.policy.checking.meeting import Meeting
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.reading import nearest
from gateway.policy.language.rules import Action, Demand, Policy, Rule
from gateway.policy.language.selectors import Anchor, Selector, SelectorKind, parse_selector
from gateway.policy.ruling.rulings import rank, standing_rules
from gateway.schema import SchemaNode, ValueFacts

__all__ = [
    "action_of",
    "drop_whole",
    "facts_of",
    "finding",
    "listing",
    "or_shared",
    "rule_findings",
    "several",
    "such_as",
    "unknown_selectors",
]

_MOST_NAMED: Final = 5


def finding(
    policy: Policy, rule: Rule | Demand | None, key: str, problem: str, fix: str, level: Level = Level.ERROR
) -> Finding:
    """Return a finding about a rule, or about the whole policy."""
    file = (rule.file if rule is not None else "") or policy.file
    line = rule.line if rule is not None else None
    return Finding(file=file, line=line, key=str(key), problem=problem, fix=fix, level=level)


def action_of(rule: Rule | None) -> str:
    """Return the key under which a rule says what becomes of a place, or that of all rules where none says it."""
    return "rules" if rule is None else rule.action.value


def listing(policy: Policy) -> str:
    """Return where to look for what the schema set of a policy has."""
    return f"`gateway schema facts {policy.schema_set}` lists all there are"


def facts_of(policy: Policy, path: str) -> str:
    """Return the command that shows what can stand at a path, an attribute's or an element's."""
    return f"gateway schema facts {policy.schema_set} --path {path.partition('/@')[0]}"


def such_as(paths: list[str]) -> str:
    """Return the first of some paths, and how many more there are."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]}{more}"


def drop_whole(policy: Policy, worlds: Worlds, path: str) -> str:
    """Return how to let nothing of a class leave: a drop does not reach what rules in it keep, so these are told."""
    within = [
        policy.place(rule)
        for rule in policy.rules
        if rule.is_keeping and any(one.path.startswith(f"{path}/") for one in worlds.anchors[id(rule)])
    ]
    kept = f", with all that is kept in it ({several(list(dict.fromkeys(within)))})" if within else ""
    return f"drop {path} as a whole{kept}"


def several(names: list[str]) -> str:
    """Return the first five of some names, and how many more there are."""
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    return " and ".join((*names[:_MOST_NAMED], *more))


# ── selectors ────────────────────────────────────────────────────────────────────────────────────────────────────────


def unknown_selectors(policy: Policy, worlds: Worlds) -> Iterator[Finding]:
    """Rules about what the set does not have: errors in the policy's own file, warnings in files that it includes."""
    unknown = _Unknown(policy, worlds)
    for rule in policy.rules:
        if rule.shared:
            continue
        if rule.selector.kind is SelectorKind.SET:
            for member in rule.selector.members:
                if not member.matches(worlds.tree):
                    problem = f"names {rule.path}, of which {member.text} stands nowhere in {policy.schema_set}"
                    fix = or_shared(policy, rule, unknown.mend(member))
                    yield finding(policy, rule, rule.action, problem, fix, Level.WARNING)
        elif not worlds.anchors[id(rule)]:
            is_privacy = rule.selector.kind is SelectorKind.PRIVACY
            if is_privacy and not policy.is_own(rule):
                continue  # such as what drops credentials wherever there are any
            level = Level.WARNING if is_privacy or not policy.is_own(rule) else Level.ERROR
            problem = f"names {rule.path}, {unknown.why(rule.selector)}"
            fix = or_shared(policy, rule, unknown.mend(rule.selector))
            yield finding(policy, rule, rule.action, problem, fix, level)


def or_shared(policy: Policy, entry: Rule | Demand, fix: str) -> str:
    """Return a mend and, of what stands in an included file, the other one: to say that it is made for several sets."""
    if policy.is_own(entry):
        return fix
    return f"{fix}{'' if fix.endswith('?') else '.'} If it is made for several schema sets, write `shared: true` at it"


class _Unknown:
    """What to say of a selector that stands nowhere."""

    def __init__(self, policy: Policy, worlds: Worlds) -> None:
        self.policy = policy
        self.tree = worlds.tree
        self.names = sorted({path.rpartition("/")[2] for path in worlds.tree.nodes})

    def why(self, selector: Selector) -> str:
        if self.bare_home(selector) is not None:
            return "which does not start at the envelope"
        if selector.kind is SelectorKind.PRIVACY:
            return f"which nothing in the schema set {self.policy.schema_set} is"
        if selector.kind is SelectorKind.WCO:
            return f"which is not a WCO id of the schema set {self.policy.schema_set}"
        return f"which is not a path of the schema set {self.policy.schema_set}"

    def mend(self, selector: Selector) -> str:
        if selector.kind is SelectorKind.PRIVACY:
            return "Remove it; it can never match"
        if selector.kind is SelectorKind.WCO:
            near = nearest(selector.name, sorted({node.wco_id for node in self.tree.nodes.values() if node.wco_id}))
            return f"Did you mean `wco:{near}`?" if near else f"Correct it; {listing(self.policy)}"
        home = self.bare_home(selector)
        if home is not None:
            return f"Write {'/'.join((home, *selector.steps[1:]))}; it speaks for a document without the envelope too"
        if selector.kind is not SelectorKind.PLAIN:
            return self.mend_name(selector)
        return self.mend_path(selector)

    def bare_home(self, selector: Selector) -> str | None:
        """Where a path that starts at a bare body should start, or None when it does not."""
        for root in self.tree.roots:
            home = self.tree.home(root)
            if selector.kind is SelectorKind.PLAIN and home != root.path and selector.steps[:1] == (root.path[1:],):
                return home
        return None

    def mend_name(self, selector: Selector) -> str:
        for step in selector.steps:
            if step not in ("", "*") and step not in self.names:
                near = nearest(step, self.names)
                return f"There is no `{step}`; {f'did you mean `{near}`?' if near else listing(self.policy)}"
        element = selector.text.removesuffix(f"/@{selector.attribute}")
        found = parse_selector(element).matches(self.tree)
        if found:
            return self.mend_attribute(element, selector.attribute, [self.tree.nodes[one.path] for one in found])
        return f"Its names are not below each other so; {listing(self.policy)}"

    def mend_attribute(self, element: str, attribute: str, nodes: Iterable[SchemaNode]) -> str:
        taken = sorted({name for node in nodes for name in node.attributes if not name.startswith("{")})
        if not taken:
            return f"{element} has no attributes; name the element itself"
        near = nearest(attribute, taken)
        mend = f"did you mean `{near}`?" if near else f"there is {', '.join(taken)}"
        return f"{element} has no attribute `{attribute}`; {mend}"

    def mend_path(self, selector: Selector) -> str:
        path = "".join(f"/{step}" for step in selector.steps)
        if path in self.tree.nodes:  # so it is the attribute that is missing
            return self.mend_attribute(path, selector.attribute, [self.tree.nodes[path]])
        known, rest = self.known_part(selector.steps)
        children = self.steps_below(known)
        if not children:
            return f"{known} holds no elements; name {known} itself"
        near = nearest(rest, children)
        mend = f"did you mean `{near}`?" if near else f"there is {', '.join(children)}"
        return f"{f'Below {known}' if known else 'At the start'} there is no `{rest}`; {mend}"

    def known_part(self, steps: tuple[str, ...]) -> tuple[str, str]:
        """Return the longest part of an unknown path that exists, and the step after it."""
        parts = ["".join(f"/{step}" for step in steps[:length]) for length in range(len(steps))]
        longest = max(length for length, part in enumerate(parts) if not part or part in self.tree.nodes)
        return parts[longest], steps[longest]

    def steps_below(self, path: str) -> list[str]:
        node = self.tree.node(path)
        nodes = self.tree.homes if node is None else node.children
        return [one.path.rpartition("/")[2] for one in nodes]


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def rule_findings(policy: Policy, worlds: Worlds, *, whole: bool) -> Iterator[Finding]:
    """Return what is wrong with single rules; `whole` False: not what depends on all of them."""
    look = _Look(policy, worlds)
    for rule in policy.rules:
        if worlds.anchors[id(rule)]:
            yield from look.changes(rule)
            yield from look.unknown_attributes(rule)
    if not whole:
        return
    yield from look.ties()
    yield from look.shadowed()


class _Look:
    def __init__(self, policy: Policy, worlds: Worlds) -> None:
        self.policy = policy
        self.worlds = worlds
        self.tree = worlds.tree
        self.speaking: dict[int, list[Anchor]] = {}
        for anchor, ruling in worlds.rulings.items():
            for rule in ruling.candidates:
                self.speaking.setdefault(id(rule), []).append(anchor)

    # ── changes and attributes ───────────────────────────────────────────────────────────────────────────────────

    def changes(self, rule: Rule) -> Iterator[Finding]:
        """Changes where there is no value, or whose results would not be valid."""
        if rule.change is None:
            return
        classes, refused = list[SchemaNode](), dict[str, list[str]]()
        for anchor in self.worlds.anchors[id(rule)]:
            facts = self.facts(anchor)
            if facts is None:
                classes.append(self.tree.nodes[anchor.path])
            elif (reason := fits(rule.change, facts)) is not None:
                refused.setdefault(reason, []).append(anchor.text)
        if classes:
            leaf = next((one.path for one in self.tree.below(classes[0]) if one.is_leaf), "")
            problem = f"would {rule.action} {such_as([one.path for one in classes])}, which holds no value of its own"
            fix = f"Name the elements in it that hold values, such as {leaf}" if leaf else "Keep or drop it"
            yield finding(self.policy, rule, rule.action, problem, fix)
        for reason, paths in refused.items():
            problem = f"would {rule.action} {such_as(paths)}, and the change does not fit: {reason}"
            yield finding(self.policy, rule, rule.action, problem, self.otherwise(rule, paths[0]))

    def otherwise(self, rule: Rule, path: str) -> str:
        """What to do about a change whose results do not fit."""
        other = "Write another text after `with:`" if rule.action is Action.REPLACE else "Change it in another way"
        return f"{other}, or drop it; `{facts_of(self.policy, path)}` shows what can be there"

    def facts(self, anchor: Anchor) -> ValueFacts | None:
        node = self.tree.nodes[anchor.path]
        return node.attributes[anchor.attribute].value if anchor.attribute else node.value

    def unknown_attributes(self, rule: Rule) -> Iterator[Finding]:
        """Attributes that nothing the rule speaks for takes."""
        if rule.attributes == "required":
            return
        taken = sorted({anchor.attribute for anchor in self.speaking.get(id(rule), ()) if anchor.attribute})
        for name in rule.attributes:
            if name not in taken and (over := self.overriding(rule, name)):
                problem = f"names the attribute {name}, about which rules on the attribute itself decide: {over}"
                yield finding(
                    self.policy, rule, "attributes", problem, f"Remove {name} here, or that rule", Level.WARNING
                )
            elif name not in taken:
                near = nearest(name, taken)
                fix = (
                    f"Remove it; possible is {' or '.join(taken)}"
                    if taken
                    else "Remove it; no attribute is possible here"
                )
                problem = f"names the attribute {name}, which nothing the rule speaks for takes"
                yield finding(self.policy, rule, "attributes", problem, f"Did you mean `{near}`?" if near else fix)

    def overriding(self, rule: Rule, name: str) -> str:
        """Where the rules stand that decide about an attribute wherever `rule` speaks for its element."""
        elements = (one for one in self.speaking.get(id(rule), ()) if not one.attribute)
        anchors = (Anchor(one.path, name) for one in elements)
        own = (self.worlds.rulings[one].candidates[:1] for one in anchors if one in self.worlds.rulings)
        return ", ".join(dict.fromkeys(self.policy.place(one) for found in own for one in found))

    # ── beside each other ────────────────────────────────────────────────────────────────────────────────────────

    def ties(self) -> Iterator[Finding]:
        """Two rules of which nobody could say which decides; each rule is told beside one other."""
        told: set[int] = set()
        for anchor, rules in standing_rules(self.policy, self.tree).items():
            for _, group in groupby(rules, key=rank):
                alike = list(group)
                meeting = Meeting(self.worlds, anchor, alike)
                for at, one in enumerate(alike):
                    other = None if id(one) in told else meeting.tied(at)
                    if other is not None:
                        told.add(id(one))
                        yield self.tie(one, other, anchor)
                if meeting.is_too_much:
                    yield self.too_many(alike, anchor)
                    return
                if any(not rule.conditions for rule in alike):
                    break  # what ranks lower never gets its turn here

    def too_many(self, alike: list[Rule], anchor: Anchor) -> Finding:
        problem = (
            f"is one of {len(alike)} rules that speak for {anchor.text} alike: too many to compare their conditions"
        )
        fix = "Put rules that do the same into one, with a list of values"
        return finding(self.policy, alike[-1], alike[-1].action, problem, fix)

    def tie(self, one: Rule, other: Rule, anchor: Anchor) -> Finding:
        first, second = sorted((one, other), key=lambda rule: (rule.file != self.policy.file, rule.file, rule.line))
        later, sooner = (second, first) if first.file == second.file else (first, second)
        problem = (
            f"speaks for {anchor.text} ({later.path}) as much as {self.policy.place(sooner)} does ({sooner.path}), "
            "and nobody could say which decides"
        )
        fix = f"Remove one of the two, or write the one that is to decide in full: {anchor.text}"
        if later.path == sooner.path:
            fix = "Remove one of the two, or add to one of them an `unless` with what the other asks"
        return finding(self.policy, later, later.action, problem, fix)

    def shadowed(self) -> Iterator[Finding]:
        """Own rules that decide about no value anywhere, because others do."""
        for rule in self.policy.rules:
            anchors = self.worlds.anchors[id(rule)]
            if not anchors or not self.policy.is_own(rule):
                continue
            if any(self.decides(rule, one) for one in self.speaking.get(id(rule), ())):
                continue
            others = self.worlds.rulings[anchors[0]].candidates
            by = ", ".join(dict.fromkeys(self.policy.place(one) for one in others if one is not rule))
            problem = f"decides nowhere ({rule.path}): more precise rules speak for everything it is about"
            fix = f"Remove it, or see {by}" if by else "Remove it; every value below has a rule of its own"
            yield finding(self.policy, rule, rule.action, problem, fix, Level.WARNING)

    def decides(self, rule: Rule, anchor: Anchor) -> bool:
        """Whether a rule that may speak at an anchor has a value to decide about there."""
        node = self.tree.nodes[anchor.path]
        if not anchor.attribute:
            return node.is_leaf or not node.children
        ruling = self.worlds.rulings[anchor]
        is_own = any(one is rule for one in ruling.candidates[: ruling.own])
        return is_own or rule.names(node.attributes[anchor.attribute])
