"""The laws of policies, over documents and policies that are drawn from seeds. A case that breaks one names its seeds.

`Court.broken` says in words what does not hold; nothing when all does. Each policy is met by several documents, grown to
hold what it is about. What a run met is counted in cases (reach.py).
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from lxml import etree

from gateway.document import in_fixed_form, read
from gateway.domain.message import View
from gateway.errors import DocumentError, PolicyError, SchemaError
from gateway.policy import CompiledPolicy, apply_policy, compile_policy, explain, inspect, policy_sha256, read_policy
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.views.compiled import demands
from gateway.schema import ValidDocument, validate
from tests.oracle.consistency import Inconsistent
from tests.oracle.growing import Wishes, grow
from tests.oracle.linking import ITEMS, TOTALS
from tests.oracle.oracle import Judge
from tests.oracle.policy_file import Rule
from tests.oracle.smuggling import smuggled
from tests.oracle.telling import fates
from tests.unit.policy.drawing import answering
from tests.unit.policy.drawn_policies import FIRST, Drawn, drawn_policy
from tests.unit.policy.grown import bare_schema, compiled_set, grown_roots, set_places, set_privacy
from tests.unit.policy.reach import lame
from tests.unit.schema.sets import LIMITS

KEY = bytes(range(32))
REFUSALS = {"policy.nothing_kept", "policy.view_invalid", "policy.inconsistent"}


@dataclass
class Told:
    """What a run met: how many cases met each thing, the policies that were different, and what broke."""

    counts: Counter[str] = field(default_factory=Counter)
    policies: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)

    def report(self, count: Callable[..., None]) -> None:
        """Have what was met printed at the end of the run."""
        count("policy laws: different policies", len(self.policies))
        for what, number in sorted(self.counts.items()):
            count(f"policy laws: {what}", number)


@dataclass
class Court:
    """One drawn policy, compiled, and beside it the same with its rules in another order, and the judge."""

    set_id: str
    drawn: Drawn

    def __post_init__(self) -> None:
        self.compiled_set = compiled_set(self.set_id)
        files = {FIRST: self.drawn.text, **self.drawn.included}
        self.how = self.drawn.compiled or self.compiled(files)
        self.turned = self.otherwise(files)
        assert self.turned.sha256 == self.how.sha256, "the order of rules changes the hash"
        privacy = set_privacy(self.set_id)
        self.judge = Judge(self.drawn.text, set_places(self.set_id), self.drawn.included, privacy, KEY)
        self.lines = {name: text.decode().split("\n") for name, text in files.items()}
        self.wishes = self.wished()

    def compiled(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        """Return the policy of these files. Read here, so that a room with a fault in it reads it too."""
        policy = read_policy(files[FIRST], file=FIRST, include=files.__getitem__)
        return compile_policy(policy, self.compiled_set)

    def otherwise(self, files: Mapping[str, bytes]) -> CompiledPolicy:
        """Return the same with its rules in another order: in its files, or when they were read, which takes less time."""
        if len(files[FIRST]) % 3 == 0:
            return self.compiled({name: turned(text) for name, text in files.items()})
        same = self.how.policy
        lines = [one.line for one in same.rules]
        rules = tuple(replace(one, line=line) for one, line in zip(reversed(same.rules), lines, strict=True))
        sha256 = policy_sha256(
            policy_id=same.id,
            version=same.version,
            title=same.title,
            schema_set=same.schema_set,
            rules=rules,
            require=same.require,
            hold=same.hold,
            consistency=same.consistency,
        )
        return compile_policy(replace(same, rules=rules, sha256=sha256), self.compiled_set)

    def wished(self) -> Wishes:
        """Return what documents should hold: what the policy speaks for, and the answers it asks for."""
        values: dict[str, list[str]] = {}
        every = (self.judge.file.rules, self.judge.file.require, self.judge.file.hold)
        for asked in dict.fromkeys(one for entries in every for entry in entries for one in entry.asked):
            for path, attribute in answering(self.set_id, asked.selector):
                place = f"{path}/@{attribute}" if attribute else path
                values.setdefault(place, []).extend(sorted(one.rstrip("*") for one in asked.values))
        spoken = [path for path, _ in self.judge.deciding.on]
        asked_at = [path.partition("/@")[0] for path in values]
        return Wishes(aims=sorted({*spoken, *asked_at}), together=belonging(self.set_id), values=values)

    def grown(self, seed: int) -> bytes:
        """Return the document of a seed."""
        return grow(set_places(self.set_id), seed, grown_roots(self.set_id), self.wishes)

    def view(self, document: ValidDocument, how: CompiledPolicy) -> View | PolicyError:
        """Return the view, or why there is none."""
        try:
            return apply_policy(document, how, self.compiled_set, pseudonyms=Pseudonyms(key=KEY))
        except PolicyError as error:
            return error

    # ── the laws ─────────────────────────────────────────────────────────────────────────────────────────────────

    def broken(self, raw: bytes, told: Told) -> Iterator[str]:
        """Say which laws a document breaks under this policy."""
        self.judge.met.clear()
        document = validate(read(raw, LIMITS), self.compiled_set)
        told.counts["cases"] += 1
        told.counts[f"a message of kind {document.document.kind}"] += 1
        yield from self.demanded(document, raw)
        view, again = self.view(document, self.how), self.view(document, self.turned)
        if isinstance(view, PolicyError):
            told.counts[f"refused with {view.code}"] += 1
            yield from self.refused(view, raw)
            if not isinstance(again, PolicyError) or again.code != view.code:
                yield "rules in another order do not refuse it"
        else:
            told.counts["views"] += 1
            if not isinstance(again, View) or again.xml != view.xml:
                yield "rules in another order make another view"
            complaints = self.judge.complaints(raw, view.xml)
            yield from complaints
            yield from self.valid(view)
            if not complaints:
                yield from self.explained(document, view, raw)
                yield from self.found(raw, told)
        told.counts.update(self.judge.met)

    def refused(self, error: PolicyError, raw: bytes) -> Iterator[str]:
        """The judge, too, finds that there must be no view; and never was there one that the set refused."""
        if error.code not in REFUSALS:
            yield f"refused with {error.code}"
        if "breaks" in str(error):
            yield f"an invalid view was made: {error} {error.facts}"
        try:
            expected = self.judge.expected(raw)
        except Inconsistent:
            if error.code != "policy.inconsistent":
                yield f"refused with {error.code} where a view would be inconsistent"
            if not any(key.startswith("consistency") for key in self.drawn.warned):
                yield "a message is refused as inconsistent and nobody was warned"
            return
        if expected is not None:
            yield f"refused with {error.code} where a view must be made"

    def valid(self, view: View) -> Iterator[str]:
        """A view is valid, in the one fixed form, within its own policy, and its own view."""
        if not bare_schema(self.set_id).validate(etree.fromstring(view.xml)):
            yield "a view is not valid"
            return
        document = validate(read(view.xml, LIMITS), self.compiled_set)
        if not in_fixed_form(document.document, self.compiled_set.prefixes):
            yield "a view is not in the fixed form"
        try:
            inspect(document, self.how)
        except PolicyError as error:
            yield f"the receiver refuses a view: {error} {error.facts}"
        again = self.view(document, self.how)
        if not isinstance(again, View):
            yield f"the view of a view is refused: {again}"
        elif (again.xml, again.withheld, again.changed) != (view.xml, 0, 0):
            yield "the view of a view is another"

    def found(self, raw: bytes, told: Told) -> Iterator[str]:
        """The receiver finds one thing too many in a view."""
        try:
            must_be = self.judge.expected(raw)
        except Inconsistent:
            return
        more = None if must_be is None else smuggled(self.judge, must_be, random.Random(len(raw)))
        if more is None:
            return
        what, bytes_ = more
        try:
            document = validate(read(bytes_, LIMITS), self.compiled_set)
        except (SchemaError, DocumentError):
            return  # it may lack what the schema requires, such as an attribute
        told.counts[f"smuggled: {what.kind}"] += 1
        try:
            inspect(document, self.how)
        except PolicyError:
            return
        yield f"the receiver takes what was not agreed: {what.told}"

    def explained(self, document: ValidDocument, view: View, raw: bytes) -> Iterator[str]:
        """What is explained is what was done, value by value, and by the rule that the judge finds."""
        lines, must_be = explain(document, self.how, Pseudonyms(key=KEY)), fates(self.judge, raw)
        filled = [line for line in lines if not line.is_empty]
        counts = (sum(line.kept for line in filled), sum(not line.kept for line in filled))
        if counts != (view.kept, view.withheld):
            yield f"explained are {counts} kept and withheld, and {(view.kept, view.withheld)} were"
        if sum(line.changed for line in filled) != view.changed:
            yield f"explained are {sum(line.changed for line in filled)} values as changed, and {view.changed} were"
        if len(lines) != len(must_be):
            yield f"explained are {len(lines)} values of {len(must_be)}"
            return
        for line, fate in zip(lines, must_be, strict=True):
            if (line.kept, line.changed, line.is_empty) != (fate.kept, fate.changed, fate.is_empty):
                yield f"what became of {line.path} is explained otherwise than it is"
            elif fate.is_ruled and not self.is_rule(line.rule, fate.rule):
                yield f"{line.path} is explained by {line.rule}, not by {fate.rule}"

    def is_rule(self, place: str, rule: Rule | None) -> bool:
        """Tell whether a rule stands at the place that was told, or for default deny none."""
        name, _, line = place.partition(":")
        if not line or rule is None:
            return not line and rule is None
        said = json.loads(self.lines[name][int(line) - 1].removeprefix("  - "))
        asked = {(word == "unless", one) for word in ("when", "unless") for one in said.get(word, {})}
        # Of two that do and say the same either may be named, so the selector is not looked at.
        is_alike = rule.action in said and said.get(rule.how, rule.what) == rule.what
        return is_alike and asked == {(one.negated, one.criterion) for one in rule.asked}

    def demanded(self, document: ValidDocument, raw: bytes) -> Iterator[str]:
        """What is required and what holds a message is what the judge says."""
        found = demands(document, self.how)
        refused, held = self.judge.refused_by(raw), self.judge.held_by(raw)
        if (found.refused is None) != (refused is None):
            yield "a message is sent, or not, against what the policy requires"
        if sorted(one.reason for one in found.held) != sorted(one.reason for one in held):
            yield "a message is held, or not, against what the policy says"


@cache
def belonging(set_id: str) -> tuple[tuple[str, ...], ...]:
    """Return the places of a set that hang together: totals with their parts, counts, pointers with what they lead to."""
    places = set_places(set_id)
    items = [path for path in places if path.startswith("/MetaData/") and path.endswith("/".join(ITEMS))]
    found: list[tuple[str, ...]] = []
    for path in items:
        holder = path.removesuffix("/" + "/".join(ITEMS))
        found += [(path, f"{holder}/{name}", f"{path}/{'/'.join(part)}") for name, (part, _) in TOTALS.items()]
        found.append((path, f"{holder}/GoodsItemQuantity", f"{path}/SequenceNumeric"))
    leads = ("SequenceNumeric", "DocumentSectionCode")
    pointers = [path for path, place in places.items() if place.wco_id == "97A" and path.startswith("/MetaData/")]
    found += [(*items, *(f"{path}/{name}" for name in leads)) for path in pointers]
    return tuple(group for group in found if all(one in places for one in group))


def turned(text: bytes) -> bytes:
    """Return a policy file with its rules from the last to the first."""
    lines = text.split(b"\n")
    at = lines.index(b"rules:") + 1 if b"rules:" in lines else len(lines)
    return b"\n".join([*lines[:at], *reversed([one for one in lines[at:] if one]), b""])


def run(set_id: str, seeds: Iterable[int], documents: int, told: Told | None = None) -> Told:
    """Hold `documents` grown documents against each policy of these seeds. Stops at ten things that are broken."""
    told = Told() if told is None else told
    for seed in seeds:
        drawn = drawn_policy(seed, set_id)
        court = Court(set_id, drawn)
        told.policies.add(court.how.sha256)
        warned = "policies with warnings" if drawn.warned else "policies without a warning"
        told.counts.update([warned, *["drafts refused"] * len(drawn.refused)])
        told.counts.update(["policies decided by names"] if court.how.quick is not None else [])
        told.counts.update(["policies with overrides"] if court.judge.file.overridden else [])
        for number in range(seed * documents, (seed + 1) * documents):
            case = f"{set_id}: policy {seed}, document {number}"
            told.broken += [f"{case}: {one}" for one in court.broken(court.grown(number), told)]
            if len(told.broken) >= 10:
                return told
    return told


def assert_lawful(
    sets: Sequence[str], seeds: range, *, least: Mapping[str, float], fewest_policies: int, documents: int = 5
) -> Told:
    """Hold the laws over drawn cases, and see that these met what they are about (`least`: reach.py)."""
    told = Told()
    for set_id in sets:
        run(set_id, seeds, documents, told)
        assert not told.broken, "\n".join(told.broken)
    assert told.counts["cases"] == len(sets) * len(seeds) * documents
    assert len(told.policies) >= fewest_policies
    too_seldom = list(lame(told.counts, least))
    assert not too_seldom, "\n".join(too_seldom)
    return told
