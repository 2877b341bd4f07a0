"""Where pointers of a document lead, and what becomes of them in its view. Worked out a second time, by looking through
all elements for each pointer. Uses nothing of the gateway."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.oracle.documents import Element, walk
from tests.oracle.xsd_paths import Place

BODIES = ("42A", "07B")


@dataclass
class Led:
    """One pointer of a document, and the element it leads to."""

    pointer: Element
    target: Element


def pointers(view: Element, document: Element, places: Mapping[str, Place]) -> Iterator[tuple[Element, str | None]]:
    """Yield leaves of a view that must say another number, and pointers (None) that must not be in it."""
    twins = {id(one.origin): one for one in walk(view)}
    for holder in walk(document):
        for chain in chains(holder, places):
            led = lead(chain, places)
            standing = [twins.get(id(one.pointer)) for one in led]
            if not led or None in standing:
                continue
            goals = [twins.get(id(one.target)) for one in led]
            if any(
                goal is None or not has_tag(one.pointer, goal, places) for one, goal in zip(led, goals, strict=True)
            ):
                yield from ((pointer, None) for pointer in standing if pointer is not None)
                continue
            for pointer, goal in list(zip(standing, goals, strict=True))[1:]:
                number = said(pointer, "SequenceNumeric") if pointer is not None else None
                if number is not None and goal is not None and not same(number.text, which(goal)):
                    yield number, which(goal)


def chains(holder: Element, places: Mapping[str, Place]) -> Iterator[list[Element]]:
    """Yield the chains of pointers in one element: each begins with the id of the body around it."""
    chain: list[Element] = []
    for one in holder.children:
        if places[one.path].wco_id != "97A":
            continue
        if chain and section(one) == places[body(one, places).path].wco_id:
            yield chain
            chain = []
        chain.append(one)
    if chain:
        yield chain


def lead(chain: list[Element], places: Mapping[str, Place]) -> list[Led]:
    """Return where each pointer of a chain leads; nothing when one of them leads to no element, or to several."""
    target = body(chain[0], places)
    if section(chain[0]) != places[target.path].wco_id:
        return []
    found = [Led(chain[0], target)]
    for pointer in chain[1:]:
        number = said(pointer, "SequenceNumeric")
        fitting = [one for one in target.children if section(pointer) and places[one.path].wco_id == section(pointer)]
        fitting = [one for one in fitting if number is None or same(number.text, which(one))]
        if len(fitting) != 1:
            return []
        target = fitting[0]
        found.append(Led(pointer, target))
    return found if all(has_tag(one.pointer, one.target, places) for one in found) else []


def has_tag(pointer: Element, target: Element, places: Mapping[str, Place]) -> bool:
    """Tell whether a pointer names no element of its class, or one that is there."""
    tag = said(pointer, "TagID")
    if tag is None or not tag.text.strip(" \t\r\n"):
        return True
    return any(places[one.path].wco_id == tag.text.strip(" \t\r\n") for one in target.children)


def body(element: Element, places: Mapping[str, Place]) -> Element:
    """Return the nearest body around an element."""
    while element.parent is not None and places[element.path].wco_id not in BODIES:
        element = element.parent
    return element


def which(element: Element) -> str:
    """Return which of its kind an element is: by its own number, else by its position."""
    own = said(element, "SequenceNumeric")
    if own is not None:
        return own.text.strip(" \t\r\n")
    siblings = element.parent.children if element.parent is not None else [element]
    return str(1 + [id(one) for one in siblings if one.name == element.name].index(id(element)))


def section(pointer: Element) -> str:
    """Return the id of the class that a pointer names."""
    found = said(pointer, "DocumentSectionCode")
    return "" if found is None else found.text.strip(" \t\r\n")


def said(element: Element, name: str) -> Element | None:
    """Return the first child of a name."""
    return next((one for one in element.children if one.name[1] == name), None)


def same(one: str, other: str) -> bool:
    """Tell whether two texts are one number."""
    one, other = one.strip(" \t\r\n"), other.strip(" \t\r\n")
    return one == other or (one.isdecimal() and other.isdecimal() and int(one) == int(other))
