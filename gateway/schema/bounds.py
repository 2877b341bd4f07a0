"""How deep and how wide a document can be that a set accepts, read off the set's own files.

A verdict then proves two limits of the door for nothing: what a set of bounded depth accepts is no deeper. Finding out
by looking at every element costs a third of the verdict itself in a large document, since its tree is larger than a
processor's cache. Bounds are generous, never too low; where a set allows content or attributes of any kind, is
recursive, declares a name twice (libxml2 takes the one it met first), or uses what is not followed here (redefinitions,
files without a namespace of their own), it has none.

Names of XSD 1.0 part 1: a type's content is its own particles and its base's; an element may hold any type derived
from its own (xsi:type) and be replaced by any member of its substitution group.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from gateway.domain.limits import DocumentLimits
from gateway.schema.sets import XSD

_ANY_TYPE: Final = f"{XSD}anyType"
_ELEMENT, _TYPE, _GROUP = f"{XSD}element", f"{XSD}complexType", f"{XSD}group"
_ANY, _ANY_ATTRIBUTE, _ATTRIBUTE = f"{XSD}any", f"{XSD}anyAttribute", f"{XSD}attribute"
_SIMPLE: Final = f"{XSD}simpleType"
_DERIVATIONS: Final = (f"{XSD}extension", f"{XSD}restriction")
_GLOBAL: Final = (_ELEMENT, _TYPE, _SIMPLE, _GROUP)
_SPACES: Final = {_SIMPLE: _TYPE}  # simple and complex types share one symbol space (XSD 1.0 part 1, §2.5)
_NOT_FOLLOWED: Final = (f"{XSD}redefine", f"{XSD}override")
_XSI_ATTRIBUTES: Final = 4  # type, nil, schemaLocation, noNamespaceSchemaLocation: allowed on every element
_MOST_STEPS: Final = 100  # far beyond any limit of the door, and within Python's own depth of calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """No document that the set accepts has more levels of elements, or more attributes on one element."""

    depth: int
    attributes: int

    def within(self, limits: DocumentLimits) -> bool:
        """Tell whether the limits hold for every document that the set accepts."""
        return self.depth <= limits.depth and self.attributes <= limits.attributes


def read_bounds(schemas: Mapping[str, etree._Element]) -> Bounds | None:
    """Return the bounds of a set, given the schema element of each of its files; None if it has none."""
    try:
        files = _Files(schemas.values())
        return Bounds(depth=files.depth(), attributes=files.attributes())
    except _UnboundedError:
        return None


class _UnboundedError(Exception):
    """The set allows documents without end, or nobody can tell."""


class _Files:
    """The declarations of a set by qualified name, and the depth below each."""

    def __init__(self, schemas: Iterable[etree._Element]) -> None:
        self._schemas: Final = list(schemas)
        self._declared: Final[dict[tuple[str, str], etree._Element]] = {}
        self._names: Final[set[tuple[str, str]]] = set()
        self._derived: Final[defaultdict[str, list[etree._Element]]] = defaultdict(list)
        self._members: Final[defaultdict[str, list[etree._Element]]] = defaultdict(list)
        self._depths: Final[dict[tuple[etree._Element, bool], int]] = {}
        self._open: Final[set[tuple[etree._Element, bool]]] = set()
        for schema in self._schemas:
            self._read(schema)
        if self._takes_in_what_has_no_namespace():
            raise _UnboundedError

    def _read(self, schema: etree._Element) -> None:
        if next(schema.iter(*_NOT_FOLLOWED), None) is not None:
            raise _UnboundedError
        for declaration in schema.iterchildren(*_GLOBAL):
            key = (_SPACES.get(str(declaration.tag), str(declaration.tag)), _global_name(declaration))
            if key in self._names:
                raise _UnboundedError
            self._names.add(key)
            self._declared[str(declaration.tag), _global_name(declaration)] = declaration
            if declaration.tag == _ELEMENT and declaration.get("substitutionGroup"):
                self._members[_name(declaration, "substitutionGroup")].append(declaration)
        for derivation in schema.iter(*_DERIVATIONS):
            holder = derivation.getparent()
            owner = None if holder is None else holder.getparent()
            if owner is not None and owner.tag == _TYPE and derivation.get("base"):
                self._derived[_name(derivation, "base")].append(owner)

    def _takes_in_what_has_no_namespace(self) -> bool:
        # Such a file gets the namespace of the one that includes it (XSD 1.0 part 1, §4.2.1), which names here do not.
        bare = any(next(schema.iterchildren(*_GLOBAL), None) is not None for schema in self._without_namespace())
        return bare and len(self._without_namespace()) < len(self._schemas)

    def _without_namespace(self) -> list[etree._Element]:
        return [schema for schema in self._schemas if schema.get("targetNamespace") is None]

    def attributes(self) -> int:
        """Return how many attributes of different names the files declare, and those of XML Schema itself."""
        names = set()
        for schema in self._schemas:
            if next(schema.iter(_ANY_ATTRIBUTE), None) is not None:
                raise _UnboundedError
            for declaration in schema.iter(_ATTRIBUTE):
                is_global = declaration.getparent() is schema
                qualified = is_global or declaration.get("form", schema.get("attributeFormDefault")) == "qualified"
                names.add(
                    (qualified and schema.get("targetNamespace"), declaration.get("name"), declaration.get("ref"))
                )
        return len(names) + _XSI_ATTRIBUTES

    def depth(self) -> int:
        """Return how many levels of elements a document of the set can have."""
        roots = (child for schema in self._schemas for child in schema.iterchildren(_ELEMENT))
        return max((self._below(root) for root in roots), default=0)

    def _below(self, declaration: etree._Element, *, derived: bool = True) -> int:
        """Return the levels that an element or a type adds; of a type with or without all that is derived from it."""
        key = (declaration, derived)
        if key not in self._depths:
            if key in self._open or len(self._open) > _MOST_STEPS:
                raise _UnboundedError
            self._open.add(key)
            find = self._of_element if declaration.tag == _ELEMENT else self._of_type
            self._depths[key] = find(declaration, derived)
            self._open.discard(key)
        return self._depths[key]

    def _of_element(self, declaration: etree._Element, _derived: bool) -> int:
        if declaration.get("ref"):
            return self._below(self._global(_ELEMENT, _name(declaration, "ref")))
        own = next(declaration.iterchildren(_TYPE), None)
        below = 0
        if own is not None:
            below = self._below(own)
        elif declaration.get("type"):
            below = self._named_type(_name(declaration, "type"))
        elif next(declaration.iterchildren(_SIMPLE), None) is None:
            raise _UnboundedError  # without a type it holds anything, or what the head of its group holds
        return max([below + 1, *(self._below(member) for member in self._members[_global_name(declaration)])])

    def _of_type(self, declaration: etree._Element, derived: bool) -> int:
        found = [0]
        for particle in _particles(declaration):
            if particle.tag == _ELEMENT:
                found.append(self._below(particle))
            elif particle.tag == _GROUP:
                found.append(self._below(self._global(_GROUP, _name(particle, "ref"))))
            elif particle.tag == _ANY:
                found.append(self._of_wildcard(particle))
            elif _is_complex(particle):
                found.append(self._named_type(_name(particle, "base"), derived=False))
        if derived and declaration.tag == _TYPE:
            found += [self._below(one) for one in self._derived[_global_name(declaration)]]
        return max(found)

    def _of_wildcard(self, wildcard: etree._Element) -> int:
        words = wildcard.get("namespace", "##any").split()
        if wildcard.get("processContents", "strict") != "strict" or any(word.startswith("##") for word in words):
            raise _UnboundedError
        allowed = (schema for schema in self._schemas if schema.get("targetNamespace") in words)
        return max((self._below(one) for schema in allowed for one in schema.iterchildren(_ELEMENT)), default=0)

    def _named_type(self, name: str, *, derived: bool = True) -> int:
        if (_TYPE, name) in self._declared:
            return self._below(self._declared[_TYPE, name], derived=derived)
        if (_SIMPLE, name) in self._declared or (name.startswith(XSD) and name != _ANY_TYPE):
            return 0
        raise _UnboundedError

    def _global(self, tag: str, name: str) -> etree._Element:
        if (tag, name) not in self._declared:
            raise _UnboundedError
        return self._declared[tag, name]


def _particles(declaration: etree._Element) -> Iterator[etree._Element]:
    """Yield what a type or group is made of: elements, references to groups, wildcards, what it is derived from."""
    waiting = list(declaration)
    while waiting:
        particle = waiting.pop()
        if particle.tag in (_ELEMENT, _GROUP, _ANY):
            yield particle
        elif isinstance(particle.tag, str):
            if particle.tag in _DERIVATIONS:
                yield particle
            waiting += particle


def _is_complex(derivation: etree._Element) -> bool:
    """Tell whether this derives a type that holds elements. A restriction says all it holds anew."""
    holder = derivation.getparent()
    return (
        derivation.tag == f"{XSD}extension"
        and derivation.get("base") is not None
        and holder is not None
        and holder.tag == f"{XSD}complexContent"
    )


def _name(declaration: etree._Element, attribute: str) -> str:
    """Return the qualified name that an attribute of a declaration holds."""
    prefix, _, local = declaration.get(attribute, "").strip().rpartition(":")
    namespace = declaration.nsmap.get(prefix or None)
    return f"{{{namespace}}}{local}" if namespace else local


def _global_name(declaration: etree._Element) -> str:
    """Return the qualified name of a global declaration; of a local one, a name that nothing refers to."""
    parent = declaration.getparent()
    if parent is None or parent.tag != f"{XSD}schema":
        return ""
    namespace = parent.get("targetNamespace")
    return f"{{{namespace}}}{declaration.get('name')}" if namespace else declaration.get("name", "")
