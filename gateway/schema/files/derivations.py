"""Refuses a type that is derived from another, and that from another, in more steps than any official set has.

libxml2 lays out the content of each such type anew with all that it inherits, and asks whether it is deterministic
(XSD 1.0 part 1, 3.8.6): a chain of 300 types takes it half a minute, one of 600 many minutes, and nothing stops it.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from lxml import etree

from gateway.errors import SchemaError

__all__ = ["check_derivations"]

MOST_STEPS: Final = 64
"""Official sets have up to some ten."""
_XSD: Final = "{http://www.w3.org/2001/XMLSchema}"
_TYPES: Final = (f"{_XSD}complexType", f"{_XSD}simpleType")
_DERIVATIONS: Final = (f"{_XSD}extension", f"{_XSD}restriction")


def check_derivations(schemas: Iterable[etree._Element]) -> None:
    """Raise SchemaError `schema.set_broken` for a type that is derived in more than MOST_STEPS steps.

    Types of one local name in several namespaces are not told apart, for a file without a namespace belongs to whatever
    includes it: the longest chain that the names allow is what counts. A circle is libxml2's to refuse.
    """
    bases = _bases(schemas)
    steps: dict[str, int] = {}
    for name in bases:
        chain: list[str] = []
        reached = name
        while reached in bases and reached not in steps and reached not in chain:
            chain.append(reached)
            reached = bases[reached]
        first = 1 + steps.get(reached, 0)
        steps |= {one: first + below for below, one in enumerate(reversed(chain))}
        if steps.get(name, 0) > MOST_STEPS:
            problem = f"the type {name} is derived in more than {MOST_STEPS} steps; flatten its bases"
            raise SchemaError("schema.set_broken", problem)


def _bases(schemas: Iterable[etree._Element]) -> dict[str, str]:
    """Return the base of every global type by its name, both without prefix; none of a type that is its own base."""
    found: dict[str, str] = {}
    for schema in schemas:
        for declared in schema.iterchildren(*_TYPES):
            base = next(_derived_from(declared), "").rpartition(":")[2]
            name = declared.get("name", "")
            if name and base and base != name:
                found[name] = base
    return found


def _derived_from(declared: etree._Element) -> Iterator[str]:
    """Yield the base of a type, be it derived at once or inside its simpleContent or complexContent."""
    for child in declared.iterchildren():
        for holder in (child, *child.iterchildren(*_DERIVATIONS)):
            if holder.tag in _DERIVATIONS and holder.get("base"):
                yield str(holder.get("base"))
