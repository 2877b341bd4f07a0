"""Pointers of the WCO Data Model (97A), followed a second time: where they lead in a document, and in its view.

A chain of pointers starts at the body around it, a declaration (42A) or a response (07B), and goes down class by class.
A chain that leads nowhere in its message is about something else. Uses nothing of the gateway.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.oracle.documents import Element, walk
from tests.oracle.selecting import Deciding
from tests.oracle.xsd_paths import Place

BODIES = ("42A", "07B")
POINTER = "97A"


@dataclass
class Step:
    """One pointer of a document, the element it leads to, and the paths of what its tag means."""

    pointer: Element
    target: Element
    tagged: list[str] = field(default_factory=list)


@dataclass
class Turn:
    """What must be done to pointers: leaves with their text, and pointers that lead to what went."""

    numbers: list[tuple[Element, str]] = field(default_factory=list)
    lost: list[Element] = field(default_factory=list)


def followed(view: Element, document: Element, deciding: Deciding) -> Turn:
    """Return what pointers in a view need, to lead where they led in the document."""
    standing = {id(one.origin): one for one in walk(view)}
    turn = Turn()
    for steps in chains(document, deciding.places):
        pointers = [standing.get(id(step.pointer)) for step in steps]
        if any(one is None for one in pointers):
            continue
        targets = [standing.get(id(step.target)) for step in steps]
        if not all(one is not None and leads(one, step.tagged) for one, step in zip(targets, steps, strict=True)):
            turn.lost += [one for one in pointers if one is not None]
            continue
        for pointer, target in list(zip(pointers, targets, strict=True))[1:]:
            assert pointer is not None
            assert target is not None
            leaf = named(pointer, "SequenceNumeric")
            if leaf is None or not deciding.may_stay(leaf.path):
                continue  # what a rule changes is not mended
            now = number_of(target)
            if plain(now) != plain(leaf.text.strip(" \t\r\n")):
                turn.numbers.append((leaf, now))
    return turn


def chains(document: Element, places: Mapping[str, Place]) -> Iterator[list[Step]]:
    """Yield the chains of pointers that lead somewhere in their document."""
    for holder in walk(document):
        pointers = [one for one in holder.children if one.path in places and places[one.path].wco_id == POINTER]
        body = holder
        while body.parent is not None and places[body.path].wco_id not in BODIES:
            body = body.parent
        first = places[body.path].wco_id if pointers else ""
        starts = [at for at, one in enumerate(pointers) if said(one, "DocumentSectionCode") == first]
        ends = [*starts[1:], len(pointers)]
        for start, end in zip(starts, ends[: len(starts)], strict=True):
            steps = led(pointers[start:end], body, places)
            if steps and all(leads(step.target, step.tagged) for step in steps):
                yield steps


def led(pointers: list[Element], body: Element, places: Mapping[str, Place]) -> list[Step]:
    """Return the steps of one chain; nothing when it does not lead to one place."""
    target, steps = body, list[Step]()
    for at, pointer in enumerate(pointers):
        if at:
            paths = by_id(target, said(pointer, "DocumentSectionCode"), places)
            found = [one for one in target.children if one.path in paths]
            number = named(pointer, "SequenceNumeric")
            if number is not None:
                found = [one for one in found if plain(number_of(one)) == plain(number.text.strip(" \t\r\n"))]
            if len(found) != 1:
                return []
            target = found[0]
        tag = said(pointer, "TagID")
        tagged = by_id(target, tag, places) if tag else []
        if tag and not tagged:
            return []
        steps.append(Step(pointer, target, tagged))
    return steps


def by_id(element: Element, wco_id: str, places: Mapping[str, Place]) -> list[str]:
    """Return the paths below an element that have a WCO id."""
    children = places[element.path].children if element.path in places else []
    return [path for path in children if wco_id and places[path].wco_id == wco_id]


def leads(target: Element, tagged: list[str]) -> bool:
    """Tell whether there is something of what a tag means, if there is a tag."""
    return not tagged or any(one.path in tagged for one in target.children)


def number_of(element: Element) -> str:
    """Return the number of an element: the one it says itself, or which of its name it is."""
    own = named(element, "SequenceNumeric")
    if own is not None:
        return own.text.strip(" \t\r\n")
    siblings = [] if element.parent is None else [one for one in element.parent.children if one.name == element.name]
    return str(next((at for at, one in enumerate(siblings, 1) if one is element), 0))


def named(element: Element, name: str) -> Element | None:
    """Return the first child of a name."""
    return next((one for one in element.children if one.name[1] == name), None)


def said(pointer: Element, name: str) -> str:
    """Return what a pointer says under a name."""
    leaf = named(pointer, name)
    return "" if leaf is None else leaf.text.strip(" \t\r\n")


def plain(number: str) -> str:
    """Write a whole number without zeros in front."""
    return number.lstrip("0") or "0" if number.isascii() and number.isdigit() else number
