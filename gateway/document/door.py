"""The XML door: bytes become a Document here, and nowhere else.

    size → first bytes (sniff.py) → cheap bounds on the bytes → lxml → bounds on the tree → header facts

The parser resolves no entity, opens no file and no connection, and is told the encoding. Comments and processing
instructions are legal and never looked at, so it drops them; the text of a leaf is then in one piece. Limits come
from DESIGN promises: depth, elements, attributes. Counting is done by bytes methods and compiled XPath, because a walk
in Python over every message costs a fifth of a worker. No error here says what stood in the document.
"""

import functools
import re
import threading
from typing import Any, Final

from lxml import etree

from gateway.document.facts import find_body, read_facts, read_kind
from gateway.document.sniff import sniff
from gateway.domain.limits import DocumentLimits
from gateway.domain.message import DocumentFacts, MessageKind
from gateway.errors import DocumentError

_DOOR: Final = object()
_INVALID_ENCODING: Final = 81  # XML_ERR_INVALID_ENCODING of libxml2/xmlerror.h
_FEED_BYTES: Final = 64 * 1024
_OWN: Final = threading.local()


class Document:
    """A message that passed the door: well-formed, within limits, of a known root. Only `read` makes one.

    `root` is its tree without comments and processing instructions and must not be changed; `body` is its Declaration
    or first Response. `raw` are the bytes as they came. It stays in the process that read it.
    """

    __slots__ = ("_facts", "body", "raw", "root")

    root: Final[etree._Element]
    body: Final[etree._Element]
    raw: Final[bytes]

    def __init__(self, root: etree._Element, body: etree._Element, raw: bytes, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("only gateway.document.read makes a Document")
        self.root = root
        self.body = body
        self.raw = raw
        self._facts: DocumentFacts | None = None

    def __repr__(self) -> str:
        return f"<Document of {len(self.raw)} bytes>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a Document stays in the process that read it")

    @property
    def facts(self) -> DocumentFacts:
        """Its header facts, read when first asked for."""
        if self._facts is None:
            self._facts = read_facts(self.body)
        return self._facts

    @property
    def kind(self) -> MessageKind:
        """Its message kind; costs less than all facts."""
        return read_kind(self.body)


def read(raw: bytes, limits: DocumentLimits) -> Document:
    """Return the message in `raw`. Raises DocumentError with a code `document.…`; see the catalogue in errors.py."""
    root = read_root(raw, limits)
    return Document(root, find_body(root), raw, _DOOR)


def read_root(raw: bytes, limits: DocumentLimits) -> etree._Element:
    """Return the root of the tree in `raw`, whatever message it is or none: what a schema set can judge by itself.

    Raises DocumentError as `read` does, but for what the document is about.
    """
    # 1. Size, before anything looks inside.
    if len(raw) > limits.size_bytes:
        raise DocumentError("document.too_large", facts={"limit_bytes": limits.size_bytes})
    # 2. Encoding and DOCTYPE.
    sniff(raw)
    # 3. Bounds that the bytes show: an element takes four bytes and a "<", an attribute or a namespace takes a "=".
    if len(raw) > 4 * limits.elements and raw.count(b"<") > limits.elements:
        _count_elements(raw, limits)
    may_be_wide = raw.count(b"=") > limits.attributes
    if may_be_wide and raw.count(b"xmlns") > limits.attributes and _namespaces_beyond(limits.attributes).search(raw):
        raise DocumentError("document.too_many_attributes", facts={"limit": limits.attributes})
    # 4. The tree.
    root = _parse(raw)
    # 5. A DOCTYPE that step 2 did not see: none is known, so no test can reach this.
    if root.getroottree().docinfo.internalDTD is not None:  # pragma: no cover
        raise DocumentError("document.doctype_refused")
    # 6. Bounds on the tree.
    if _depth_beyond(limits.depth)(root):
        raise DocumentError("document.too_deep", facts={"limit": limits.depth})
    if may_be_wide and _attributes_beyond(limits.attributes)(root):
        raise DocumentError("document.too_many_attributes", facts={"limit": limits.attributes})
    return root


def _parse(raw: bytes) -> etree._Element:
    parser = getattr(_OWN, "parser", None)
    if parser is None:
        # One parser a thread: two threads on one would see each other's errors.
        parser = _OWN.parser = etree.XMLParser(**_options())
    try:
        root: etree._Element = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from None
    return root


def _options() -> dict[str, Any]:
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


def _count_elements(raw: bytes, limits: DocumentLimits) -> None:
    """Count the elements of a suspicious document piece by piece, so that it is refused before its tree is built."""
    parser = etree.XMLPullParser(events=("start", "end"), **_options())
    seen = 0
    try:
        for start in range(0, len(raw), _FEED_BYTES):
            parser.feed(raw[start : start + _FEED_BYTES])
            for event, element in parser.read_events():
                if event == "start":
                    seen += 1
                else:
                    element.clear()
            if seen > limits.elements:
                raise DocumentError("document.too_many_elements", facts={"limit": limits.elements})
        parser.close()
    except etree.XMLSyntaxError as error:
        raise _refusal(error) from None


@functools.cache
def _namespaces_beyond(limit: int) -> re.Pattern[bytes]:
    """The pattern of more than `limit` declarations in one tag. Atomic, so that it is linear in the bytes."""
    return re.compile(rb"<(?>[^<]*?xmlns){%d}" % (limit + 1))


@functools.cache
def _attributes_beyond(limit: int) -> etree.XPath:
    return etree.XPath(f"boolean(//*/@*[{limit + 1}])")


@functools.cache
def _depth_beyond(limit: int) -> etree.XPath:
    return etree.XPath(f"boolean({'/*' * (limit + 1)})")
