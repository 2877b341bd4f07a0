"""Header facts of a message: kind, references, codes, number of items.

Found by local name, in whatever namespace the body is: releases of the data model differ in namespaces, and some have
none. A body is an element called `Declaration` or `Response`, as the root or as a child of a root called `MetaData`;
all that is read below it must be of the body's own namespace. Nothing is believed by that: the agreement picks the
schema set by the kind, and the set then judges every qualified name strictly.

How the kind shows (function code WCO 017, type code WCO D013): a `Response` is a response. A `Declaration` with
function code 13 is about an earlier declaration: INV cancels it, GPR says that its goods arrived, anything else amends
it. Every other one is a declaration. Whether the codes are allowed is the schema set's business, so a strange code
still has a kind here and is refused there.
"""

import functools
from typing import Final

from lxml import etree

from gateway.document.names import BODIES, METADATA_ROOT, split_name
from gateway.domain.message import DocumentFacts, MessageKind
from gateway.errors import DocumentError

_KIND_OF_TYPE: Final = {"INV": MessageKind.CANCELLATION, "GPR": MessageKind.ARRIVAL}
_ADDITIONAL: Final = "13"
_ANY_BODY: Final = tuple(f"{{*}}{name}" for name in sorted(BODIES))
_KNOWN_NAMESPACES: Final = 64
"""How many namespaces are remembered at once. Senders choose namespaces, so what is kept for them must be bounded."""


class _Names:
    """Qualified names and questions for bodies of one namespace, made once."""

    __slots__ = (
        *("declaration", "function", "is_additional", "is_response", "item", "items_of_response"),
        *("lrn", "mrn", "shipment", "trader_reference", "type", "type_code", "ucr"),
    )

    def __init__(self, body: str) -> None:
        namespace, local = split_name(body)
        in_namespace = f"{{{namespace}}}" if namespace else ""
        self.is_response = local == "Response"
        self.declaration = f"{in_namespace}Declaration"
        self.function = f"{in_namespace}FunctionCode"
        self.lrn = f"{in_namespace}FunctionalReferenceID"
        self.mrn = f"{in_namespace}ID"
        self.type = f"{in_namespace}TypeCode"
        self.shipment = f"{in_namespace}GoodsShipment"
        self.ucr = f"{in_namespace}UCR"
        self.item = f"{in_namespace}GovernmentAgencyGoodsItem"
        self.trader_reference = f"{in_namespace}TraderAssignedReferenceID"
        p, bound = ("b:", {"b": namespace}) if namespace else ("", None)
        self.is_additional = etree.XPath(f"normalize-space({p}FunctionCode) = '{_ADDITIONAL}'", namespaces=bound)
        self.type_code = etree.XPath(f"normalize-space({p}TypeCode)", namespaces=bound, smart_strings=False)
        self.items_of_response = etree.XPath(f"count({p}GoodsShipment/{p}GovernmentAgencyGoodsItem)", namespaces=bound)


_names: Final = functools.lru_cache(_KNOWN_NAMESPACES)(_Names)


def find_body(root: etree._Element) -> etree._Element:
    """Return the body of a parsed message: its Declaration or its first Response, of any namespace or none.

    Where several stand, which bundled sets allow of responses alone, a Declaration at the end comes before the first.

    Raises DocumentError `document.unknown_root` when the root is neither called MetaData nor like a body, and
    `document.unknown_kind` when MetaData holds no body.
    """
    if root.tag == METADATA_ROOT or (local := split_name(str(root.tag))[1]) == "MetaData":
        body = _first_body(root)
        if body is None:
            raise DocumentError("document.unknown_kind", "MetaData holds neither a Declaration nor a Response")
        return body
    if local not in BODIES:
        raise DocumentError("document.unknown_root", "The root is neither MetaData, nor Declaration, nor Response")
    return root


def _first_body(metadata: etree._Element) -> etree._Element | None:
    # Every message pays for this: to have lxml search by name costs more than all else the door does after parsing, and
    # even to look at the five children before a body costs a third of that. A Declaration mostly stands last.
    if not len(metadata):
        return None
    last = metadata[-1]
    name = str(last.tag)
    if name.endswith("}Declaration") or name == "Declaration":
        return last
    return next(metadata.iterchildren(*_ANY_BODY), None)


def read_facts(body: etree._Element) -> DocumentFacts:
    """Return the header facts of a message, given its body."""
    names = _names(str(body.tag))
    return _response_facts(body, names) if names.is_response else _declaration_facts(body, names)


def read_kind(body: etree._Element) -> MessageKind:
    """Return the message kind, given the body."""
    names = _names(str(body.tag))
    if names.is_response:
        return MessageKind.RESPONSE
    # Nearly always this first look is enough: to search costs more, and an XPath call as much as all else here.
    function: etree._Element | None = body[0] if len(body) else None
    if function is not None and function.tag != names.function:
        function = next(body.iterchildren(names.function), None)
    return _kind(body, function, names)


def _kind(body: etree._Element, function: etree._Element | None, names: _Names) -> MessageKind:
    """Return the kind of a Declaration. `function`: its first function code."""
    if function is None or (len(function) == 0 and _ADDITIONAL not in (function.text or "")):
        return MessageKind.DECLARATION
    if not names.is_additional(body):
        return MessageKind.DECLARATION
    return _KIND_OF_TYPE.get(names.type_code(body), MessageKind.AMENDMENT)


def _declaration_facts(body: etree._Element, names: _Names) -> DocumentFacts:
    wanted = (names.function, names.lrn, names.mrn, names.type, names.shipment)
    # Backwards, so that the first of a name counts, as it does for the kind.
    found = {child.tag: child for child in body.iterchildren(*wanted, reversed=True)}
    function, shipment = found.get(names.function), found.get(names.shipment)
    return DocumentFacts(
        kind=_kind(body, function, names),
        lrn=_text(found.get(names.lrn)),
        mrn=_text(found.get(names.mrn)),
        ucr=None if shipment is None else _ucr(shipment, names),
        function_code=_text(function),
        type_code=_text(found.get(names.type)),
        item_count=0 if shipment is None else sum(1 for _ in shipment.iterchildren(names.item)),
    )


def _ucr(shipment: etree._Element, names: _Names) -> str | None:
    """The shipment's UCR id (016) or the reference its trader assigned (009); failing both, the first item's."""
    own = _reference(shipment, names)
    if own is not None:
        return own
    item = next(shipment.iterchildren(names.item), None)
    return None if item is None else _reference(item, names)


def _reference(holder: etree._Element, names: _Names) -> str | None:
    ucr = next(holder.iterchildren(names.ucr), None)
    if ucr is None:
        return None
    # ID is the same name everywhere in the namespace.
    return _text(next(ucr.iterchildren(names.mrn), None)) or _text(next(ucr.iterchildren(names.trader_reference), None))


def _response_facts(body: etree._Element, names: _Names) -> DocumentFacts:
    declaration = next(body.iterchildren(names.declaration), None)
    found = (
        {} if declaration is None else {child.tag: child for child in declaration.iterchildren(names.lrn, names.mrn)}
    )
    return DocumentFacts(
        kind=MessageKind.RESPONSE,
        lrn=_text(found.get(names.lrn)),
        mrn=_text(found.get(names.mrn)),
        function_code=_text(next(body.iterchildren(names.function), None)),
        item_count=0 if declaration is None else int(names.items_of_response(declaration)),
    )


def _text(element: etree._Element | None) -> str | None:
    """The text of a leaf, outer white space removed; None when absent or blank. Comments are gone since parsing."""
    return None if element is None else (element.text or "").strip() or None
