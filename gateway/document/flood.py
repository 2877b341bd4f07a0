"""Finds where a document begins to break a schema, without letting it be told everything that is wrong.

Where a tree is refused, lxml writes down every error with the path to its element, and counts the siblings before it
each time. A document made for it, with a hundred thousand errors among as many siblings, or a million attributes that
do not belong, keeps a processor busy for minutes and fills the memory. So a document of such a shape is first judged
while it is parsed, in small pieces, up to the first that holds an error; that costs no more than to parse it twice.
What comes before the end of that piece is then a small document of its own that can be explained.
"""

import re
from collections.abc import Mapping
from typing import Final

from lxml import etree

from gateway.document.door import Signs, parser_options

__all__ = ["first_breach", "is_crowded", "read_start"]

_PIECE: Final = 4 * 1024
_MOST_TAGS: Final = 200_000
_MOST_ATTRIBUTES: Final = 60_000
_FEW_TAGS: Final = 10_000
"""Even were they all siblings in error, counting those before each would take a tenth of a second."""
_MOST_SIBLINGS: Final = 1_100
"""Beside the most items a declaration may have, 999, stand other elements of the shipment."""
_TAG_BYTES: Final = 3
_ATTRIBUTE_BYTES: Final = 5
_MARKUP: Final = re.compile(
    rb"""<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|<[^"'<>]*+(?>(?:"[^"]*+"[^"'<>]*+|'[^']*+'[^"'<>]*+)*)>""", re.DOTALL
)
_NO_TAG: Final = b"!?"
_SLASH: Final = ord("/")


def is_crowded(raw: bytes, root: etree._Element, signs: Signs | None = None) -> bool:
    """Tell whether a document has the shape of which judging could take long: many siblings, attributes or elements.

    Every large message pays for this, so what its length rules out is not counted. `signs`: if they were counted.
    """
    if len(raw) <= _FEW_TAGS * _TAG_BYTES:
        return False
    if len(raw) > _MOST_ATTRIBUTES * _ATTRIBUTE_BYTES:
        equals = raw.count(b"=") if signs is None else signs.equals
        if equals > _MOST_ATTRIBUTES:
            return True
    tags = raw.count(b"<") if signs is None else signs.tags
    return tags > _MOST_TAGS or (tags > _FEW_TAGS and _has_many_siblings(root))


def first_breach(raw: bytes, xsd: etree.XMLSchema) -> int | None:
    """Return after how many bytes of a well-formed document it is known that `xsd` refuses it; None if it does not."""
    parser = etree.XMLPullParser(events=(), schema=xsd, **parser_options())
    for start in range(0, len(raw), _PIECE):
        try:
            parser.feed(raw[start : start + _PIECE])
        except etree.XMLSyntaxError:
            return min(start + _PIECE, len(raw))
        if len(parser.feed_error_log):
            return min(start + _PIECE, len(raw))
    try:
        parser.close()
    except etree.XMLSyntaxError:
        return len(raw)
    return None


def read_start(
    raw: bytes, end: int, whole: etree._Element
) -> tuple[etree._Element, Mapping[etree._Element, etree._Element]]:
    """Return the tree of the first `end` bytes of a well-formed document, and its elements that had not ended there.

    A tag that these bytes cut in two is left out; text, a CDATA section or a comment is read to its end. `whole`: the
    root of the whole document's tree; every unended element comes with its like in there.
    """
    cut, depth = _place_between_tags(raw, end)
    # libxml2 closes what is open when it may recover; all else it is told is what the door tells it.
    parser = etree.XMLParser(**{**parser_options(), "recover": True})
    root = etree.fromstring(raw[:cut], parser)
    unended = {}
    element = root
    for level in range(depth):
        unended[element] = whole
        if level + 1 < depth:
            element, whole = element[-1], whole[len(element) - 1]
    return root, unended


def _place_between_tags(raw: bytes, end: int) -> tuple[int, int]:
    """Return where the last token that begins before `end` is whole, or is a tag and begins; and how many are open."""
    depth = 0
    for token in _MARKUP.finditer(raw):
        start, stop = token.span()
        if start >= end:
            return start, depth
        if raw[start + 1] in _NO_TAG:
            if stop > end:
                return stop, depth
        elif stop > end:
            return start, depth
        elif raw[start + 1] == _SLASH:
            depth -= 1
        elif raw[stop - 2] != _SLASH:
            depth += 1
    return len(raw), depth


_MANY_CHILDREN: Final = etree.XPath(f"boolean(*[{_MOST_SIBLINGS + 1}])")
_LARGE_CHILDREN: Final = etree.XPath(f"*[descendant::*[{_MOST_SIBLINGS + 1}]]")


def _has_many_siblings(root: etree._Element) -> bool:
    """Tell whether an element has too many children, asking only those that have as many descendants at all.

    One XPath over the whole tree would gather every element first, which takes six times as long at 40,000.
    """
    large = [root]
    while large:
        element = large.pop()
        if _MANY_CHILDREN(element):
            return True
        large += _LARGE_CHILDREN(element)
    return False
