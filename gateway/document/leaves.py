"""The values of a document in document order, each with the place it stands in: for people who may see them.

A place is an indexed path as in paths.py; an attribute stands after `/@`. Attributes of an element come before what is
in it, and an element without children is a leaf, empty or not.
"""

from collections import Counter
from collections.abc import Iterator

from lxml import etree

from gateway.document.names import split_name
from gateway.document.paths import segment

__all__ = ["leaves"]


def leaves(root: etree._Element) -> Iterator[tuple[str, str]]:
    """Yield (place, value) of every attribute and leaf below and at `root`, in document order."""
    yield from _below(root, f"/{split_name(str(root.tag))[1]}")


def _below(element: etree._Element, place: str) -> Iterator[tuple[str, str]]:
    for name, value in element.items():
        yield f"{place}/@{split_name(str(name))[1]}", str(value)
    if len(element) == 0:
        yield place, element.text or ""
        return
    totals = Counter(child.tag for child in element)
    seen: Counter[object] = Counter()
    for child in element:
        seen[child.tag] += 1
        index = f"[{seen[child.tag]}]" if totals[child.tag] > 1 else ""
        yield from _below(child, f"{place}/{segment(str(child.tag), str(element.tag))}{index}")
