"""Policies drawn from a seed: every kind of selector, action, condition, attribute list, named set and include.

What is drawn is YAML, as an officer would write it, one rule a line. Rules that the static check refuses are taken out
again, so what is left passes the check. The same seed gives the same policy every time.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from gateway.errors import Finding
from gateway.policy import check_policy, draft_policy
from tests.oracle.values import COUNTRIES, drawn_value
from tests.oracle.xsd_paths import Place
from tests.unit.policy.grown import NILLABLE, compiled_set, set_places
from tests.unit.policy.random_policies import BASE

RuleText = dict[str, Any]
MOST_CONDITIONS = 3
BASES = {**BASE, NILLABLE: BASE["dms-declaration"]}
ITEM = "/MetaData/Declaration/GoodsShipment/GovernmentAgencyGoodsItem"
ANSWERS: Mapping[str, Sequence[str]] = {
    "kind": ("declaration", "amendment", "response"),
    "type-code": ("IM*", "IMA", "EX*", "CO*"),
    "procedure": ("40", "4*", "10"),
    "country-of-destination": COUNTRIES,
    "country-of-export": COUNTRIES,
    "country-of-origin": COUNTRIES,
    "commodity": ("93*", "8703*", "2710*", "01*"),
    "party-role": ("CS", "FW", "A*"),
    "border-office": ("A*", "X", "FR*"),
}
ASKED = {
    "type-code": "/MetaData/Declaration/TypeCode",
    "procedure": f"{ITEM}/GovernmentProcedure/CurrentCode",
    "country-of-destination": "//Destination/CountryCode",
    "country-of-export": "//ExportCountry/ID",
    "country-of-origin": "//Origin/CountryCode",
    "commodity": "//Commodity/Classification/ID",
    "party-role": "//RoleCode",
    "border-office": "//ExitOffice/ID",
}
"""Where the answers stand: a condition may only ask what is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A policy that passed the check, and the files it was read from."""

    text: bytes
    included: Mapping[str, bytes]


@dataclass
class _Draft:
    """What was drawn. A rule with a number of a file in `included` stands in that file."""

    set_id: str
    base: list[RuleText]
    rules: list[RuleText]
    included: list[list[RuleText]] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def files(self) -> dict[str, list[RuleText]]:
        """The rules of each file; the first is the policy itself."""
        return {"p.yaml": self.base + self.rules} | {f"parts/{at}.yaml": one for at, one in enumerate(self.included)}


@cache
def drawn_policy(seed: int, set_id: str) -> Drawn:
    """Return the policy of a seed."""
    chance = random.Random(f"{set_id} {seed}")
    draft = _Drawing(chance, set_id).draft()
    findings: Sequence[Finding] = ()
    for _ in range(60):
        drawn, findings = _read(draft)
        if drawn is not None:
            return drawn
        _take_out(draft, findings, chance)
    msg = f"seed {seed} of {set_id} comes to no policy: {findings}"
    raise AssertionError(msg)


def _read(draft: _Draft) -> tuple[Drawn | None, Sequence[Finding]]:
    texts = {name: written(draft, name, rules) for name, rules in draft.files().items()}
    policy, findings = draft_policy(texts["p.yaml"], file="p.yaml", include=texts.__getitem__)
    if policy is not None and not errors(findings):
        findings = (*findings, *check_policy(policy, compiled_set(draft.set_id)))
    if policy is None or errors(findings):
        return None, errors(findings)
    included = {name: text for name, text in texts.items() if name != "p.yaml"}
    return Drawn(text=texts["p.yaml"], included=included), ()


def errors(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings with which a policy may not be used."""
    return [one for one in findings if str(getattr(one, "level", "error")) == "error"]


def _take_out(draft: _Draft, findings: Sequence[Finding], chance: random.Random) -> None:
    """Take out the rules that are found fault with, or any rule when the fault is in none of these."""
    bad = {(one.file, one.line) for one in findings}
    broad = {("p.yaml", _first_line(draft, "p.yaml") + len(draft.base))}
    bad = bad - broad or bad  # the first rule mostly keeps what the others are about
    found = False
    for name, rules in draft.files().items():
        own = draft.rules if name == "p.yaml" else rules
        first = _first_line(draft, name) + (len(draft.base) if name == "p.yaml" else 0)
        kept = [rule for at, rule in enumerate(own) if (name, first + at) not in bad]
        found = found or len(kept) < len(own)
        own[:] = kept
    if not found and any((some := draft.rules, *draft.included)):
        some = next(one for one in (draft.rules, *draft.included) if one)
        some.pop(chance.randrange(len(some)))
    elif not found:
        draft.more.clear()


