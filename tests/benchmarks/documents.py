"""Documents of the sizes that matter, grown from this project's own samples, and the bare calls that judge one.

A typical declaration has 5 KB compact and 17 KB as it is published, indented; one of 99 items has 280 KB, one of 999
items 2.8 MB. Nothing of `gateway` is imported here (tests/law sees to it).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from lxml import etree

from tests.benchmarks.floor import ROOT, SCHEMA, declaration

_COMPACT: Final = ROOT / "wco_schemas" / "samples" / "valid" / "export-dangerous-goods.xml"
_BETWEEN: Final = re.compile(rb">\s+<")
_ITEM: Final = re.compile(rb"[ ]*<GovernmentAgencyGoodsItem>.*?</GovernmentAgencyGoodsItem>\s*", re.DOTALL)
_FIRST: Final = b"<SequenceNumeric>1<"
_TOTALS: Final = {
    b"InvoiceAmount": b"ItemChargeAmount",
    b"TotalGrossMassMeasure": b"GrossMassMeasure",
    b"TotalPackageQuantity": b"QuantityQuantity",
}
"""What a header says of all items, and the leaf of an item that it sums up."""
_ITEM_BYTES: Final = 2800
_PUBLISHED_BYTES: Final = 17 * 1024


def sized() -> Mapping[str, bytes]:
    """Return the documents by a name that says their size."""
    compact = _BETWEEN.sub(b"><", _COMPACT.read_bytes())
    return {"5_kb": compact, "17_kb": _indented(compact), "280_kb": with_items(99), "2800_kb": with_items(999)}


def with_items(number: int) -> bytes:
    """Return a declaration of so many items, of 2.8 KB each, whose totals are right and whose items are counted on."""
    text = declaration("items")
    items = list(_ITEM.finditer(text))
    item = items[0][0]
    # What an item lacks in bytes it gets as white space between its elements, as published messages have it.
    gaps = item.count(b"\n")
    item = item.replace(b"\n", b"\n" + b" " * max(0, (_ITEM_BYTES - len(item)) // gaps))
    all_items = (item.replace(_FIRST, b"<SequenceNumeric>%d<" % (place + 1), 1) for place in range(number))
    head = text[: items[0].start()]
    head = _with_total(head, b"GoodsItemQuantity", Decimal(number))
    for total, leaf in _TOTALS.items():
        (each,) = re.findall(rb"<%s\b[^>]*>([^<]*)<" % leaf, item)
        head = _with_total(head, total, number * Decimal(each.decode()))
    return head + b"".join(all_items) + text[items[-1].end() :]


def _with_total(head: bytes, name: bytes, total: Decimal) -> bytes:
    return re.sub(rb"(<%s\b[^>]*>)[^<]*" % name, rb"\g<1>%s" % str(total).encode(), head)


def _indented(compact: bytes) -> bytes:
    for width in range(2, 40):
        root = etree.fromstring(compact)
        etree.indent(root, " " * width)
        found = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
        if len(found) >= _PUBLISHED_BYTES:
            return found
    raise ValueError("no indentation makes it as large as a published one")


class BareJudge:
    """lxml alone with the same safe options, and the same schema: the least that a verdict takes."""

    def __init__(self) -> None:
        self._parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            collect_ids=False,
        )
        self._schema = etree.XMLSchema(etree.parse(SCHEMA))

    def judge(self, raw: bytes) -> None:
        """Parse and validate. Raises if the document is not valid."""
        self.verdict(etree.fromstring(raw, self._parser))

    def verdict(self, root: etree._Element) -> None:
        """Validate alone. Raises if the document is not valid."""
        if not self._schema(root):
            raise ValueError("a document of the benchmark is not valid")
