"""Tells what is wrong with a document of a set that can not be listed: it has too many places, or they nest too deep.

Then nothing is known of a place but what libxml2 says of it. So path, line and rule are told as far as its log gives
them, and which elements would help; what else is expected, by how much a value is too long, and WCO ids are not. Names
still come from the set only: from its files.
"""

import re
from collections.abc import Iterable
from typing import Final

from lxml import etree

from gateway.document import split_name
from gateway.schema.facts.nodes import SchemaTree, ValueFacts
from gateway.schema.files.closure import XSD, check_files
from gateway.schema.sets import SchemaSet
from gateway.schema.telling.breach import Breach
from gateway.schema.telling.diagnosis import Diagnosis, lacking_one_of, value_breach

__all__ = ["NOTHING_KNOWN", "known_name", "names_only", "unlisted_content", "unlisted_value"]

_BASE_IN_TEXT: Final = re.compile(r"type 'xs:(\w+)'\.$")
_COUNTED: Final = re.compile("LENGTH|DIGITS")

NOTHING_KNOWN: Final = ValueFacts(base="")
"""Of a value whose type libxml2 does not name."""


def names_only(schema_set: SchemaSet) -> SchemaTree:
    """Return a tree without places that knows the names of the elements and attributes that the set's files declare."""
    declared = (f"{XSD}element", f"{XSD}attribute")
    schemas = check_files(schema_set.files, schema_set.entry).values()
    return SchemaTree((), frozenset(one.get("name", "") for schema in schemas for one in schema.iter(*declared)) - {""})


def unlisted_content(element: etree._Element, tree: SchemaTree, allowed: Iterable[str], *, missing: bool) -> Diagnosis:
    """Return that `element` may not stand where it stands or, if `missing`, that it lacks one of `allowed`."""
    local = known_name(element, tree)
    names = tuple(dict.fromkeys(name for _, name in map(split_name, allowed) if name in tree.names))
    if missing:
        return lacking_one_of(element, None, local, names)
    parent = element.getparent()
    fills: dict[str, object] = {
        "name": local,
        "names": names,
        "parent": "" if parent is None else known_name(parent, tree),
    }
    expected = ("elements" if names else "nothing", fills)
    return Diagnosis(breach=Breach.UNEXPECTED, element=element, fills=fills, expected=expected)


def unlisted_value(clause: str, said: str, element: etree._Element, attribute: str, tree: SchemaTree) -> Diagnosis:
    """Return which rule a value breaks. What is expected is said where libxml2 names one of XML Schema's own types."""
    base = _BASE_IN_TEXT.search(said)
    facts = NOTHING_KNOWN if base is None else ValueFacts(base=base[1])
    text = (element.get(attribute) if attribute else element.text) or ""
    name = (attribute if attribute in tree.names else "") if attribute else known_name(element, tree)
    breach = value_breach("" if _COUNTED.search(clause) else clause, text, facts, name=name, said=said)[0]
    return Diagnosis(
        breach=breach,
        element=element,
        attribute=name or None if attribute else None,
        fills={"name": name},
        value=facts,
    )


def known_name(element: etree._Element, tree: SchemaTree) -> str:
    """Return the local name of an element if the set has it, so that saying it quotes the set; else an empty one."""
    local = split_name(str(element.tag))[1]
    return local if local in tree.names else ""