def written(draft: _Draft, name: str, rules: Sequence[RuleText]) -> bytes:
    """Return the YAML of one file."""
    return "".join(
        f"{line}\n" for line in (*_head(draft, name), *(f"  - {json.dumps(one, ensure_ascii=False)}" for one in rules))
    ).encode()


def _head(draft: _Draft, name: str) -> list[str]:
    if name != "p.yaml":
        return ["rules:"] if draft.files()[name] else ["title: nothing", "rules: []"]
    head = ["policy: drawn", "version: 1", f"schema_set: {draft.set_id}"]
    if draft.included:
        head.append(f"include: {json.dumps([one for one in draft.files() if one != 'p.yaml'])}")
    return [*head, *(f"{key}: {json.dumps(said, ensure_ascii=False)}" for key, said in draft.more.items()), "rules:"]


def _first_line(draft: _Draft, name: str) -> int:
    return len(_head(draft, name)) + 1


# ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _paths(set_id: str) -> tuple[tuple[str, Place], ...]:
    return tuple((path, place) for path, place in set_places(set_id).items() if path.startswith("/MetaData/"))


class _Drawing:
    def __init__(self, chance: random.Random, set_id: str) -> None:
        self.chance = chance
        self.set_id = set_id
        self.places = set_places(set_id)
        self.sets: dict[str, list[str]] = {}
        self.conditions = 0
        self.is_declaration = "declaration" in set_id

    def draft(self) -> _Draft:
        base: list[RuleText] = [{"keep": path} for path in BASES[self.set_id]]
        more: dict[str, Any] = {}
        if self.often(0.5):
            word = self.chance.choice(("consistency", "consistency", ""))
            mending = {"sequence": "renumber", "counts": "recount", "totals": "recompute", "pointers": "follow"}
            more |= {word: {key: said for key, said in mending.items() if self.often(0.8)} or mending} if word else {}
        if self.often(0.5):
            more["paths"] = self.sets
            self.sets["some"] = [self.path_text(self.any_path()) for _ in range(self.chance.randint(1, 3))]
            if self.often(0.5):
                self.sets["more"] = ["set:some", f"//{self.name(self.any_path())}"]
        rules = [self.rule() for _ in range(self.chance.choice((1, 2, 4, 6, 9)))]
        if self.often(0.8):
            rules.insert(0, self.broad())
            # What gives power to who has it is never kept, or the check refuses the whole rule.
            base.append(
                {"drop": ["//AccessCode", "//Authentication"] if self.set_id == NILLABLE else "privacy:credential"}
            )
        if self.is_declaration:
            more["criteria"] = {"border-office": "//ExitOffice/ID"}
            asked = {name for rule in rules for word in ("when", "unless") for name in rule.get(word, {})}
            rules += [{"keep": ASKED[name]} for name in sorted(asked & set(ASKED)) if self.often(0.9)]
            for word in ("require", "hold"):
                if self.often(0.2):
                    more[word] = [{**self.condition(), "reason": "because"}]
        draft = _Draft(self.set_id, base, rules, more=more)
        if self.often(0.3):
            cut = self.chance.randint(0, len(rules))
            draft.rules, draft.included = rules[:cut], [rules[cut:]]
            if self.often(0.5):
                draft.included.append([self.rule()])
        return draft

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def any_path(self) -> str:
        return self.chance.choice(_paths(self.set_id))[0]

    def broad(self) -> RuleText:
        roots = [path for path, place in _paths(self.set_id) if path.count("/") == 2 and not place.leaf]
        named = (
            "required"
            if self.often(0.5)
            else sorted({one for _, place in _paths(self.set_id) for one in place.attributes})
        )
        return {"keep": self.chance.choice(roots), "attributes": named}

    def rule(self) -> RuleText:
        path, place = self.chance.choice(_paths(self.set_id))
        action = self.chance.choice(("keep", "keep", "drop", "change", "change"))
        rule: RuleText = {}
        if action == "change" and place.value is not None:
            rule = self.change(path, place)
        elif action == "change":
            rule = self.attribute_rule()
        if not rule:
            rule = {"drop" if action == "drop" else "keep": self.selector(path, place)}
        if "drop" not in rule and "/@" not in str(rule) and self.often(0.6):
            rule |= self.attributes()
        if self.is_declaration and self.conditions < MOST_CONDITIONS and self.often(0.35):
            self.conditions += 1  # each multiplies the worlds that the check looks at
            rule |= self.condition()
        if self.often(0.5):
            rule["reason"] = "why not"
        return rule

    def attributes(self) -> RuleText:
        named = self.chance.choice(("required", ["unitCode"], ["currencyID", "unitCode"], ["formatCode"], "all"))
        if named == "all":
            named = sorted({name for _, place in _paths(self.set_id) for name in place.attributes})
        return {"attributes": named}

    # ── selectors ────────────────────────────────────────────────────────────────────────────────────────────────

    def name(self, path: str) -> str:
        return path.rpartition("/")[2]

    def path_text(self, path: str) -> str:
        """Write a path in one of the ways that mean it, and others."""
        steps = path.split("/")[1:]
        match self.chance.choice(("plain", "plain", "anywhere", "below", "wildcard")):
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
        if drawn < 0.08 and place.wco_id:
            return f"wco:{place.wco_id}"
        if drawn < 0.16 and self.set_id != NILLABLE:  # nobody has reviewed that one
            return f"privacy:{self.chance.choice(('personal', 'commercial', 'security', 'credential', 'neutral'))}"
        if drawn < 0.24 and self.sets:
            return f"set:{self.chance.choice(list(self.sets))}"
        if drawn < 0.30:
            return [self.path_text(path), self.path_text(self.any_path())]
        if drawn < 0.38 and place.attributes:
            return f"{self.path_text(path)}/@{self.chance.choice(list(place.attributes))}"
        return self.path_text(path)

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def change(self, path: str, place: Place) -> RuleText:
        """Return a rule that changes a leaf, mostly in a way that fits it."""
        assert place.value is not None
        text = self.path_text(path) if self.often(0.5) else path
        fixed = {"replace": text, "with": drawn_value(self.chance, place.value, path).strip() or "0"}
        shorter: RuleText = {"truncate": text, "length": self.chance.choice((1, 3, 8, 20))}
        match self.chance.choice(("fixed", "own", "own", "own")), self.name(path):
            case "fixed", _:
                return fixed
            case _, "DateTimeString":
                return {"generalise": text, "to": self.chance.choice(("month", "year")), "attributes": "required"}
            case _, "PostcodeID":
                return {"generalise": text, "prefix": self.chance.choice((1, 2, 4))}
            case _, name if name.endswith("CountryCode"):
                return {"generalise": text, "to": "country"}
            case _, "ID" if path.endswith("Classification/ID"):
                return {"generalise": text, "digits": self.chance.choice((2, 4, 6))}
            case _, "ID":
                return {"pseudonymise": text}
            case _ if place.value.base == "decimal":
                return {"generalise": text, "bands": self.chance.choice(([0, 100, 10000], [-1000, 0, 5.5], [1, 2]))}
            case _:
                return self.chance.choice((shorter, fixed, {"pseudonymise": text}))

    def attribute_rule(self) -> RuleText:
        path, place = self.chance.choice([one for one in _paths(self.set_id) if one[1].attributes])
        name = self.chance.choice(list(place.attributes))
        text = self.chance.choice((f"{path}/@{name}", f"//{self.name(path)}/@{name}", f"//@{name}"))
        value = drawn_value(self.chance, place.attribute_values[name], name).strip() or "x"
        return self.chance.choice(
            (
                {"keep": text},
                {"drop": text},
                {"replace": text, "with": value},
                {"truncate": text, "length": 2},
                {"pseudonymise": text},
            )
        )

    def condition(self) -> RuleText:
        found: RuleText = {}
        for word in self.chance.choice((("when",), ("when",), ("unless",), ("when", "unless"))):
            name = self.chance.choice(list(ANSWERS))
            known = ANSWERS[name]
            found[word] = {name: sorted(self.chance.sample(known, self.chance.randint(1, min(3, len(known)))))}
        return found
