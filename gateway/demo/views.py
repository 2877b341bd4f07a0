"""One document under five agreements of different kinds: what each partner would get of it, and under what law.

The demo runs two gateways, so four of the five views are not sent: they are made here, by the same code. What each must
hold is written down beforehand, in the golden cases of the example policies, so that a policy which lets more through,
or less, is found out; and what `policy explain` counts is counted again in the bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from gateway.bundled import config_folder, schema_folder
from gateway.demo.documents import Sample
from gateway.demo.stage import GB
from gateway.demo.values import values, with_content
from gateway.demo.verdicts import Check, check_each
from gateway.document import read
from gateway.domain.agreement import Agreement
from gateway.domain.ids import AgreementId, PartyId
from gateway.domain.limits import DocumentLimits
from gateway.errors import ConfigurationError
from gateway.policy import compile_policy, explain
from gateway.policy.telling.cases import in_lines
from gateway.policy.telling.diff import diff, example_pseudonyms
from gateway.schema import compile_set, validate
from gateway.settings import AgreementBook, Catalogue, load_agreements, load_catalogue

_CASE: Final = "two-items"
"""The golden case of each policy that is about the document shown."""
_AT: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When those cases are sent: pseudonyms depend on the year."""
_ORDER: Final = ("gb-fr", "gb-nl", "gb-no", "gb-ch", "gb-us")

SHOWN: Final[Mapping[str, str]] = {
    "reference": "FunctionalReferenceID",
    "accepted": "AcceptanceDateTime/DateTimeString",
    "declarant": "Declarant/Name",
    "contact person": "Declarant/Contact/Name",
    "importer": "GoodsShipment/Importer/ID",
    "invoice amount": "InvoiceAmount",
    "guarantee": "ObligationGuarantee/AmountAmount",
    "commodity code": "GoodsShipment/GovernmentAgencyGoodsItem[1]/Commodity/Classification/ID",
}
"""Places below the declaration that tell the five regimes apart, by what an officer calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerView:
    """What one partner would get. `kept`, `changed` leave, `withheld` stays: leaves and attributes, as explain counts.

    `shown`: what it gets at the places SHOWN, None where nothing leaves. `wrong`: what is not as written down.
    """

    partner: PartyId
    title: str
    legal_basis: str
    kept: int
    changed: int
    withheld: int
    shown: tuple[str | None, ...] = field(repr=False)
    wrong: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FiveViews:
    """One document and its views. `held`: what stands at the places SHOWN. `broken`: why there are none."""

    document: str
    held: tuple[str, ...] = field(default=(), repr=False)
    views: tuple[PartnerView, ...] = ()
    broken: str = ""


def five_views(document: Sample) -> FiveViews:
    """Return what each partner of GB would get of `document` under the example agreements."""
    catalogue = load_catalogue(schema_folder())
    try:
        book = load_agreements([config_folder() / "agreements"], catalogue)
    except ConfigurationError as error:
        return FiveViews(document=document.name, broken=f"the example agreements have {len(error.findings)} errors")
    agreements = {one.id: one for one in book.agreements}
    made = [_view(document, agreements[AgreementId(name)], book, catalogue) for name in _ORDER]
    return FiveViews(document=document.name, held=made[0][1], views=tuple(view for view, _ in made))


def _view(
    document: Sample, agreement: Agreement, book: AgreementBook, catalogue: Catalogue
) -> tuple[PartnerView, tuple[str, ...]]:
    """Return the view of one partner, and what the document holds at the places shown."""
    flow = next(one for one in agreement.flows if one.sender == GB and document.kind in one.kinds)
    compiled = compile_set(catalogue[flow.schema_set])
    policy, pseudonyms = compile_policy(book.policies[flow.policy_sha256], compiled), example_pseudonyms(_AT.year)
    valid = validate(read(document.raw, DocumentLimits()), compiled)
    beside = diff(valid, [policy], compiled, pseudonyms)
    reasons = [one for one in explain(valid, policy, pseudonyms) if not one.is_empty]
    left = sum(one.kept for one in reasons)
    changed = sum(one.changed for one in reasons)
    view = beside.outcomes[0].view
    shown = {place.path.removeprefix("/MetaData/Declaration/"): place for place in beside.places}
    return PartnerView(
        partner=flow.recipient,
        title=policy.policy.title,
        legal_basis=agreement.terms.legal_basis,
        kept=left - changed,
        changed=changed,
        withheld=len(reasons) - left,
        shown=tuple(shown[one].sides[0].value for one in SHOWN.values()),
        wrong=_wrong(document, policy.policy.id, b"" if view is None else view.xml, (left, len(reasons) - left)),
    ), tuple(shown[one].value for one in SHOWN.values())


def _wrong(document: Sample, policy: str, view: bytes, counts: tuple[int, int]) -> str:
    """Return what is not as the golden case has it. `counts`: what left and what stayed, as explain tells."""
    expected = (config_folder() / "cases" / policy / _CASE / "expected.xml").read_bytes()
    if in_lines(view) != expected:
        return "the view is not the one that is written down"
    left = len(with_content(values(view)))
    counted = (left, len(with_content(values(document.raw))) - left)
    return "" if counts == counted else f"explain tells of {counts}, and in the bytes are {counted}"


def five_differ(found: FiveViews) -> Check:
    """Each partner gets what is written down for it, and no two the same."""
    seen = {(one.kept, one.changed, one.withheld, one.shown) for one in found.views}
    wrong = [f"{one.partner}: {one.wrong}" for one in found.views if one.wrong]
    alike = [] if len(seen) == len(_ORDER) else [f"{len(seen)} different views"]
    return check_each(
        "five views",
        f"{found.document} would leave in {len(found.views)} different views, for partners under different law",
        expected="each as its golden case has it, with as many values as explain counts, and no two alike",
        of=len(_ORDER),
        wrong=[found.broken] if found.broken else [*wrong, *alike],
    )
