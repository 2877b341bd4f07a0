"""Documents grown from a schema set: valid by construction, everything drawn from one seed.

A document starts at a root of the set and gets, place by place, what the set requires and some of what it allows: up to
all optional things, repetitions, attributes, values at the ends of their facets, `xsi:nil` where a set has it. What hangs
together in real messages mostly does here: numbers, counts, sums, pointers (linking.py). How it is written then is drawn
too (dressing.py). Shares no code with the gateway; bare libxml2 confirms each document in tests.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.oracle.dressing import written
from tests.oracle.linking import numbered, pointed, summed
from tests.oracle.pieces import Piece
from tests.oracle.values import drawn_value
from tests.oracle.xsd_paths import Place
from tests.oracle.xsd_values import Value

MOST_ELEMENTS = 130
REPEATS = 4


@dataclass(frozen=True)
class Wishes:
    """What documents should hold where the set lets them.

    `aims`: paths, some of which are there, and `together`: groups of them, one of which is; `values`: texts by path, or
    by path and `@name`. So a policy meets what it is about: what it speaks for, the answers it asks for, what it mends.
    """

    aims: Sequence[str] = ()
    together: Sequence[Sequence[str]] = ()
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)


NO_WISHES = Wishes()


def grow(
    places: Mapping[str, Place], seed: int, roots: Sequence[str] = ("/MetaData",), wishes: Wishes = NO_WISHES
) -> bytes:
    """Return the document that a seed grows from the first root, or now and then from one of the others."""
    chance = random.Random(seed)
    root = roots[0] if len(roots) == 1 or chance.random() < 0.8 else chance.choice(roots[1:])
    growth = _Growth(places, chance, root, wishes)
    piece = growth.piece(root)
    numbered(piece, chance)
    summed(piece, places, chance)
    pointed(piece, places, chance)
    return written(piece, chance)


class _Growth:
    def __init__(self, places: Mapping[str, Place], chance: random.Random, root: str, wishes: Wishes) -> None:
        self.places = places
        self.wishes = wishes
        # Rules speak for a bare body by the paths it has in its envelope.
        self.home = "" if root == "/MetaData" or "/MetaData" not in places else "/MetaData"
        self.chance = chance
        self.left = MOST_ELEMENTS
        self.share = chance.choice((0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0))
        self.attribute_share = chance.choice((0.0, 0.1, 0.3, 1.0))
        # What stands late or deep in a set would seldom find room otherwise.
        aims = [chance.choice(list(places)) for _ in range(4)]
        wished = [one.removeprefix(self.home) for one in wishes.aims]
        aims += chance.sample(wished, min(len(wished), chance.choice((0, 2, 6))))
        if wishes.together and chance.random() < 0.5:
            aims += [one.removeprefix(self.home) for one in chance.choice(wishes.together)]
        self.aimed = {aim[:end] for aim in aims for end in range(2, len(aim) + 1) if aim[end : end + 1] in ("/", "")}

    def piece(self, path: str) -> Piece:
        place = self.places[path]
        self.left -= 1
        made = Piece(path, place.namespace)
        names = [name for name, required in place.attributes.items() if required or self.often(self.attribute_share)]
        if len(names) > 1 and self.often(0.3):
            self.chance.shuffle(names)
        made.attributes = [(name, self.value(place.attribute_values[name], name, f"{path}/@{name}")) for name in names]
        if place.nillable and self.often(0.3):
            made.is_nil, made.text = True, "" if place.leaf else None
        elif place.value is not None:
            made.text = self.value(place.value, path, path)
        else:
            made.children = [self.piece(below) for below in self.chosen(place)]
        return made

    def value(self, facts: Value, kind: str, path: str) -> str:
        """Return a value: often one that somebody asks for."""
        wished = self.wishes.values.get(f"{self.home}{path}", ())
        if wished and self.often(0.6):
            found = self.chance.choice(wished)
            blanks = self.chance.choice((" ", "\n ")) if self.often(0.15) else ""
            fitting = [one for one in (f"{blanks}{found}{blanks}", found) if facts.allows(one)]
            if fitting:
                return fitting[0]
        return drawn_value(self.chance, facts, kind)

    def chosen(self, place: Place) -> list[str]:
        """Return the paths of the children that an element gets, as often as each stands there."""
        found: list[str] = []
        for path in place.children:
            below = self.places[path]
            number = max(below.least, int(path in self.aimed))
            is_wanted = self.often(self.share) or (path in self.aimed and self.often(0.7))
            if self.left > 0 and is_wanted and below.most != number:
                number = max(number, 1)
                more = 0.7 if path in self.aimed else 0.4
                while number < min(below.most or REPEATS, REPEATS) and self.often(more):
                    number += 1
            found += [path] * number
        return found

    def often(self, share: float) -> bool:
        return self.chance.random() < share
