"""Policies drawn from a seed: every kind of selector, action, condition, attribute list, named set and include.

What is drawn is YAML, as an officer would write it, one rule a line (drawing.py). Rules that the static check refuses are
taken out again, so what is left passes the check; what it refused on the way is kept too. From every second policy what
the check warns of is taken out as well. The same seed gives the same policy every time.
"""

import json
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from typing import Any

from gateway.errors import Finding
from gateway.policy import CompiledPolicy, Policy, Rule, check_policy, compile_policy, draft_policy, read_policy
from tests.oracle.xsd_paths import Place
from tests.unit.policy.drawing import Drawing, RuleText, own_paths
from tests.unit.policy.grown import base_of, compiled_set

MENDING = {"sequence": "renumber", "counts": "recount", "totals": "recompute", "pointers": "follow"}
FIRST = "p.yaml"
NEEDED = frozenset({"policy", "version", "schema_set", "include"})
TURNS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A policy that passed the check, and the files it was read from. `warned`: the keys that the check warns of.

    `compiled`: the same, ready to apply. `refused`: what the same draft said each time the check found errors in it.
    """

    text: bytes
    included: Mapping[str, bytes]
    warned: tuple[str, ...] = ()
    compiled: CompiledPolicy | None = field(default=None, repr=False, compare=False)
    refused: tuple["Drawn", ...] = ()


@dataclass
class _File:
    """One file: what stands before its rules, those that are never taken out, and the others; None was taken out.

    Every rule stays on its line.
    """

    head: dict[str, Any]
    base: list[RuleText] = field(default_factory=list)
    rules: list[RuleText | None] = field(default_factory=list)

    @property
    def first_line(self) -> int:
        """The line of the first rule that may be taken out."""
        return len(self.head) + 2 + len(self.base)

    def written(self) -> bytes:
        """Return its YAML, each key of the head and each rule on a line of its own."""
        lines = [f"{key}: {json.dumps(said, ensure_ascii=False)}" for key, said in self.head.items()]
        every = (*self.base, *self.rules)
        rules = ["  #" if one is None else f"  - {json.dumps(one, ensure_ascii=False)}" for one in every]
        return "".join(f"{one}\n" for one in (*lines, "rules:" if any(every) else "rules: []", *rules)).encode()

    @property
    def gone(self) -> list[int]:
        """Which of its rules were taken out."""
        return [at for at, rule in enumerate(self.rules) if rule is None]

    def without(self, lines: Collection[int | None]) -> bool:
        """Take out the rules on these lines, and tell whether there were any."""
        bad = [at for at, rule in enumerate(self.rules) if rule is not None and self.first_line + at in lines]
        for at in bad:
            self.rules[at] = None
        return bool(bad)


class _Draft:
    """The files of a policy that is mended until it passes the check. Reading takes longer than checking: while only
    rules go, what was read is used again."""

    def __init__(self, set_id: str, files: dict[str, _File], chance: random.Random) -> None:
        self.set_id = set_id
        self.files = files
        self.first = files[FIRST]
        self.chance = chance
        self.policy: Policy | None = None
        self.is_as_read = True
        texts = [_selected(one) for one in files.values()]
        self.may_overrule = any(one & other for one, other in combinations(texts, 2))

    def findings(self) -> Sequence[Finding]:
        """Return what is wrong with it now."""
        found: Sequence[Finding] = ()
        if self.policy is None:
            texts = self.texts()
            self.policy, found = draft_policy(texts[FIRST], file=FIRST, include=texts.__getitem__)
            self.is_as_read = True
        if self.policy is None or errors(found):
            self.policy = None
            return found
        return (*found, *check_policy(self.policy, compiled_set(self.set_id)))

    def texts(self) -> dict[str, bytes]:
        """Return its files as they are now."""
        return {name: one.written() for name, one in self.files.items()}

    def sealed(self, warned: Sequence[Finding] = (), refused: Sequence[Drawn] = (), *, whole: bool = True) -> Drawn:
        """Return it as it is now, compiled if it is `whole`."""
        texts = self.texts()
        policy = self.policy if whole else None
        if policy is not None and not self.is_as_read:
            policy = read_policy(texts[FIRST], file=FIRST, include=texts.__getitem__)
        compiled = None if policy is None else compile_policy(policy, compiled_set(self.set_id))
        keys = tuple(sorted({one.key or "" for one in warned}))
        return Drawn(text=texts.pop(FIRST), included=texts, warned=keys, compiled=compiled, refused=tuple(refused))

    def about_rules(self, findings: Sequence[Finding]) -> list[Finding]:
        """Return the findings, but for those about rules that are never taken out."""
        lines = range(self.first.first_line - len(self.first.base), self.first.first_line)
        return [one for one in findings if one.file != FIRST or one.line not in lines]

    def mend(self, findings: Sequence[Finding]) -> None:
        """Take out the rules that are found fault with, or else what the head says, or any rule."""
        words = {(one.key or "").removeprefix("consistency.") for one in findings} & set(MENDING)
        if words and self.policy is not None:
            said = {word: MENDING[word] for word in sorted(words)}
            self.first.head["consistency"] = self.first.head.get("consistency", {}) | said
            self.policy = None
            return
        about_names = [one for one in findings if one.key == "attributes" and one.line is not None]
        if sum(map(self.named_well, about_names)):
            return
        bad = {(one.file, one.line) for one in findings}
        # The first rule mostly keeps what the others are about.
        bad = bad - {(FIRST, self.first.first_line)} or bad
        found = [one.without({line for file, line in bad if file == name}) for name, one in self.files.items()]
        if not any(found):
            self.less(findings)
        elif self.policy is None or self.may_overrule:
            self.policy = None  # a rule that is gone may have overruled another
        else:
            gone = {(name, one.first_line + at) for name, one in self.files.items() for at in one.gone}
            self.change(tuple(one for one in self.policy.rules if (one.file, one.line) not in gone))

    def change(self, rules: tuple[Rule, ...]) -> None:
        """Have other rules in what was read."""
        assert self.policy is not None
        self.policy, self.is_as_read = replace(self.policy, rules=rules), False

    def named_well(self, finding: Finding) -> bool:
        """Have a rule name the attributes that the set requires instead of others; tell whether it did name others."""
        name, line = finding.file or FIRST, finding.line or 0
        at = line - self.files[name].first_line
        rule = self.files[name].rules[at] if 0 <= at < len(self.files[name].rules) else None
        if rule is None or rule.get("attributes") in (None, "required") or self.policy is None:
            return False
        rule["attributes"] = "required"
        about = [(one, (one.file, one.line) == (name, line)) for one in self.policy.rules]
        self.change(tuple(replace(one, attributes="required") if found else one for one, found in about))
        return True

    def less(self, findings: Sequence[Finding]) -> None:
        """Take out what the head says that is found fault with, or any rule, or all the head says."""
        self.policy = None
        keys = {(one.file or FIRST, (one.key or "").partition(".")[0]) for one in findings}
        for name, key in keys:
            if name in self.files and key not in NEEDED and self.files[name].head.pop(key, None) is not None:
                return
        some = [(one, at) for one in self.files.values() for at, rule in enumerate(one.rules) if rule is not None]
        if some:
            file, at = self.chance.choice(some)
            file.rules[at] = None
            return
        for one in self.files.values():
            one.head = {key: said for key, said in one.head.items() if key in NEEDED}


@cache
def drawn_policy(seed: int, set_id: str) -> Drawn:
    """Return the policy of a seed."""
    chance = random.Random(f"{set_id} {seed}")
    is_tidy = chance.random() < 0.5
    draft = _Draft(set_id, _drawn_files(chance, set_id, is_tidy=is_tidy), chance)
    refused: list[Drawn] = []
    findings: Sequence[Finding] = ()
    for turn in range(TURNS):
        findings = draft.findings()
        wrong = errors(findings)
        if wrong:
            refused.append(draft.sealed(whole=False))
        if not wrong and is_tidy and turn < TURNS / 2:
            wrong = draft.about_rules(findings)
        if not wrong:
            return draft.sealed(findings, refused)
        draft.mend(wrong)
    msg = f"seed {seed} of {set_id} comes to no policy: {errors(findings)}"
    raise AssertionError(msg)


def _selected(file: _File) -> set[str]:
    """Return what the rules of a file select."""
    said = [next(iter(rule.values())) for rule in (*file.base, *file.rules) if rule is not None]
    return {text for one in said for text in ([one] if isinstance(one, str) else one)}


def errors(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings with which a policy may not be used."""
    return [one for one in findings if one.is_error]


# ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def base_rules(set_id: str) -> tuple[str, ...]:
    """Return what every policy under a set keeps: the codes of the kind, and what the set requires around these."""
    places = dict(own_paths(set_id))
    body = "/MetaData/Response" if base_of(set_id) == "dms-response" else "/MetaData/Declaration"
    codes = [f"{body}/{name}" for name in ("FunctionCode", "TypeCode")]
    found = [one for one in codes if one in places]
    return tuple(dict.fromkeys([*found, *_required("/MetaData", places, found)]))


def _required(path: str, places: Mapping[str, Place], kept: Sequence[str]) -> list[str]:
    """Return what must be kept below a class of which something is."""
    found: list[str] = []
    children = [one for one in places if one.rpartition("/")[0] == path]
    for child in children:
        inside = [one for one in kept if f"{one}/".startswith(f"{child}/")]
        if not places[child].least and not inside:
            continue
        if places[child].leaf:
            found.append(child)
            continue
        below = _required(child, places, inside)
        found += below or [next(one for one in places if one.startswith(f"{child}/") and places[one].leaf)]
    return found


def _drawn_files(chance: random.Random, set_id: str, *, is_tidy: bool) -> dict[str, _File]:
    drawing = Drawing(chance, set_id)
    head: dict[str, Any] = {"policy": "drawn", "version": 1, "schema_set": set_id}
    if drawing.often(0.4):
        drawing.name_sets()
    if drawing.often(0.35):
        drawing.name_criteria()
    drawn = [drawing.rule() for _ in range(chance.choice((1, 2, 4, 6, 9, 14)))]
    base: list[RuleText] = [{"keep": one, "attributes": "required"} for one in base_rules(set_id)]
    single = drawing.one_by_one() if drawing.often(0.5) else []
    rules: list[RuleText | None] = [*drawing.beside(drawn), *single]
    if drawing.often(0.8):
        rules = [*drawing.broad(is_tidy=is_tidy), *rules]
    for word in ("require", "hold"):
        if drawing.often(0.2):
            head[word] = [{**drawing.condition(), "reason": f"because {at}"} for at in range(chance.choice((1, 1, 2)))]
    rules += drawing.kept_answers()
    if drawing.often(0.7):
        head["consistency"] = {key: said for key, said in MENDING.items() if drawing.often(0.85)} or MENDING
    files = {FIRST: _File(head, base, rules)}
    named = {"paths": drawing.sets, "criteria": drawing.criteria}
    head |= {key: said for key, said in named.items() if said}
    if drawing.often(0.35):
        _include(files, drawing)
    return files


