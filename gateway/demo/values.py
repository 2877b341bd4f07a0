"""The values of a message, read from its bytes: what the checks and the side-by-side look at.

Knows nothing of policies. Only the XML door is shared with the gateway that is judged.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from lxml import etree

from gateway.document import read
from gateway.domain.limits import DocumentLimits

_MARKUP: Final = re.compile(rb"<!--|<\?(?!xml )|<!\[CDATA\[")


class Value(NamedTuple):
    """A leaf or an attribute: its name without a prefix (attributes begin with `@`), and what it holds."""

    name: str
    text: str


def values(xml: bytes) -> list[Value]:
    """Return every leaf and attribute in document order, empty ones too; the attributes of an element come first."""
    found: list[Value] = []
    for element in read(xml, DocumentLimits()).root.iter(etree.Element):
        found += [Value(f"@{etree.QName(name).localname}", str(text)) for name, text in element.items()]
        if len(element) == 0:
            found.append(Value(etree.QName(element).localname, element.text or ""))
    return found


def with_content(found: Iterable[Value]) -> list[Value]:
    """Return those that hold something: what `kept` and `withheld` count."""
    return [one for one in found if one.text]


def side_by_side(held: Sequence[Value], got: Iterable[Value]) -> tuple[list[Value | None], Value | None]:
    """Return what stands beside each value of `held` in `got` (None: nothing), and the first of `got` without a place.

    Both are in document order, and so must be what was kept: nothing invented, nothing altered, nothing moved.
    """
    beside: list[Value | None] = [None] * len(held)
    place = 0
    for one in got:
        while place < len(held) and held[place] != one:
            place += 1
        if place == len(held):
            return beside, one
        beside[place] = one
        place += 1
    return beside, None


def unseen(xml: bytes) -> int:
    """Return how many comments, processing instructions and CDATA sections there are: what no reader of values sees."""
    return len(_MARKUP.findall(xml))
