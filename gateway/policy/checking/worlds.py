"""Every way the conditions of a policy can turn out, as far as the static check looks.

An *atom* is one question as it is asked at one scope. A *world* says which atoms hold. The check takes each condition
both ways: none holds, all hold, each alone, all but each, and each two. Worlds that no document can bring about are
left out: two values of what stands there once, a prefix without the longer one's, a kind that the set is not for.
So many conditions have more worlds than are looked at. Where one that is missed would give something away, it is not
asked of the worlds but of the candidates of each place (`may_decide`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Final

from gateway.policy.language.conditions import KIND, Condition, Criterion, Scope, meet, scope_of
from gateway.policy.language.rules import Action, Policy, Rule
from gateway.policy.language.selectors import Anchor
from gateway.policy.ruling.rulings import Ruling, rulings
from gateway.schema import CompiledSet, ValueFacts

__all__ = ["Atom", "World", "Worlds"]

MOST_WORLDS: Final = 64
# Pairs of answers that are compared before a candidate is taken to get its turn: for one, and for all of a policy.
_MOST_LOOKS: Final = 50_000
_MOST_LOOKS_IN_ALL: Final = 500_000
# None, all, each, all but each, each two: of four questions these are all there are.
_MOST_ASKED: Final = 4
_MESSAGE: Final = Scope(path="", places=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """One question, never negated, as asked at one scope."""

    condition: Condition
    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Which atoms hold, and so which rule decides at every anchor; None: none, so default deny."""

    holding: frozenset[Atom]
    deciding: Mapping[Anchor, Rule | None]
    """For an attribute: the rule that decides, whether it stands on the attribute or above."""
    attributes: Mapping[Anchor, bool]
    """Whether an attribute leaves with its element."""

    def rule(self, path: str) -> Rule | None:
        """Return the rule that decides about the element at a path."""
        return self.deciding.get(Anchor(path))


