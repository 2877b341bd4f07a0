"""The XML door: bytes become a Document here, and nowhere else.

    size → first bytes (sniff.py) → cheap bounds on the bytes → lxml → bounds on the tree (measure) → header facts

The parser resolves no entity, opens no file and no connection, and is told the encoding. Comments and processing
instructions are legal and never looked at, so it drops them; the text of a leaf is then in one piece. Limits come
from the settings: depth, elements, attributes. Counting is done by bytes methods and compiled XPath, because a walk in
Python over every message costs a fifth of a worker. Even so, measuring a tree that is larger than a processor's cache
costs a third of judging it; `read_unmeasured` leaves that to `schema.validate`, for which most verdicts prove it.
No error here says what stood in the document.
"""

import functools
import re
import threading
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from lxml import etree

from gateway.document.facts import find_body, read_facts, read_kind
from gateway.document.sniff import place_of, sniff
from gateway.domain.limits import DocumentLimits
from gateway.domain.message import DocumentFacts, MessageKind
from gateway.errors import DocumentError

_DOOR: Final = object()
_INVALID_ENCODING: Final = 81  # XML_ERR_INVALID_ENCODING of libxml2/xmlerror.h
_NAMESPACE_BYTES: Final = len(b' xmlns:a="b"')
_UNPARSED: Final = ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>"))
_LONG_TAG_BYTES: Final = 32 * 1024
_LONG_NAME: Final = re.compile(rb"""<[^<>\s"'=/!?]{%d}""" % _LONG_TAG_BYTES)
_LONG_TEXT_BYTES: Final = 1024 * 1024
"""No element of a customs message holds as much; a pattern of the schema would be tried on all of it."""
_LONG_VALUE: Final = re.compile(rb"""<[^<>"']*+(?:"[^"<]{10000000}|'[^'<]{10000000})""")  # XML_MAX_TEXT_LENGTH
_MOST_UNPARSED: Final = 20_000
"""How many comments and CDATA sections together, and how many instructions, a message may have."""
_UNPARSED_BYTES: Final = 5
_MOST_TAG_SIGNS: Final = 500_000
"""How many "<" a message may hold, wherever they stand: two of each element, and more in comments."""
_MOST_VALUE_SIGNS: Final = 250_000
"""How many "=" a message may hold, wherever they stand: one attribute of each element, and more in texts."""
_OWN: Final = threading.local()


class Signs(NamedTuple):
    """How many "<" and how many "=" are in the bytes of a message."""

    tags: int
    equals: int


class Document:
    """A message that passed the door: well-formed, within limits, of a known root. Only the door makes one.

    `root` is its tree without comments and processing instructions and must not be changed; `body` is its Declaration
    or first Response. `raw` are the bytes as they came, `signs` what was counted in them if that had to be.
    `unmeasured` are the limits of which nobody has made sure yet that the tree keeps them, None when someone has. It
    stays in the process that read it.
    """

    __slots__ = ("_facts", "_kind", "body", "raw", "root", "signs", "unmeasured")

    root: Final[etree._Element]
    body: Final[etree._Element]
    raw: Final[bytes]
    signs: Final[Signs | None]
    unmeasured: DocumentLimits | None

    def __init__(
        self, root: etree._Element, raw: bytes, signs: Signs | None, limits: DocumentLimits, door: object
    ) -> None:
        if door is not _DOOR:
            raise TypeError("only gateway.document.read makes a Document")
        self.root = root
        self.body = find_body(root)
        self.raw = raw
        self.signs = signs
        self.unmeasured = limits
        self._facts: DocumentFacts | None = None
        self._kind: MessageKind | None = None

    def __repr__(self) -> str:
        return f"<Document of {len(self.raw)} bytes>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a Document stays in the process that read it")

    @property
    def facts(self) -> DocumentFacts:
        """Its header facts, read when first asked for."""
        if self._facts is None:
            self._facts = read_facts(self.body)
            self._kind = self._facts.kind
        return self._facts

    @property
    def kind(self) -> MessageKind:
        """Its message kind, read when first asked for; costs less than all facts."""
        if self._kind is None:
            self._kind = read_kind(self.body)
        return self._kind

    def measure(self) -> None:
        """Make sure that the tree is within limits. Raises DocumentError `document.too_deep` or
        `document.too_many_attributes`."""
        if self.unmeasured is not None:
            _measure(self.root, self.raw, self.unmeasured)
            self.unmeasured = None


