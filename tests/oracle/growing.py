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


def every(piece: Piece) -> list[Piece]:
    """Return a piece and all below it."""
    return [piece, *(one for child in piece.children for one in every(child))]
