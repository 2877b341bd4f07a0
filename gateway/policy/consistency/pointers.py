"""Pointers of the WCO Data Model (97A): how a message says which of its places something is about.

A chain of Pointers goes down class by class: DocumentSectionCode (WCO 375) is the WCO id of the class, SequenceNumeric
(006) which of its kind, TagID (381) an element of the last class. It starts at the body that the chain stands in. An
element is found by its own SequenceNumeric, or where its class has none, by its position among siblings of one name.

A chain that starts elsewhere, as one in a response that is about the declaration that was lodged, or that leads to
nothing in its message, is about something else and left as it is.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from lxml import etree

from gateway.policy.ruling.ways import Way, at, is_below, text_of
from gateway.schema import SchemaNode

__all__ = ["POINTER_CLASS", "Chain", "Numbering", "PointersAt", "chains"]

POINTER_CLASS: Final = "97A"
_SEQUENCE: Final = "{*}SequenceNumeric"
_SECTION: Final = "{*}DocumentSectionCode"
_TAG: Final = "{*}TagID"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointersAt:
    """Where chains stand: `body`, the way to what they start at, with what the set says of it; `holders`, from there to
    the elements that hold `pointer` elements. `numbers_kept`: their numbers leave unchanged."""

    body: Way
    node: SchemaNode
    holders: Way
    pointer: str
    numbers_kept: bool = True


@dataclass(frozen=True, slots=True)
class _Step:
    """One pointer of a chain, its number if it has one, the element it leads to, the names of what its tag means."""

    pointer: etree._Element
    number: etree._Element | None
    target: etree._Element
    tagged: tuple[str, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether there is something of what its tag means, if it has one."""
        return not self.tagged or next(self.target.iterchildren(*self.tagged), None) is not None


class Numbering:
    """Which of its kind each child of an element is, of all elements asked about: looked up once for each."""

    __slots__ = ("_children", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[etree._Element, dict[etree._Element, str]] = {}
        self._children: dict[etree._Element, dict[tuple[object, str], list[etree._Element]]] = {}

    def of(self, element: etree._Element) -> str:
        """Return the number of an element that has a parent."""
        parent = element.getparent()
        return "" if parent is None else self._below(parent)[element]

    def find(self, parent: etree._Element, tag: object, number: str) -> list[etree._Element]:
        """Return the children of one name and number."""
        if parent not in self._children:
            found = self._children[parent] = {}
            for child, own in self._below(parent).items():
                found.setdefault((child.tag, _plain(own)), []).append(child)
        return self._children[parent].get((tag, _plain(number)), [])

    def _below(self, parent: etree._Element) -> dict[etree._Element, str]:
        if parent not in self._numbers:
            seen: Counter[object] = Counter()
            found = self._numbers[parent] = {}
            for child in parent:
                seen[child.tag] += 1
                own = next(child.iterchildren(_SEQUENCE), None)
                found[child] = str(seen[child.tag]) if own is None else text_of(own)
        return self._numbers[parent]


@dataclass(frozen=True, slots=True)
class Chain:
    """Pointers that lead somewhere."""

    steps: tuple[_Step, ...]
    numbers_kept: bool

    def followed(self, root: etree._Element, numbering: Numbering) -> Iterator[tuple[etree._Element, str | None]]:
        """Yield each element of a chain that must be mended now that the tree was cut, with its text; None: it goes."""
        if not all(is_below(step.pointer, root) for step in self.steps):
            return  # it went itself, or a part of it
        if not all(is_below(step.target, root) and step.leads for step in self.steps):
            yield from ((step.pointer, None) for step in self.steps)
            return
        for step in self.steps:
            number = step.number
            if number is None or number.getparent() is not step.pointer or not self.numbers_kept:
                continue
            now = numbering.of(step.target)
            if _plain(now) != _plain(text_of(number)):
                yield number, now


def chains(root: etree._Element, where: PointersAt) -> Iterator[Chain]:
    """Yield the chains in a tree that lead somewhere in it."""
    numbering = Numbering()
    for body in at(root, where.body):
        for holder in at(body, where.holders):
            for pointers in _apart(list(holder.iterchildren(where.pointer)), where.node.wco_id):
                steps = _steps(pointers, body, where.node, numbering)
                if steps:
                    yield Chain(steps, where.numbers_kept)


def _apart(pointers: Sequence[etree._Element], first: str) -> Iterator[list[etree._Element]]:
    """Part the pointers of one holder into chains: each starts with the class of the body."""
    chain: list[etree._Element] = []
    for pointer in pointers:
        if _text(pointer, _SECTION) == first and chain:
            yield chain
            chain = []
        chain.append(pointer)
    if chain:
        yield chain


def _steps(
    pointers: Sequence[etree._Element], body: etree._Element, node: SchemaNode, numbering: Numbering
) -> tuple[_Step, ...]:
    """Return the steps of a chain, or nothing when it does not lead to one place."""
    if _text(pointers[0], _SECTION) != node.wco_id:
        return ()
    target, steps = body, list[_Step]()
    for position, pointer in enumerate(pointers):
        number = next(pointer.iterchildren(_SEQUENCE), None) if position else None
        if position:
            below = _below(node, _text(pointer, _SECTION))
            found = _found(target, below, number, numbering)
            if len(found) != 1:
                return ()
            target = found[0]
            node = below[str(target.tag)]
        tag = _text(pointer, _TAG)
        tagged = tuple(_below(node, tag)) if tag else ()
        if tag and not tagged:
            return ()
        steps.append(_Step(pointer, number, target, tagged))
    return tuple(steps) if all(step.leads for step in steps) else ()


def _found(
    target: etree._Element, below: Mapping[str, SchemaNode], number: etree._Element | None, numbering: Numbering
) -> list[etree._Element]:
    """Return what a pointer leads to below `target`; two when that is not clear."""
    if number is None:
        return [child for tag in below for child in islice(target.iterchildren(tag), 2)]
    return [child for tag in below for child in numbering.find(target, tag, text_of(number))]


def _below(node: SchemaNode, wco_id: str) -> Mapping[str, SchemaNode]:
    return {child.qualified: child for child in node.children if wco_id and child.wco_id == wco_id}


def _plain(number: str) -> str:
    """Write a whole number in the one way that compares: without zeros in front."""
    return (number.lstrip("0") or "0") if number.isascii() and number.isdigit() else number


def _text(pointer: etree._Element, name: str) -> str:
    found = next(pointer.iterchildren(name), None)
    return "" if found is None else text_of(found)
