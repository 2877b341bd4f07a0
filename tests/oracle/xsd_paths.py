"""A small reader of the project's own XSD files, for the oracle only: which paths exist, and what must be there.

Uses nothing of the gateway and no lxml: the standard library's ElementTree and the few XSD constructs that the bundled
sets use (global elements, named and inline types, sequence, choice, a strict wildcard for the body, attribute groups).
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

XS = "{http://www.w3.org/2001/XMLSchema}"


@dataclass
class Place:
    """What may stand at one path: its namespace, whether it is a leaf, the least number, attribute → required."""

    namespace: str
    leaf: bool
    least: int
    attributes: dict[str, bool] = field(default_factory=dict)


@dataclass
class Source:
    """One XSD file: its target namespace, the prefixes it declares, its root."""

    target: str
    prefixes: dict[str, str]
    root: ET.Element


def read_paths(folder: Path) -> Mapping[str, Place]:
    """Return path → place for the set in `folder`, from `/MetaData` and from every bare body."""
    return dict(_Reader(folder).walk())


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.elements: dict[tuple[str, str], tuple[Source, ET.Element]] = {}
        self.types: dict[tuple[str, str], tuple[Source, ET.Element]] = {}
        self.groups: dict[tuple[str, str], tuple[Source, ET.Element]] = {}
        for file in sorted(folder.glob("*.xsd")):
            source = _source(file)
            for top in source.root:
                table = {"element": self.elements, "complexType": self.types, "simpleType": self.types}
                table["attributeGroup"] = self.groups
                kind = top.tag.removeprefix(XS)
                if kind in table:
                    table[kind][source.target, top.attrib["name"]] = (source, top)

    def walk(self) -> Iterator[tuple[str, Place]]:
        for (namespace, name), (source, element) in self.elements.items():
            yield from self.element(source, element, f"/{name}", 1)
            if name == "MetaData":
                self.check_alone(namespace)

    def check_alone(self, namespace: str) -> None:
        assert sum(1 for _, name in self.elements if name == "MetaData") == 1, namespace

    def element(self, source: Source, element: ET.Element, path: str, least: int) -> Iterator[tuple[str, Place]]:
        place = Place(source.target, True, least)
        inside = element.find(f"{XS}complexType")
        owner = source
        if inside is None and "type" in element.attrib:
            owner, found = self.type_named(source, element.attrib["type"])
            inside = found if found is not None and found.tag == f"{XS}complexType" else None
        below: list[tuple[str, Place]] = []
        if inside is not None:
            place.attributes = dict(self.attributes(owner, inside))
            model = next((one for one in inside if one.tag in (f"{XS}sequence", f"{XS}choice")), None)
            if model is not None:
                place.leaf = False
                for child_source, child, child_least in self.particles(owner, model, 1):
                    step = child.attrib["name"]
                    # A whole declaration inside a response is told apart from the response's own by a prefix.
                    foreign = source.target.endswith("RES-DMS:2") and child_source.target.endswith("DEC-DMS:2")
                    below += self.element(child_source, child, f"{path}/{'dec:' if foreign else ''}{step}", child_least)
        yield path, place
        yield from below

    def particles(self, source: Source, model: ET.Element, factor: int) -> Iterator[tuple[Source, ET.Element, int]]:
        factor *= 0 if model.tag == f"{XS}choice" else int(model.get("minOccurs", "1"))
        for one in model:
            least = factor * int(one.get("minOccurs", "1"))
            if one.tag in (f"{XS}sequence", f"{XS}choice"):
                yield from self.particles(source, one, factor)
            elif one.tag == f"{XS}any":
                for (namespace, _), (owner, element) in self.elements.items():
                    if namespace == one.attrib["namespace"]:
                        yield owner, element, least
            elif one.tag == f"{XS}element" and "ref" in one.attrib:
                owner, element = self.elements[_resolve(source, one.attrib["ref"])]
                yield owner, element, least
            elif one.tag == f"{XS}element":
                yield source, one, least

    def type_named(self, source: Source, name: str) -> tuple[Source, ET.Element | None]:
        found = self.types.get(_resolve(source, name))
        return found if found is not None else (source, None)

    def attributes(self, source: Source, kind: ET.Element) -> Iterator[tuple[str, bool]]:
        for one in kind.iter():
            if one.tag == f"{XS}attributeGroup" and "ref" in one.attrib:
                owner, group = self.groups[_resolve(source, one.attrib["ref"])]
                yield from self.attributes(owner, group)
            elif one.tag == f"{XS}attribute":
                yield one.attrib["name"], one.get("use") == "required"


def _source(file: Path) -> Source:
    prefixes: dict[str, str] = {}
    root: ET.Element | None = None
    for event, value in ET.iterparse(file, events=("start-ns", "end")):
        if event == "start-ns":
            prefixes[value[0]] = value[1]
        else:
            root = value
    assert root is not None
    return Source(root.get("targetNamespace", ""), prefixes, root)


def _resolve(source: Source, name: str) -> tuple[str, str]:
    prefix, _, local = name.rpartition(":")
    return source.prefixes.get(prefix, ""), local