def read(raw: bytes, limits: DocumentLimits) -> Document:
    """Return the message in `raw`. Raises DocumentError with a code `document.…`; see the catalogue in errors.py."""
    document = read_unmeasured(raw, limits)
    document.measure()
    return document


def read_unmeasured(raw: bytes, limits: DocumentLimits) -> Document:
    """Return the message in `raw` as `read` does, but for the depth of its tree and the attributes of an element.

    Only for documents that go straight to `schema.validate`, which makes sure of both.
    """
    root, signs = _tree(raw, limits)
    try:
        return Document(root, raw, signs, limits, _DOOR)
    except DocumentError:
        # No set will prove anything of a message that nobody knows: a tower of elements is told for what it is.
        _measure(root, raw, limits)
        raise


def read_root(raw: bytes, limits: DocumentLimits) -> etree._Element:
    """Return the root of the tree in `raw`, whatever message it is or none: what a schema set can judge by itself.

    Raises DocumentError as `read` does, but for what the document is about.
    """
    root, _ = _tree(raw, limits)
    _measure(root, raw, limits)
    return root


def _tree(raw: bytes, limits: DocumentLimits) -> tuple[etree._Element, Signs | None]:
    """Return the root of the tree, and what was counted in the bytes if that had to be."""
    # 1. Size, before anything looks inside.
    if len(raw) > limits.size_bytes:
        raise DocumentError("document.too_large", facts={"limit_bytes": limits.size_bytes})
    # 2. Encoding and DOCTYPE.
    plain = sniff(raw)
    # 3. Bounds that the bytes show: an instruction takes five bytes, an element four and a "<".
    if len(raw) > _MOST_UNPARSED * _UNPARSED_BYTES:
        _count_unparsed(raw)
    if len(raw) > _LONG_TEXT_BYTES:
        _check_broken_texts(raw)
    signs = _counted(raw, limits) if len(raw) > 4 * limits.elements else None
    # 4. Tags and texts so long that the parser would take its time over them. Shorter tags are measured on
    # the tree.
    if len(raw) > _LONG_TAG_BYTES:
        for tag in _long_tags(raw):
            _check_long_tag(raw, tag, limits)
    # 5. Namespaces, which the tree does not show: each but one in a tag takes a ":", a "=" and some bytes more.
    if (
        _more_than(limits.attributes - 1, b"=", raw, apart=_NAMESPACE_BYTES)
        and _more_than(limits.attributes - 1, b":", raw, apart=_NAMESPACE_BYTES)
        and raw.count(b"xmlns") > limits.attributes
        and _declares_beyond(limits.attributes, raw)
    ):
        raise DocumentError("document.too_many_attributes", facts={"limit": limits.attributes})
    # 6. The tree.
    root = _parse(raw)
    # 7. A DOCTYPE that step 2 did not see: none is known, so no test can reach this.
    if not plain and root.getroottree().docinfo.internalDTD is not None:  # pragma: no cover
        raise DocumentError("document.doctype_refused")
    return root, signs


def _measure(root: etree._Element, raw: bytes, limits: DocumentLimits) -> None:
    if _depth_beyond(limits.depth)(root):
        raise DocumentError("document.too_deep", facts={"limit": limits.depth})
    if _more_than(limits.attributes, b"=", raw) and _attributes_beyond(limits.attributes)(root):
        raise DocumentError("document.too_many_attributes", facts={"limit": limits.attributes})


def _more_than(limit: int, sign: bytes, raw: bytes, apart: int = 1) -> bool:
    """Tell whether a sign may stand more than `limit` times in the bytes, each at least `apart` bytes after the last.

    `find` leaps from one to the next, so this is quicker than a count where there are few, and ends early where there
    are many. Always to take the first that is far enough finds as many as can be found.
    """
    place = -apart
    for _ in range(limit + 1):
        place = raw.find(sign, place + apart)
        if place < 0:
            return False
    return True


def _parse(raw: bytes) -> etree._Element:
    parser = getattr(_OWN, "parser", None)
    if parser is None:
        # One parser a thread: two threads on one would see each other's errors.
        parser = _OWN.parser = etree.XMLParser(**parser_options())
    try:
        root: etree._Element = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from None
    return root


