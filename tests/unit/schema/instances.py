"""Documents made from facts alone: the smallest that holds a place, and the same with one thing wrong.

Nothing here knows XSD. So when libxml2 accepts what the facts allow and refuses what lies one step beyond, the facts are
what the schema says.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lxml import etree

from gateway.schema import SchemaNode, SchemaTree, ValueFacts

SAMPLES: Mapping[str, tuple[str, ...]] = {
    "decimal": ("1", "0.1"),
    "boolean": ("true",),
    "date": ("2026-01-31",),
    "language": ("en",),
    "anyURI": ("urn:a",),
}
ALPHABETS = ("A", "1", "a", "é")
DATES = ("20260131", "20260131120000Z")


def fits(value: ValueFacts, text: str) -> bool:
    """Tell whether the facts allow a text."""
    if value.one_of:
        return text in value.one_of
    low, high = value.min_length or 0, value.max_length if value.max_length is not None else 10**9
    digits = text.replace(".", "").lstrip("0") if value.base == "decimal" else ""
    fraction = text.partition(".")[2]
    return (
        low <= len(text) <= high
        and all(re.fullmatch(pattern, text) for pattern in value.patterns)
        and (value.total_digits is None or len(digits) <= value.total_digits)
        and (value.fraction_digits is None or len(fraction) <= value.fraction_digits)
    )


def right_value(value: ValueFacts) -> str:
    """Return a short text that the facts allow."""
    if value.one_of:
        return value.one_of[0]
    shortest = max(value.min_length or 0, 1)
    texts = SAMPLES.get(value.base) or (*(one * (shortest + more) for more in range(3) for one in ALPHABETS), *DATES)
    return next(text for text in texts if fits(value, text))


def longest_value(value: ValueFacts) -> str | None:
    """Return a text of just the greatest length or number of digits, where there is one."""
    if value.one_of:
        return None
    if value.base == "decimal":
        return _digits(value.total_digits, value.fraction_digits) if value.total_digits is not None else None
    if value.max_length is None:
        return None
    texts = [one * value.max_length for one in ALPHABETS] + list(DATES)
    return next(text for text in texts if fits(value, text))


def wrong_values(value: ValueFacts) -> Iterator[tuple[str, str]]:
    """Yield (which fact, a text that breaks it), once a fact: one that breaks no other, where there is such a text."""
    found: dict[str, tuple[bool, str]] = {}
    for name, text in _candidates(value):
        if not fits(value, text):
            alone = fits(_without(value, name), text)
            if name not in found or (alone and not found[name][0]):
                found[name] = (alone, text)
    for name, (alone, text) in found.items():
        if alone or name != "patterns":
            yield name, text


def _candidates(value: ValueFacts) -> Iterator[tuple[str, str]]:
    if value.one_of:
        yield "one_of", "".join(value.one_of) + "0"
        return
    if value.max_length is not None:
        yield from (("max_length", one * (value.max_length + 1)) for one in ALPHABETS)
    if value.min_length:
        yield from (("min_length", one * (value.min_length - 1)) for one in ALPHABETS)
    shortest = max(value.min_length or 0, 1)
    yield from (("patterns", one * shortest) for one in (*ALPHABETS, "-", " "))
    if value.total_digits is not None:
        yield "total_digits", _digits(value.total_digits + 1, 0)
    if value.fraction_digits is not None:
        yield "fraction_digits", "0." + "1" * (value.fraction_digits + 1)


def _without(value: ValueFacts, name: str) -> ValueFacts:
    match name:
        case "one_of":
            return replace(value, one_of=())
        case "patterns":
            return replace(value, patterns=())
        case "max_length":
            return replace(value, max_length=None)
        case "min_length":
            return replace(value, min_length=None)
        case "total_digits":
            return replace(value, total_digits=None)
        case _:
            return replace(value, fraction_digits=None)


def _digits(total: int, fraction: int | None) -> str:
    behind = min(fraction or 0, total - 1)
    return "9" * (total - behind) + ("." + "9" * behind if behind else "")


@dataclass
class Piece:
    """One element of a document to be: what is wanted in it, and how often it stands there."""

    node: SchemaNode
    inside: list["Piece"] = field(default_factory=list)
    text: str = ""
    attributes: dict[str, str] = field(default_factory=dict)

    def element(self) -> etree._Element:
        """Return it as an element."""
        made = etree.Element(self.node.qualified)
        for name, text in self.attributes.items():
            made.set(name, text)
        made.text = self.text or None
        made.extend([one.element() for one in self.inside])
        return made


def smallest(node: SchemaNode) -> Piece:
    """Return a place with all that must be in it and nothing more."""
    attributes = {name: right_value(one.value) for name, one in node.attributes.items() if one.required}
    if node.value is not None:
        return Piece(node, text=right_value(node.value), attributes=attributes)
    inside = [smallest(child) for child in node.children for _ in range(child.least)]
    return Piece(node, inside=inside, attributes=attributes)


def holding(tree: SchemaTree, path: str) -> tuple[Piece, Piece, Piece | None]:
    """Return the smallest document that holds the place at `path`, that place in it, and its parent there."""
    steps = path.split("/")[1:]
    document = parent = None
    place = document = smallest(tree.nodes["/" + steps[0]])
    for depth in range(1, len(steps)):
        parent = place
        node = tree.nodes["/" + "/".join(steps[: depth + 1])]
        there = [one for one in parent.inside if one.node is node]
        place = there[0] if there else smallest(node)
        if not there:
            parent.inside.append(place)
            order = {child.path: index for index, child in enumerate(parent.node.children)}
            parent.inside.sort(key=lambda one: order[one.node.path])
    return document, place, parent
