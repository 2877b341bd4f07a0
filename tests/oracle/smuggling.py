"""Views with one thing too many, for the receiver to find: made from what the judge says a view must be.

Each is what must be there and one value more: a withheld leaf or attribute, or a changed value as it was. Uses nothing
of the gateway.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from tests.oracle.changing import changed, is_pseudonym
from tests.oracle.documents import Element, Name, is_nil, walk
from tests.oracle.oracle import Judge


@dataclass(frozen=True)
class Smuggled:
    """One thing too many: in `where`, an element of the view, the child `leaf`, the attribute, or the text as it was."""

    where: Element
    leaf: Element | None = None
    attribute: tuple[Name, str] | None = None
    text: str | None = None

    @property
    def kind(self) -> str:
        """What it is."""
        return (
            "an attribute" if self.attribute is not None else "a leaf" if self.leaf is not None else "a value as it was"
        )

    @property
    def told(self) -> str:
        """Where it is."""
        if self.attribute is not None:
            return f"{self.where.path}/@{self.attribute[0][1]}"
        return self.leaf.path if self.leaf is not None else f"{self.where.path}, as it was"


def smuggled(judge: Judge, view: Element, chance: random.Random) -> tuple[Smuggled, bytes] | None:
    """Return a view that holds one thing too many, and what; None when nothing was withheld near what is kept."""
    found = list(too_much(judge, view))
    if not found:
        return None
    one = chance.choice(found)
    return one, "".join(written(view, one)).encode()


def too_much(judge: Judge, view: Element) -> Iterator[Smuggled]:
    """Yield all that could be added to a view and that the policy does not let leave."""
    for element in walk(view):
        origin, place = element.origin, judge.places[element.path]
        assert origin is not None
        there = [one.origin for one in element.children]
        for child in origin.children:
            is_leaf = child.path in judge.places and judge.places[child.path].leaf
            if is_leaf and child.text and not is_nil(child) and not any(child is one for one in there):
                yield Smuggled(element, leaf=child)
        names = {name for name, _ in element.attributes}
        for name, value in origin.attributes:
            if value and not name[0] and name not in names:
                yield Smuggled(element, attribute=(name, value))
        rule, _ = judge.deciding.rule_for(origin)
        if place.value is not None and rule is not None and rule.action not in ("keep", "drop"):
            could_be = changed(rule, origin.text, place.value, judge.key) == origin.text
            if not could_be and not (rule.action == "pseudonymise" and is_pseudonym(origin.text, place.value)):
                yield Smuggled(element, text=origin.text)


def written(view: Element, one: Smuggled) -> Iterator[str]:
    """Yield the pieces of the document."""
    yield f'<{view.name[1]} xmlns="{view.name[0]}"' if view.name[0] else f"<{view.name[1]}"
    extra = [one.attribute] if one.where is view and one.attribute is not None else []
    for (_, name), value in (*view.attributes, *extra):
        yield f" {name}={quoteattr(value, {chr(13): '&#13;', chr(10): '&#10;', chr(9): '&#9;'})}"
    yield ">"
    text = one.text if one.where is view and one.text is not None else view.text
    yield escape(text, {"\r": "&#13;"})
    if one.where is view and one.leaf is not None and view.origin is not None:
        # Where it stood: before the first of those kept that came after it.
        order = [id(child) for child in view.origin.children]
        later = [child for child in view.children if order.index(id(child.origin)) > order.index(id(one.leaf))]
        before = view.children[: len(view.children) - len(later)]
        for child in before:
            yield from written(child, one)
        yield from written(Element(one.leaf.name, one.leaf.path, [], text=one.leaf.text), one)
        for child in later:
            yield from written(child, one)
    else:
        for child in view.children:
            yield from written(child, one)
    yield f"</{view.name[1]}>"
