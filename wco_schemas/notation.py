"""Reads the outline notation of wco_schemas/model (README.md explains it) into values.

An outline says what WCO says: elements in order, how often, under which WCO id, of which format. How that becomes
XSD is generate.py's business. Nothing here touches the network or anything but the files it is given.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

FORMAT = re.compile(r"(?P<letters>an|a|n)(?P<up_to>\.\.)?(?P<size>\d+)(?:,(?P<fraction>\d+))?")


@dataclass(frozen=True)
class Facets:
    """What limits a value: base type, length as (min, max), patterns, enumeration, decimal digits."""

    base: str
    length: tuple[int | None, int | None] = (None, None)
    pattern: str = ""
    one_of: tuple[str, ...] = ()
    digits: tuple[int, int] | None = None


@dataclass(frozen=True)
class Attribute:
    """One attribute of an attribute set."""

    name: str
    required: bool
    facets: Facets


@dataclass(frozen=True)
class Family:
    """A kind of value of one body, such as `code`: base type, whether blank is refused, attribute set."""

    name: str
    base: str
    nonblank: bool
    attributes: str

    def facets(self, form: str, one_of: tuple[str, ...]) -> Facets:
        """Return the facets of a WCO format such as `an..35`, `a2`, `n..16,3`; empty: the family's base alone."""
        if not form:
            return Facets(self.base, one_of=one_of)
        match = FORMAT.fullmatch(form)
        if match is None:
            raise ValueError(f"not a WCO format: {form}")
        size = int(match["size"])
        if self.base == "decimal":
            return Facets(self.base, digits=(size, int(match["fraction"] or 0)), one_of=one_of)
        pattern = {"a": "([a-zA-Z])*", "n": "([0-9])*", "an": r".*[^\s].*" if self.nonblank else ""}[match["letters"]]
        return Facets(self.base, (None if match["up_to"] else size, size), pattern, one_of)


@dataclass
class Element:
    """One line of an outline. `type_words` are the words after the WCO id; none and no children: an empty class."""

    name: str
    least: int
    most: int | None
    wco_id: str
    type_words: list[str]
    children: list["Element"] = field(default_factory=list)


@dataclass
class Body:
    """One outline file."""

    name: str
    prefix: str
    namespace: str
    values: tuple[str, str] | None
    nested: tuple[str, str] | None
    families: dict[str, Family]
    root: Element
    classes: dict[str, Element]


def lines_of(path: Path) -> list[str]:
    """Return the lines that say something: no comments, no blank ones."""
    lines = [line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def cardinality(word: str) -> tuple[int, int | None]:
    """Return (least, most) of `1`, `0..1`, `0..*` or `0..999`; most None: unbounded."""
    least, _, most = word.partition("..")
    return int(least), None if most == "*" else int(most or least)


def read_body(path: Path) -> Body:
    """Return the outline in `path`. Raises ValueError on a line it can not read."""
    heads: dict[str, list[list[str]]] = {}
    blocks: dict[str, Element] = {}
    open_elements: list[Element] = []
    for line in lines_of(path):
        words = line.split()
        if words[0] in ("body", "namespace", "values", "nested", "family"):
            heads.setdefault(words[0], []).append(words[1:])
            continue
        if words[0] == "class" and not line.startswith(" "):
            element, depth = Element(words[1], 1, 1, "-", []), 0
        else:
            depth = (len(line) - len(line.lstrip())) // 2
            element = _element(words)
        if depth == 0:
            blocks[element.name] = element
        else:
            open_elements[depth - 1].children.append(element)
        del open_elements[depth:]
        open_elements.append(element)
    families = {
        name: Family(name, base, blank == "nonblank", "" if attributes == "-" else attributes)
        for name, base, blank, attributes in heads["family"]
    }
    (name,), (prefix, namespace) = heads["body"][0], heads["namespace"][0]
    return Body(
        name, prefix, namespace, _pair(heads, "values"), _pair(heads, "nested"), families, blocks.pop(name), blocks
    )


def _pair(heads: dict[str, list[list[str]]], word: str) -> tuple[str, str] | None:
    if word not in heads:
        return None
    first, second = heads[word][0]
    return first, second


def _element(words: list[str]) -> Element:
    if words == ["*"]:
        return Element("*", 1, 1, "-", [])
    name, often, wco_id, *type_words = words
    return Element(name, *cardinality(often), wco_id, type_words)


def read_values(path: Path) -> tuple[dict[str, list[Attribute]], Facets, str]:
    """Return the attribute sets, and the facets and attribute set of DateTimeString."""
    sets: dict[str, list[Attribute]] = {}
    current: list[Attribute] | None = None
    value, value_attributes = Facets("string"), ""
    for line in lines_of(path):
        words = line.split()
        if not line.startswith(" "):
            current = sets.setdefault(words[1], []) if words[0] == "attributes" else None
        elif current is not None:
            current.append(Attribute(words[0].rstrip("!"), words[0].endswith("!"), _facets(words[1:])))
        elif words[0] == "attributes":
            value_attributes = words[1]
        else:
            value = _facets(words)
    return sets, value, value_attributes


def _facets(words: list[str]) -> Facets:
    base, *rest = words
    length: tuple[int | None, int | None] = (None, None)
    pattern, one_of = "", tuple[str, ...]()
    while rest:
        facet, *rest = rest
        if facet == "length":
            least, _, most = rest.pop(0).partition("..")
            length = (int(least) if least else None, int(most))
        elif facet == "pattern":
            pattern = rest.pop(0)
        elif facet == "one-of":
            one_of, rest = tuple(rest), []
        else:
            raise ValueError(f"not a facet: {facet}")
    return Facets(base, length, pattern, one_of)
