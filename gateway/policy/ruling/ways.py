"""Ways down a tree: from an element to those at a place below it, by qualified names. What conditions and consistency
look up values along."""

from collections.abc import Sequence
from typing import Final

from lxml import etree

from gateway.schema import SchemaTree

__all__ = ["Way", "at", "is_below", "text_of", "way"]

_BLANKS: Final = " \t\r\n"

Way = tuple[str, ...]
"""Qualified names, one a step; none for the element itself."""


def way(tree: SchemaTree, above: str, path: str) -> Way | None:
    """Return the way from the place at `above` to the one at `path`; None when that is not below it."""
    if path != above and not path.startswith(f"{above}/"):
        return None
    steps: list[str] = []
    while path != above:
        steps.append(tree.nodes[path].qualified)
        path = path.rpartition("/")[0]
    return tuple(reversed(steps))


def at(element: etree._Element, steps: Sequence[str]) -> list[etree._Element]:
    """Return the elements at the end of a way from `element`, in document order."""
    found = [element]
    for step in steps:
        found = [child for one in found for child in one.iterchildren(step)]
    return found


def text_of(element: etree._Element) -> str:
    """Return the text of a leaf without the white space of XML around it."""
    return (element.text or "").strip(_BLANKS)


def is_below(element: etree._Element, root: etree._Element) -> bool:
    """Tell whether an element is `root` or within it."""
    found: etree._Element | None = element
    while found is not None and found is not root:
        found = found.getparent()
    return found is root