def parser_options() -> dict[str, Any]:
    """Return what every parser of a document is told."""
    return {
        "encoding": "utf-8",
        "resolve_entities": False,
        "load_dtd": False,
        "dtd_validation": False,
        "attribute_defaults": False,
        "no_network": True,
        "huge_tree": False,
        "recover": False,
        "remove_comments": True,
        "remove_pis": True,
        "collect_ids": False,
    }


def _refusal(error: etree.XMLSyntaxError) -> DocumentError:
    """Turn a parser error into ours. libxml2's text may quote the document, so only the place is taken from it."""
    line, column = error.position
    facts = {"line": line, "column": column}
    text = error.msg or ""
    if error.code == _INVALID_ENCODING:
        return DocumentError("document.encoding_refused", f"Not UTF-8 at line {line}, column {column}", facts=facts)
    if text.startswith("Excessive depth"):
        return DocumentError("document.too_deep", facts=facts)
    if text.startswith(("Resource limit exceeded", "Comment too big", "PI ", "xmlSAX2Characters")):
        return DocumentError("document.too_large", "A single text, name or tag is larger than is accepted", facts=facts)
    return DocumentError("document.not_well_formed", f"Not well-formed at line {line}, column {column}", facts=facts)


def _count_unparsed(raw: bytes) -> None:
    """Refuse comments and instructions without number: nothing of them is in the tree, and they cost half a second."""
    for sign, opening in ((b"!", b"<!"), (b"?", b"<?")):
        if _more_than(_MOST_UNPARSED, sign, raw) and raw.count(opening) > _MOST_UNPARSED:
            raise DocumentError("document.too_many_elements", "Too many comments and processing instructions")


def _counted(raw: bytes, limits: DocumentLimits) -> Signs:
    """Count what a large document has of elements and attributes, and refuse it if that is too much for any tree."""
    signs = Signs(raw.count(b"<"), raw.count(b"="))
    if signs.equals > _MOST_VALUE_SIGNS:
        raise DocumentError("document.too_many_attributes", "Too many equals signs", facts={"limit": _MOST_VALUE_SIGNS})
    if signs.tags > _MOST_TAG_SIGNS or (signs.tags > limits.elements and _has_more_elements_than(limits.elements, raw)):
        raise DocumentError("document.too_many_elements", facts={"limit": limits.elements})
    return signs


def _has_more_elements_than(most: int, raw: bytes) -> bool:
    """Tell of a suspicious document, before its tree is built, whether it has too many elements.

    A start tag begins with a "<" that no "/", "!" or "?" follows; so may text inside a comment, a CDATA section or a
    processing instruction, and nothing else in what is well-formed. The parser judges what is not.
    """
    tags = _start_tags(raw, 0, len(raw), most)
    for start, end in _unparsed(raw):
        if tags <= most:
            break
        tags -= _start_tags(raw, start, end)
    return tags > most


def _start_tags(raw: bytes, start: int, end: int, enough: int = 0) -> int:
    """Return how many start tags there are, or some number that is not above `enough`."""
    found = raw.count(b"<", start, end)
    for other in (b"<!", b"</", b"<?"):
        if found <= enough:
            break
        found -= raw.count(other, start, end)
    return found


