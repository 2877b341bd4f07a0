"""Reads a SchemaTree out of the XSD files of a set.

It knows the part of XSD 1.0 that message schemas use: global and local elements, named and anonymous types, sequence,
choice, all, groups, wildcards, simple and complex content by extension and restriction, attribute groups, include and
import. This takes milliseconds where a full XSD processor takes seconds, and workers do it at their start. The verdict
on a document is never taken from here: that is libxml2's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from gateway.document import locate, segment
from gateway.errors import SchemaError
from gateway.schema.facts import AttributeFacts, SchemaNode, SchemaTree, ValueFacts
from gateway.schema.sets import XSD, SchemaSet, check_files

_MAX_DEPTH: Final = 64
_XSD_NAMESPACE: Final = XSD[1:-1]
_LENGTHS: Final = {"length", "minLength", "maxLength"}
_PARTICLES: Final = tuple(f"{XSD}{name}" for name in ("element", "sequence", "choice", "all", "group", "any"))

Name = tuple[str, str]
"""(namespace, local name) of a schema component."""


@dataclass(frozen=True, slots=True)
class _Component:
    """A schema element and the namespace its names belong to (its own file's, or the including file's)."""

    element: etree._Element
    namespace: str
    qualified_locals: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """An element declaration within a content model, with the bounds that the model puts on it."""

    declaration: _Component
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class _Content:
    """What a type allows: a value, or places; and attributes."""

    value: ValueFacts | None
    places: tuple[_Place, ...]
    attributes: Mapping[str, AttributeFacts]


_ANY_VALUE: Final = ValueFacts(base="anySimpleType")


def read_tree(schema_set: SchemaSet) -> SchemaTree:
    """Return the tree of a set. Raises SchemaError `schema.set_broken` for a name that no file declares."""
    reader = _Reader(schema_set)
    roots = []
    for qualified in schema_set.roots:
        namespace, _, local = qualified.lstrip("{").rpartition("}")
        place = _Place(reader.component("element", (namespace, local)), 1, 1)
        roots.append(reader.node(place, "", None, 0))
    return SchemaTree(tuple(roots))


class _Reader:
    def __init__(self, schema_set: SchemaSet) -> None:
        self._components: dict[tuple[str, Name], _Component] = {}
        # Keyed by the element itself: that keeps lxml's proxy alive, whose id would else be given to another.
        self._contents: dict[tuple[etree._Element, str], _Content] = {}
        self._collect(check_files(schema_set.files, schema_set.entry), schema_set.entry)

    def _collect(self, files: Mapping[str, etree._Element], entry: str) -> None:
        """Index every global component. An included file without a namespace takes the including file's."""
        waiting, seen = [(entry, files[entry].get("targetNamespace", ""))], set()
        while waiting:
            path, namespace = waiting.pop(0)
            if (path, namespace) in seen:
                continue
            seen.add((path, namespace))
            root = files[path]
            qualified = root.get("elementFormDefault") == "qualified"
            for child in root.iterchildren(etree.Element):
                kind = str(child.tag).removeprefix(XSD)
                location = child.get("schemaLocation")
                if kind in ("include", "redefine", "import") and location is not None:
                    target = locate(location, of=path)
                    inherited = namespace if kind != "import" else ""
                    waiting.append((target, files[target].get("targetNamespace", inherited)))
                elif child.get("name"):
                    name = (namespace, child.get("name", ""))
                    self._components.setdefault((kind, name), _Component(child, namespace, qualified))

    def component(self, kind: str, name: Name) -> _Component:
        found = self._components.get((kind, name))
        if found is None:
            raise SchemaError("schema.set_broken", f"no file of the set declares the {kind} {name[1]}")
        return found

    def node(self, place: _Place, parent_path: str, parent: str | None, depth: int) -> SchemaNode:
        if depth > _MAX_DEPTH:
            raise SchemaError("schema.set_broken", f"the set allows nesting deeper than {_MAX_DEPTH}")
        declaration = place.declaration
        local, namespace = declaration.element.get("name", ""), declaration.namespace
        top = declaration.element.getparent()
        is_global = top is not None and top.tag == f"{XSD}schema"
        form = declaration.element.get("form")
        if not is_global and (form == "unqualified" or (form is None and not declaration.qualified_locals)):
            namespace = ""
        qualified = f"{{{namespace}}}{local}" if namespace else local
        path = f"{parent_path}/{segment(qualified, parent)}"
        content = self.content(declaration)
        return SchemaNode(
            path=path,
            name=local,
            namespace=namespace,
            wco_id=_wco_id(declaration.element),
            least=place.least,
            most=place.most,
            value=content.value,
            attributes=content.attributes,
            children=tuple(self.node(child, path, qualified, depth + 1) for child in content.places),
        )

    # ── types ────────────────────────────────────────────────────────────────────────────────────────────────────

    def content(self, declaration: _Component) -> _Content:
        named = declaration.element.get("type")
        if named is not None:
            return self._named_content(declaration, named)
        inline = next(declaration.element.iterchildren(f"{XSD}complexType", f"{XSD}simpleType"), None)
        if inline is None:
            return _Content(_ANY_VALUE, (), {})
        return self._type_content(replace(declaration, element=inline))

    def _named_content(self, at: _Component, reference: str) -> _Content:
        name = self._name(at, reference)
        if name[0] == _XSD_NAMESPACE:
            return _Content(ValueFacts(base=name[1]), (), {})
        kind = "complexType" if ("complexType", name) in self._components else "simpleType"
        return self._type_content(self.component(kind, name))

    def _type_content(self, at: _Component) -> _Content:
        key = (at.element, at.namespace)
        if key not in self._contents:
            simple = at.element.tag == f"{XSD}simpleType"
            self._contents[key] = _Content(self._value(at), (), {}) if simple else self._complex(at)
        return self._contents[key]

    def _complex(self, at: _Component) -> _Content:
        holder = next(at.element.iterchildren(f"{XSD}simpleContent", f"{XSD}complexContent"), None)
        if holder is None:
            return _Content(None, tuple(self._places(at, 1, 1)), self._attributes(at))
        derived = next(holder.iterchildren(f"{XSD}extension", f"{XSD}restriction"))
        step = replace(at, element=derived)
        base = self._named_content(at, derived.get("base", ""))
        attributes = {**base.attributes, **self._attributes(step)}
        for prohibited in derived.iterchildren(f"{XSD}attribute"):
            if prohibited.get("use") == "prohibited":
                attributes.pop(self._attribute_name(step, prohibited), None)
        extends = derived.tag == f"{XSD}extension"
        if holder.tag == f"{XSD}simpleContent":
            value = base.value or _ANY_VALUE
            return _Content(value if extends else self._restricted(step, value), (), attributes)
        own = tuple(self._places(step, 1, 1))
        return _Content(None, (*base.places, *own) if extends else own, attributes)

    def _places(self, at: _Component, least: int, most: int | None) -> Iterator[_Place]:
        """The element declarations below a type or model group, with the bounds multiplied along the way."""
        for child in at.element.iterchildren(*_PARTICLES):
            kind, here = str(child.tag).removeprefix(XSD), replace(at, element=child)
            low, high = _times(least, child.get("minOccurs")), _times(most, child.get("maxOccurs"))
            if kind == "element":
                reference = child.get("ref")
                found = here if reference is None else self.component("element", self._name(here, reference))
                yield _Place(_Component(found.element, found.namespace, found.qualified_locals), low or 0, high)
            elif kind == "any":
                yield from self._wildcard(here, low or 0, high)
            elif kind == "group" and child.get("ref"):
                group = self.component("group", self._name(here, child.get("ref", "")))
                yield from self._places(group, low or 0, high)
            else:
                alternatives = kind == "choice" and sum(1 for _ in child.iterchildren(*_PARTICLES)) > 1
                yield from self._places(here, 0 if alternatives else low or 0, high)

    def _wildcard(self, at: _Component, least: int, most: int | None) -> Iterator[_Place]:
        """The global elements of the set that a wildcard's namespaces allow."""
        allowed = at.element.get("namespace", "##any").split()
        for (kind, (namespace, _)), found in self._components.items():
            named = namespace in allowed or ("##targetNamespace" in allowed and namespace == at.namespace)
            other = "##any" in allowed or ("##other" in allowed and namespace not in ("", at.namespace))
            if kind == "element" and (named or other):
                yield _Place(found, least, most)

    # ── attributes and values ────────────────────────────────────────────────────────────────────────────────────

    def _attributes(self, at: _Component) -> dict[str, AttributeFacts]:
        found: dict[str, AttributeFacts] = {}
        for child in at.element.iterchildren(f"{XSD}attribute", f"{XSD}attributeGroup"):
            here, reference = replace(at, element=child), child.get("ref")
            if child.tag == f"{XSD}attributeGroup":
                group = self.component("attributeGroup", self._name(here, reference or ""))
                found |= self._attributes(group)
                continue
            if child.get("use") == "prohibited":
                continue
            name, declared = self._attribute_name(at, child), here
            if reference is not None:
                declared = self._components.get(("attribute", self._name(here, reference)), here)
            value = self.content(declared).value or _ANY_VALUE
            found[name] = AttributeFacts(name=name, required=child.get("use") == "required", value=value)
        return found

    def _attribute_name(self, at: _Component, attribute: etree._Element) -> str:
        reference = attribute.get("ref")
        if reference is None:
            return attribute.get("name", "")
        namespace, local = self._name(replace(at, element=attribute), reference)
        return f"{{{namespace}}}{local}" if namespace else local

    def _value(self, at: _Component) -> ValueFacts:
        restriction = next(at.element.iterchildren(f"{XSD}restriction"), None)
        if restriction is None:  # a list or a union: its items are not told apart here
            return ValueFacts(base="string")
        step, base = replace(at, element=restriction), restriction.get("base")
        if base is not None:
            value = self._named_content(step, base).value or _ANY_VALUE
        else:
            value = self._value(replace(at, element=next(restriction.iterchildren(f"{XSD}simpleType"))))
        return self._restricted(step, value)

    def _restricted(self, at: _Component, value: ValueFacts) -> ValueFacts:
        patterns, one_of = [], []
        for facet in at.element.iterchildren(etree.Element):
            kind, text = str(facet.tag).removeprefix(XSD), facet.get("value", "")
            if kind in _LENGTHS:
                low = int(text) if kind != "maxLength" else value.min_length
                high = int(text) if kind != "minLength" else value.max_length
                value = replace(value, min_length=low, max_length=high)
            elif kind == "pattern":
                patterns.append(text)
            elif kind == "enumeration":
                one_of.append(text)
            elif kind == "totalDigits":
                value = replace(value, total_digits=int(text))
            elif kind == "fractionDigits":
                value = replace(value, fraction_digits=int(text))
            elif kind in ("minInclusive", "minExclusive"):
                value = replace(value, least=text)
            elif kind in ("maxInclusive", "maxExclusive"):
                value = replace(value, most=text)
        # Patterns of one step are alternatives, those of different steps must all match (XSD 1.0 part 2, 4.3.4).
        step = ("|".join(f"(?:{pattern})" for pattern in patterns),) if len(patterns) > 1 else tuple(patterns)
        return replace(value, patterns=value.patterns + step, one_of=tuple(one_of) or value.one_of)

    def _name(self, at: _Component, reference: str) -> Name:
        prefix, _, local = reference.rpartition(":")
        namespace = at.element.nsmap.get(prefix or None)
        # A file without a namespace, included into one that has it, means that one by an unprefixed name.
        return (namespace if namespace is not None else at.namespace), local


def _times(bound: int | None, word: str | None) -> int | None:
    if bound is None or word == "unbounded":
        return None
    return bound * int(word or 1)


def _wco_id(declaration: etree._Element) -> str:
    """The WCO id in an element's annotation: `<WCOID>` is how WCO schemas and ours write it."""
    found = declaration.find(f"{XSD}annotation/{XSD}documentation/{{*}}WCOID")
    return "" if found is None else (found.text or "").strip()
