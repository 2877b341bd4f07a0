"""What holds in a document must hold in its view: numbers in sequence, counts, totals, pointers. Worked out a second
time, from the words of docs/policy.md. Uses nothing of the gateway.

Only what was true in the document is mended. What a policy leaves at `refuse`, and would need mending, refuses it.
"""

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal, InvalidOperation

from tests.oracle.documents import Element, walk
from tests.oracle.following import POINTER, followed
from tests.oracle.selecting import Deciding
from tests.oracle.xsd_paths import Place

ITEM = "GovernmentAgencyGoodsItem"
TOTALS = {
    "TotalPackageQuantity": ("Packaging", "QuantityQuantity", ""),
    "TotalGrossMassMeasure": ("Commodity/GoodsMeasure", "GrossMassMeasure", "unitCode"),
    "InvoiceAmount": ("Commodity/InvoiceLine", "ItemChargeAmount", "currencyID"),
}
"""Leaf of a declaration → the class in each goods item that holds the part, the part, its unit."""


class Inconsistent(Exception):  # noqa: N818 - it is what a view must not be
    """A view would say something that was true and no longer is, and the policy says to refuse that."""


def mended(view: Element, document: Element, said: Mapping[str, str], deciding: Deciding) -> Element | None:
    """Return the view with everything true again; None when nothing may stand then.

    Raises Inconsistent where the policy does not mend.
    """
    made: set[int] = set()
    while True:
        found = [
            *(("sequence", *one) for one in sequences(view, deciding, made)),
            *(("counts", *one) for one in counts(view, deciding, made)),
            *(("totals", *one) for one in totals(view, deciding, made)),
        ]
        for part, leaf, text in found:
            deciding.met.add(f"{part} that would be wrong")
            allowed(part, leaf, said)
            leaf.text = text
            made.add(id(leaf))
        if found:
            continue
        turn = followed(view, document, deciding)
        if not turn.numbers and not turn.lost:
            return view
        deciding.met |= {"a pointer to another number"} if turn.numbers else set()
        deciding.met |= {"a pointer to what went"} if turn.lost else set()
        for leaf, text in turn.numbers:
            allowed("pointers", leaf, said)
            leaf.text = text
        for pointer in turn.lost:
            allowed("pointers", pointer, said)
            if not take_out(pointer, deciding.places):
                return None


def allowed(part: str, where: Element, said: Mapping[str, str]) -> None:
    """Raise Inconsistent where a policy does not mend this part."""
    if said.get(part, "refuse") == "refuse":
        msg = f"{where.path} is no longer true ({part})"
        raise Inconsistent(msg)


def take_out(element: Element, places: Mapping[str, Place]) -> bool:
    """Take an element out of a view, and what can not stand around it then; tell whether the root can."""
    while element.parent is not None and any(one is element for one in element.parent.children):
        above = element.parent
        above.children = [one for one in above.children if one is not element]
        if stands(above, places):
            return True
        element = above
    return element.parent is not None


def stands(element: Element, places: Mapping[str, Place]) -> bool:
    """Tell whether a class of a view holds something, and all that the schema requires in it."""
    there = [one.path for one in element.children]
    has_content = any(one.children or places[one.path].value is not None for one in element.children)
    return has_content and all(there.count(path) >= places[path].least for path in places[element.path].children)


def is_unchanged(leaf: Element | None, made: Collection[int]) -> bool:
    """Tell whether a leaf of the view says what the document said, or what was `made` of that here."""
    return leaf is not None and leaf.origin is not None and (leaf.text == leaf.origin.text or id(leaf) in made)


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


def sequences(view: Element, deciding: Deciding, made: Collection[int]) -> Iterator[tuple[Element, str]]:
    """Siblings of one name that were numbered 1, 2, 3, …, and of which some went."""
    for parent in walk(view):
        assert parent.origin is not None
        for path in dict.fromkeys(one.path for one in parent.children):
            if deciding.places[path].wco_id == POINTER:
                continue  # its number says where it leads
            before = [one for one in parent.origin.children if one.path == path]
            after = [one for one in parent.children if one.path == path]
            numbers = [number(child(one, "SequenceNumeric")) for one in before]
            if len(before) == len(after) or numbers != [Decimal(one) for one in range(1, len(before) + 1)]:
                continue
            for position, one in enumerate(after, 1):
                leaf = child(one, "SequenceNumeric")
                if leaf is None or not deciding.may_stay(leaf.path):
                    continue  # what a rule changes is not mended
                if is_unchanged(leaf, made) and number(leaf) != position:
                    yield leaf, str(position)


def counts(view: Element, deciding: Deciding, made: Collection[int]) -> Iterator[tuple[Element, str]]:
    """The number of goods items, where it was right and the policy keeps goods items at all."""
    for leaf in (one for one in walk(view) if one.name[1] == "GoodsItemQuantity" and is_unchanged(one, made)):
        holder = leaf.parent
        if holder is None or holder.origin is None:
            continue
        before = below(holder.origin, "GoodsShipment", ITEM)
        after = below(holder, "GoodsShipment", ITEM)
        kept_at_all = deciding.may_stay(leaf.path) and deciding.may_keep(f"{holder.path}/GoodsShipment/{ITEM}")
        if number(leaf.origin) == len(before) and number(leaf) != len(after) and kept_at_all:
            yield leaf, str(len(after))


def totals(view: Element, deciding: Deciding, made: Collection[int]) -> Iterator[tuple[Element, str]]:
    """Sums over the goods items, where they were right and every item that is left still says its part, and where the
    policy keeps such parts at all: else a total says how much there was."""
    for leaf in (one for one in walk(view) if one.name[1] in TOTALS and is_unchanged(one, made)):
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
        was = number(leaf.origin)
        if said is None or was is None or before is None or after is None or abs(was - before) > slack:
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
