"""Draws what a policy says, piece by piece: selectors, actions, conditions, rules that belong together.

Everything comes from one source of chance. First the kind of a thing is drawn and then a place for it, so that what
fits few places is drawn as often as what fits many.
"""

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from tests.oracle.policy_file import BUILT_IN
from tests.oracle.selecting import anchors
from tests.oracle.values import COUNTRIES, drawn_value
from tests.oracle.xsd_paths import Place
from tests.unit.policy.grown import NILLABLE, set_places, set_privacy

RuleText = dict[str, Any]
CREDENTIALS = ["//AccessCode", "//Authentication"]
"""What no rule keeps; nobody has reviewed the set of values that may be nil, so there they are named."""
KINDS = {"declaration": ("declaration", "amendment", "arrival"), "response": ("response",)}
ANSWERS: Mapping[str, Sequence[str]] = {
    "type-code": ("IM*", "IMA", "EX*", "CO*", "GPR"),
    "procedure": ("40", "4*", "10"),
    "country-of-destination": COUNTRIES,
    "country-of-export": COUNTRIES,
    "country-of-origin": COUNTRIES,
    "commodity": ("93*", "8703*", "2710*", "01*"),
    "party-role": ("CS", "FW", "A*"),
}
PRIVACY = ("personal", "commercial", "security", "credential", "neutral")


@cache
def own_paths(set_id: str) -> tuple[tuple[str, Place], ...]:
    """Return the places that rules speak for: a bare body's are those in the envelope."""
    return tuple((path, place) for path, place in set_places(set_id).items() if path.startswith("/MetaData/"))


@cache
def answering(set_id: str, selector: str) -> tuple[tuple[str, str], ...]:
    """Return the places that answer a criterion."""
    return tuple(anchors(selector, set_places(set_id), set_privacy(set_id))) if selector else ()


@cache
def fitting(set_id: str) -> Mapping[str, tuple[tuple[str, Place], ...]]:
    """Return the leaves for each kind of change, as far as their names and types tell."""
    leaves = [one for one in own_paths(set_id) if one[1].value is not None]
    texts = [one for one in leaves if one[1].value.base in ("string", "token", "normalizedString")]  # type: ignore[union-attr]
    found = {
        "date": [one for one in leaves if one[0].endswith("DateTimeString")],
        "country": [one for one in leaves if "Country" in one[0].rpartition("/")[2] or one[0].endswith("LocationID")],
        "digits": [one for one in leaves if one[0].endswith(("Classification/ID", "CurrentCode"))],
        "prefix": [one for one in texts if one[0].endswith(("PostcodeID", "/ID", "Code"))],
        "bands": [one for one in leaves if one[1].value.base in ("decimal", "integer")],  # type: ignore[union-attr]
        "pseudonym": [one for one in texts if (one[1].value.most_length or 99) >= 12],  # type: ignore[union-attr]
        "truncate": texts,
        "replace": leaves,
    }
    return {kind: tuple(places) for kind, places in found.items() if places}


@cache
def alike(set_id: str) -> tuple[str, ...]:
    """Return the places of which there are others with the same name, in classes of the same name: an address in a party
    and an address in another."""
    seen: dict[tuple[str, ...], list[str]] = {}
    for path, _ in own_paths(set_id):
        seen.setdefault(tuple(path.split("/")[-2:]), []).append(path)
    return tuple(path for paths in seen.values() for path in paths if len(paths) > 1)


