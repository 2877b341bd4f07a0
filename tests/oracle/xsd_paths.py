"""A small reader of the project's own XSD files, for the oracle only: which paths exist, and what must be there.

Uses nothing of the gateway and no lxml: the standard library's ElementTree and the few XSD constructs that the bundled
sets use (global elements, named and inline types, sequence, choice, a strict wildcard for the body, attribute groups,
restrictions with facets).
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from tests.oracle.xsd_values import Value, read_value

XS = "{http://www.w3.org/2001/XMLSchema}"


@dataclass
class Place:
    """What may stand at one path: its namespace, whether it is a leaf, the least number, attribute → required.

    `most` None: any number. `value` of a leaf; `attribute_values` by name. `children`: paths one step below, in the
    order of the set.
    """

    namespace: str
    leaf: bool
    least: int
    attributes: dict[str, bool] = field(default_factory=dict)
    most: int | None = 1
    wco_id: str = ""
    nillable: bool = False
    value: Value | None = None
    attribute_values: dict[str, Value] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)


@dataclass
class Source:
    """One XSD file: its target namespace, the prefixes it declares, its root."""

    target: str
    prefixes: dict[str, str]
    root: ET.Element


def read_paths(folder: Path) -> Mapping[str, Place]:
    """Return path → place for the set in `folder`, from `/MetaData` and from every bare body."""
    return read_files({file.name: file.read_bytes() for file in sorted(folder.glob("*.xsd"))})


def read_files(files: Mapping[str, bytes]) -> Mapping[str, Place]:
    """Return path → place for the set of these files."""
    return dict(_Reader(files).walk())


class _Reader:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.elements: dict[tuple[str, str], tuple[Source, ET.Element]] = {}
        self.types: dict[tuple[str, str], tuple[Source, ET.Element]] = {}
        self.groups: dict[tuple[str, str], tuple[Source, ET.Element]] = {}
        for name in sorted(files):
            source = _source(files[name])
            for top in source.root:
                table = {"element": self.elements, "complexType": self.types, "simpleType": self.types}
                table["attributeGroup"] = self.groups
                kind = top.tag.removeprefix(XS)
                if kind in table:
                    table[kind][source.target, top.attrib["name"]] = (source, top)

    def walk(self) -> Iterator[tuple[str, Place]]:
        for (namespace, name), (source, element) in self.elements.items():
            yield from self.element(source, element, f"/{name}", 1, 1)
            if name == "MetaData":
                self.check_alone(namespace)

    def check_alone(self, namespace: str) -> None:
        assert sum(1 for _, name in self.elements if name == "MetaData") == 1, namespace

    def element(
        self, source: Source, element: ET.Element, path: str, least: int, most: int | None
    ) -> Iterator[tuple[str, Place]]:
        place = Place(source.target, True, least, most=most, nillable=element.get("nillable") in ("true", "1"))
        place.wco_id = element.findtext(f"{XS}annotation/{XS}documentation/WCOID", "")
        inside = element.find(f"{XS}complexType")
        owner = source
        if inside is None and "type" in element.attrib:
            owner, found = self.type_named(source, element.attrib["type"])
            inside = found if found is not None and found.tag == f"{XS}complexType" else None
        below: list[tuple[str, Place]] = []
        if inside is not None:
            for name, required, value in self.attributes(owner, inside):
                place.attributes[name], place.attribute_values[name] = required, value
            model = next((one for one in inside if one.tag in (f"{XS}sequence", f"{XS}choice")), None)
            if model is not None:
                place.leaf = False
                for child_source, child, child_least, child_most in self.particles(owner, model, 1):
                    step = child.attrib["name"]
                    # A whole declaration inside a response is told apart from the response's own by a prefix.
                    foreign = source.target.endswith("RES-DMS:2") and child_source.target.endswith("DEC-DMS:2")
                    place.children.append(f"{path}/{'dec:' if foreign else ''}{step}")
                    below += self.element(child_source, child, place.children[-1], child_least, child_most)
        if place.leaf:
            place.value = self.value(owner if inside is not None else source, element if inside is None else inside)
        yield path, place
        yield from below

    def particles(
        self, source: Source, model: ET.Element, factor: int
    ) -> Iterator[tuple[Source, ET.Element, int, int | None]]:
        factor *= 0 if model.tag == f"{XS}choice" else int(model.get("minOccurs", "1"))
        for one in model:
            least, said = factor * int(one.get("minOccurs", "1")), one.get("maxOccurs", "1")
            most = None if said == "unbounded" else int(said)
            if one.tag in (f"{XS}sequence", f"{XS}choice"):
                yield from self.particles(source, one, factor)
            elif one.tag == f"{XS}any":
                for (namespace, _), (owner, element) in self.elements.items():
                    if namespace == one.attrib["namespace"]:
                        yield owner, element, least, most
            elif one.tag == f"{XS}element" and "ref" in one.attrib:
                owner, element = self.elements[_resolve(source, one.attrib["ref"])]
                yield owner, element, least, most
            elif one.tag == f"{XS}element":
                yield source, one, least, most

    def type_named(self, source: Source, name: str) -> tuple[Source, ET.Element | None]:
        found = self.types.get(_resolve(source, name))
        return found if found is not None else (source, None)

    def attributes(self, source: Source, kind: ET.Element) -> Iterator[tuple[str, bool, Value]]:
        for one in kind.iter():
            if one.tag == f"{XS}attributeGroup" and "ref" in one.attrib:
                owner, group = self.groups[_resolve(source, one.attrib["ref"])]
                yield from self.attributes(owner, group)
            elif one.tag == f"{XS}attribute":
                yield one.attrib["name"], one.get("use") == "required", self.value(source, one)

    def value(self, source: Source, owner: ET.Element) -> Value:
        """Return what bounds the value of an element, of an attribute, or of a type with simple content."""
        inline = owner.find(f"{XS}simpleType") if owner.tag != f"{XS}complexType" else owner
        if inline is not None:
            return self.derived(source, inline)
        return self.named(source, owner.get("type", "xs:string"))

    def named(self, source: Source, name: str) -> Value:
        owner, found = self.type_named(source, name)
        return Value(name.rpartition(":")[2]) if found is None else self.derived(owner, found)

    def derived(self, source: Source, kind: ET.Element) -> Value:
        """Return what a simple type, or a complex one with simple content, says of its values."""
        for step in kind.iter():
            if step.tag in (f"{XS}restriction", f"{XS}extension"):
                return read_value(step, self.named(source, step.attrib["base"]))
        return Value("string")


def _source(raw: bytes) -> Source:
    prefixes: dict[str, str] = {}
    root: ET.Element | None = None
    for event, value in ET.iterparse(BytesIO(raw), events=("start-ns", "end")):
        if event == "start-ns":
            prefixes[value[0]] = value[1]
        else:
            root = value
    assert root is not None
    return Source(root.get("targetNamespace", ""), prefixes, root)


def _resolve(source: Source, name: str) -> tuple[str, str]:
    prefix, _, local = name.rpartition(":")
    return source.prefixes.get(prefix, ""), local
