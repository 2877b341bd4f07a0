"""What holds in a document must hold in its view: numbers in sequence, counts, totals, pointers. Worked out a second
time, from the words of docs/policy.md. Uses nothing of the gateway.

Only what was true in the document is mended. What a policy leaves at `refuse`, and would need mending, refuses it.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation

from tests.oracle.documents import Element, walk
from tests.oracle.following import followed
from tests.oracle.selecting import Deciding

ITEM = "GovernmentAgencyGoodsItem"
TOTALS = {
    "TotalPackageQuantity": ("Packaging", "QuantityQuantity", ""),
    "TotalGrossMassMeasure": ("Commodity/GoodsMeasure", "GrossMassMeasure", "unitCode"),
    "InvoiceAmount": ("Commodity/InvoiceLine", "ItemChargeAmount", "currencyID"),
}
"""Leaf of a declaration → the class in each goods item that holds the part, the part, its unit."""


class Inconsistent(Exception):  # noqa: N818 - it is what a view must not be
    """A view would say something that was true and no longer is, and the policy says to refuse that."""


def mended(view: Element, document: Element, said: Mapping[str, str], deciding: Deciding) -> Element:
    """Return the view with everything true again. Raises Inconsistent where the policy does not mend."""
    for part, leaf, text in [
        *(("sequence", *one) for one in sequences(view, deciding)),
        *(("counts", *one) for one in counts(view, deciding)),
        *(("totals", *one) for one in totals(view, deciding)),
    ]:
        allowed(part, leaf, said)
        leaf.text = text
    while (turn := followed(view, document, deciding)).numbers or turn.lost:
        for leaf, text in turn.numbers:
            allowed("pointers", leaf, said)
            leaf.text = text
        for pointer in turn.lost:
            allowed("pointers", pointer, said)
            take_out(pointer)
    return view


def allowed(part: str, where: Element, said: Mapping[str, str]) -> None:
    """Raise Inconsistent where a policy does not mend this part."""
    if said.get(part, "refuse") == "refuse":
        msg = f"{where.path} is no longer true ({part})"
        raise Inconsistent(msg)


def take_out(element: Element) -> None:
    """Take an element out of a view, and what stands empty around it then."""
    while element.parent is not None and any(one is element for one in element.parent.children):
        above = element.parent
        above.children = [one for one in above.children if one is not element]
        if above.children:
            return
        element = above


def is_unchanged(leaf: Element | None) -> bool:
    """Tell whether a leaf of the view says what the document said."""
    return leaf is not None and leaf.origin is not None and leaf.text == leaf.origin.text


def child(element: Element, name: str) -> Element | None:
    """Return the first child of a name."""
    return next((one for one in element.children if one.name[1] == name), None)


def below(element: Element, *path: str) -> list[Element]:
    """Return all elements at the end of a path of names."""
    found = [element]
    for name in path:
        found = [one for each in found for one in each.children if one.name[1] == name]
    return found


def number(leaf: Element | None) -> Decimal | None:
    """Return the number of a leaf, if it holds one."""
    try:
        found = None if leaf is None else Decimal(leaf.text.strip(" \t\r\n"))
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


def sequences(view: Element, deciding: Deciding) -> Iterator[tuple[Element, str]]:
    """Siblings of one name that were numbered 1, 2, 3, …, and of which some went."""
    for parent in walk(view):
        assert parent.origin is not None
        for path in dict.fromkeys(one.path for one in parent.children):
            before = [one for one in parent.origin.children if one.path == path]
            after = [one for one in parent.children if one.path == path]
            numbers = [number(child(one, "SequenceNumeric")) for one in before]
            if len(before) == len(after) or numbers != [Decimal(one) for one in range(1, len(before) + 1)]:
                continue
            for position, one in enumerate(after, 1):
                leaf = child(one, "SequenceNumeric")
                if leaf is None or not deciding.may_stay(leaf.path):
                    continue  # what a rule changes is not mended
                if is_unchanged(leaf) and number(leaf) != position:
                    yield leaf, str(position)


def counts(view: Element, deciding: Deciding) -> Iterator[tuple[Element, str]]:
    """The number of goods items, where it was right and the policy keeps goods items at all."""
    for leaf in (one for one in walk(view) if one.name[1] == "GoodsItemQuantity" and is_unchanged(one)):
        holder = leaf.parent
        if holder is None or holder.origin is None:
            continue
        before = below(holder.origin, "GoodsShipment", ITEM)
        after = below(holder, "GoodsShipment", ITEM)
        kept_at_all = deciding.may_stay(leaf.path) and deciding.may_keep(f"{holder.path}/GoodsShipment/{ITEM}")
        if number(leaf) == len(before) != len(after) and kept_at_all:
            yield leaf, str(len(after))


def totals(view: Element, deciding: Deciding) -> Iterator[tuple[Element, str]]:
    """Sums over the goods items, where they were right and every item that is left still says its part, and where the
    policy keeps such parts at all: else a total says how much there was."""
    for leaf in (one for one in walk(view) if one.name[1] in TOTALS and is_unchanged(one)):
        holder = leaf.parent
        if holder is None or holder.origin is None or leaf.origin is None:
            continue
        before, after = total(holder.origin, leaf.origin), total(holder, leaf)
        inside, part, unit = TOTALS[leaf.name[1]]
        said = number(leaf)
        if not deciding.may_stay(leaf.path) or not deciding.may_stay(
            f"{holder.path}/GoodsShipment/{ITEM}/{inside}/{part}"
        ):
            continue
        slack = Decimal("0.01") if unit else Decimal(0)
        if said is None or before is None or after is None or abs(said - before) > slack:
            continue
        if abs(said - after) > slack:
            yield leaf, f"{after:f}"


def total(holder: Element, leaf: Element) -> Decimal | None:
    """Return the sum of what a total is about; None when a part is missing, or in another unit."""
    where, part, unit = TOTALS[leaf.name[1]]
    found = Decimal(0)
    for item in below(holder, "GoodsShipment", ITEM):
        holders = below(item, *where.split("/"))
        parts = [child(one, part) for one in holders]
        if not holders:
            return None
        for one in parts:
            value = number(one)
            if one is None or value is None:
                return None
            if unit and dict(one.attributes).get(("", unit)) != dict(leaf.attributes).get(("", unit)):
                return None
            found += value
    return found
