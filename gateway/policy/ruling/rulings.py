"""Which rule decides at each place and attribute of a schema set.

The rule whose anchor is deepest; on one anchor the one whose selector is more precise; then the one with more
conditions. A rule whose conditions do not hold leaves the place to the next, and where none is left nothing leaves. So
each place has candidates, and they end with the first that has no conditions. The order of rules means nothing: two
that rank alike are an error of the static check, unless they can never both speak.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.policy.language.rules import Action, Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.schema import AttributeFacts, SchemaNode, SchemaTree

__all__ = [
    "Ruling",
    "Rulings",
    "rank",
    "rulings",
    "standing_rules",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Who may decide about one place or attribute: the first candidate whose conditions hold does.

    `own`: how many candidates, from the first, stand on this very anchor; the others stand on an element above it, or
    for an attribute on its element or above.
    """

    candidates: tuple[Rule, ...] = ()
    own: int = 0

    def attribute_action(self, index: int, facts: AttributeFacts) -> Action:
        """Return what candidate `index` does with an attribute: its action if it stands there, else by `attributes`."""
        rule = self.candidates[index]
        if index < self.own:
            return rule.action
        return Action.KEEP if rule.names(facts) else Action.DROP


Rulings = Mapping[Anchor, Ruling]
"""Every place below the homes of a tree, and every attribute of it, with who may decide there."""


def rank(rule: Rule) -> tuple[int, int]:
    """Return how a rule ranks among those on one anchor; the higher decides."""
    return rule.selector.kind.precision, len(rule.conditions)


def standing_rules(policy: Policy, tree: SchemaTree) -> Mapping[Anchor, list[Rule]]:
    """Return the rules on each anchor that has any, the one that decides first."""
    found: dict[Anchor, list[Rule]] = {}
    for rule in policy.rules:
        for anchor in rule.selector.matches(tree):
            found.setdefault(anchor, []).append(rule)
    for rules in found.values():
        rules.sort(key=lambda rule: (*rank(rule), rule.file, -rule.line), reverse=True)
    return found


def rulings(policy: Policy, tree: SchemaTree) -> Rulings:
    """Return who may decide where, in the order of the tree, attributes after their element."""
    standing = standing_rules(policy, tree)
    found: dict[Anchor, Ruling] = {}
    for home in tree.homes:
        _spread(home, Ruling(), standing, found)
    return found


def _spread(
    node: SchemaNode, above: Ruling, standing: Mapping[Anchor, list[Rule]], found: dict[Anchor, Ruling]
) -> None:
    here = found[Anchor(node.path)] = _over(standing.get(Anchor(node.path), []), above)
    for name in node.attributes:
        anchor = Anchor(node.path, name)
        found[anchor] = _over(standing.get(anchor, []), here)
    for child in node.children:
        _spread(child, here, standing, found)


def _over(own: list[Rule], above: Ruling) -> Ruling:
    """Return the ruling where these rules stand, below another. Those that can never get their turn are left out."""
    if not own:
        return Ruling(candidates=above.candidates) if above.own else above
    last = next((index for index, rule in enumerate(own) if not rule.conditions), None)
    if last is not None:
        return Ruling(candidates=tuple(own[: last + 1]), own=last + 1)
    return Ruling(candidates=(*own, *above.candidates), own=len(own))
