"""What hangs together in a grown document: numbers in sequence, counts, sums, and where pointers lead.

Mostly it is right, and now and then wrong: a policy must keep true what was, and leave alone what was not.
"""

import random
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from tests.oracle.pieces import Piece, every
from tests.oracle.xsd_paths import Place

ITEMS = ("GoodsShipment", "GovernmentAgencyGoodsItem")
TOTALS = {
    "TotalPackageQuantity": (("Packaging", "QuantityQuantity"), ""),
    "TotalGrossMassMeasure": (("Commodity", "GoodsMeasure", "GrossMassMeasure"), "unitCode"),
    "InvoiceAmount": (("Commodity", "InvoiceLine", "ItemChargeAmount"), "currencyID"),
}
"""Total → the parts of it in each goods item, and the attribute that says their unit."""


def numbered(root: Piece, chance: random.Random) -> None:
    """Number what has a `SequenceNumeric` from 1 and count goods items, mostly: some documents are wrong in that."""
    if chance.random() < 0.15:
        return
    for piece in every(root):
        seen: dict[str, int] = {}
        for child in piece.children:
            seen[child.path] = seen.get(child.path, 0) + 1
            for leaf in child.children:
                # A Pointer's number says where it points to, not where it stands.
                if leaf.name == "SequenceNumeric" and child.name != "Pointer" and not leaf.is_nil:
                    leaf.text = str(seen[child.path])
        items = [one for below in piece.children for one in below.children if one.name == "GovernmentAgencyGoodsItem"]
        for child in piece.children:
            if child.name == "GoodsItemQuantity" and not child.is_nil:
                child.text = str(len(items))


def summed(root: Piece, places: Mapping[str, Place], chance: random.Random) -> None:
    """Have most totals be the sum of their parts, in one unit."""
    for total in [one for one in every(root) if one.name in TOTALS and not one.is_nil]:
        holder = next((one for one in every(root) if any(child is total for child in one.children)), None)
        path, unit = TOTALS[total.name]
        parts = [] if holder is None else holder.below(*ITEMS, *path)
        if not parts or any(one.is_nil for one in parts) or chance.random() < 0.15:
            continue
        said = dict(total.attributes).get(unit)
        # In several units there is no sum, whatever the numbers come to.
        for one in parts if unit and chance.random() < 0.8 else ():
            if _may_say(places[one.path], unit, said):
                others = [each for each in one.attributes if each[0] != unit]
                one.attributes = others if said is None else [*others, (unit, said)]
        try:
            found = sum((Decimal(one.text or "0") for one in parts), Decimal(0))
        except InvalidOperation:
            continue
        off = chance.choice((Decimal(0), Decimal(0), Decimal(0), Decimal("0.01"))) if unit else Decimal(0)
        for text in (f"{found + off:f}", f"{found:f}"):
            value = places[total.path].value
            if value is not None and value.allows(text):
                total.text = text
                break


def _may_say(place: Place, unit: str, said: str | None) -> bool:
    """Tell whether a part may name a unit, or none."""
    if said is None:
        return not place.attributes.get(unit, False)
    return unit in place.attributes and place.attribute_values[unit].allows(said)


def pointed(root: Piece, places: Mapping[str, Place], chance: random.Random) -> None:
    """Let most pointers lead somewhere: to a class of their own body, down from that, and perhaps to a leaf in it."""
    for body in [one for one in every(root) if places[one.path].wco_id in ("42A", "07B")]:
        for holder in every(body):
            old = [one for one in holder.children if places[one.path].wco_id == "97A"]
            if not old or chance.random() < 0.2:
                continue
            chain = _chain(body, old[0], places, chance)
            if not all(_is_allowed(pointer, places) for pointer in chain):
                continue
            at = next(at for at, one in enumerate(holder.children) if one is old[0])
            holder.children = [one for one in holder.children if one.path != old[0].path]
            holder.children[at:at] = chain


def _is_allowed(pointer: Piece, places: Mapping[str, Place]) -> bool:
    """Tell whether the set lets a pointer be so."""
    there = {one.path: one.text or "" for one in pointer.children}
    if any(places[path].least and path not in there for path in places[pointer.path].children):
        return False
    return all(
        path in places
        and (value := places[path].value) is not None
        and value.allows(text)
        and not any(places[path].attributes.values())
        for path, text in there.items()
    )


def _chain(body: Piece, like: Piece, places: Mapping[str, Place], chance: random.Random) -> list[Piece]:
    found, target, number = list[Piece](), body, "1"
    while True:
        leaves = [places[one.path].wco_id for one in target.children if one.text is not None]
        tags = [one for one in leaves if 0 < len(one) <= 4] if chance.random() < 0.3 else []
        found.append(_pointer(like, number, places[target.path].wco_id, chance.choice(tags) if tags else ""))
        classes = [one for one in target.children if one.text is None and places[one.path].wco_id]
        if tags or not classes or chance.random() < 0.2:
            return found
        # Mostly to goods items, which are what policies take out one by one.
        shipment = [one for one in classes if one.name in ("GoodsShipment", "GovernmentAgencyGoodsItem")]
        those = shipment if shipment and chance.random() < 0.8 else classes
        # Those at the end get other numbers when any before them goes.
        target_now = those[-1] if chance.random() < 0.5 else chance.choice(those)
        own = [leaf.text for leaf in target_now.children if leaf.name == "SequenceNumeric" and leaf.text]
        same = [one for one in target.children if one.path == target_now.path]
        number = own[0] if own else str(1 + next(at for at, one in enumerate(same) if one is target_now))
        target = target_now


def _pointer(like: Piece, number: str, section: str, tag: str) -> Piece:
    values = (("SequenceNumeric", number), ("DocumentSectionCode", section), ("TagID", tag))
    leaves = [Piece(f"{like.path}/{name}", like.namespace, text=text) for name, text in values if text]
    return Piece(like.path, like.namespace, children=leaves)
