"""Canaries: words of chance, planted wherever a document can hold something personal, and the search for them.

The documents are written here, from paths picked by hand; the oracle's reader of the XSD files gives the order of the
elements. Every canary is nine characters long, so that it fits a postcode too: the mark of its run, three characters
of its own, and a last one that is always the same, since base64 may mix the last with what follows.
"""

import secrets
import string
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial

from gateway.bundled import schema_folder
from tests.oracle.xsd_paths import Place, read_paths

ALPHABET = string.ascii_uppercase + string.digits

# ── where they are planted ───────────────────────────────────────────────────────────────────────────────────────

DECLARATION = "/MetaData/Declaration"
SHIPMENT = f"{DECLARATION}/GoodsShipment"
ITEM = f"{SHIPMENT}/GovernmentAgencyGoodsItem"
ANSWER = "/MetaData/Response"

_PARTY = (
    *("Name", "ID", "Address/CityName", "Address/CountrySubDivisionCode", "Address/CountrySubDivisionName"),
    *("Address/Line", "Address/PostcodeID"),
)
_WITH_CONTACT = (*_PARTY, "Contact/Name", "Communication/ID")
_PARTIES = {
    **dict.fromkeys((f"{DECLARATION}/Submitter", f"{DECLARATION}/Agent"), _PARTY),
    f"{DECLARATION}/Consignment/Carrier": (*_PARTY, "Communication/ID"),
    f"{DECLARATION}/Consignment/ConsignmentItem/Consignor": _PARTY,
    f"{DECLARATION}/Consignment/Consignor": _PARTY,
    **dict.fromkeys((f"{DECLARATION}/Declarant", f"{DECLARATION}/Exporter"), _WITH_CONTACT),
    **dict.fromkeys((f"{SHIPMENT}/Buyer", f"{SHIPMENT}/Seller", f"{SHIPMENT}/Importer"), _WITH_CONTACT),
    **dict.fromkeys((f"{SHIPMENT}/Consignee", f"{SHIPMENT}/Consignor"), _PARTY),
    **dict.fromkeys((f"{SHIPMENT}/Payer", f"{SHIPMENT}/Surety"), _PARTY),
    **dict.fromkeys((f"{ITEM}/Buyer", f"{ITEM}/Seller"), _WITH_CONTACT),
    **dict.fromkeys((f"{ITEM}/Consignee", f"{ITEM}/Consignor"), _PARTY),
}
PERSONAL = (
    *(f"{party}/{leaf}" for party, leaves in _PARTIES.items() for leaf in leaves),
    f"{DECLARATION}/Authentication/Authenticator/Name",
    f"{DECLARATION}/AdditionalInformation/StatementDescription",
    f"{DECLARATION}/AuthorisationHolder/ID",
    f"{SHIPMENT}/AEOMutualRecognitionParty/ID",
    f"{SHIPMENT}/DomesticDutyTaxParty/ID",
    f"{ITEM}/AdditionalDocument/Submitter/Name",
    f"{ITEM}/AdditionalInformation/StatementDescription",
    f"{ITEM}/AEOMutualRecognitionParty/ID",
    f"{ITEM}/DomesticDutyTaxParty/ID",
)
"""Every leaf of a declaration that may tell of a person: names, numbers, addresses, contacts, free texts."""

LRN, MRN, UCR = f"{DECLARATION}/FunctionalReferenceID", f"{DECLARATION}/ID", f"{SHIPMENT}/UCR/ID"
REFERENCES = (
    *(LRN, MRN, UCR, f"{SHIPMENT}/UCR/TraderAssignedReferenceID"),
    *(f"{ITEM}/UCR/ID", f"{ITEM}/UCR/TraderAssignedReferenceID", f"{SHIPMENT}/PreviousDocument/ID"),
    *(f"{DECLARATION}/Authentication/Authentication", f"{DECLARATION}/ObligationGuarantee/ReferenceID"),
)
OF_RESPONSE = (
    *(f"{ANSWER}/AdditionalInformation/StatementDescription", f"{ANSWER}/Error/Description"),
    *(f"{ANSWER}/Bank/ReferenceID", f"{ANSWER}/Bank/ID", f"{ANSWER}/ContactOffice/Communication/ID"),
    *(f"{ANSWER}/FunctionalReferenceID", f"{ANSWER}/Declaration/FunctionalReferenceID", f"{ANSWER}/Declaration/ID"),
    *(f"{ANSWER}/dec:Declaration/FunctionalReferenceID", f"{ANSWER}/dec:Declaration/Declarant/Name"),
    *(f"{ANSWER}/dec:Declaration/GoodsShipment/UCR/ID", f"{ANSWER}/dec:Declaration/GoodsShipment/Importer/Name"),
)
_SCHEME = ("schemeAgencyName", "schemeDataURI", "schemeID", "schemeName", "schemeURI", "schemeVersionID")
_LIST = ("listAgencyName", "listID", "listName", "listSchemeURI", "listURI", "listVersionID", "name")
ATTRIBUTES = {
    f"{DECLARATION}/Declarant/ID": _SCHEME,
    f"{DECLARATION}/TypeCode": _LIST,
    f"{ANSWER}/Declaration/ID": _SCHEME,
    f"{ANSWER}/FunctionCode": _LIST,
    "/MetaData/WCOTypeName": ("languageID",),
}
_AROUND = ("before the root", "inside", "after the root")