def _include(files: dict[str, _File], drawing: Drawing) -> None:
    """Have a part of a policy stand in other files, and overrule some of what those say."""
    chance, first = drawing.chance, files[FIRST]
    cut = chance.randint(0, len(first.rules))
    every = [one for one in first.rules if one is not None]
    others = [_otherwise(one, drawing) for one in every if drawing.often(0.4)]
    part = _File({}, rules=list(_each_once([*every[cut:], *others])))
    first.rules = first.rules[:cut]
    first.head["include"] = ["parts/0.yaml"]
    for key in ("paths", "criteria", "consistency", "require", "hold"):
        if key in first.head and drawing.often(0.6):
            part.head[key] = first.head[key] if key in ("require", "hold") else _moved(first.head, key, drawing)
    files["parts/0.yaml"] = part
    if drawing.often(0.4):
        part.head["include"] = ["deep/1.yaml"]
        files["parts/deep/1.yaml"] = _File({}, rules=[drawing.rule()])
    if drawing.often(0.2):
        first.head["include"].append("parts/2.yaml")
        files["parts/2.yaml"] = _File({}, rules=[drawing.rule()])


def _otherwise(rule: RuleText, drawing: Drawing) -> RuleText:
    """Say something else of the same places under the same conditions."""
    action = next(iter(rule))
    asked: RuleText = {word: rule[word] for word in ("when", "unless") if word in rule}
    return {drawing.chance.choice([one for one in ("keep", "drop") if one != action]): rule[action], **asked}


def _each_once(rules: Sequence[RuleText]) -> list[RuleText]:
    seen: dict[str, RuleText] = {}
    for rule in rules:
        asked = {word: rule[word] for word in ("when", "unless") if word in rule}
        seen.setdefault(json.dumps([next(iter(rule.values())), asked], sort_keys=True), rule)
    return list(seen.values())


def _moved(head: dict[str, Any], key: str, drawing: Drawing) -> dict[str, Any]:
    """Have an included file name the same things, some of them otherwise, so that what includes it overrules that."""
    others: Mapping[str, Any] = {"paths": [drawing.any()[0]], "criteria": "//TypeCode", "consistency": "refuse"}
    return {name: others[key] if drawing.often(0.5) else said for name, said in head[key].items()}