class Worlds:
    """What each rule stands on, who may decide where, and all worlds of one policy under one set."""

    def __init__(self, policy: Policy, compiled: CompiledSet) -> None:
        self.tree = compiled.tree
        self.set_id = compiled.id
        self.kinds = tuple(sorted(compiled.schema_set.kinds))
        self.anchors = {id(rule): rule.selector.matches(compiled.tree) for rule in policy.rules}
        self._stands_on = {id(rule): frozenset(self.anchors[id(rule)]) for rule in policy.rules}
        self.rulings = rulings(policy, compiled.tree)
        self.elements = tuple(anchor for anchor in self.rulings if not anchor.attribute)
        self._places: dict[Criterion, tuple[str, ...]] = {}
        self._scopes: dict[tuple[Criterion, str], Scope] = {}
        self._atom_of: dict[tuple[Condition, str], Atom] = {}
        self._single: dict[Atom, bool] = {}
        self._atoms: dict[Atom, None] = {}
        self._looks_left = _MOST_LOOKS_IN_ALL
        # At each anchor where conditions decide, for each candidate what must hold (True) and what must not.
        self._asked: dict[Anchor, list[list[tuple[Atom, bool]]]] = {}
        for anchor, ruling in self.rulings.items():
            if any(rule.conditions for rule in ruling.candidates):
                self._asked[anchor] = [self._asks(rule, anchor) for rule in ruling.candidates]

    def _asks(self, rule: Rule, anchor: Anchor) -> list[tuple[Atom, bool]]:
        stands = self.standing(rule, anchor)
        asked = [(self.atom(one, stands), not one.negated) for one in rule.conditions]
        self._atoms.update(dict.fromkeys(atom for atom, _ in asked))
        return asked

    def standing(self, rule: Rule, anchor: Anchor) -> Anchor:
        """Return where a rule that may decide at an anchor stands: there, or on the nearest element around it."""
        while anchor not in self._stands_on[id(rule)]:
            anchor = Anchor(anchor.path if anchor.attribute else anchor.path.rpartition("/")[0])
        return anchor

    # ── questions ────────────────────────────────────────────────────────────────────────────────────────────────

    def places(self, criterion: Criterion) -> tuple[str, ...]:
        """Return the places that answer a criterion, as paths; an attribute's is that of its element, then `/@name`."""
        if criterion not in self._places:
            found = () if criterion.selector is None else criterion.selector.matches(self.tree)
            self._places[criterion] = tuple(anchor.text for anchor in found)
        return self._places[criterion]

    def facts(self, place: str) -> ValueFacts | None:
        """Return what bounds the values at a place, an attribute's after `/@`; None for a class."""
        path, _, attribute = place.partition("/@")
        node = self.tree.nodes[path]
        return node.attributes[attribute].value if attribute else node.value

    def atom(self, condition: Condition, anchor: Anchor) -> Atom:
        """Return what a condition of a rule asks that stands on an anchor."""
        known = self._atom_of.get((condition, anchor.path))
        if known is None:
            asked = replace(condition, negated=False, values=tuple(sorted(condition.values)))
            known = Atom(condition=asked, scope=self._scope(condition.criterion, anchor.path))
            self._atom_of[condition, anchor.path] = known
        return known

    def _scope(self, criterion: Criterion, path: str) -> Scope:
        if criterion.name == KIND:
            return _MESSAGE
        found = self._scopes.get((criterion, path))
        if found is None:
            is_leaf = self.tree.nodes[path].is_leaf
            found = scope_of(path, is_leaf=is_leaf, places=self.places(criterion))
            self._scopes[criterion, path] = found
        return found

    def is_single(self, atom: Atom) -> bool:
        """Tell whether what an atom asks has one answer at most."""
        found = self._single.get(atom)
        if found is None:
            found = self._single[atom] = self._is_single(atom)
        return found

    def _is_single(self, atom: Atom) -> bool:
        if atom.condition.criterion.name == KIND:
            return True
        if len(atom.scope.places) != 1:
            return False
        path = atom.scope.places[0].partition("/@")[0]
        while path != atom.scope.path:
            node = self.tree.nodes.get(path)
            if node is None or node.most != 1:
                return False
            path = path.rpartition("/")[0]
        return True

    def never_both(self, one: Rule, other: Rule, anchor: Anchor) -> bool:
        """Tell whether the conditions of two rules exclude each other at an anchor."""
        return any(
            a.criterion == b.criterion and a.excludes(b, single=self.is_single(self.atom(a, anchor)))
            for a in one.conditions
            for b in other.conditions
        )

    def may_be_kind(self, condition: Condition) -> bool:
        """Tell whether a condition on the kind holds for some kind of the set."""
        return any(condition.takes(kind) is not condition.negated for kind in self.kinds)

    # ── who may decide ───────────────────────────────────────────────────────────────────────────────────────────

    def may_decide(self, anchor: Anchor, index: int) -> bool:
        """Tell whether some document lets candidate `index` decide at an anchor: its conditions hold, and of each
        candidate before it one does not. Unlike the worlds this leaves nothing out: in doubt it says yes.
        """
        asked = self._asked.get(anchor)
        if asked is None:
            return index == 0
        turn = _Turn(self, asked[:index], min(_MOST_LOOKS, self._looks_left))
        comes = turn.may_come(asked[index])
        self._looks_left = max(0, self._looks_left - turn.looks)
        return comes

    # ── worlds ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """Every atom that is asked anywhere."""
        return tuple(self._atoms)

    @property
    def is_complete(self) -> bool:
        """Whether `all` yields every world there is: beyond four questions, some are left out."""
        asked = [atom for atom in self._atoms if atom.condition.criterion.name != KIND]
        return len(asked) <= _MOST_ASKED and 2 ** len(asked) * len(self.kinds) <= MOST_WORLDS

    def when(self, seen: Iterable[World]) -> str:
        """Return when something is so that was seen in these worlds, for people: the world that takes fewest words."""
        unless = {replace(atom.condition, negated=True).text for atom in self._atoms}
        words = [{atom.condition.text for atom in world.holding} or unless for world in seen]
        fewest = min(words, key=len)
        return " and ".join(sorted(fewest))

    def asked_at(self, anchor: Anchor) -> Iterator[Atom]:
        """Yield the atoms that decide at one anchor."""
        for candidate in self._asked.get(anchor, ()):
            yield from (atom for atom, _ in candidate)

    def all(self) -> Iterator[World]:
        """Yield every world, the one in which nothing holds first; at most MOST_WORLDS."""
        deciding, attributes = self._settled()
        # By number: an atom is looked up once for each place and world, and has much to hash.
        numbers = {atom: number for number, atom in enumerate(self._atoms)}
        by_number = {
            anchor: [[(numbers[atom], wanted) for atom, wanted in one] for one in asked]
            for anchor, asked in self._asked.items()
        }
        for holding in self._possible():
            here, there = dict(deciding), dict(attributes)
            held = {numbers[atom] for atom in holding}
            for anchor, asked in by_number.items():
                chosen = next((i for i, one in enumerate(asked) if all((a in held) is b for a, b in one)), -1)
                self._decide(anchor, self.rulings[anchor], chosen, here, there)
            yield World(holding=holding, deciding=here, attributes=there)

    def _settled(self) -> tuple[dict[Anchor, Rule | None], dict[Anchor, bool]]:
        """What is so in every world; where conditions decide it is put right in each."""
        deciding: dict[Anchor, Rule | None] = {}
        attributes: dict[Anchor, bool] = {}
        for anchor, ruling in self.rulings.items():
            self._decide(anchor, ruling, 0 if ruling.candidates else -1, deciding, attributes)
        return deciding, attributes

    def _decide(
        self,
        anchor: Anchor,
        ruling: Ruling,
        chosen: int,
        deciding: dict[Anchor, Rule | None],
        attributes: dict[Anchor, bool],
    ) -> None:
        deciding[anchor] = None if chosen < 0 else ruling.candidates[chosen]
        if anchor.attribute:
            facts = self.tree.nodes[anchor.path].attributes[anchor.attribute]
            attributes[anchor] = chosen >= 0 and ruling.attribute_action(chosen, facts) is not Action.DROP

    def _possible(self) -> Iterator[frozenset[Atom]]:
        """The sets of atoms that can hold together."""
        seen: dict[frozenset[Atom], None] = {}
        asked = [atom for atom in self._atoms if atom.condition.criterion.name != KIND]
        about_kind = [atom for atom in self._atoms if atom.condition.criterion.name == KIND]
        for chosen in _choices(asked):
            for kind in self.kinds if about_kind else ("",):
                holding = chosen | {atom for atom in about_kind if atom.condition.takes(kind)}
                if holding not in seen and self._is_possible(chosen):
                    seen[holding] = None
                    yield holding
                if len(seen) >= MOST_WORLDS:
                    return

    def _is_possible(self, holding: frozenset[Atom]) -> bool:
        """Whether every question with one answer at most has one that is among the values of all who ask it."""
        wanted: dict[tuple[Scope, Criterion], set[str]] = {}
        for atom in holding:
            if not self.is_single(atom):
                continue
            asked = atom.scope, atom.condition.criterion
            values = atom.condition.values
            known = wanted.get(asked)
            wanted[asked] = (
                set(values) if known is None else {one for two in product(known, values) for one in meet(*two)}
            )
            if not wanted[asked]:
                return False
        return True


