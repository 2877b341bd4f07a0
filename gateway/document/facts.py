"""Header facts of a message, read by qualified name: kind, references, codes, number of items.

How the kind shows (function code WCO 017, type code WCO D013): a body of the RES namespace is a response. A body of
the DEC namespace with function code 13 is about an earlier declaration: INV cancels it, GPR says that its goods
arrived, anything else amends it. Every other DEC body is a declaration. Whether the codes are allowed is the schema
set's business, so a strange code still has a kind here and is refused there.
"""

from typing import Final

from lxml import etree

from gateway.document.names import (
    DECLARATION,
    DECLARATION_BODY,
    METADATA_ROOT,
    RESPONSE,
    RESPONSE_BODY,
)
from gateway.domain.message import DocumentFacts, MessageKind
from gateway.errors import DocumentError

_KIND_OF_TYPE: Final = {"INV": MessageKind.CANCELLATION, "GPR": MessageKind.ARRIVAL}
_FUNCTION, _LRN, _MRN, _TYPE, _SHIPMENT, _UCR, _ITEM = (
    f"{{{DECLARATION}}}{local}"
    for local in (
        "FunctionCode",
        "FunctionalReferenceID",
        "ID",
        "TypeCode",
        "GoodsShipment",
        "UCR",
        "GovernmentAgencyGoodsItem",
    )
)
_TRADER_REFERENCE: Final = f"{{{DECLARATION}}}TraderAssignedReferenceID"
_RES_FUNCTION, _RES_LRN, _RES_MRN, _RES_DECLARATION = (
    f"{{{RESPONSE}}}{local}"
    for local in (
        "FunctionCode",
        "FunctionalReferenceID",
        "ID",
        "Declaration",
    )
)
_IS_ADDITIONAL: Final = etree.XPath("normalize-space(dec:FunctionCode) = '13'", namespaces={"dec": DECLARATION})
_TYPE_CODE: Final = etree.XPath("normalize-space(dec:TypeCode)", namespaces={"dec": DECLARATION}, smart_strings=False)
_ITEMS: Final = etree.XPath("count(dec:GovernmentAgencyGoodsItem)", namespaces={"dec": DECLARATION})
_RES_ITEMS: Final = etree.XPath("count(res:GoodsShipment/res:GovernmentAgencyGoodsItem)", namespaces={"res": RESPONSE})


def find_body(root: etree._Element) -> etree._Element:
    """Return the body of a parsed message: its Declaration or its first Response.

    Raises DocumentError `document.unknown_root` when the root is neither MetaData nor a body that is known, and
    `document.unknown_kind` when MetaData holds no such body.
    """
    if root.tag in (DECLARATION_BODY, RESPONSE_BODY):
        return root
    if root.tag != METADATA_ROOT:
        raise DocumentError("document.unknown_root", "The root is neither MetaData nor a known body")
    body = next(root.iterchildren(DECLARATION_BODY, RESPONSE_BODY), None)
    if body is None:
        raise DocumentError("document.unknown_kind", "MetaData holds no body that is known here")
    return body


def read_facts(body: etree._Element) -> DocumentFacts:
    """Return the header facts of a message, given its body."""
    return _response_facts(body) if body.tag == RESPONSE_BODY else _declaration_facts(body)


def read_kind(body: etree._Element) -> MessageKind:
    """Return the message kind, given the body."""
    if body.tag == RESPONSE_BODY:
        return MessageKind.RESPONSE
    if not _IS_ADDITIONAL(body):
        return MessageKind.DECLARATION
    return _KIND_OF_TYPE.get(_TYPE_CODE(body), MessageKind.AMENDMENT)


def _declaration_facts(body: etree._Element) -> DocumentFacts:
    found = {child.tag: child for child in body.iterchildren(_FUNCTION, _LRN, _MRN, _TYPE, _SHIPMENT)}
    shipment = found.get(_SHIPMENT)
    return DocumentFacts(
        kind=read_kind(body),
        lrn=_text(found.get(_LRN)),
        mrn=_text(found.get(_MRN)),
        ucr=None if shipment is None else _ucr(shipment),
        function_code=_text(found.get(_FUNCTION)),
        type_code=_text(found.get(_TYPE)),
        item_count=0 if shipment is None else int(_ITEMS(shipment)),
    )


def _ucr(shipment: etree._Element) -> str | None:
    """The shipment's UCR id (016) or the reference its trader assigned (009); failing both, the first item's."""
    holders = [shipment, next(shipment.iterchildren(_ITEM), None)]
    for holder in holders:
        ucr = None if holder is None else next(holder.iterchildren(_UCR), None)
        if ucr is None:
            continue
        for name in (_MRN, _TRADER_REFERENCE):  # ID is the same name everywhere in the namespace
            value = _text(next(ucr.iterchildren(name), None))
            if value:
                return value
    return None


def _response_facts(body: etree._Element) -> DocumentFacts:
    declaration = next(body.iterchildren(_RES_DECLARATION), None)
    found = {} if declaration is None else {child.tag: child for child in declaration.iterchildren(_RES_LRN, _RES_MRN)}
    return DocumentFacts(
        kind=MessageKind.RESPONSE,
        lrn=_text(found.get(_RES_LRN)),
        mrn=_text(found.get(_RES_MRN)),
        function_code=_text(next(body.iterchildren(_RES_FUNCTION), None)),
        item_count=0 if declaration is None else int(_RES_ITEMS(declaration)),
    )


def _text(element: etree._Element | None) -> str | None:
    """The text of a leaf, outer white space removed; None when absent or blank. Comments are gone since parsing."""
    return None if element is None else (element.text or "").strip() or None
