"""The laws of policies, over documents and policies that are drawn from seeds. A case that breaks one names its seeds.

`broken(case)` says in words what does not hold; nothing when all does. Each policy is met by several documents.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lxml import etree

from gateway.document import in_fixed_form, read
from gateway.domain.message import View
from gateway.errors import DocumentError, PolicyError, SchemaError
from gateway.policy import CompiledPolicy, apply_policy, compile_policy, explain, inspect, read_policy
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.views.compiled import demands
from gateway.schema import ValidDocument, validate
from tests.oracle.consistency import Inconsistent
from tests.oracle.growing import grow
from tests.oracle.oracle import Judge
from tests.oracle.smuggling import smuggled
from tests.unit.policy.drawn_policies import Drawn, drawn_policy
from tests.unit.policy.grown import bare_schema, compiled_set, grown_roots, set_places, set_privacy
from tests.unit.schema.sets import LIMITS

KEY = bytes(range(32))
REFUSALS = {"policy.nothing_kept", "policy.view_invalid", "policy.inconsistent"}


@dataclass
class Told:
    """What a run met: how often each thing happened, and what broke."""

    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


@dataclass
class Court:
    """One drawn policy, compiled, and beside it the same with its rules in another order, and the judge."""

    set_id: str
    drawn: Drawn

    def __post_init__(self) -> None:
        self.compiled_set = compiled_set(self.set_id)
        files = self.drawn.text, self.drawn.included
        self.how = self.compiled(*files)
        self.turned = self.compiled(turned(files[0]), {name: turned(text) for name, text in files[1].items()})
        assert self.turned.sha256 == self.how.sha256, "the order of rules changes the hash"
        self.judge = Judge(files[0], set_places(self.set_id), files[1], set_privacy(self.set_id), KEY)

    def compiled(self, text: bytes, included: Mapping[str, bytes]) -> CompiledPolicy:
        """Return the policy of these files. Read here, so that a room with a fault in it reads it too."""
        return compile_policy(read_policy(text, file="p.yaml", include=included.__getitem__), self.compiled_set)

    def view(self, document: ValidDocument, how: CompiledPolicy) -> View | PolicyError:
        """Return the view, or why there is none."""
        try:
            return apply_policy(document, how, self.compiled_set, pseudonyms=Pseudonyms(key=KEY))
        except PolicyError as error:
            return error

    def broken(self, raw: bytes, told: Told) -> Iterator[str]:
        """Say which laws a document breaks under this policy."""
        document = validate(read(raw, LIMITS), self.compiled_set)
        yield from self.demanded(document, raw)
        view = self.view(document, self.how)
        again = self.view(document, self.turned) if len(raw) % 2 else view
        if isinstance(view, PolicyError):
            told.counts[view.code] += 1
            yield from self.refused(view, raw)
            if not isinstance(again, PolicyError) or again.code != view.code:
                yield "rules in another order do not refuse it"
            return
        told.counts["views"] += 1
        told.counts["values kept"] += view.kept
        told.counts["values withheld"] += view.withheld
        told.counts["values changed"] += view.changed
        if not isinstance(again, View) or again.xml != view.xml:
            yield "rules in another order make another view"
        yield from self.judge.complaints(raw, view.xml)
        yield from self.valid(view)
        yield from self.explained(document, view)
        yield from self.found(raw, told)

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
            return
        if expected is not None:
            yield f"refused with {error.code} where a view must be made"

    def valid(self, view: View) -> Iterator[str]:
        """A view is valid, in the one fixed form, within its own policy, and its own view."""
        bare_schema(self.set_id).assertValid(etree.fromstring(view.xml))
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
        elif (again.xml, again.withheld) != (view.xml, 0):
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
        told.counts["smuggled"] += 1
        try:
            inspect(document, self.how)
        except PolicyError:
            return
        yield f"the receiver takes what was not agreed: {what.told}"

    def explained(self, document: ValidDocument, view: View) -> Iterator[str]:
        """What is explained is what was done."""
        lines = [line for line in explain(document, self.how, Pseudonyms(key=KEY)) if not line.is_empty]
        counts = (sum(line.kept for line in lines), sum(not line.kept for line in lines))
        if counts != (view.kept, view.withheld):
            yield f"explained are {counts} kept and withheld, and {(view.kept, view.withheld)} were"

    def demanded(self, document: ValidDocument, raw: bytes) -> Iterator[str]:
        """What is required and what holds a message is what the judge says."""
        found = demands(document, self.how)
        refused = self.judge.refused_by(raw)
        if (found.refused is None) != (refused is None):
            yield "a message is sent, or not, against what the policy requires"
        if len(found.held) != len(self.judge.held_by(raw)):
            yield "a message is held, or not, against what the policy says"


def turned(text: bytes) -> bytes:
    """Return a policy file with its rules from the last to the first."""
    lines = text.split(b"\n")
    at = lines.index(b"rules:") + 1 if b"rules:" in lines else len(lines)
    return b"\n".join([*lines[:at], *reversed([one for one in lines[at:] if one]), b""])


def run(set_id: str, seeds: Iterable[int], documents: int, *, most_broken: int = 10) -> Told:
    """Hold `documents` grown documents against each policy of these seeds. Stops when that many things are broken."""
    told = Told()
    for seed in seeds:
        court = Court(set_id, drawn_policy(seed, set_id))
        for number in range(seed * documents, (seed + 1) * documents):
            raw = grow(set_places(set_id), number, grown_roots(set_id))
            told.counts["cases"] += 1
            told.broken += [f"{set_id}: policy {seed}, document {number}: {one}" for one in court.broken(raw, told)]
            if len(told.broken) >= most_broken:
                return told
    return told


def assert_lawful(set_id: str, seeds: range, documents: int) -> None:
    """Hold the laws over drawn cases, and see that these met something: views, values that changed, refusals."""
    told = run(set_id, seeds, documents)
    assert told.broken == []
    assert told.counts["cases"] == len(seeds) * documents
    assert told.counts["views"] > told.counts["cases"] / 3
    assert told.counts["smuggled"] > told.counts["views"] / 2
    assert told.counts["values kept"] > told.counts["views"]
    assert told.counts["values changed"] > 0
