"""Asks whether any of many paths finds anything, in one walk over the document instead of one for each path.

Rules are unions of paths that begin alike: 26 places of every goods item, four rules about every date. Asked one after
the other, each walks over all items; of a large document the tree is larger than a processor's cache, and every walk
fetches it from memory again. So what begins alike is asked once, `a/b[c < 0] | a/d/e` as `a[b[c < 0] or d[e]]`, and of
an element all is asked while it is near.

Only the truth of the answer is kept, not the nodes. What is not a plain path (a call, an operator) stays as it is.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

__all__ = ["any_of"]

_NAME: Final = r"(?:\*|[^\W\d][\w.-]*(?::(?:\*|[^\W\d][\w.-]*))?)"
_AXIS: Final = r"(?:(?:child|descendant|parent|self)::|@)"
_TEST: Final = re.compile(rf"\.\.?|{_AXIS}?{_NAME}")
# A predicate that is no number and asks for no position says the same as a condition: [a = 1][b] and [(a = 1) and (b)].
_POSITIONAL: Final = re.compile(r"\b(?:position|last)\s*\(")
_TRUTH: Final = re.compile(r"[=<>]|\s(?:and|or)\s")
_TRUTHS: Final = frozenset({"not", "boolean", "contains", "starts-with", "wcx:is-date", "wcx:leads-nowhere"})
_LEAST: Final = {"wcx:not-among": "", "wcx:leads-nowhere": "", "wcx:repeated": "[2]"}
"""Functions that find nothing among so few nodes as leave this path empty."""
_IN_FULL: Final = {".": "self::node()", "..": "parent::node()"}
_BELOW_ZERO: Final = ". < 0"
_OPENS: Final = re.compile(r"['\"\[(]")
_PAIRS: Final = {"[": "]", "(": ")"}
_DESCENDANTS: Final = {"//": "/descendant::", ".//": "descendant::"}


@dataclass(slots=True)
class _Step:
    """What is asked of the elements that a step reaches. `found`: whether being there is enough."""

    found: bool = False
    conditions: dict[str, None] = field(default_factory=dict)
    below: dict[str, "_Step"] = field(default_factory=dict)

    def asked(self) -> str:
        """Return the expression that is true where something is found from here on."""
        steps = (text if step.found else f"{text}[{step.asked()}]" for text, step in self.below.items())
        return " or ".join([*self.conditions, *steps])


def any_of(expressions: Iterable[str], *, negative: bool = True) -> str:
    """Return an XPath 1.0 expression that is true exactly where one of `expressions` selects a node or is true.

    `negative` False: as far as documents go in which no number is below zero; what asks for one is left out. Empty
    when nothing is left.
    """
    root = _Step()
    for expression in expressions:
        for member, path in _members(expression):
            if path is None:
                root.conditions[f"boolean({_guarded(member)})"] = None
            else:
                _add(root, path, negative=negative)
    return root.asked()


@lru_cache(maxsize=512)  # each rule is asked alone and with others, and by every profile that has it
def _members(expression: str) -> tuple[tuple[str, tuple[str, ...] | None], ...]:
    """Return the members of a union, each with the steps of its path, None where it is no plain one."""
    return tuple((member.strip(), _path(member)) for member in _split(expression, "|"))


def _add(root: _Step, path: tuple[str, ...], *, negative: bool) -> None:
    at = root
    *steps, last = path
    test, predicates = _apart(last)
    if not negative and _BELOW_ZERO in predicates:
        return
    for text in steps:
        at = at.below.setdefault(text, _Step())
    at = at.below.setdefault(test, _Step())
    if predicates:
        at.conditions[" and ".join(f"({_guarded(one)})" for one in predicates)] = None
    else:
        at.found = True


def _guarded(condition: str) -> str:
    """Return a condition that is true where the given one is, and calls no function of ours where there is nothing for
    it to find: a call goes to Python and back."""
    name = _bare(condition).strip()
    if name not in _LEAST or not condition.endswith(")"):
        return condition
    first = _split(condition.partition("(")[2][:-1], ",")[0].strip()
    return f"({first}){_LEAST[name]} and {condition}"


def _path(text: str) -> tuple[str, ...] | None:
    """Return the steps of a plain path, the first with its `/` or `//`, later ones with `.//` where that is meant."""
    steps: list[str] = []
    lead = ""
    for number, part in enumerate(_split(text.strip(), "/")):
        step = part.strip()
        if not step:  # before the first slash, or between the two of `//`
            lead += "/" if number == 0 or lead else ".//"
            continue
        test = _split(step, "[")[0].strip()
        if _TEST.fullmatch(test) is None:
            return None
        steps.append(_reached(lead, _IN_FULL.get(step, step)))  # `.` takes no predicate
        lead = ""
    return tuple(steps) if steps and not lead else None


def _reached(lead: str, step: str) -> str:
    """Return a step with what leads to it. For `//a[b]` libxml2 gathers all nodes, texts too, before it looks at their
    children; `/descendant::a[b]` is the same wherever no predicate asks for a position, at a third."""
    if lead not in _DESCENDANTS or re.fullmatch(_NAME, _apart(step)[0]) is None:
        return lead + step
    return _DESCENDANTS[lead] + step


def _apart(step: str) -> tuple[str, list[str]]:
    """Return a step without the predicates at its end that may as well stand as conditions, and these."""
    head, *rest = _split(step, "[")
    predicates = [one.strip()[:-1] for one in rest]
    if all(_is_truth(one) for one in predicates):
        return head.strip(), predicates
    return step, []


def _is_truth(predicate: str) -> bool:
    outside = _bare(predicate).strip()
    return not _POSITIONAL.search(predicate) and (outside in _TRUTHS or _TRUTH.search(outside) is not None)


def _bare(text: str) -> str:
    """Return an expression without its texts and without what stands in brackets, whose operators are not its own."""
    if _OPENS.search(text) is None:
        return text
    return "".join(character for character, depth in _depths(text) if depth == 0)


def _split(text: str, at: str) -> list[str]:
    """Return the parts of an expression between the characters `at` that stand outside texts and brackets."""
    if _OPENS.search(text) is None:
        return text.split(at)
    return list(_parts(text, at)) if at in text else [text]


def _parts(text: str, at: str) -> Iterator[str]:
    part: list[str] = []
    for character, depth in _depths(text):
        if character == at and depth == (1 if at in _PAIRS else 0):
            yield "".join(part)
            part = []
        else:
            part.append(character)
    yield "".join(part)


def _depths(text: str) -> Iterator[tuple[str, int]]:
    """Yield each character with how many brackets and quotes are open around it; these themselves count as inside."""
    closing: list[str] = []
    quote = ""
    for character in text:
        if quote:
            yield character, len(closing) + 1
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
            yield character, len(closing) + 1
        elif character in _PAIRS:
            closing.append(_PAIRS[character])
            yield character, len(closing)
        else:
            yield character, len(closing)
            if closing and character == closing[-1]:
                closing.pop()
