"""Which places a selector is about, and which rule decides about an element of a document. Uses nothing of the gateway."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache

from tests.oracle.documents import Element, walk
from tests.oracle.policy_file import BUILT_IN, Asked, PolicyFile, Rule
from tests.oracle.xsd_paths import Place

KINDS = ("plain", "*", "//", "wco", "set", "privacy")
"""From the most precise to the least."""

Anchor = tuple[str, str]
"""Path, and the name of an attribute or nothing."""
Privacy = Mapping[Anchor, str]
ASKED_IN = ("the message", "GovernmentAgencyGoodsItem")


def kind_of(selector: str) -> str:
    """Return how a selector is written."""
    head = selector.partition(":")[0]
    if head in ("wco", "set", "privacy"):
        return head
    return "//" if "//" in selector else "*" if "*" in selector else "plain"


def anchors(selector: str, places: Mapping[str, Place], privacy: Privacy) -> list[Anchor]:
    """Return what a selector that is no set is about. A bare body has no anchors of its own."""
    head, _, name = selector.partition(":")
    if head == "privacy":
        return [anchor for anchor, found in privacy.items() if found == name]
    if head == "wco":
        return [(path, "") for path, place in places.items() if place.wco_id == name and at_home(path, places)]
    steps = selector.split("/")[1:]
    attribute = steps.pop()[1:] if steps[-1].startswith("@") else ""
    loose, last = "" in steps, steps[-1].rpartition(":")[2]
    near = (path for path in places if last == "*" or path.endswith(last))
    found = [path for path in near if at_home(path, places) and fits(tuple(steps), tuple(path.split("/")[1:]), loose)]
    return [(path, attribute) for path in found if not attribute or attribute in places[path].attributes]


def at_home(path: str, places: Mapping[str, Place]) -> bool:
    """Tell whether rules speak for a path: a bare body's places are those below the envelope."""
    return path.startswith("/MetaData") or "/MetaData" not in places


def fits(steps: tuple[str, ...], path: tuple[str, ...], loose: bool) -> bool:
    """Tell whether a path is one that the steps of a selector mean. An empty step: any number of steps, or none."""
    if not steps:
        return not path
    first, rest = steps[0], steps[1:]
    if first == "":
        return any(fits(rest, path[skipped:], loose) for skipped in range(len(path) + (not rest)))
    if not path:
        return False
    name = path[0].rpartition(":")[2] if loose and ":" not in first else path[0]
    return (first in ("*", name)) and fits(rest, path[1:], loose)


def read_privacy(raw: bytes, places: Mapping[str, Place]) -> Privacy:
    """Return the privacy class of every leaf and attribute that a file of reviewed classes speaks for.

    Of several entries for one thing the longest counts; one for a class speaks for what has none within it.
    """
    entries: list[tuple[str | None, tuple[str, ...], str, str]] = []
    for rule in tomllib.loads(raw.decode())["rule"]:
        for text in rule.get("elements", []):
            element, _, attribute = text.partition("@")
            wco_id, _, tail = element.partition(" ")
            steps = tuple(tail.split("/")) if tail else ()
            entries.append((None if not element else "" if wco_id == "-" else wco_id, steps, attribute, rule["class"]))
    found: dict[Anchor, str] = {}

    def best(path: str, attribute: str) -> str:
        names = tuple(step.rpartition(":")[2] for step in path.split("/")[1:])
        fitting = [
            (len(steps), privacy)
            for wco_id, steps, named, privacy in entries
            if named == attribute
            and (wco_id is None or wco_id == places[path].wco_id)
            and (not steps or names[-len(steps) :] == steps)
        ]
        return max(fitting, key=lambda one: one[0])[1] if fitting else ""

    inherited: dict[str, str] = {}
    for path, place in places.items():
        if not at_home(path, places):
            continue
        inherited[path] = best(path, "") or inherited.get(path.rpartition("/")[0], "")
        if place.leaf:
            found[path, ""] = inherited[path]
        for name in place.attributes:
            found[path, name] = best(path, name)
    return found


