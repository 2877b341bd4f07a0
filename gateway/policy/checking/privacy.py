"""The part of the static check that asks what a policy says of people, and whether it gives away what lets one act.

A kept class keeps what a later release puts into it, and what nobody thought of. So a personal value may leave without
a warning only where a rule names it, and what has the class `credential` never as it is.
"""

from collections.abc import Iterator
from typing import Final

from gateway.errors import Finding, Level
from gateway.policy.checking.rules import finding
from gateway.policy.checking.worlds import Worlds
from gateway.policy.language.changes import ChangeKind
from gateway.policy.language.rules import Action, Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.rulings import Ruling
from gateway.schema import PrivacyClass, SchemaNode

__all__ = ["privacy_findings"]

_MOST_NAMED: Final = 10
# Nothing of the value is left in these.
_HIDING: Final = frozenset({ChangeKind.REPLACE, ChangeKind.PSEUDONYM})


def privacy_findings(policy: Policy, worlds: Worlds) -> Iterator[Finding]:
    """Return credentials that are kept (errors), and personal values that no rule names (warnings), by rule."""
    for rule, anchors in _credentials(worlds):
        problem = f"keeps {_named([one.text for one in anchors])}, a credential: who has it can act with it"
        yield finding(policy, rule, rule.action, problem, _without(rule, anchors, worlds))
    for rule, is_named, paths in _unnamed(worlds):
        problem = f"keeps personal data that no rule names: {_named(paths)}"
        fix = f"Name what must leave, such as `keep: {paths[0]}` with its reason, and add `drop: privacy:personal`"
        if is_named:
            problem = f"keeps personal data where the conditions of the rules that name it do not hold: {_named(paths)}"
            fix = "Say without a condition what becomes of it, such as `drop: privacy:personal`"
        yield finding(policy, rule, rule.action, problem, fix, Level.WARNING)


def _named(paths: list[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return f"{', '.join(paths[:_MOST_NAMED])}{more}"


def _without(rule: Rule, anchors: list[Anchor], worlds: Worlds) -> str:
    """The mend for a rule that gives credentials away: what goes before it at each of them."""
    stands = set(worlds.anchors[id(rule)])
    if stands.issubset(anchors):
        return f"Write `drop` in place of `{rule.action}`"
    if len(anchors) == 1:
        return f"Add `drop: {anchors[0].text}`"
    if stands.intersection(anchors):
        return f"Add `drop: [{', '.join(one.text for one in anchors)}]`"
    return "Add `drop: privacy:credential`"


def _credentials(worlds: Worlds) -> Iterator[tuple[Rule, list[Anchor]]]:
    found: dict[int, tuple[Rule, list[Anchor]]] = {}
    for anchor in _classed(worlds, PrivacyClass.CREDENTIAL):
        ruling, node = worlds.rulings[anchor], worlds.tree.nodes[anchor.path]
        for index, rule in enumerate(ruling.candidates):
            if _gives_away(ruling, index, anchor, node) and worlds.may_decide(anchor, index):
                found.setdefault(id(rule), (rule, []))[1].append(anchor)
    yield from found.values()


def _gives_away(ruling: Ruling, index: int, anchor: Anchor, node: SchemaNode) -> bool:
    """Whether a candidate, where it decides, lets a value leave in a form that says something of it."""
    rule = ruling.candidates[index]
    if anchor.attribute and ruling.attribute_action(index, node.attributes[anchor.attribute]) is Action.DROP:
        return False
    # What is changed of an element is its value; an attribute of it is changed by a rule on itself alone.
    changes = rule.change is not None and (not anchor.attribute or index < ruling.own)
    is_hidden = changes and rule.change is not None and rule.change.kind in _HIDING
    return rule.is_keeping and not is_hidden


def _unnamed(worlds: Worlds) -> Iterator[tuple[Rule, bool, list[str]]]:
    """The rules that keep personal values for standing around them, and whether rules that name these have conditions,
    all of them."""
    found: dict[tuple[int, bool], tuple[Rule, bool, list[str]]] = {}
    for anchor in _classed(worlds, PrivacyClass.PERSONAL):
        ruling = worlds.rulings[anchor]
        is_named = ruling.own > 0
        keeping = _keeping(ruling, anchor, worlds.tree.nodes[anchor.path])
        if keeping is not None:
            found.setdefault((id(keeping), is_named), (keeping, is_named, []))[2].append(anchor.text)
    yield from found.values()


def _keeping(ruling: Ruling, anchor: Anchor, node: SchemaNode) -> Rule | None:
    """Return the first rule that may keep a place without naming it. An attribute in a list is named."""
    for index, rule in enumerate(ruling.candidates[ruling.own :], start=ruling.own):
        is_kept = rule.action is Action.KEEP
        if anchor.attribute:
            is_kept = ruling.attribute_action(index, node.attributes[anchor.attribute]) is Action.KEEP
            is_kept = is_kept and rule.attributes == "required"
        if is_kept:
            return rule
    return None


def _classed(worlds: Worlds, privacy: PrivacyClass) -> Iterator[Anchor]:
    for anchor in worlds.rulings:
        node = worlds.tree.nodes[anchor.path]
        if (node.attributes[anchor.attribute].privacy if anchor.attribute else node.privacy) is privacy:
            yield anchor
