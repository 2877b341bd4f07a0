"""Files that `gateway schema add` writes itself: the entry that brings envelope and bodies together, and joins.

Two things make official sets lie without them. A strict wildcard accepts only elements that some file declares, and
nothing need import those. And of several imports of one namespace a processor may follow only the first (XSD 1.0
part 1, 4.2.3); libxml2 does, and drops the declarations of the other files without a word. So an entry of our own names
first, for each namespace of several files, what holds all of it: one of the files if it has everything, else a join
that includes each. Where two files declare one thing differently, no file can hold both: then the first import stands,
as with every processor, and a note says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from lxml import etree

from gateway.schema.closure import XSD, Closure, included

_KINDS: Final[Mapping[str, str]] = {
    "element": "element",
    "simpleType": "type",
    "complexType": "type",
    "group": "group",
    "attributeGroup": "attribute group",
    "attribute": "attribute",
    "notation": "notation",
}
_NAMING: Final = frozenset({"base", "itemType", "memberTypes", "ref", "refer", "substitutionGroup", "type"})

Components = dict[tuple[str, str], Any]


def entry_text(namespace: str, *, first: Sequence[tuple[str, str]], entry: str, also: Sequence[tuple[str, str]]) -> str:
    """Return a schema that imports `first`, includes `entry` (both of `namespace`), then imports `also`.

    Pairs are (namespace, path); what is of `namespace` itself is included. It stands at the top of the set.
    """
    lines = [_bring(namespace, *pair) for pair in first]
    lines += [f"  <xs:include schemaLocation={_location(entry)}/>"]
    lines += [_bring(namespace, *pair) for pair in also]
    note = (
        "Written by `gateway schema add`. A strict wildcard takes only elements that some file declares, and of\n"
        "     several imports of one namespace only the first counts: so all that belongs together is named here."
    )
    return _schema(namespace, lines, note)


def join_text(namespace: str, paths: Sequence[str]) -> str:
    """Return a schema of `namespace` that includes `paths`."""
    note = "Written by `gateway schema add`: the files of one namespace that are imported apart."
    return _schema(namespace, [f"  <xs:include schemaLocation={_location(path)}/>" for path in paths], note)


def shadowed(closure: Closure, entry: str, namespace: str) -> tuple[str, list[str]]:
    """Return the file that libxml2 takes for `namespace`, and those that it would pass over."""
    roots = list(closure.imports.get(namespace, []))
    if namespace in closure.namespaces[entry]:
        roots = [entry, *(one for one in roots if one != entry)]
    known = set(included(closure, roots[0], namespace)) if roots else set()
    return (roots[0] if roots else ""), [one for one in roots[1:] if one not in known]


def components(closure: Closure, path: str, namespace: str) -> Components:
    """Return what `path` and the files it includes declare: (kind, name) → what it says, notes left out."""
    found: Components = {}
    for file in included(closure, path, namespace):
        for key, child in _declared(closure.documents[file]):
            found.setdefault(key, _meaning(child))
    return found


def declared_once(closure: Closure, paths: Sequence[str], namespace: str) -> bool:
    """Tell whether one schema may include all of `paths`: no two files declare the same thing."""
    files = dict.fromkeys(file for path in paths for file in included(closure, path, namespace))
    declared = [key for file in files for key, _ in _declared(closure.documents[file])]
    return len(declared) == len(set(declared))


def differing(one: Components, other: Components) -> list[str]:
    """Return what both declare, each in its own way, in words."""
    return [f"{kind} {name}" for (kind, name), said in one.items() if other.get((kind, name), said) != said]


def _declared(root: etree._Element) -> Iterator[tuple[tuple[str, str], etree._Element]]:
    for child in root.iterchildren(etree.Element):
        kind = _KINDS.get(str(child.tag).removeprefix(XSD))
        if kind is not None and child.get("name"):
            yield (kind, child.get("name", "")), child


def _meaning(element: etree._Element) -> Any:
    attributes = sorted((str(name), _value(element, str(name), str(value))) for name, value in element.attrib.items())
    inside = [_meaning(child) for child in element.iterchildren(etree.Element) if child.tag != f"{XSD}annotation"]
    return str(element.tag), tuple(attributes), tuple(inside)


def _value(element: etree._Element, name: str, value: str) -> str:
    """An attribute's value with prefixes replaced by what they mean, so that two files can be compared."""
    if name not in _NAMING:
        return value
    words = (word.rpartition(":") for word in value.split())
    return " ".join(f"{{{element.nsmap.get(prefix or None, '')}}}{local}" for prefix, _, local in words)


def _schema(namespace: str, lines: Sequence[str], note: str) -> str:
    target = f" targetNamespace={quoteattr(namespace)}" if namespace else ""
    head = f'<xs:schema xmlns:xs="{XSD[1:-1]}"{target}>'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', f"<!-- {note} -->", head, *lines, "</xs:schema>", ""])


def _bring(own: str, namespace: str, path: str) -> str:
    if namespace == own:
        return f"  <xs:include schemaLocation={_location(path)}/>"
    named = f" namespace={quoteattr(namespace)}" if namespace else ""
    return f"  <xs:import{named} schemaLocation={_location(path)}/>"


def _location(path: str) -> str:
    return quoteattr(quote(path))