class Deciding:
    """Who decides about the elements and attributes of documents under one policy.

    `met`: in words, what was met on the way since somebody last emptied it: actions, selectors, answers, what went.
    """

    def __init__(self, policy: PolicyFile, places: Mapping[str, Place], privacy: Privacy) -> None:
        self.met: set[str] = set()
        self.policy = policy
        self.places = places
        self.privacy = privacy
        self.on: dict[Anchor, list[Rule]] = {}
        for rule in policy.rules:
            for anchor in dict.fromkeys(one for text in rule.selectors for one in anchors(text, places, privacy)):
                self.on.setdefault(anchor, []).append(rule)
        for rules in self.on.values():
            rules.sort(key=lambda rule: (KINDS.index(kind_of(rule.selector)), -len(rule.asked)))
        self._places_of = cache(self.__places_of)

    def rule_for(self, element: Element, attribute: str = "") -> tuple[Rule | None, bool]:
        """Return the rule that decides, and whether it stands on this very place (for an attribute: on it)."""
        for rule in self.on.get((element.path, attribute), []) if attribute else ():
            if self.hold(rule.asked, element):
                return rule, True
        path, stands_on = element.path, element
        while path:
            for rule in self.on.get((path, ""), []):
                if self.hold(rule.asked, stands_on):
                    return rule, path == element.path and not attribute
            path = path.rpartition("/")[0]
            stands_on = stands_on.parent or stands_on
        return None, False

    def hold(self, asked: frozenset[Asked], stands_on: Element) -> bool:
        """Tell whether all questions are answered as wanted, in the nearest class that holds them and the element that
        the rule stands on."""
        return all(self.answered(one, *self.nearest(one, stands_on)) for one in asked)

    def hold_anywhere(self, asked: frozenset[Asked], root: Element) -> bool:
        """The same for a whole message."""
        return all(self.answered(one, root, self._places_of(one.selector)) for one in asked)

    def nearest(self, asked: Asked, element: Element) -> tuple[Element, frozenset[Anchor]]:
        """Return where a question is looked up for an element, and the places of its answers there."""
        places = self._places_of(asked.selector)
        here = element.parent or element if self.places[element.path].leaf else element
        while True:
            below = frozenset(one for one in places if one[0].startswith(f"{here.path}/"))
            if below or here.parent is None:
                return here, below
            here = here.parent

    def may_keep(self, path: str) -> bool:
        """Tell whether any answers to the questions of a policy would keep a leaf at or below a place."""
        leaves = [one for one, place in self.places.items() if place.leaf and f"{one}/".startswith(f"{path}/")]
        return any(rule.action != "drop" for leaf in leaves for rule in self.candidates(leaf))

    def may_stay(self, path: str) -> bool:
        """Tell whether some answers keep a leaf, and none change it."""
        actions = {rule.action for rule in self.candidates(path)}
        return "keep" in actions and actions <= {"keep", "drop"}

    def candidates(self, path: str) -> Iterator[Rule]:
        """Yield who might decide about an element, up to the first that asks nothing."""
        while path:
            for rule in self.on.get((path, ""), []):
                yield rule
                if not rule.asked:
                    return
            path = path.rpartition("/")[0]

    def __places_of(self, selector: str) -> frozenset[Anchor]:
        return frozenset(anchors(selector, self.places, self.privacy)) if selector else frozenset()

    def answered(self, asked: Asked, where: Element, places: frozenset[Anchor]) -> bool:
        """Tell whether one question is answered as wanted."""
        if asked.criterion == "kind":
            answers = [message_kind(top(where))]
        else:
            found = [text for one in walk(where) for text in texts_at(one, places)]
            answers = [text.strip(" \t\r\n") for text in found if text]
        taken = any(is_one(answer, value) for answer in answers for value in asked.values)
        holds = taken is not asked.negated
        name = asked.criterion if asked.criterion in BUILT_IN else "a criterion of its own"
        inside = where.path.rpartition("/")[2] if where.parent is not None else "the message"
        self.met.add(f"{'unless' if asked.negated else 'when'} {name} {'holds' if holds else 'does not hold'}")
        self.met.add(f"asked in {inside if inside in ASKED_IN else 'another class'}")
        return holds


def texts_at(element: Element, places: frozenset[Anchor]) -> Iterator[str]:
    """The values of an element that stand at one of the places: its own, or those of attributes."""
    if (element.path, "") in places:
        yield element.text
    yield from (
        value for (namespace, name), value in element.attributes if not namespace and (element.path, name) in places
    )


def is_one(answer: str, value: str) -> bool:
    """Tell whether an answer is a value, or begins with it when it ends in a star."""
    return answer.startswith(value[:-1]) if value.endswith("*") else answer == value


def top(element: Element) -> Element:
    """Return the root of a document."""
    while element.parent is not None:
        element = element.parent
    return element


def message_kind(root: Element) -> str:
    """Return the kind of a message: by its body, and a declaration's by its codes."""
    body = root
    if root.name[1] == "MetaData":
        body = [one for one in root.children if one.name[1] in ("Declaration", "Response")][-1]
    if body.name[1] == "Response":
        return "response"
    codes = {one.name[1]: one.text.strip() for one in reversed(body.children) if one.name[0] == body.name[0]}
    if codes.get("FunctionCode") != "13":
        return "declaration"
    return {"INV": "cancellation", "GPR": "arrival"}.get(codes.get("TypeCode", ""), "amendment")
