"""Documents as expat tells them: elements, attributes, texts, and what stands around them. Uses nothing of the gateway."""

import xml.parsers.expat
from collections.abc import Iterator
from dataclasses import dataclass, field

XSI = "http://www.w3.org/2001/XMLSchema-instance"
Name = tuple[str, str]


@dataclass
class Element:
    """One element as expat tells it. `strays` are texts between child elements, blank or not.

    `origin`: of an element of a view that must be, the one of the document that it is there for.
    """

    name: Name
    path: str
    attributes: list[tuple[Name, str]]
    children: list["Element"] = field(default_factory=list)
    text: str = ""
    strays: list[str] = field(default_factory=list)
    parent: "Element | None" = field(default=None, repr=False, compare=False)
    origin: "Element | None" = field(default=None, repr=False, compare=False)


@dataclass
class Parsed:
    """A document with what stands around its elements."""

    root: Element
    comments: list[str]
    instructions: list[str]
    namespaces: list[tuple[str, str]]


def parse(raw: bytes) -> Parsed:
    """Return the document in `raw`."""
    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.ordered_attributes = True
    parser.buffer_text = True
    stack: list[Element] = []
    pieces: list[list[str]] = []
    roots: list[Element] = []
    comments: list[str] = []
    instructions: list[str] = []
    namespaces: list[tuple[str, str]] = []

    def start(name: str, pairs: list[str]) -> None:
        parent = stack[-1] if stack else None
        attributes = [(split(key), value) for key, value in zip(pairs[::2], pairs[1::2], strict=True)]
        element = Element(split(name), path_of(parent, split(name)), attributes)
        if parent is None:
            roots.append(element)
        else:
            element.parent = parent
            parent.children.append(element)
        stack.append(element)
        pieces.append([])

    def end(_: str) -> None:
        element = stack.pop()
        element.text = "".join(pieces.pop())

    def characters(text: str) -> None:
        pieces[-1].append(text)

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.CommentHandler = comments.append
    parser.ProcessingInstructionHandler = lambda target, data: instructions.append(f"{target} {data}")
    parser.StartNamespaceDeclHandler = lambda prefix, uri: namespaces.append((prefix or "", uri))
    parser.Parse(raw, True)
    for element in walk(roots[0]):
        if element.children and element.text:
            element.strays.append(element.text)
            element.text = ""
    return Parsed(roots[0], comments, instructions, namespaces)


def split(name: str) -> Name:
    """Return (namespace, local name)."""
    namespace, _, local = name.rpartition(" ")
    return namespace, local


def path_of(parent: Element | None, name: Name) -> str:
    """Return the path of a child. A bare body is what stands below MetaData otherwise."""
    if parent is None:
        return f"/{name[1]}" if name[1] == "MetaData" else f"/MetaData/{name[1]}"
    foreign = parent.name[0].endswith("RES-DMS:2") and name[0].endswith("DEC-DMS:2")
    return f"{parent.path}/{'dec:' if foreign else ''}{name[1]}"


def walk(element: Element) -> Iterator[Element]:
    """Return the element and everything below."""
    yield element
    for child in element.children:
        yield from walk(child)


def is_nil(element: Element) -> bool:
    """Tell whether the element says that it has no value."""
    return any(name == (XSI, "nil") and value.strip() in ("true", "1") for name, value in element.attributes)