PLAIN_DECLARATION = {
    "/MetaData/WCOTypeName": "DEC",
    f"{DECLARATION}/FunctionCode": "9",
    f"{DECLARATION}/TypeCode": "IMA",
    f"{DECLARATION}/Consignment/ConsignmentItem/SequenceNumeric": "1",
    f"{ITEM}/SequenceNumeric": "1",
}
PLAIN_AMENDMENT = {f"{DECLARATION}/FunctionCode": "13", f"{DECLARATION}/TypeCode": "COR"}
PLAIN_RESPONSE = {
    "/MetaData/WCOTypeName": "RES",
    f"{ANSWER}/FunctionCode": "03",
    f"{ANSWER}/dec:Declaration/FunctionCode": "9",
}


@dataclass(kw_only=True)
class Canaries:
    """The canaries of one run, by the name of the place where each was planted. Each can be a name in XML, too."""

    mark: str = field(default_factory=lambda: "Q" + "".join(secrets.choice(ALPHABET) for _ in range(4)))
    planted: dict[str, str] = field(default_factory=dict)

    def new(self, place: str) -> str:
        """Return a canary for `place`, which must be a new one."""
        assert place not in self.planted, place
        self.planted[place] = f"{self.mark}{_base36(len(self.planted))}Z"
        return self.planted[place]


def _base36(number: int) -> str:
    digits = ""
    for _ in range(3):
        number, digit = divmod(number, 36)
        digits = ALPHABET[digit] + digits
    return digits


Writer = Callable[[Canaries, str], bytes]
"""Writes a document full of canaries, whose places begin with the name given."""


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────

PREFIXES = {
    "urn:wco:datamodel:WCO:DocumentMetaData-DMS:2": "md",
    "urn:wco:datamodel:WCO:DEC-DMS:2": "dec",
    "urn:wco:datamodel:WCO:RES-DMS:2": "res",
}


def declaration(canaries: Canaries, name: str) -> bytes:
    """Return a valid declaration with a canary in every place there is for one."""
    return _document(canaries, name, "dms-declaration", PLAIN_DECLARATION, (*PERSONAL, *REFERENCES))


def amendment(canaries: Canaries, name: str) -> bytes:
    """Return a valid amendment."""
    leaves = (LRN, MRN, UCR, f"{DECLARATION}/Declarant/ID", f"{DECLARATION}/AdditionalInformation/StatementDescription")
    return _document(canaries, name, "dms-declaration", PLAIN_AMENDMENT, leaves)


def response(canaries: Canaries, name: str) -> bytes:
    """Return a valid response, the declaration as it stands included."""
    return _document(canaries, name, "dms-response", PLAIN_RESPONSE, OF_RESPONSE)


def refused(canaries: Canaries, name: str) -> Mapping[str, bytes]:
    """Return documents that must be refused, each for a reason of its own: expected code → document."""

    def new(place: str) -> str:
        return canaries.new(f"{name}, {place}")

    head = f"<md:MetaData {' '.join(_namespaces())}><dec:Declaration><dec:FunctionCode>9</dec:FunctionCode>"
    tail = "</dec:Declaration></md:MetaData>"
    invalid = (
        f"<dec:FunctionalReferenceID>{new('LRN')}</dec:FunctionalReferenceID><dec:ID>{new('too long') * 20}</dec:ID>"
        f"<dec:TypeCode name='{new('attribute')}' {new('unknown attribute')}='{new('its value')}'>{new('code')}"
        f"</dec:TypeCode><dec:GoodsItemQuantity>{new('number')}</dec:GoodsItemQuantity>{new('stray text')}"
        f"<dec:Submitter><dec:Name>{new('party')}</dec:Name><dec:{new('unknown element')}>{new('its text')}"
        f"</dec:{canaries.planted[f'{name}, unknown element']}></dec:Submitter><!--{new('comment')}--><?p {new('PI')}?>"
    )
    return {
        "schema.invalid": f"{head}{invalid}{tail}".encode(),
        "document.not_well_formed": f"{head}<dec:ID>{new('torn')}</dec:{new('torn tag')}>{tail}".encode(),
        "document.doctype_refused": f"<!DOCTYPE a [<!ENTITY e '{new('entity')}'>]>{head}<dec:ID>&e;</dec:ID>{tail}".encode(),
        "document.encoding_refused": f"{head}<dec:ID>{new('UTF-16')}</dec:ID>{tail}".encode("utf-16"),
        "document.unknown_root": f"<{new('root')}>{new('text of the root')}</{canaries.planted[f'{name}, root']}>".encode(),
        "request.recipients_refused": (
            f"{head.replace('>9<', '>13<')}<dec:ID>{new('MRN of a cancellation')}</dec:ID>"
            f"<dec:TypeCode>INV</dec:TypeCode>{tail}"
        ).encode(),
    }


