"""Files that `gateway schema add` writes itself: the entry that brings envelope and bodies together, and joins.

Two things make official sets lie without them. A strict wildcard accepts only elements that some file declares, and
nothing need import those. And of several imports of one namespace a processor may follow only the first (XSD 1.0
part 1, 4.2.3); libxml2 does, and drops the declarations of the other files without a word. So an entry of our own names
first, for each namespace of several files, a join that holds all of it: one of the files if it has everything, else
each. Where two files declare one thing differently, no file can hold both: then the first import stands,
as with every processor, and a note says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from lxml import etree

from gateway.schema.files.bodies import Folder
from gateway.schema.files.closure import XSD, Closure, included

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

_MOST_NAMED: Final = 5

Components = dict[tuple[str, str], Any]


Joins = Mapping[str, Sequence[str]]
"""Namespace → the files that make it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be joined; notes for people on what can not be; files whose declarations therefore do not count."""

    joins: dict[str, list[str]]
    notes: list[str]
    passed_over: set[str]


def plan_joins(closure: Closure, entry: str) -> Plan:
    """Return what must be joined so that nothing is lost with an import that libxml2 passes over."""
    plan = Plan(joins={}, notes=[], passed_over=set())
    for namespace in sorted({*closure.imports, *closure.namespaces[entry]}):
        taken, others = shadowed(closure, entry, namespace)
        paths = [taken, *others]
        found = {path: components(closure, path, namespace) for path in paths} if others else {}
        every = {key: said for path in reversed(paths) for key, said in found.get(path, {}).items()}
        different = [word for path in others for word in differing(found[taken], found[path])]
        if not others or (len(found[taken]) == len(every) and not different):
            continue
        fullest = next((path for path in paths if found[path] == every), None)
        if not different and fullest is not None and taken != entry:
            plan.joins[namespace] = [fullest]
        elif declared_once(closure, paths, namespace):
            plan.joins[namespace] = paths
        else:
            lost = [f"{kind} {name}" for kind, name in every if (kind, name) not in found[taken]]
            plan.notes.append(_passed_over(namespace, taken, others, [*different, *lost]))
            plan.passed_over.update(file for path in others for file in included(closure, path, namespace))
    return plan


def write_entry(
    folder: Folder, closure: Closure, entry: str, bodies: Sequence[str], joins: Joins
) -> tuple[str, dict[str, bytes]]:
    """Return the entry to start from, and the files to be written: none when `entry` does as it is."""
    if not joins and not bodies:
        return entry, {}
    own = closure.namespaces[entry][0]
    names: dict[str, str] = {}
    for namespace in joins:
        if namespace != own:
            names[namespace] = folder.free_name("gateway-joined", taken=names.values())
    # Each join brings in the others first: else one of its files might name a part of another before the whole.
    written = {
        name: _join_text(namespace, joins[namespace], [one for one in names.items() if one[0] != namespace])
        for namespace, name in names.items()
    }
    beside = [(own, path) for path in joins.get(own, ()) if path != entry]
    also = [(closure.namespaces[body][0], body) for body in bodies]
    start = folder.free_name("gateway-entry")
    written[start] = _entry_text(own, [*names.items(), *beside], entry, also)
    return start, {path: text.encode("utf-8") for path, text in written.items()}


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


def _passed_over(namespace: str, taken: str, others: Sequence[str], different: Sequence[str]) -> str:
    named = ", ".join(different[:_MOST_NAMED]) + (" and more" if len(different) > _MOST_NAMED else "")
    return (
        f"{namespace or 'No namespace'} is imported from several files that can not all count ({named}): "
        f"{taken} is taken, as every XSD processor takes the first, and {', '.join(others)} is passed over"
    )


def _entry_text(namespace: str, first: Sequence[tuple[str, str]], entry: str, also: Sequence[tuple[str, str]]) -> str:
    lines = [_bring(namespace, *pair) for pair in first]
    lines += [f"  <xs:include schemaLocation={_location(entry)}/>"]
    lines += [_bring(namespace, *pair) for pair in also]
    note = (
        "Written by `gateway schema add`. A strict wildcard takes only elements that some file declares, and of\n"
        "     several imports of one namespace only the first counts: so all that belongs together is named here."
    )
    return _schema(namespace, lines, note)


def _join_text(namespace: str, paths: Sequence[str], first: Sequence[tuple[str, str]]) -> str:
    note = "Written by `gateway schema add`: the files of one namespace that are imported apart."
    lines = [_bring(namespace, *pair) for pair in first]
    return _schema(namespace, [*lines, *(f"  <xs:include schemaLocation={_location(path)}/>" for path in paths)], note)


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
