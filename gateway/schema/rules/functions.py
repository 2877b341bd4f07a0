"""The functions that rules may call besides those of XPath: a closed set, the same in both engines.

| function | what comes back |
|---|---|
| `wcx:is-date(text)` | whether a date of the WCO form 102 or 304 is a day of the calendar and a time of the clock |
| `wcx:repeated(nodes)` | the nodes whose text an earlier one of them has |
| `wcx:not-among(nodes, nodes)` | the nodes of the first list whose text none of the second has |
| `wcx:leads-nowhere(nodes)` | whether a chain of Pointers names classes that do not hold each other in the set |

They are pure, never raise, take time linear in what they are given, and know of values no more than they return:
nodes of the document, or true and false.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from datetime import date
from typing import Any, Final

from lxml import etree

from gateway.document import BODIES
from gateway.schema.facts.nodes import SchemaNode, SchemaTree

__all__ = ["NAMESPACE", "PREFIX", "SIGNATURES", "for_elementpath", "for_lxml"]

PREFIX: Final = "wcx"
NAMESPACE: Final = "urn:wcx:profile-rules"

SIGNATURES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "is-date": (("text",), "truth"),
    "repeated": (("nodes",), "nodes"),
    "not-among": (("nodes", "nodes"), "nodes"),
    "leads-nowhere": (("nodes",), "truth"),
}
"""Function → what it takes and gives: `text`, `nodes`, `truth`."""

_TYPES: Final = {"text": "xs:string?", "nodes": "node()*", "truth": "xs:boolean"}
# UN/EDIFACT 2379: 102 is CCYYMMDD, 304 is CCYYMMDDHHMMSSZZZ; the sets write the zone as Z or +hh. Digits are 0 to 9,
# though a pattern of XML Schema also takes those of other scripts for `\d`: XPath reads no number in them.
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)(?:Z|[-+]\d\d)?)?", re.ASCII)
_MOST_HOURS_OF_ZONE: Final = 14
# Every month has 28 days: how nearly all real dates look, told in one match.
_SURELY_A_DATE: Final = re.compile(
    r"(?!0000)[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])"
    r"(?:(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9](?:Z|[-+](?:0[0-9]|1[0-4]))?)?"
)
DECLARATION_CLASS: Final = "42A"


def is_date(text: str) -> bool:
    """Tell whether `text` (blanks around it do not count) is a real day, and a real time if it has one."""
    if _SURELY_A_DATE.fullmatch(text):
        return True
    match = _DATE.fullmatch(text.strip())
    if match is None:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    try:
        date(year, month, day)
    except ValueError:
        return False
    if match[4] is None:
        return True
    zone = re.search(r"[-+](\d\d)$", match[0])
    within = int(match[4]) < 24 and int(match[5]) < 60 and int(match[6]) < 60
    return within and (zone is None or int(zone[1]) <= _MOST_HOURS_OF_ZONE)


def _repeated(texts: Sequence[str]) -> list[int]:
    """Return the positions of texts that stand earlier too."""
    seen: set[str] = set()
    found: list[int] = []
    for position, text in enumerate(texts):
        if text in seen:
            found.append(position)
        seen.add(text)
    return found


def _not_among(texts: Sequence[str], others: Iterable[str]) -> list[int]:
    """Return the positions of texts that are not among the others."""
    known = frozenset(others)
    return [position for position, text in enumerate(texts) if text not in known]


class _Pointers:
    """Which class of the set holds which, by WCO id: what a chain of Pointers is followed along."""

    __slots__ = ("_bodies",)

    def __init__(self, tree: SchemaTree) -> None:
        within = [child for root in tree.roots if root.name not in BODIES for child in root.children]
        bodies = [node for node in (*tree.roots, *within) if node.name in BODIES]
        # A response holds the declaration it is about; pointers start there or at the response itself.
        nested = [child for body in bodies for child in body.children if child.wco_id == DECLARATION_CLASS]
        self._bodies = [*bodies, *nested]

    def lead_nowhere(self, pointers: Iterable[etree._Element]) -> bool:
        places: list[SchemaNode] | None = None
        for pointer in pointers:
            section, tag = _child_text(pointer, "DocumentSectionCode"), _child_text(pointer, "TagID")
            below = self._bodies if places is None else [child for place in places for child in place.children]
            if section:
                places = [place for place in below if place.wco_id == section and not place.is_leaf]
            if not places or (tag and not any(leaf.wco_id == tag for place in places for leaf in place.children)):
                return True
        return False


def _child_text(element: etree._Element, name: str) -> str:
    child = next(element.iterchildren(f"{{*}}{name}"), None)
    return "" if child is None else (child.text or "").strip()


def for_lxml(tree: SchemaTree) -> dict[tuple[str, str], Callable[..., Any]]:
    """Return the functions as `lxml.etree.XPath` takes them: the context first, then strings or lists of elements."""
    pointers = _Pointers(tree)

    def not_among(_: Any, nodes: list[Any], others: list[Any]) -> list[Any]:
        return [nodes[position] for position in _not_among([_text(one) for one in nodes], map(_text, others))]

    def repeated(_: Any, nodes: list[Any]) -> list[Any]:
        return [nodes[position] for position in _repeated([_text(one) for one in nodes])]

    functions: dict[str, Callable[..., Any]] = {
        "is-date": lambda _, value: is_date(_text(value[0]) if isinstance(value, list) and value else str(value or "")),
        "repeated": repeated,
        "not-among": not_among,
        "leads-nowhere": lambda _, nodes: pointers.lead_nowhere(nodes),
    }
    return {(NAMESPACE, name): function for name, function in functions.items()}


def for_elementpath(parser: Any, tree: SchemaTree) -> None:
    """Register the functions with a parser of elementpath, whose nodes stand in for the elements."""
    pointers = _Pointers(tree)

    def not_among(nodes: list[Any], others: list[Any]) -> list[Any]:
        texts = [node.string_value for node in nodes]
        return [nodes[position] for position in _not_among(texts, [node.string_value for node in others])]

    def repeated(nodes: list[Any]) -> list[Any]:
        return [nodes[position] for position in _repeated([node.string_value for node in nodes])]

    functions: dict[str, Callable[..., Any]] = {
        "is-date": lambda value: is_date("".join(map(_text_of_item, value[:1]))),
        "repeated": repeated,
        "not-among": not_among,
        "leads-nowhere": lambda nodes: pointers.lead_nowhere([node.value for node in nodes]),
    }
    for name, function in functions.items():
        takes, gives = SIGNATURES[name]
        types = tuple(_TYPES[one] for one in (*takes, gives))
        token = parser.external_function(function, name=name, prefix=PREFIX, sequence_types=types)
        token.evaluate = _evaluate_with_own_contexts(function)


def _evaluate_with_own_contexts(function: Callable[..., Any]) -> Callable[..., Any]:
    """elementpath 5.1 moves the context on while it takes the first argument; each gets a copy of it here."""

    def evaluate(token: Any, context: Any = None) -> Any:
        arguments = [part.evaluate(copy(context)) for part in token]
        return function(*(one if isinstance(one, list) else [one] for one in arguments))

    return evaluate


def _text_of_item(item: Any) -> str:
    return str(getattr(item, "string_value", item))


def _text(node: Any) -> str:
    """The string value of an element; attributes come as strings already."""
    if isinstance(node, str):
        return node
    return "".join(node.itertext()) if len(node) else node.text or ""