class Drawing:
    """One policy in the making. `sets` and `criteria`: named by what was drawn so far."""

    def __init__(self, chance: random.Random, set_id: str) -> None:
        self.chance = chance
        self.set_id = set_id
        self.paths = own_paths(set_id)
        self.sets: dict[str, list[str]] = {}
        self.criteria: dict[str, str] = {}
        self.asked: set[str] = set()
        self.alone = "-"
        """The class of which elements go one by one."""
        self.most_asked = chance.choice((0, 0, 1, 2, 3, 4, 6))

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def any(self) -> tuple[str, Place]:
        return self.chance.choice(self.paths)

    # ── selectors ────────────────────────────────────────────────────────────────────────────────────────────────

    def path_text(self, path: str) -> str:
        """Write a path in one of the ways that mean it, and others."""
        steps = path.split("/")[1:]
        match self.chance.choice(("plain", "plain", "plain", "anywhere", "anywhere", "below", "wildcard")):
            case "anywhere":
                return "//" + "/".join(steps[-self.chance.randint(1, 2) :])
            case "below" if len(steps) > 3:
                return f"/{steps[0]}/{steps[1]}//{steps[-1]}"
            case "wildcard" if len(steps) > 2:
                at = self.chance.randrange(1, len(steps))
                return "/" + "/".join("*" if here == at else step for here, step in enumerate(steps))
            case _:
                return path

    def selector(self, path: str, place: Place) -> Any:
        drawn = self.chance.random()
        if drawn < 0.12 and place.wco_id:
            return f"wco:{place.wco_id}"
        if drawn < 0.20 and self.set_id != NILLABLE:
            return f"privacy:{self.chance.choice(PRIVACY)}"
        if drawn < 0.30 and self.sets:
            return f"set:{self.chance.choice(list(self.sets))}"
        if drawn < 0.36:
            return [self.path_text(path), self.path_text(self.any()[0])]
        return self.path_text(path)

    def name_sets(self) -> None:
        """Draw named sets: of paths, of other sets and ids, of leaves to be changed."""
        self.sets["some"] = [self.path_text(self.any()[0]) for _ in range(self.chance.randint(1, 3))]
        if self.often(0.5):
            self.sets["more"] = ["set:some", f"//{self.any()[0].rpartition('/')[2]}"]
            self.sets["more"] += [f"privacy:{self.chance.choice(PRIVACY)}"] if self.set_id != NILLABLE else []
        if self.often(0.5) and (texts := fitting(self.set_id).get("pseudonym")):
            self.sets["leaves"] = sorted({self.chance.choice(texts)[0] for _ in range(self.chance.randint(1, 3))})

    # ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────

    def broad(self, *, is_tidy: bool) -> list[RuleText]:
        """Draw a rule that keeps the whole body, and what must be said beside it."""
        roots = [path for path, place in self.paths if path.count("/") == 2 and not place.leaf]
        named = "required" if self.often(0.5) else self.every_name()
        rules: list[RuleText] = [{"keep": self.chance.choice(roots), "attributes": named}]
        # What gives power to who has it is never kept, or the check refuses the whole rule.
        rules.append({"drop": CREDENTIALS if self.set_id == NILLABLE else "privacy:credential"})
        if is_tidy and self.set_id != NILLABLE:
            word = self.chance.choice(("keep", "drop")) if self.alone == "-" else "drop"
            rules.append({word: "privacy:personal"} | ({"attributes": "required"} if word == "keep" else {}))
        return rules

    def rule(self) -> RuleText:
        """Draw any rule."""
        path, place = self.any()
        if self.often(0.3 if self.most_asked == 0 else 0.1) and (others := alike(self.set_id)):
            return {self.chance.choice(("keep", "drop")): self.chance.choice(others)}
        match self.chance.choice(("keep", "keep", "drop", "drop", "change", "change", "change", "attribute")):
            case "change":
                rule = self.change()
            case "attribute":
                rule = self.attribute_rule()
            case word:
                rule = {word: self.selector(path, place)}
        if "drop" not in rule and "/@" not in str(rule) and self.often(0.6):
            rule |= self.attributes()
        if len(self.asked) < self.most_asked and self.often(0.6):
            rule |= self.condition()
        if self.often(0.3):
            rule["reason"] = "why not"
        return rule

    def attributes(self) -> RuleText:
        named = self.chance.choice(("required", ["unitCode"], ["currencyID", "unitCode"], ["formatCode"], "all"))
        return {"attributes": self.every_name() if named == "all" else named}

    def every_name(self) -> list[str]:
        names = sorted({name for _, place in self.paths for name in place.attributes})
        needed = {name for _, place in self.paths for name, required in place.attributes.items() if required}
        return sorted({*self.chance.sample(names, min(4, len(names))), *needed}) or ["unitCode"]

    def change(self) -> RuleText:
        """Draw a rule that changes leaves, mostly in a way that fits them."""
        kinds = fitting(self.set_id)
        kind = self.chance.choice(list(kinds))
        path, place = self.chance.choice(kinds[kind] if self.often(0.9) else kinds["replace"])
        text: Any = path if self.often(0.5) else self.path_text(path)
        if kind in ("pseudonym", "truncate") and "leaves" in self.sets and self.often(0.3):
            text = "set:leaves"
        elif place.wco_id and self.often(0.1):
            text = f"wco:{place.wco_id}"
        assert place.value is not None
        match kind:
            case "date":
                word = self.chance.choice(("month", "year"))
                return {"generalise": text, "to": word, "attributes": "required"}
            case "country":
                return {"generalise": text, "to": "country"}
            case "digits":
                return {"generalise": text, "digits": self.chance.choice((2, 4, 6))}
            case "prefix":
                return {"generalise": text, "prefix": self.chance.choice((1, 2, 4))}
            case "bands":
                bands = self.chance.choice(([0, 100, 10000], [-1000, 0, 5.5], [1, 2], [2, 3, 4]))
                return {"generalise": text, "bands": bands}
            case "pseudonym":
                return {"pseudonymise": text}
            case "truncate":
                return {"truncate": text, "length": self.chance.choice((1, 3, 8, 20))}
            case _:
                return {"replace": text, "with": drawn_value(self.chance, place.value, path).strip() or "0"}

    def attribute_rule(self) -> RuleText:
        having = [one for one in self.paths if one[1].attributes]
        if not having:
            return {"keep": self.any()[0]}
        path, place = self.chance.choice(having)
        name = self.chance.choice(list(place.attributes))
        text = self.chance.choice((f"{path}/@{name}", f"//{path.rpartition('/')[2]}/@{name}", f"//@{name}"))
        value = drawn_value(self.chance, place.attribute_values[name], name).strip() or "x"
        return self.chance.choice(
            (
                {"keep": text},
                {"drop": text},
                {"replace": text, "with": value},
                {"truncate": text, "length": 2},
                {"generalise": text, "prefix": 1},
                {"pseudonymise": text},
            )
        )

    # ── rules that belong together ───────────────────────────────────────────────────────────────────────────────

    def one_by_one(self) -> list[RuleText]:
        """Draw rules that take out some of what is repeated: by what it answers, or for what can not be changed in it."""
        repeated = [(path, place) for path, place in self.paths if place.most != 1 and not place.leaf]
        if not repeated:
            return []
        items = [one for one in repeated if one[0].endswith("GovernmentAgencyGoodsItem")]
        numbered = [one for one in repeated if any(path.endswith("SequenceNumeric") for path in one[1].children)]
        path, place = self.chance.choice(items if items and self.often(0.7) else numbered or repeated)
        name = path.rpartition("/")[2]
        rules: list[RuleText] = []
        if self.often(0.5):
            rules.append({"keep": f"//{name}", "attributes": "required"})
        if self.often(0.25) and (leaf := self.required_leaf(path)):
            # What can not be made coarser is withheld, and its class with it.
            return [*rules, {"generalise": leaf, "bands": [2, 3, 4]}]
        leaves = [one for one in place.children if dict(self.paths)[one].leaf and "Sequence" not in one]
        if leaves and self.often(0.3):
            self.criteria["inside"] = self.chance.choice(leaves)
        asked = [one for one in self.known() if self.inside(one, path)]
        for one in self.chance.sample(asked, min(len(asked), self.chance.choice((1, 1, 2)))):
            word = self.chance.choice(("when", "unless"))
            rules.append({"drop": path, word: self.answers(one)})
        self.alone = path
        return rules

    def beside(self, rules: Sequence[RuleText]) -> list[RuleText]:
        """Return the rules that may stand beside those for what goes one by one: none that keeps something within it, for
        that would keep the class with it."""
        return [one for one in rules if "drop" in one or not self.is_within(one) or self.often(0.05)]

    def is_within(self, rule: RuleText) -> bool:
        """Tell whether a rule stands on something below what goes one by one."""
        said = next(iter(rule.values()))
        texts = [said] if isinstance(said, str) else said
        written = [one for text in texts for one in (self.written_out(text) if text.startswith("set:") else [text])]
        return any(path.startswith(f"{self.alone}/") for text in written for path, _ in answering(self.set_id, text))

    def written_out(self, text: str) -> list[str]:
        found = [one for member in self.sets[text[4:]] for one in [member]]
        return [
            one for member in found for one in (self.written_out(member) if member.startswith("set:") else [member])
        ]

    def required_leaf(self, path: str) -> str:
        """Return a number that the set requires in a class, if there is one."""
        places = dict(self.paths)
        leaves = [one for one in places[path].children if places[one].least and places[one].value is not None]
        numbers = [one for one in leaves if places[one].value.base in ("decimal", "integer")]  # type: ignore[union-attr]
        return self.chance.choice(numbers) if numbers else ""

    def inside(self, name: str, path: str) -> list[str]:
        """Return the places below a class at which a criterion is answered."""
        found = answering(self.set_id, BUILT_IN.get(name) or self.criteria.get(name, ""))
        return [place for place, attribute in found if place.startswith(f"{path}/") and not attribute]

    def kept_answers(self) -> list[RuleText]:
        """Draw rules that keep what is asked: a condition may only ask what leaves as it is."""
        rules: list[RuleText] = []
        for name in sorted(self.asked - {"kind"}):
            if self.often(0.1):
                continue
            text = BUILT_IN.get(name) or self.criteria[name]
            found = [f"{path}/@{one}" if one else path for path, one in answering(self.set_id, text)]
            found = [one for one in found if not one.startswith(f"{self.alone}/")]
            if not found:
                continue
            rules.append({"keep": found if self.often(0.7) or self.alone != "-" else text})
            if "/@" not in str(rules[-1]):
                rules[-1]["attributes"] = "required"
        return rules

    # ── conditions ───────────────────────────────────────────────────────────────────────────────────────────────

    def known(self) -> list[str]:
        """Return the criteria that something in the set answers."""
        built_in = [name for name, text in BUILT_IN.items() if text and answering(self.set_id, text)]
        return built_in + [name for name, text in self.criteria.items() if answering(self.set_id, text)]

    def name_criteria(self) -> None:
        """Draw criteria of the policy's own: a place, an id, an attribute."""
        for number in range(self.chance.choice((1, 1, 2))):
            path, place = self.chance.choice([one for one in self.paths if one[1].leaf])
            text = self.chance.choice((path, path, f"//{'/'.join(path.split('/')[-2:])}"))
            if place.attributes and self.often(0.2):
                text = f"{path}/@{self.chance.choice(list(place.attributes))}"
            elif place.wco_id and self.often(0.2):
                text = f"wco:{place.wco_id}"
            self.criteria[f"own-{number}"] = text

    def condition(self, *, words: Sequence[str] = ("when", "when", "unless", "both")) -> RuleText:
        """Draw `when`, `unless` or both, with one question each, now and then two."""
        word = self.chance.choice(words)
        found: RuleText = {}
        for one in ("when", "unless") if word == "both" else (word,):
            found[one] = self.wanted(self.criterion())
            if self.often(0.15):
                found[one] |= self.wanted(self.criterion())
        return found

    def criterion(self) -> str:
        return self.chance.choice(["kind", *self.known()])

    def wanted(self, name: str) -> dict[str, list[str]]:
        self.asked.add(name)
        return self.answers(name)

    def answers(self, name: str) -> dict[str, list[str]]:
        known = list(self.values(name))
        return {name: sorted(self.chance.sample(known, self.chance.randint(1, min(3, len(known)))))}

    def values(self, name: str) -> Sequence[str]:
        if name == "kind":
            return KINDS["response" if "response" in self.set_id else "declaration"]
        if name in ANSWERS:
            return ANSWERS[name]
        path, attribute = self.chance.choice(answering(self.set_id, self.criteria[name]))
        place = set_places(self.set_id)[path]
        facts = place.attribute_values[attribute] if attribute else place.value
        assert facts is not None
        drawn = [drawn_value(self.chance, facts, attribute or path).strip().replace("*", "x") for _ in range(2)]
        found = dict.fromkeys(one for text in drawn if text for one in (text, f"{text[:2]}*"))
        return list(found) or ["x"]