def _unparsed(raw: bytes, most: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield start and end of every comment, CDATA section and processing instruction that begins in the first `most`
    bytes. Linear: no byte is searched twice for the same thing."""
    after = 0
    declared, instruction = raw.find(b"<!", 0, most), raw.find(b"<?", 0, most)
    while declared >= 0 or instruction >= 0:
        start = min(place for place in (declared, instruction) if place >= 0)
        opening, closing = next((pair for pair in _UNPARSED if raw.startswith(pair[0], start)), (b"<!", b">"))
        end = raw.find(closing, start + len(opening))
        after = len(raw) if end < 0 else end + len(closing)
        yield start, after
        declared = raw.find(b"<!", after, most) if 0 <= declared < after else declared
        instruction = raw.find(b"<?", after, most) if 0 <= instruction < after else instruction


def _long_tags(raw: bytes) -> Iterator[int]:
    """Yield where each stretch without a "<" began that is twice _LONG_TAG_BYTES, be it a tag or a text, and some that
    are shorter; leaps over all else."""
    place = 0
    while 0 <= place < len(raw) - _LONG_TAG_BYTES:
        if raw.find(b"<", place, place + _LONG_TAG_BYTES) >= 0:
            place += _LONG_TAG_BYTES
        else:
            yield max(0, raw.rfind(b"<", 0, place))
            place = raw.find(b"<", place)


def _check_long_tag(raw: bytes, tag: int, limits: DocumentLimits) -> None:
    if _LONG_NAME.match(raw, tag) or _LONG_VALUE.match(raw, tag):
        raise DocumentError(
            "document.too_large", "A single name or attribute is larger than is accepted", facts=place_of(raw, tag)
        )
    if _is_wide(limits.attributes).match(raw, tag):
        raise DocumentError("document.too_many_attributes", facts={"limit": limits.attributes})
    _check_text(raw, tag)


def _check_text(raw: bytes, tag: int) -> None:
    # What is behind the tag. Of a comment nothing is kept, and a CDATA section is looked at below.
    end = raw.find(b"<", tag + 1)
    if (len(raw) if end < 0 else end) - tag > _LONG_TEXT_BYTES and not raw.startswith(b"<!", tag):
        raise _long_text(raw, tag)


def check_texts(raw: bytes) -> None:
    """Raise DocumentError `document.too_large` for what was written and has a text that the door would not let in."""
    if len(raw) > _LONG_TEXT_BYTES:
        for tag in _long_tags(raw):
            _check_text(raw, tag)


def _check_broken_texts(raw: bytes) -> None:
    """Refuse a text that is too long, though comments, instructions or CDATA sections stand between its pieces."""
    length = after = 0
    for start, end in _unparsed(raw, max(raw.rfind(b"!"), raw.rfind(b"?")) + 1):
        tag = raw.rfind(b"<", after, start)
        length = start - tag if tag >= 0 else length + start - after
        if raw.startswith(b"<![", start):
            length += end - start
        after = end
        if length + max(0, raw.find(b"<", end) - end) > _LONG_TEXT_BYTES:
            raise _long_text(raw, start)


def _long_text(raw: bytes, place: int) -> DocumentError:
    return DocumentError("document.too_large", "A single text is larger than is accepted", facts=place_of(raw, place))


@functools.cache
def _is_wide(limit: int) -> re.Pattern[bytes]:
    """The pattern of a tag of more than `limit` attributes. Possessive throughout, so that it is linear."""
    value = rb"""(?:"[^"<]*+"|'[^'<]*+')"""
    attribute = rb"""\s++[^<>\s"'=/]++\s*+=\s*+""" + value
    return re.compile(rb"""<[^<>\s"'=/!?]++(?:%s){%d}""" % (attribute, limit + 1))


def _declares_beyond(limit: int, raw: bytes) -> bool:
    """Tell whether one tag declares more than `limit` namespaces. The first pattern finds where that many "xmlns" stand
    without a "<" between them, the second whether they are in the tag and not in the text behind it."""
    found = _namespaces_beyond(limit).finditer(raw)
    return any(_declaring(limit).match(raw, one.start()) for one in found)


@functools.cache
def _namespaces_beyond(limit: int) -> re.Pattern[bytes]:
    """The pattern of more than `limit` times "xmlns" in a tag or behind it. Atomic, so that it is linear."""
    return re.compile(rb"<(?>[^<]*?xmlns){%d}" % (limit + 1))


@functools.cache
def _declaring(limit: int) -> re.Pattern[bytes]:
    """The pattern of a tag with more than `limit` declarations. Possessive throughout, so that it is linear.

    A group is made so by `(?>…)`: on Python 3.11.2 one with `*+` or `?+` behind it misses what it should match.
    """
    value = rb"""\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+')"""
    other = rb"""\s++(?!xmlns[\s:=])[^<>\s"'=/]++""" + value
    declaration = rb"""\s++xmlns(?>(?::[^<>\s"'=/]++)?)""" + value
    return re.compile(rb"""<[^<>\s"'=/!?]++(?:(?>(?:%s)*)%s){%d}""" % (other, declaration, limit + 1))


@functools.cache
def _attributes_beyond(limit: int) -> etree.XPath:
    return etree.XPath(f"boolean(//*/@*[{limit + 1}])")


@functools.cache
def _depth_beyond(limit: int) -> etree.XPath:
    return etree.XPath(f"boolean({'/*' * (limit + 1)})")
