"""Faults to plant in the policy room (planted.py), each of which the laws must find: what a hurried change could get wrong.

`FAULTS` are found under policies that pass the check, `LET_THROUGH` are faults of the check itself: they are found under
policies that it should have refused.
"""

from collections.abc import Mapping

from tests.unit.policy.planted import Fault

FAULTS: Mapping[str, Fault] = {
    "an attribute leaves that no rule names": Fault(
        file="views/cut.py",
        source="kept = {name: found[name] for name in place.attributes if name in found}",
        broken="kept = {name: found[name] for name in (*place.attributes, 'languageID') if name in found}",
    ),
    "what can not be changed leaves as it was": Fault(
        file="views/cut.py",
        source="        if made is None:\n            return False\n",
        broken="        if made is None:\n            return True\n",
    ),
    "what the schema requires is not asked for": Fault(
        file="views/cut.py",
        source="all(standing.count(tag) >= least for tag, least in place.required)",
        broken="True",
    ),
    "a date keeps its day": Fault(
        file="changing/dates.py",
        source='(f"{dash}01" if day is not None else "")',
        broken='(f"{dash}{day}" if day is not None else "")',
    ),
    "a text is cut one character late": Fault(
        file="changing/actions.py",
        source="cut = text[: change.number]",
        broken="cut = text[: change.number + 1]",
    ),
    "a pseudonym needs no key": Fault(
        file="changing/pseudonyms.py",
        source="digest = hmac.digest(self.key,",
        broken="digest = hmac.digest(bytes(32),",
    ),
    "a pseudonym is made of a pseudonym": Fault(
        file="changing/pseudonyms.py",
        source="if self.made(plain, shape):",
        broken="if False:",
    ),
    "`unless` is read as `when`": Fault(
        file="language/conditions.py",
        source="return any(self.takes(answer.strip(_BLANKS)) for answer in answers) is not self.negated",
        broken="return any(self.takes(answer.strip(_BLANKS)) for answer in answers)",
    ),
    "a condition on an item asks all items": Fault(
        file="language/conditions.py",
        source="    deepest = max(shared.values(), default=0)\n",
        broken="    deepest = min(2, max(shared.values(), default=0))\n",
    ),
    "a count is left as it was": Fault(
        file="consistency/mending.py",
        source="mends = [*_renumbered(root, observed), *_recounted(root, observed), *_recomputed(root, observed)]",
        broken="mends = [*_renumbered(root, observed), *_recomputed(root, observed)]",
    ),
    "nobody looks whether what is numbered or counted goes": Fault(
        file="consistency/mending.py",
        source="any(element.tag in self.members for element in going)",
        broken="False",
    ),
    "a pointer to what went stays": Fault(
        file="consistency/pointers.py",
        source="            yield from ((step.pointer, None) for step in self.steps)\n",
        broken="",
    ),
    "the receiver takes what has no place": Fault(
        file="views/inspect.py",
        source="if place is None or names or not place.is_plain:",
        broken="if place is not None and (names or not place.is_plain):",
    ),
    "the receiver takes a value that was not changed": Fault(
        file="views/inspect.py",
        source="if place.change is not None and not place.change.may_have_made(",
        broken="if False and not place.change.may_have_made(",
    ),
    "a rule from far above decides": Fault(
        file="ruling/rulings.py",
        source="return Ruling(candidates=(*own, *above.candidates), own=len(own))",
        broken="return above if above.own else Ruling(candidates=above.candidates)",
    ),
    "a required class that was empty goes": Fault(
        file="views/places.py",
        source="may_be_empty = is_kept and not node.is_leaf and node.least > 0",
        broken="may_be_empty = False",
    ),
    "a name decides where only a place can": Fault(
        file="views/quick.py",
        source="elif parent.tag in self.unclear_under[tag]:",
        broken="elif False:",
    ),
    "a name under a parent is not looked at": Fault(
        file="views/quick.py",
        source="if parent.tag in self.not_under[tag]:",
        broken="if False:",
    ),
    "an attribute leaves as it was": Fault(
        file="views/cut.py",
        source="made = change.made(kept[name], self.pseudonyms)",
        broken="made = kept[name]",
    ),
    "an element without a value leaves": Fault(
        file="views/cut.py",
        source='return (element.get(_NIL) or "").strip() in ("true", "1")',
        broken="return False",
    ),
    "a prefix is read as a value": Fault(
        file="language/conditions.py",
        source='return answer.startswith(value[:-1]) if value.endswith("*") else answer == value\n\n\ndef _within',
        broken='return answer == value.rstrip("*")\n\n\ndef _within',
    ),
    "blanks around an answer count": Fault(
        file="language/conditions.py",
        source="self.takes(answer.strip(_BLANKS)) for",
        broken="self.takes(answer) for",
    ),
    "of two conditions one is enough": Fault(
        file="ruling/deciding.py",
        source="if needs.issubset(held):",
        broken="if not needs or needs & frozenset(held):",
    ),
    "more conditions do not rank higher": Fault(
        file="ruling/rulings.py",
        source="return rule.selector.kind.precision, len(rule.conditions)",
        broken="return rule.selector.kind.precision, -len(rule.conditions)",
    ),
    "what is less precise ranks higher": Fault(
        file="language/selectors.py",
        source="return -_KINDS.index(self)",
        broken="return _KINDS.index(self)",
    ),
    "a rule that is included overrules": Fault(
        file="language/joining.py",
        source="""\
        if any(part.name in parts.reach[other.name] for other, _ in others):
            continue
        clash = next(((p, r) for p, r in others if p.name not in parts.reach[part.name]), None)
""",
        broken="""\
        if any(other.name in parts.reach[part.name] for other, _ in others):
            continue
        clash: tuple[Part, Rule] | None = None
""",
    ),
    "numbers are left with gaps": Fault(
        file="consistency/mending.py",
        source="if leaf.getparent() is member and number_of(leaf) != position:",
        broken="if False:",
    ),
    "a wrong count is corrected": Fault(
        file="consistency/mending.py",
        source=" for found in _sums(root, one) if _counts(one, *found)]",
        broken=" for found in _sums(root, one)]",
    ),
    "a total is left as it was": Fault(
        file="consistency/mending.py",
        source=", *_recomputed(root, observed)]",
        broken="]",
    ),
    "a sum takes any unit": Fault(
        file="consistency/mending.py",
        source="if part is not None and (not one.unit or part.get(one.unit) == unit)",
        broken="if part is not None",
    ),
    "a pointer keeps its old number": Fault(
        file="consistency/pointers.py",
        source="if _plain(now) != _plain(text_of(number)):",
        broken="if False:",
    ),
    "a pointer that is required goes alone": Fault(
        file="views/cut.py",
        source="while above is not None and not _stands(above, policy):",
        broken="while False:",
    ),
    "an amount falls into the lowest band": Fault(
        file="changing/actions.py",
        source="return band_text(max(below)) if below else None",
        broken="return band_text(min(below)) if below else None",
    ),
    "a text that was cut ends in a blank": Fault(
        file="changing/actions.py",
        source="cut = text[: change.number].rstrip(BLANKS)",
        broken="cut = text[: change.number]",
    ),
    "the receiver takes an attribute that no rule names": Fault(
        file="views/inspect.py",
        source="if name not in place.attributes or (change",
        broken="if (change",
    ),
    "what is required is read as what is forbidden": Fault(
        file="views/demands.py",
        source="if not one.holds(document)), None),",
        broken="if one.holds(document)), None),",
    ),
    "one of several conditions is enough to hold": Fault(
        file="views/demands.py",
        source="return all(question.holds(",
        broken="return any(question.holds(",
    ),
    "what is changed is explained as if it were not": Fault(
        file="telling/explain.py",
        source="changed = kept and sent != value",
        broken="changed = False",
    ),
}
LET_THROUGH: Mapping[str, Fault] = {
    "a required attribute may be missing": Fault(
        file="checking/views.py",
        source="        yield from self.missing_attributes()\n",
        broken="",
    ),
    "a change need not fit its type": Fault(
        file="checking/rules.py",
        source="elif (reason := fits(rule.change, facts)) is not None:",
        broken="elif (reason := fits(rule.change, facts)) is None:\n                pass\n            elif not reason:",
    ),
    "a condition may ask what does not leave": Fault(
        file="checking/conditions.py",
        source="            yield from look.unanswered(rule, condition)\n",
        broken="            pass\n",
    ),
    "two rules may rank alike": Fault(
        file="checking/rules.py",
        source="    yield from look.ties()\n",
        broken="",
    ),
}
