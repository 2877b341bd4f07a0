"""Documents grown from a schema set: valid by construction, everything drawn from one seed.

A document starts at a root of the set and gets, place by place, what the set requires and some of what it allows: up to
all optional things, repetitions, attributes, values at the ends of their facets, `xsi:nil` where a set has it. How it is
written then is drawn too (dressing.py). Shares no code with the gateway; bare libxml2 confirms each document in tests.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.oracle.dressing import written
from tests.oracle.values import drawn_value
from tests.oracle.xsd_paths import Place

MOST_ELEMENTS = 130
REPEATS = 4


@dataclass
class Piece:
    """One element to be written. `text` None for a class."""

    path: str
    namespace: str
    attributes: list[tuple[str, str]] = field(default_factory=list)
    text: str | None = None
    children: list["Piece"] = field(default_factory=list)
    is_nil: bool = False

    @property
    def name(self) -> str:
        """The local name."""
        return self.path.rpartition("/")[2].rpartition(":")[2]


def grow(places: Mapping[str, Place], seed: int, roots: Sequence[str] = ("/MetaData",)) -> bytes:
    """Return the document that a seed grows from the first root, or now and then from one of the others."""
    chance = random.Random(seed)
    root = roots[0] if len(roots) == 1 or chance.random() < 0.8 else chance.choice(roots[1:])
    growth = _Growth(places, chance)
    piece = growth.piece(root)
    numbered(piece, chance)
    pointed(piece, places, chance)
    return written(piece, chance)


class _Growth:
    def __init__(self, places: Mapping[str, Place], chance: random.Random) -> None:
        self.places = places
        self.chance = chance
        self.left = MOST_ELEMENTS
        self.share = chance.choice((0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0))
        self.attribute_share = chance.choice((0.0, 0.1, 0.3, 1.0))
        # What stands late or deep in a set would seldom find room otherwise.
        aims = [chance.choice(list(places)) for _ in range(4)]
        self.aimed = {aim[:end] for aim in aims for end in range(2, len(aim) + 1) if aim[end : end + 1] in ("/", "")}

    def piece(self, path: str) -> Piece:
        place = self.places[path]
        self.left -= 1
        made = Piece(path, place.namespace)
        names = [name for name, required in place.attributes.items() if required or self.often(self.attribute_share)]
        if len(names) > 1 and self.often(0.3):
            self.chance.shuffle(names)
        made.attributes = [(name, drawn_value(self.chance, place.attribute_values[name], name)) for name in names]
        if place.nillable and self.often(0.3):
            made.is_nil, made.text = True, "" if place.leaf else None
        elif place.value is not None:
            made.text = drawn_value(self.chance, place.value, path)
        else:
            made.children = [self.piece(below) for below in self.chosen(place)]
        return made

    def chosen(self, place: Place) -> list[str]:
        """Return the paths of the children that an element gets, as often as each stands there."""
        found: list[str] = []
        for path in place.children:
            below = self.places[path]
            number = max(below.least, int(path in self.aimed))
            if self.left > 0 and self.often(self.share) and below.most != number:
                number = max(number, 1)
                while number < min(below.most or REPEATS, REPEATS) and self.often(0.4):
                    number += 1
            found += [path] * number
        return found

    def often(self, share: float) -> bool:
        return self.chance.random() < share


# ── what hangs together ──────────────────────────────────────────────────────────────────────────────────────────

Set = Callable[[Piece, str], None]


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


def pointed(root: Piece, places: Mapping[str, Place], chance: random.Random) -> None:
    """Let most pointers lead somewhere: to a class of their own body, down from that, and perhaps to a leaf in it."""
    for body in [one for one in every(root) if places[one.path].wco_id in ("42A", "07B")]:
        for holder in every(body):
            old = [one for one in holder.children if places[one.path].wco_id == "97A"]
            if not old or chance.random() < 0.3:
                continue
            chain = _chain(body, old[0], places, chance)
            if not all(_is_allowed(one, places) for pointer in chain for one in pointer.children):
                continue
            at = next(at for at, one in enumerate(holder.children) if one is old[0])
            holder.children = [one for one in holder.children if one.path != old[0].path]
            holder.children[at:at] = chain


def _is_allowed(leaf: Piece, places: Mapping[str, Place]) -> bool:
    value = places[leaf.path].value if leaf.path in places else None
    return value is not None and value.allows(leaf.text or "")


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
        target_now = chance.choice(shipment if shipment and chance.random() < 0.7 else classes)
        own = [leaf.text for leaf in target_now.children if leaf.name == "SequenceNumeric" and leaf.text]
        same = [one for one in target.children if one.path == target_now.path]
        number = own[0] if own else str(1 + next(at for at, one in enumerate(same) if one is target_now))
        target = target_now


def _pointer(like: Piece, number: str, section: str, tag: str) -> Piece:
    values = (("SequenceNumeric", number), ("DocumentSectionCode", section), ("TagID", tag))
    leaves = [Piece(f"{like.path}/{name}", like.namespace, text=text) for name, text in values if text]
    return Piece(like.path, like.namespace, children=leaves)


def every(piece: Piece) -> list[Piece]:
    """Return a piece and all below it."""
    return [piece, *(one for child in piece.children for one in every(child))]
