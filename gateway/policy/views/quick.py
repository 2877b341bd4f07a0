"""Finds what a policy does not keep by names alone, in C, where that comes to the same as going from place to place.

A valid document holds no element and no attribute but where its schema set has a place for it. So when the set is
closed, and the policy says for each of those places whether it is kept, it is enough to look at elements of such names
as are not kept everywhere: `iter` with names leaps over all others. A name that is kept in some places and not in
others is told by the name of its parent, and where that does not tell either, by its place. Default deny is kept up:

1. A set with wildcards, substitution groups, mixed content or types that hold themselves below anything that is kept
   has no `Quick`; only the root may take its elements through a wildcard, for all children of the root are looked up.
2. A document that says `xsi:type` or `xsi:nil` of anything kept is not for it: a type may bring elements that the set
   does not show there.

Then the walks of cut.py and inspect.py, which ask about every element, decide. Tests hold the two against each other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lxml import etree

from gateway.policy.views.places import Changing, Place
from gateway.schema import SchemaNode

__all__ = ["Placing", "Quick", "quick"]

_OWNERS: Final = etree.XPath("/descendant::*/@*/..")
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_NOT_FOR_IT: Final = frozenset({f"{_XSI}type", f"{_XSI}nil"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quick:
    """What the names of elements and attributes tell under one policy.

    `names`: of elements that some place does not keep; `nowhere`: those of them that no place keeps. Of the others,
    `not_under` has the names of parents under which no place keeps them, `unclear_under` those under which some do.
    `attributes`: kept wherever the set has them, as they are. `required`: names of elements that the schema requires
    somewhere. `changed`: of leaves that some place changes.
    """

    names: tuple[str, ...] = field(repr=False)
    nowhere: frozenset[str] = field(repr=False)
    not_under: Mapping[str, frozenset[str]] = field(repr=False)
    unclear_under: Mapping[str, frozenset[str]] = field(repr=False)
    attributes: frozenset[str]
    required: frozenset[str] = field(repr=False)
    changed: tuple[str, ...] = field(default=(), repr=False)

    def beyond(self, root: etree._Element, placing: "Placing") -> Iterator[etree._Element]:
        """Yield the elements below `root` that have no place, and of what is within them perhaps some. The tree must
        stay as it is meanwhile."""
        place = placing.of(root)
        yield from (child for child in root if place is None or child.tag not in place.children)
        if not self.names:  # without names lxml would go to every element
            return
        for element in root.iterdescendants(*self.names):
            tag: Any = element.tag
            if tag in self.nowhere:
                yield element
                continue
            parent: Any = element.getparent()
            if parent.tag in self.not_under[tag]:
                yield element
            elif parent.tag in self.unclear_under[tag]:
                there = placing.of(parent)
                if there is not None and tag not in there.children:
                    yield element

    def to_change(self, root: etree._Element, placing: "Placing") -> Iterator[tuple[etree._Element, Changing]]:
        """Yield the leaves below `root` that leave as others, with what changes them."""
        if not self.changed:  # without names lxml would go to every element
            return
        for element in root.iterdescendants(*self.changed):
            there = placing.of(element)
            if there is not None and there.change is not None:
                yield element, there.change

    def doubtful(self, root: etree._Element) -> list[etree._Element] | None:
        """Return the elements at and below `root` whose attributes must be looked at by place: one is not kept
        everywhere, or there are several, which have an order. None: the document is not for this."""
        owners: Any = _OWNERS(root)
        found: list[etree._Element] = []
        for owner in owners:
            names = owner.keys()
            if len(names) > 1 or names[0] not in self.attributes:
                if not _NOT_FOR_IT.isdisjoint(names):
                    return None
                found.append(owner)
        return found


class Placing:
    """Finds the places of elements in one document, each once."""

    __slots__ = ("_found",)

    def __init__(self, root: etree._Element, place: Place) -> None:
        self._found: Final[dict[etree._Element, Place | None]] = {root: place}

    def of(self, element: etree._Element) -> Place | None:
        """Return the place of an element below the root; None when it has none."""
        try:
            return self._found[element]
        except KeyError:
            above = element.getparent()
            there = None if above is None else self.of(above)
            found = self._found[element] = None if there is None else there.children.get(element.tag)
            return found


def quick(roots: Mapping[object, Place], nodes: Mapping[object, SchemaNode]) -> Quick | None:
    """Return what names tell under a policy with these places, or None where they do not tell enough.

    `nodes`: by qualified name, what the set says of the same roots.
    """
    reading = _Reading()
    for tag, place in roots.items():
        if not reading.below(nodes[tag], place, is_root=True):
            return None
    dropped, kept = set(reading.dropped), set(reading.kept)
    return Quick(
        names=tuple(sorted(dropped)),
        nowhere=frozenset(dropped - kept),
        not_under={name: frozenset(reading.dropped[name] - reading.kept[name]) for name in dropped & kept},
        unclear_under={name: frozenset(reading.dropped[name] & reading.kept[name]) for name in dropped & kept},
        attributes=frozenset(reading.attributes - reading.other_attributes),
        required=frozenset(reading.required),
        changed=tuple(sorted(reading.changed)),
    )


class _Reading:
    """Goes through all places of a policy beside what the set says of them. `kept` and `dropped`: names, with the names
    of parents under which they are."""

    def __init__(self) -> None:
        self.kept: dict[str, set[str]] = {}
        self.dropped: dict[str, set[str]] = {}
        self.attributes: set[str] = set()
        self.other_attributes: set[str] = set()
        self.required: set[str] = set()
        self.changed: set[str] = set()

    def below(self, node: SchemaNode, place: Place, *, is_root: bool = False) -> bool:
        """Read a kept place and all below it; tell whether names are enough so far."""
        if place.choice is not None:
            return False
        if node.is_open or node.is_mixed or node.repeats or (node.is_indirect and not is_root):
            return False
        if not all(tag in place.children for tag, _ in place.required):
            return False
        unchanged = set(place.attributes) - set(place.attribute_changes)
        self.attributes |= unchanged
        self.other_attributes |= set(node.attributes) - unchanged
        if place.change is not None:
            self.changed.add(node.qualified)
        self.required |= {child.qualified for child in node.children if child.least}
        for child in node.children:
            found = self.kept if child.qualified in place.children else self.dropped
            found.setdefault(child.qualified, set()).add(node.qualified)
        return all(
            self.below(child, place.children[child.qualified])
            for child in node.children
            if child.qualified in place.children
        )