def _choices(atoms: list[Atom]) -> Iterator[frozenset[Atom]]:
    """None, all, each, all but each, each two; never one that holds without another that holds whenever it does."""
    yield frozenset()
    yield frozenset(atoms)
    yield from (_implied(atom, atoms) for atom in atoms)
    yield from (frozenset(other for other in atoms if not _implies(other, atom)) for atom in atoms)
    yield from (_implied(one, atoms) | _implied(other, atoms) for one, other in combinations(atoms, 2))


def _implied(atom: Atom, atoms: list[Atom]) -> frozenset[Atom]:
    return frozenset(other for other in atoms if _implies(atom, other))


def _implies(one: Atom, other: Atom) -> bool:
    return one.scope == other.scope and one.condition.implies(other.condition)


class _Turn:
    """A search for answers that give one candidate its turn: `before` are those that would go first."""

    def __init__(self, worlds: Worlds, before: list[list[tuple[Atom, bool]]], most_looks: int) -> None:
        self.worlds = worlds
        self.before = before
        self.looks = 0
        self.most_looks = most_looks

    def may_come(self, own: list[tuple[Atom, bool]]) -> bool:
        answers: dict[Atom, bool] = {}
        return all(self.took(answers, *one) for one in own) and self.goes_on(answers)

    def goes_on(self, answers: dict[Atom, bool]) -> bool:
        """Fail one condition of each candidate before; without recursion, for there may be thousands."""
        open_: list[tuple[int, dict[Atom, bool]]] = [(0, answers)]
        while open_:
            at, known = open_.pop()
            if at == len(self.before) or self.looks > self.most_looks:
                return True
            for atom, wanted in reversed(self.before[at]):
                onward = dict(known)
                if self.took(onward, atom, not wanted):
                    open_.append((at + 1, onward))
        return False

    def took(self, answers: dict[Atom, bool], atom: Atom, holds: bool) -> bool:
        """Add an answer if it can be given together with those before."""
        if atom in answers:
            return answers[atom] is holds
        self.looks += len(answers) + 1
        if not all(self.agree(atom, holds, other, known) for other, known in answers.items()):
            return False
        answers[atom] = holds
        if atom.condition.criterion.name != KIND:
            return True
        about_kind = [(one, known) for one, known in answers.items() if one.condition.criterion.name == KIND]
        return any(all(one.condition.takes(kind) is known for one, known in about_kind) for kind in self.worlds.kinds)

    def agree(self, one: Atom, holds: bool, other: Atom, known: bool) -> bool:
        if one.scope != other.scope or one.condition.criterion != other.condition.criterion:
            return True
        if holds and known:
            return not one.condition.excludes(other.condition, single=self.worlds.is_single(one))
        if holds is known:
            return True
        true, false = (one, other) if holds else (other, one)
        return not true.condition.implies(false.condition)
