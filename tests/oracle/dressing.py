"""How a grown document is written: prefixes, white space, comments, instructions, quotes and references, all drawn.

Whatever is drawn here changes no value: a parser finds the same elements, attributes and texts.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from tests.oracle.pieces import Piece

XSI = "http://www.w3.org/2001/XMLSchema-instance"
PREFIXES = ("", "a", "_x", "dec", "md", "res", "n1", "q.w-e", "décl")
REMARKS = ("<!-- by the way -->", "<?odd thing?>", "<!---->")


@dataclass
class _Style:
    indented: bool
    remarks: float
    redeclared: float
    references: float


def written(root: Piece, chance: random.Random) -> bytes:
    """Return the bytes of a document."""
    noisy = chance.random() < 0.4
    style = _Style(
        indented=chance.random() < 0.5,
        remarks=0.05 if noisy else 0.0,
        redeclared=0.02 if noisy else 0.0,
        references=0.05 if noisy else 0.0,
    )
    out: list[str] = []
    if chance.random() < 0.5:
        out.append('<?xml version="1.0" encoding="UTF-8"?>\n')
    if noisy:
        out.append(chance.choice(REMARKS))
    _Writer(chance, style, out).element(root, {}, 0, xsi=chance.random() < 0.3)
    if noisy:
        out.append("\n" + chance.choice(REMARKS))
    mark = b"\xef\xbb\xbf" if noisy and chance.random() < 0.3 else b""
    return mark + "".join(out).encode()


class _Writer:
    def __init__(self, chance: random.Random, style: _Style, out: list[str]) -> None:
        self.chance = chance
        self.style = style
        self.out = out

    def element(self, piece: Piece, scope: Mapping[str, str], depth: int, *, xsi: bool = False) -> None:
        """Write a piece. `scope`: prefix → namespace as declared above."""
        declared: dict[str, str] = {}
        prefix = self.prefix(piece.namespace, scope, declared)
        if xsi:
            declared["xsi"] = XSI
        name = f"{prefix}:{piece.name}" if prefix else piece.name
        now = {**scope, **declared} if declared else scope
        self.out.append(f"<{name}")
        for one, uri in declared.items():
            self.out.append(f' xmlns:{one}="{uri}"' if one else f' xmlns="{uri}"')
        if xsi:
            self.out.append(f' xsi:schemaLocation="{piece.namespace} nowhere.xsd"')
        for attribute, value in piece.attributes:
            self.out.append(f" {attribute}={self.quoted(value)}")
        if piece.is_nil:
            self.out.append(f' xmlns:xs-i="{XSI}" xs-i:nil="{self.chance.choice(("true", "1"))}"')
        if not piece.children and not piece.text and self.chance.random() < 0.5:
            self.out.append("/>")
            return
        self.out.append(">")
        if piece.text is not None:
            self.out.append(self.text(piece.text))
        for child in piece.children:
            self.between(depth + 1)
            self.element(child, now, depth + 1)
        if piece.children:
            self.between(depth)
        self.out.append(f"</{name}>")

    def prefix(self, namespace: str, scope: Mapping[str, str], declared: dict[str, str]) -> str:
        known = [prefix for prefix, uri in scope.items() if uri == namespace]
        if known and self.chance.random() >= self.style.redeclared:
            return known[0]
        prefix = self.chance.choice(PREFIXES)
        if not namespace:
            prefix = ""
        declared[prefix] = namespace
        return prefix

    def between(self, depth: int) -> None:
        if self.style.indented:
            self.out.append("\n" + "  " * depth)
        if self.style.remarks and self.chance.random() < self.style.remarks:
            self.out.append(self.chance.choice(REMARKS))

    def text(self, text: str) -> str:
        often = self.style.references
        if often and text and self.chance.random() < often and "]]>" not in text and "\r" not in text:
            return f"<![CDATA[{text}]]>"
        if often and text and self.chance.random() < often:
            at = self.chance.randrange(len(text) + 1)
            return escape(text[:at]) + self.chance.choice(REMARKS) + escape(text[at:])
        if often and text and self.chance.random() < often:
            return "".join(f"&#x{ord(one):x};" for one in text)
        return escape(text, {"\r": "&#13;"})

    def quoted(self, value: str) -> str:
        mark = self.chance.choice("\"'") if self.style.references else '"'
        blanks = {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
        return mark + escape(value, {**blanks, mark: "&quot;" if mark == '"' else "&apos;"}) + mark
