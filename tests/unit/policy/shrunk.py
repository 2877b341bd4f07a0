"""Small schema sets, drawn from the bundled ones: a part of their elements, of which other ones are required, repeated,
or may be nil. What a policy means must not hang on the one shape that the bundled sets have, and a policy is read and
checked against eighty places ten times as fast as against eight hundred.

What conditions ask, what is numbered, counted and summed, and what leads from place to place mostly stays.
"""

import random
from collections.abc import Iterator, Mapping

from lxml import etree

from tests.oracle.xsd_paths import read_files

XS = "{http://www.w3.org/2001/XMLSchema}"
ASKED = frozenset(
    (
        *("FunctionCode", "TypeCode", "Declaration", "GoodsShipment", "GovernmentAgencyGoodsItem", "SequenceNumeric"),
        *("Commodity", "Classification", "Destination", "CountryCode", "ExportCountry", "Origin", "ExitOffice"),
        *("GovernmentProcedure", "CurrentCode", "RoleCode", "GoodsItemQuantity", "TotalPackageQuantity", "Packaging"),
        *("QuantityQuantity", "TotalGrossMassMeasure", "GoodsMeasure", "GrossMassMeasure", "AdditionalInformation"),
        *("InvoiceAmount", "InvoiceLine", "ItemChargeAmount", "Pointer", "DocumentSectionCode", "TagID", "ID"),
        *("AcceptanceDateTime", "IssueDateTime", "ExitDateTime", "Consignee", "Buyer", "Address", "PostcodeID"),
        *("DateTimeString", "Error", "ValidationCode", "Status", "NameCode", "FunctionalReferenceID"),
    )
)
"""Names of which most stay, wherever they stand."""
FIXED = frozenset({"FunctionCode", "TypeCode", "SequenceNumeric", "DocumentSectionCode", "TagID", "DateTimeString"})
"""What is never repeated: a second one has no meaning that anybody agreed on."""
CREDENTIALS = frozenset({"AccessCode", "Authentication"})
"""What no policy may keep as it is is never required: nothing could be kept beside it."""
FEWEST, MOST = 40, 110


def shrunk_files(files: Mapping[str, bytes], seed: int) -> dict[str, bytes]:
    """Return the files of a set with a part of their elements. The same seed gives the same files every time."""
    for attempt in range(40):
        chance = random.Random(f"{seed} {attempt}")
        found = _Shrinking(chance).files(files)
        if FEWEST <= sum(path.startswith("/MetaData") for path in read_files(found)) <= MOST:
            return found
    msg = f"seed {seed} comes to no small set"
    raise AssertionError(msg)


class _Shrinking:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.share = chance.uniform(0.04, 0.2)
        self.asked_share = chance.uniform(0.45, 0.95)
        self.required_share = chance.choice((0.0, 0.1, 0.2))
        self.repeated_share = chance.choice((0.0, 0.08))
        self.nillable_share = chance.choice((0.0, 0.0, 0.15))

    def files(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        found = dict(files)
        for name, raw in files.items():
            root = etree.fromstring(raw)
            if name in ("Declaration.xsd", "Response.xsd"):
                self.take_out(root)
                for one in list(_optional(root)):
                    self.vary(one)
            self.ask_for_attributes(root)
            found[name] = etree.tostring(root)
        return found

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def take_out(self, root: etree._Element) -> None:
        for one in list(_optional(root)):
            if not self.often(self.asked_share if one.get("name") in ASKED else self.share):
                _remove(one)

    def vary(self, element: etree._Element) -> None:
        """Have an optional element required, repeated, or nil."""
        if element.get("name") not in CREDENTIALS and self.often(self.required_share):
            del element.attrib["minOccurs"]
        elif self.often(self.nillable_share):
            element.set("nillable", "true")
        name = element.get("name", "")
        is_free = name not in FIXED and "Total" not in name and element.get("maxOccurs") is None
        if is_free and self.often(self.repeated_share):
            element.set("maxOccurs", self.chance.choice(("2", "unbounded")))

    def ask_for_attributes(self, root: etree._Element) -> None:
        for one in root.iter(f"{XS}attribute"):
            if one.get("use") is None and self.often(self.required_share / 8):
                one.set("use", "required")


def _optional(root: etree._Element) -> Iterator[etree._Element]:
    return (one for one in root.iter(f"{XS}element") if one.get("minOccurs") == "0")


def _remove(element: etree._Element) -> None:
    """Take an element out, with the class around it if it was the last in there. A type that has a name keeps one."""
    above = element.getparent()
    while above is not None and sum(one.tag == f"{XS}element" for one in above) == 1:
        holder = above.getparent()
        owner = None if holder is None else holder.getparent()
        if owner is None or owner.tag != f"{XS}element" or owner.get("minOccurs") != "0":
            return
        element, above = owner, owner.getparent()
    if above is not None:
        above.remove(element)
