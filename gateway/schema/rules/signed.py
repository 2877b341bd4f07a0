"""Tells from the bytes of a document which signs stand before its numbers: "+", which the quick engine does not read,
and "-", without which no rule about numbers below zero need be asked.

XML Schema allows `+2` for a decimal (XSD 1.0 part 2, §3.2.3.1), and XPath 2.0 reads 2. XPath 1.0 has no such number
(§3.7): libxml2 makes NaN of it, with which every comparison fails, and a rule falls silent. A document that holds one
where a rule reads numbers is left to the exact engine as a whole.

Hardly any document does, so nothing may be asked of its tree to find out. A "+" in the bytes is looked at where it
stands: time zones, telephone numbers and running text are told by the byte or the tag before them. Only what could be
one of our numbers, and what the bytes hide (references to characters, CDATA, comments), makes the tree be searched.
For "-" the bytes are enough: where in doubt, the rules are asked.
"""

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree

from gateway.document import wco_path
from gateway.schema.facts.nodes import SchemaTree

__all__ = ["SignedNumbers", "may_be_negative"]

_BLANKS: Final = b" \t\r\n"
_FAR_ENOUGH: Final = 400  # bytes; a tag that began earlier, or more blanks, and the tree is searched
_NO_TAG: Final = (b"-->", b"?>", b"]]>", b"[CDATA[")
_START_TAG: Final = re.compile(rb"<(?:[^\s<>/!?:=]+:)?([^\s<>/!?:=]+)(?:\s[^<>]*)?>\Z")
# A tag that follows may be the start of a comment or a CDATA section, with the rest of the number behind it or in it.
_MINUS: Final = re.compile(rb"-(?<![0-9A-Za-z]-)[0-9.<]")
_LEAVES: Final = etree.XPath("//*[not(*)][starts-with(normalize-space(.), '+')]")
_HOLDERS: Final = etree.XPath("//*[@*[starts-with(normalize-space(.), '+')]]")


class SignedNumbers:
    """Tells whether a number at one of `places` begins with "+". An attribute's place ends in `/@` and its name."""

    __slots__ = ("_attributes", "_names", "_places", "_tree")

    def __init__(self, places: frozenset[str], tree: SchemaTree) -> None:
        self._places: Final = places
        self._tree: Final = tree
        self._attributes: Final = any("/@" in place for place in places)
        nodes = [tree.node(place) for place in places if "/@" not in place]
        self._names: Final = frozenset(node.name.encode() for node in nodes if node is not None)

    def stand_in(self, root: etree._Element, raw: bytes) -> bool:
        """Tell of the document under `root`, read from `raw`; b"" if that is not at hand."""
        return bool(self._places) and (not raw or self.may_stand_in(raw)) and self._stand_below(root)

    def may_stand_in(self, raw: bytes) -> bool:
        """Tell from the bytes alone: False where the tree need not be searched."""
        if any(raw.startswith(b"#", at + 1) for at in _places_of(b"&", raw)):
            return True
        return any(self._may_begin_a_number(raw, at) for at in _places_of(b"+", raw))

    def _may_begin_a_number(self, raw: bytes, at: int) -> bool:
        if raw[at - 1 : at].isalnum():
            return False
        before = raw[max(at - _FAR_ENOUGH, 0) : at].rstrip(_BLANKS)
        if not before or before.endswith(_NO_TAG):
            return True
        if before.endswith((b'"', b"'")):
            return self._attributes
        if not before.endswith(b">"):
            return False
        tag = _START_TAG.match(before, max(before.rfind(b"<"), 0))
        return tag is None or tag[1] in self._names

    def _stand_below(self, root: etree._Element) -> bool:
        leaves: list[etree._Element] = _LEAVES(root)
        if any(self._place(leaf) in self._places for leaf in leaves):
            return True
        holders: list[etree._Element] = _HOLDERS(root) if self._attributes else []
        return any(f"{self._place(one)}/@{name}" in self._places for one in holders for name in one.attrib)

    def _place(self, element: etree._Element) -> str:
        node = self._tree.node(wco_path(element))
        return "" if node is None else node.path


def may_be_negative(raw: bytes) -> bool:
    """Tell whether a value in these bytes may be a number below zero; False for sure where each "-" stands behind a
    letter or a digit, blanks not counted, or before no number, and no character is written by its own number."""
    if any(raw.startswith(b"#", at + 1) for at in _places_of(b"&", raw)):
        return True
    return not all(
        raw[max(one.start() - _FAR_ENOUGH, 0) : one.start()].rstrip(_BLANKS)[-1:].isalnum()
        for one in _MINUS.finditer(raw)
    )


def _places_of(byte: bytes, raw: bytes) -> Iterator[int]:
    """Yield where the byte stands. Looking for one byte is a tenth of the work of looking for two."""
    at = raw.find(byte)
    while at >= 0:
        yield at
        at = raw.find(byte, at + 1)
