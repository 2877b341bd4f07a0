"""An independent judge of what left for a partner. Slow, simple, and without a line of the gateway's own code.

It reads bytes: the original document, the policy file as YAML with what it includes, the view, and the schema files. It
works out by itself what the view must be, compares, and then looks at the bytes for what a tree does not show. It
answers with complaints in words; none means that everything the policy keeps is there, as it must be, and nothing else.

Parsers: expat, ElementTree and ruamel.yaml. The rules it follows are those of docs/policy.md, written down a second
time: policy_file.py reads, selecting.py decides, changing.py changes, consistency.py mends. Headers: headers.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from tests.oracle.changing import ANY_PSEUDONYM, changed, is_pseudonym
from tests.oracle.consistency import Inconsistent, mended
from tests.oracle.documents import Element, Name, Parsed, is_nil, parse, walk
from tests.oracle.plain import oddities
from tests.oracle.policy_file import Demand, Rule, read_policy_file
from tests.oracle.selecting import Deciding, Privacy, kind_of
from tests.oracle.xsd_paths import Place
from tests.oracle.xsd_values import Value

__all__ = ["Judge", "judge_view"]


def judge_view(original: bytes, policy: bytes, view: bytes, places: Mapping[str, Place]) -> list[str]:
    """Return what is wrong with a view; an empty list when it is exactly what the policy permits."""
    return Judge(policy, places).complaints(original, view)


@dataclass
class Judge:
    """One policy, held against one set. `included`: files by name; `privacy`: classes of what is in the set.

    `key`: of the pseudonyms; without it only their form is judged, and that equal values have equal ones. `met`: in
    words, what the judge came across; the caller may empty it.
    """

    policy: bytes
    places: Mapping[str, Place]
    included: Mapping[str, bytes] = field(default_factory=dict)
    privacy: Privacy = field(default_factory=dict)
    key: bytes | None = None

    def __post_init__(self) -> None:
        self.file = read_policy_file(self.policy, self.included)
        self.deciding = Deciding(self.file, self.places, self.privacy)
        self.met = self.deciding.met
        self.root = lru_cache(1)(lambda raw: parse(raw).root)
        self._expected = lru_cache(1)(self._worked_out)

    # ── what must be said of a message as a whole ────────────────────────────────────────────────────────────────

    def refused_by(self, original: bytes) -> Demand | None:
        """Return the first demand that a message does not meet."""
        root = self.root(original)
        found = next((one for one in self.file.require if not self.deciding.hold_anywhere(one.asked, root)), None)
        if self.file.require:
            self.met.add("require is met" if found is None else "require is not met")
        return found

    def held_by(self, original: bytes) -> list[Demand]:
        """Return what would have a human look at a message first."""
        root = self.root(original)
        found = [one for one in self.file.hold if self.deciding.hold_anywhere(one.asked, root)]
        if self.file.hold:
            self.met.add("hold holds" if found else "hold does not hold")
        return found

    # ── what must be in the view ─────────────────────────────────────────────────────────────────────────────────

    def expected(self, original: bytes) -> Element | None:
        """Return the root of the view there must be; None when there must be none. Raises Inconsistent."""
        return self._expected(original)

    def _worked_out(self, original: bytes) -> Element | None:
        root = self.root(original)
        kept = self.written(root)
        return None if kept is None else mended(kept, root, self.file.consistency, self.deciding)

    def written(self, element: Element) -> Element | None:
        """Return what must be written for `element`, or None."""
        place = self.places.get(element.path)
        if place is None:
            return None
        if is_nil(element):
            self.met.add("a nil element")
            return None
        kept = Element(element.name, element.path, [], origin=element)
        if place.value is not None:
            text = self.leaf(element, place)
            if text is None:
                return None
            kept.text = text
        else:
            kept.children = [found for child in element.children if (found := self.child(child)) is not None]
            for one in kept.children:
                one.parent = kept
            if not any(self.is_content(one) for one in kept.children):
                return None
            if not has_required(kept, self.places):
                self.met.add("a class without what it requires")
                return None
        kept.attributes = list(self.attributes(element, place))
        return kept

    def child(self, child: Element) -> Element | None:
        """Return what is written for a child. A class that the schema requires, that a rule keeps, and that was empty
        to begin with, is written empty."""
        found, place = self.written(child), self.places.get(child.path)
        if found is not None or place is None or place.value is not None or not place.least:
            return found
        rule, _ = self.deciding.rule_for(child)
        if child.children or is_nil(child) or rule is None or rule.action == "drop":
            return None
        self.met.add("a required class that was empty")
        return Element(child.name, child.path, list(self.attributes(child, place)), origin=child)

    def is_content(self, written: Element) -> bool:
        """Tell whether an element is more than a class that was empty to begin with."""
        return bool(written.children) or self.places[written.path].value is not None

    def leaf(self, element: Element, place: Place) -> str | None:
        """Return the text of a leaf in the view, or None when it is withheld."""
        rule, _ = self.deciding.rule_for(element)
        assert place.value is not None
        self.note(rule, "")
        if rule is None or rule.action == "drop":
            return None
        return element.text if rule.action == "keep" else self.changed(rule, element.text, place.value)

    def changed(self, rule: Rule, text: str, facts: Value) -> str | None:
        """Return what a rule makes of a value, or None."""
        found = changed(rule, text, facts, self.key)
        how = f"{rule.how} {rule.what}" if rule.how == "to" else rule.how or rule.action
        ends = "is withheld" if found is None else "stays" if found == text else "leaves as another"
        self.met.add(f"{how}: what {ends}")
        return found

    def note(self, rule: Rule | None, attribute: str) -> None:
        """Note who decided about a value."""
        what = "attribute" if attribute else "leaf"
        if rule is None:
            self.met.add(f"default deny of a {what}")
            return
        self.met |= {f"{rule.action} decides a {what}", f"decided by {kind_of(rule.selector)}"}
        self.met |= {f"decided under {len(rule.asked)} conditions"} if rule.asked else set()

    def attributes(self, element: Element, place: Place) -> Iterator[tuple[Name, str]]:
        """Yield the attributes that leave with an element that is written."""
        for name, value in element.attributes:
            if name[0] or name[1] not in place.attributes:
                continue
            rule, is_own = self.deciding.rule_for(element, name[1])
            if is_own or rule is None:
                self.note(rule, name[1])
            if rule is None or rule.action == "drop":
                continue
            if is_own and rule.action != "keep":
                found = self.changed(rule, value, place.attribute_values[name[1]])
                if found is not None:
                    yield name, found
            elif is_own or names(rule, name[1], place):
                yield name, value

    # ── the verdict ──────────────────────────────────────────────────────────────────────────────────────────────

    def complaints(self, original: bytes, view: bytes) -> list[str]:
        """Return what is wrong with a view; an empty list when it is exactly what the policy permits."""
        actual = parse(view)
        complaints = [*oddities(view), *around(actual)]
        try:
            must_be = self.expected(original)
        except Inconsistent as error:
            return [*complaints, f"a view was made although {error}"]
        if must_be is None:
            return [*complaints, "a view was made although nothing may be written"]
        return [*complaints, *Comparison(self.places).differences(must_be, actual.root)]


def has_required(kept: Element, places: Mapping[str, Place]) -> bool:
    """Tell whether an element has all that the schema requires in it."""
    there = [one.path for one in kept.children]
    return all(there.count(path) >= places[path].least for path in places[kept.path].children)


def names(rule: Rule, attribute: str, place: Place) -> bool:
    """Tell whether the rule of an element lets an attribute leave with it."""
    return place.attributes[attribute] if rule.attributes == "required" else attribute in rule.attributes


def around(view: Parsed) -> Iterator[str]:
    """What a comparison of elements would not see."""
    yield from (f"a comment of {len(text)} characters" for text in view.comments)
    yield from (f"a processing instruction of {len(text)} characters" for text in view.instructions)
    used = {element.name[0] for element in walk(view.root)}
    used |= {name[0] for element in walk(view.root) for name, _ in element.attributes}
    yield from (f"the namespace {uri} is declared and not used" for _, uri in view.namespaces if uri not in used)
    if len(set(view.namespaces)) != len(view.namespaces):
        yield "a namespace is declared twice"
    for element in walk(view.root):
        yield from (f"text between the children of {element.path}" for _ in element.strays)


@dataclass
class Comparison:
    """Compares what is there with what must be there. Remembers which pseudonym stood for which value."""

    places: Mapping[str, Place]
    made: dict[tuple[str, str], str] = field(default_factory=dict)

    def differences(self, must_be: Element, actual: Element) -> Iterator[str]:
        """Compare one element with what it must be, then its children in order."""
        if must_be.name != actual.name:
            yield f"{actual.path} stands where {must_be.path} must stand"
            return
        yield from self.attributes(must_be, actual)
        place = self.places[must_be.path]
        if place.value is not None and not self.same(must_be.text, actual.text, must_be, ""):
            yield f"the text of {actual.path} is another"
        if place.value is None and actual.text:
            yield f"{actual.path} holds text"
        have, want = [child.name for child in actual.children], [child.name for child in must_be.children]
        if have != want:
            yield f"the children of {actual.path} are {[name[1] for name in have]}, not {[name[1] for name in want]}"
            return
        for one, other in zip(must_be.children, actual.children, strict=True):
            yield from self.differences(one, other)

    def attributes(self, must_be: Element, actual: Element) -> Iterator[str]:
        want, have = dict(must_be.attributes), dict(actual.attributes)
        same = set(want) == set(have) and all(self.same(want[name], have[name], must_be, name[1]) for name in want)
        if not same or len(have) != len(actual.attributes):
            yield f"the attributes of {actual.path} are others: {[name[1] for name, _ in actual.attributes]}"

    def same(self, want: str, have: str, where: Element, attribute: str) -> bool:
        """Tell whether a value is the wanted one. Of a pseudonym: its form, and the same for the same value."""
        if want != ANY_PSEUDONYM:
            return want == have
        place, origin = self.places[where.path], where.origin
        facts = place.attribute_values[attribute] if attribute else place.value
        assert facts is not None
        assert origin is not None
        value = dict(origin.attributes)["", attribute] if attribute else origin.text
        known = self.made.setdefault((value.strip(" \t\r\n"), str(facts)), have)
        return is_pseudonym(have, facts) and known == have
