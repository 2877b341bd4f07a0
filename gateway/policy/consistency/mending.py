"""Keeps true in a view what was true in its document: numbers in sequence, counts, totals, and where pointers lead.

When elements go, what was said about them goes wrong in silence. So before a copy is cut, it is noted what holds in it
(`observe`); after, what was true and is no longer is mended, or named so that the message can be refused (`settle`):

1. *sequence*: siblings of one name that were numbered 1, 2, 3, … by their SequenceNumeric (WCO 006) are so again;
2. *counts*: GoodsItemQuantity (WCO 228) again says how many goods items there are;
3. *totals*: TotalPackageQuantity (146), TotalGrossMassMeasure (131), InvoiceAmount (109) again are the sum of what they
   were the sum of, where every item still says its part, in the same unit;
4. *pointers* (WCO 97A) to elements that were numbered anew follow them; those to what went are taken out.

What was not true in the document is left as it was: a number out of sequence may be the number that the item has in an
earlier message, and a wrong total is the declarant's. A value that a rule changes is not mended either, nor a count of
what the policy never keeps: it says how much there was. So a view is consistent already, and applying twice changes
nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Final

from lxml import etree

from gateway.policy.consistency.pointers import Chain, Numbering, PointersAt, chains
from gateway.policy.ruling.ways import Way, at, is_below, text_of

__all__ = ["COUNTS", "SEQUENCE_LEAF", "TOTALS", "Mend", "Numbered", "Observed", "Relations", "Sum", "observe", "settle"]

SEQUENCE_LEAF: Final = "SequenceNumeric"
_ITEMS: Final = "GoodsShipment/GovernmentAgencyGoodsItem"
COUNTS: Final = {"GoodsItemQuantity": _ITEMS}
"""Leaf → what it counts, from the class that the leaf is in. As in the rules of the bundled sets."""
TOTALS: Final = {
    "TotalPackageQuantity": (_ITEMS, "Packaging", "QuantityQuantity", ""),
    "TotalGrossMassMeasure": (_ITEMS, "Commodity/GoodsMeasure", "GrossMassMeasure", "unitCode"),
    "InvoiceAmount": (_ITEMS, "Commodity/InvoiceLine", "ItemChargeAmount", "currencyID"),
}
"""Leaf → the items it sums over, the class in each, the part in that, and the attribute that must be the same."""
_TOLERANCE: Final = Decimal("0.01")
_MOST_DIGITS: Final = 40
_POINTER: Final = b"Pointer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """Siblings that their parents number. `parents`: the way to these; `member`, `number`: qualified names."""

    parents: Way
    member: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """A count, or a total. `holder`: the way to the class that `leaf` is in; `items`: from there to what is counted.

    A total has `holders`, the way from an item to the class that holds the part, `part`, and `unit`: an attribute.
    """

    holder: Way
    leaf: str
    items: Way
    holders: Way = ()
    part: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relations:
    """What may come apart under one policy, from one root: what is kept unchanged, and may lose members one by one.

    `members`: names of elements. As long as none of these goes, nothing but pointers comes apart.
    """

    sequences: tuple[Numbered, ...] = ()
    counts: tuple[Sum, ...] = ()
    totals: tuple[Sum, ...] = ()
    pointers: tuple[PointersAt, ...] = ()
    members: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        summed = (name for one in (*self.counts, *self.totals) for name in (*one.items, *one.holders))
        object.__setattr__(self, "members", frozenset(summed) | {one.member for one in self.sequences})

    def may_part(self, going: Iterable[etree._Element], raw: bytes) -> bool:
        """Tell whether something may come apart when these elements go. `raw`: the bytes of their document."""
        if self.pointers and _POINTER in raw:
            return True
        return bool(self.members) and any(element.tag in self.members for element in going)


@dataclass(frozen=True, slots=True)
class Mend:
    """One thing to mend. `part`: a key of `consistency`. `text` None: the element is to be taken out."""

    part: str
    element: etree._Element
    text: str | None


@dataclass(frozen=True, slots=True)
class Observed:
    """What held in a tree before it was cut: groups in sequence, true sums, and pointers that led somewhere."""

    groups: list[tuple[etree._Element, list[tuple[etree._Element, etree._Element]]]]
    counts: list[tuple[Sum, etree._Element, etree._Element]]
    totals: list[tuple[Sum, etree._Element, etree._Element]]
    chains: list[Chain]


def observe(root: etree._Element, relations: Relations) -> Observed:
    """Return what holds in a tree that is still whole."""
    return Observed(
        [group for one in relations.sequences for group in _groups(root, one)],
        [(one, *found) for one in relations.counts for found in _sums(root, one) if _counts(one, *found)],
        [(one, *found) for one in relations.totals for found in _sums(root, one) if _totals(one, *found) is not None],
        [chain for one in relations.pointers for chain in chains(root, one)],
    )


def settle(root: etree._Element, observed: Observed) -> list[Mend]:
    """Return what must be mended in the same tree, cut meanwhile, for all to hold again. Changes nothing.

    Pointers are followed after renumbering: call again once these mends are made, until nothing is returned.
    """
    mends = [*_renumbered(root, observed), *_recounted(root, observed), *_recomputed(root, observed)]
    if mends or not observed.chains:
        return mends
    numbering = Numbering()
    return [
        Mend("pointers", element, text)
        for chain in observed.chains
        for element, text in chain.followed(root, numbering)
    ]


# ── sequence ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _groups(
    root: etree._Element, one: Numbered
) -> Iterator[tuple[etree._Element, list[tuple[etree._Element, etree._Element]]]]:
    for parent in at(root, one.parents):
        members = list(parent.iterchildren(one.member))
        numbers = [next(member.iterchildren(one.number), None) for member in members]
        found = [(member, leaf) for member, leaf in zip(members, numbers, strict=True) if leaf is not None]
        if len(found) == len(members) > 1 and _are_in_sequence(leaf for _, leaf in found):
            yield parent, found


def _are_in_sequence(leaves: Iterator[etree._Element]) -> bool:
    return all(number_of(leaf) == position for position, leaf in enumerate(leaves, start=1))


def _renumbered(root: etree._Element, observed: Observed) -> Iterator[Mend]:
    for parent, group in observed.groups:
        standing = [(member, leaf) for member, leaf in group if member.getparent() is parent]
        if len(standing) == len(group) or not is_below(parent, root):
            continue
        for position, (member, leaf) in enumerate(standing, start=1):
            if leaf.getparent() is member and number_of(leaf) != position:
                yield Mend("sequence", leaf, str(position))


# ── sums ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _sums(root: etree._Element, one: Sum) -> Iterator[tuple[etree._Element, etree._Element]]:
    for holder in at(root, one.holder):
        for leaf in holder.iterchildren(one.leaf):
            yield holder, leaf


def _counts(one: Sum, holder: etree._Element, leaf: etree._Element) -> bool:
    return number_of(leaf) == len(at(holder, one.items))


def _recounted(root: etree._Element, observed: Observed) -> Iterator[Mend]:
    for one, holder, leaf in observed.counts:
        if leaf.getparent() is holder and is_below(holder, root) and not _counts(one, holder, leaf):
            yield Mend("counts", leaf, str(len(at(holder, one.items))))


def _totals(one: Sum, holder: etree._Element, leaf: etree._Element) -> Decimal | None:
    """Return the sum that a total says rightly; None when it says another or nobody can tell."""
    total, found = number_of(leaf), _sum(one, holder, leaf)
    if total is None or found is None or abs(total - found) > (_TOLERANCE if one.unit else 0):
        return None
    return found


def _sum(one: Sum, holder: etree._Element, leaf: etree._Element) -> Decimal | None:
    """Add up the parts; None when an item lacks one, or has it in another unit than the total."""
    unit, found = leaf.get(one.unit) if one.unit else None, Decimal(0)
    for item in at(holder, one.items):
        holders = at(item, one.holders)
        parts = [next(each.iterchildren(one.part), None) for each in holders]
        numbers = [
            number_of(part) for part in parts if part is not None and (not one.unit or part.get(one.unit) == unit)
        ]
        if not holders or len(numbers) < len(holders):
            return None
        for number in numbers:
            if number is None:
                return None
            found += number
    return found


def _recomputed(root: etree._Element, observed: Observed) -> Iterator[Mend]:
    for one, holder, leaf in observed.totals:
        if leaf.getparent() is not holder or not is_below(holder, root) or _totals(one, holder, leaf) is not None:
            continue
        found = _sum(one, holder, leaf)
        if found is not None:
            yield Mend("totals", leaf, f"{found:f}")


def number_of(leaf: etree._Element) -> Decimal | None:
    """Return the number that a leaf holds; None when it holds none, or one longer than any type allows."""
    text = text_of(leaf)
    if len(text) > _MOST_DIGITS:
        return None
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None