def _document(
    canaries: Canaries, name: str, schema_set: str, plain: Mapping[str, str], leaves: tuple[str, ...]
) -> bytes:
    found = _places(schema_set)
    content = {**plain, **{leaf: canaries.new(f"{name}, {leaf}") for leaf in leaves}}
    used = [path for path in found if path in content or any(leaf.startswith(f"{path}/") for leaf in content)]
    attributes = {
        leaf: {one: canaries.new(f"{name}, {leaf}/@{one}") for one in names}
        for leaf, names in ATTRIBUTES.items()
        if leaf in content
    }
    comments = [f"<!-- {canaries.new(f'{name}, comment {place}')} -->" for place in _AROUND]
    instructions = [f"<?{canaries.new(f'{name}, PI {place}')} of=chance?>" for place in _AROUND]
    spare = f'xmlns:{canaries.new(f"{name}, prefix")}="urn:{canaries.new(f"{name}, namespace")}"'
    hint = f'xsi:schemaLocation="urn:none {canaries.new(f"{name}, hint")}.xsd"'

    def element(path: str) -> str:
        place = found[path]
        tag = f"{PREFIXES[place.namespace]}:{path.rpartition('/')[2].removeprefix('dec:')}"
        given = [f'{key}="{value}"' for key, value in attributes.get(path, {}).items()]
        if path == "/MetaData":
            given = [*_namespaces(), spare, hint]
        below = [one for one in used if one.rpartition("/")[0] == path]
        inside = "\n".join(element(one) for one in below) or content[path]
        if path == "/MetaData":
            inside = f"{comments[1]}{instructions[1]}{inside}"
        return f"<{' '.join((tag, *given))}>{inside}</{tag}>"

    return "\n".join((comments[0], instructions[0], element("/MetaData"), comments[2], instructions[2])).encode()


def _namespaces() -> list[str]:
    declared = [f'xmlns:{prefix}="{uri}"' for uri, prefix in PREFIXES.items()]
    return [*declared, 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"']


@cache
def _places(schema_set: str) -> Mapping[str, Place]:
    return read_paths(schema_folder() / schema_set)


# ── the search ───────────────────────────────────────────────────────────────────────────────────────────────────


def _base64(text: str, *, ahead: int, url: bool) -> bytes:
    """Return what base64 makes of `text` after `ahead` other bytes: the characters that depend on `text` alone."""
    encoded = b64encode(bytes(ahead) + text.encode(), b"-_" if url else b"+/").rstrip(b"=")
    first, last = -(-ahead * 8 // 6), (ahead + len(text)) * 8 // 6
    return encoded[first:last]


DISGUISES: Mapping[str, Callable[[str], bytes]] = {
    "plain": lambda text: text.encode(),
    "UTF-16LE": lambda text: text.encode("utf-16-le"),
    "UTF-16BE": lambda text: text.encode("utf-16-be"),
    "hex": lambda text: text.encode().hex().encode(),
    "hex, upper case": lambda text: text.encode().hex().upper().encode(),
    **{f"base64 +{ahead}": partial(_base64, ahead=ahead, url=False) for ahead in range(3)},
    **{f"base64url +{ahead}": partial(_base64, ahead=ahead, url=True) for ahead in range(3)},
}


def search(canaries: Mapping[str, str], mark: str, data: bytes) -> Iterator[tuple[str, str]]:
    """Return (place, disguise) of each canary in `data`. Looks for the mark first, which every canary begins with."""
    for disguise, form in DISGUISES.items():
        if form(mark) in data:
            yield from ((place, disguise) for place, word in canaries.items() if form(word) in data)
