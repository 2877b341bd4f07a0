"""Write the sample with 200 items from the templates below: `python wco_schemas/many_items.py`; `--check` compares.

The items differ: twelve kinds of goods in turn, quantities that follow from the number of the item, a container for
every fifty. Totals are sums over the items. Every run gives the same bytes.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

ITEMS = 200
ITEMS_A_CONTAINER = 50
SAMPLE = Path(__file__).parent / "samples" / "valid" / "import-200-items.xml"

HEAD = Template("""\
<?xml version="1.0" encoding="UTF-8"?>
<!-- A department store restocks: $items items in $containers containers. Written by wco_schemas/many_items.py. -->
<md:MetaData xmlns:md="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2" xmlns="urn:wco:datamodel:WCO:DEC-DMS:2">
<md:WCODataModelVersionCode>3.6</md:WCODataModelVersionCode><md:WCOTypeName>DEC</md:WCOTypeName>
<Declaration><FunctionCode>9</FunctionCode><FunctionalReferenceID>SAMPLE-IM-0200</FunctionalReferenceID>
<TypeCode>IMA</TypeCode><GoodsItemQuantity>$items</GoodsItemQuantity><DeclarationOfficeID>XA000017</DeclarationOfficeID>
<InvoiceAmount currencyID="EUR">$invoice</InvoiceAmount>
<TotalGrossMassMeasure unitCode="KGM">$mass</TotalGrossMassMeasure>\
<TotalPackageQuantity>$packages</TotalPackageQuantity>
<Declarant><Name>Sample Brokers Ltd (fictional)</Name><ID>XA900000000001</ID>\
<Contact><Name>Import desk</Name></Contact></Declarant>
<Exporter><Name>Everything Emporium of Mockville</Name><ID>XB900000000041</ID></Exporter>
<GoodsShipment><TransactionNatureCode>1</TransactionNatureCode>
<Consignment><ContainerCode>1</ContainerCode>$equipment</Consignment>
""")

EQUIPMENT = Template("""
<TransportEquipment><SequenceNumeric>$number</SequenceNumeric><ID>$container</ID>\
<Seal><SequenceNumeric>1</SequenceNumeric><ID>SEAL-2000$number</ID></Seal></TransportEquipment>""")

ITEM = Template("""\
<GovernmentAgencyGoodsItem><SequenceNumeric>$number</SequenceNumeric>\
<StatisticalValueAmount currencyID="EUR">$value</StatisticalValueAmount>
<AdditionalInformation><StatementCode>00500</StatementCode>\
<StatementDescription>Shelf note $number</StatementDescription></AdditionalInformation>
<Commodity><Description>$description</Description>\
<Classification><ID>$code</ID><IdentificationTypeCode>TSP</IdentificationTypeCode></Classification>
<GoodsMeasure><GrossMassMeasure unitCode="KGM">$mass</GrossMassMeasure>\
<NetNetWeightMeasure unitCode="KGM">$net</NetNetWeightMeasure></GoodsMeasure>\
<InvoiceLine><ItemChargeAmount currencyID="EUR">$value</ItemChargeAmount></InvoiceLine>
<TransportEquipment><SequenceNumeric>1</SequenceNumeric><ID>$container</ID></TransportEquipment></Commodity>
<GovernmentProcedure><CurrentCode>40</CurrentCode><PreviousCode>00</PreviousCode></GovernmentProcedure>\
<Origin><CountryCode>$origin</CountryCode><TypeCode>1</TypeCode></Origin>
<Packaging><SequenceNumeric>1</SequenceNumeric><MarksNumbersID>EEM $number</MarksNumbersID>\
<QuantityQuantity>$packages</QuantityQuantity><TypeCode>CT</TypeCode></Packaging></GovernmentAgencyGoodsItem>
""")

TAIL = """\
<UCR><ID>6XA900000000001-EMPORIUM</ID></UCR></GoodsShipment></Declaration></md:MetaData>
"""

GOODS = (
    ("Cotton shirts", "62052000", "XB"),
    ("Woollen scarves", "61171000", "XC"),
    ("Leather belts", "42033000", "XD"),
    ("Table lamps", "94052190", "XB"),
    ("Glass vases", "70139900", "XC"),
    ("Kitchen knives", "82119200", "XD"),
    ("Wall clocks", "91052100", "XB"),
    ("Board games", "95049080", "XC"),
    ("Garden chairs", "94017900", "XD"),
    ("Picture frames", "44149000", "XB"),
    ("Hair dryers", "85163100", "XC"),
    ("Travel cases", "42021250", "XD"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item. `mass` in whole kilograms, of which one a package is packing; `value` in euros."""

    number: int
    description: str
    code: str
    origin: str
    packages: int

    @property
    def mass(self) -> int:
        """Gross mass."""
        return self.packages * (6 + self.number % 9)

    @property
    def value(self) -> int:
        """What it costs."""
        return 75 * self.packages + 10 * self.number

    @property
    def container(self) -> str:
        """The container it is in."""
        return container((self.number - 1) // ITEMS_A_CONTAINER + 1)

    def text(self) -> str:
        """Return its XML."""
        return ITEM.substitute(
            number=self.number,
            value=self.value,
            description=self.description,
            code=self.code,
            mass=self.mass,
            net=self.mass - self.packages,
            container=self.container,
            origin=self.origin,
            packages=self.packages,
        )


def container(number: int) -> str:
    """Return the id of a container, from 1."""
    return f"SMPU200000{number}"


def items() -> list[Item]:
    """Return all items."""
    found = []
    for number in range(1, ITEMS + 1):
        description, code, origin = GOODS[number % len(GOODS)]
        name = f"{description}, line {number}"
        found.append(Item(number=number, description=name, code=code, origin=origin, packages=1 + number % 7))
    return found


def document() -> str:
    """Return the sample."""
    all_items = items()
    containers = ITEMS // ITEMS_A_CONTAINER
    numbers = range(1, containers + 1)
    head = HEAD.substitute(
        items=ITEMS,
        containers=containers,
        invoice=sum(one.value for one in all_items),
        mass=sum(one.mass for one in all_items),
        packages=sum(one.packages for one in all_items),
        equipment="".join(EQUIPMENT.substitute(number=number, container=container(number)) for number in numbers),
    )
    return head + "".join(one.text() for one in all_items) + TAIL


def main() -> int:
    """Write the sample, or with `--check` only tell whether it is what this program writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not up to date")
    check = parser.parse_args().check
    text = document().encode()
    if check:
        current = SAMPLE.exists() and SAMPLE.read_bytes() == text
        sys.stderr.write("" if current else f"{SAMPLE.name} is not up to date: run python wco_schemas/many_items.py\n")
        return 0 if current else 1
    SAMPLE.write_bytes(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
