"""The places of a set, out of xmlschema's element declarations.

A place is an element declaration where a content model uses it. What a model says is spelled out on each place: bounds
are multiplied on the way down, an alternative of a choice is optional, the members of a substitution group stand beside
their head, a wildcard stands for the global elements of the set that it allows.

A type that holds itself would go on for ever: where a type turns up below itself, the place is there, says whose
content it repeats, and ends. A set of more than MAX_PLACES places, or deeper than MAX_DEPTH, is refused, not cut: no
document of that depth passes the door, and nobody writes rules for so many places.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from xmlschema import XMLSchema10, XsdElement
from xmlschema.validators import XsdAnyElement, XsdAttribute, XsdComplexType, XsdGroup

from gateway.document import segment
from gateway.document.names import split_name
from gateway.errors import SchemaError
from gateway.schema.facts.models import Model
from gateway.schema.facts.nodes import AttributeFacts, SchemaNode, ValueFacts
from gateway.schema.introspection.models import identities_of, model_of
from gateway.schema.introspection.value_types import ANY_VALUE, value_facts
from gateway.schema.sets import XSD

MAX_DEPTH: Final = 64
MAX_PLACES: Final = 100_000
_WCO_ID: Final = f"{XSD}annotation/{XSD}documentation/{{*}}WCOID"


@dataclass(frozen=True, slots=True)
class _Place:
    """An element declaration within a content model, with the bounds that the model puts on it."""

    declaration: XsdElement
    least: int
    most: int | None
    by_wildcard: bool = False
    is_alternative: bool = False


@dataclass(frozen=True, slots=True)
class _Content:
    """What a type allows: a value, or places; attributes; and whether also what the set does not list."""

    value: ValueFacts | None
    places: tuple[_Place, ...]
    attributes: Mapping[str, AttributeFacts]
    is_open: bool
    is_mixed: bool
    is_indirect: bool = False
    model: Model | None = None


def read_roots(schema: XMLSchema10, roots: Iterable[str]) -> tuple[SchemaNode, ...]:
    """Return the place of each root, qualified name by qualified name. Raises SchemaError `schema.set_broken`."""
    reader = _Reader(schema)
    return tuple(reader.root(name) for name in roots)


class _Reader:
    def __init__(self, schema: XMLSchema10) -> None:
        self._globals = [one for one in schema.maps.elements.values() if one.schema.maps is schema.maps]
        self._by_name = {one.name: one for one in self._globals}
        self._contents: dict[Any, _Content] = {}
        self._count = 0

    def root(self, name: str) -> SchemaNode:
        if name not in self._by_name:
            raise SchemaError("schema.set_broken", f"no file of the set declares the element {split_name(name)[1]}")
        return self._node(_Place(self._by_name[name], 1, 1), "", None, {})

    def _node(self, place: _Place, parent_path: str, parent: str | None, above: Mapping[Any, str]) -> SchemaNode:
        declaration = place.declaration
        qualified, kind = declaration.name, declaration.type
        namespace, local = split_name(qualified)
        path = f"{parent_path}/{segment(qualified, parent)}"
        self._count += 1
        if len(above) > MAX_DEPTH:
            raise SchemaError("schema.set_broken", f"the set allows nesting deeper than {MAX_DEPTH}")
        if self._count > MAX_PLACES:
            raise SchemaError("schema.set_broken", f"the set allows more than {MAX_PLACES:,} places")
        content = self._content(kind)
        repeats = above.get(kind, "") if content.places else ""
        inside = {**above, kind: path}
        return SchemaNode(
            path=path,
            name=local,
            namespace=namespace,
            wco_id=_wco_id(declaration),
            least=place.least,
            most=place.most,
            value=_fixed(content.value, declaration.fixed),
            attributes=content.attributes,
            children=() if repeats else tuple(self._node(one, path, qualified, inside) for one in content.places),
            repeats=repeats,
            is_open=content.is_open,
            is_mixed=content.is_mixed,
            is_indirect=content.is_indirect,
            by_wildcard=place.by_wildcard,
            is_alternative=place.is_alternative,
            nillable=declaration.nillable,
            model=content.model,
            identities=identities_of(declaration),
        )

    # ── types ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _content(self, kind: Any) -> _Content:
        if kind not in self._contents:
            self._contents[kind] = self._content_of(kind)
        return self._contents[kind]

    def _content_of(self, kind: Any) -> _Content:
        if kind.name == f"{XSD}anyType":
            return _Content(ANY_VALUE, (), {}, is_open=True, is_mixed=True)
        if not isinstance(kind, XsdComplexType):
            return _Content(value_facts(kind), (), {}, is_open=False, is_mixed=False)
        attributes, more = _attributes(kind)
        model = kind.content
        if not isinstance(model, XsdGroup):
            return _Content(value_facts(kind), (), attributes, is_open=more, is_mixed=False)
        places = _merged(self._particle(model, 1, 1))
        is_open = more or any(one.process_contents != "strict" for one in _wildcards(model))
        is_indirect = any(True for _ in _wildcards(model)) or any(True for _ in _heads(model))
        return _Content(
            value=None,
            places=places,
            attributes=attributes,
            is_open=is_open,
            is_mixed=kind.mixed,
            is_indirect=is_indirect,
            model=model_of(model, self._globals),
        )

    def _particle(self, particle: Any, least: int, most: int | None, *, either: bool = False) -> Iterator[_Place]:
        """The element declarations of a particle, with the bounds multiplied along the way.

        `either`: it is an alternative of a choice that must be made.
        """
        low = least * particle.min_occurs
        high = None if most is None or particle.max_occurs is None else most * particle.max_occurs
        if particle.max_occurs == 0:
            return
        either = either and particle.min_occurs > 0
        if isinstance(particle, XsdElement):
            yield from (
                replace(one, is_alternative=either or one.is_alternative) for one in self._element(particle, low, high)
            )
        elif isinstance(particle, XsdAnyElement):
            yield from self._wildcard(particle, low, high, either=either)
        else:
            inside = list(particle.content)
            optional = particle.model == "choice" and len(inside) > 1
            for one in inside:
                yield from self._particle(one, 0 if optional else low, high, either=either or (optional and low > 0))

    def _wildcard(self, particle: XsdAnyElement, low: int, high: int | None, *, either: bool) -> Iterator[_Place]:
        """The global elements that may stand there; where there are several, none of them must."""
        if particle.process_contents == "skip":
            return
        able = [one for one in self._globals if particle.is_namespace_allowed(one.target_namespace)]
        for one in able:
            least = low if len(able) == 1 else 0
            yield _Place(one, least, high, by_wildcard=True, is_alternative=either or low > 0)

    def _element(self, particle: XsdElement, low: int, high: int | None) -> Iterator[_Place]:
        """The element itself and, when it heads a substitution group, those that may stand for it."""
        declaration = particle if particle.ref is None else particle.ref
        others = sorted({one.name: one for one in particle.iter_substitutes()}.items())
        if not declaration.abstract:
            yield _Place(declaration, 0 if others else low, high, is_alternative=bool(others) and low > 0)
        for _, one in others:
            yield _Place(one, low if declaration.abstract and len(others) == 1 else 0, high, is_alternative=low > 0)


def _wildcards(model: XsdGroup) -> Iterator[XsdAnyElement]:
    for one in model.content:
        if isinstance(one, XsdGroup):
            yield from _wildcards(one)
        elif isinstance(one, XsdAnyElement):
            yield one


def _heads(model: XsdGroup) -> Iterator[XsdElement]:
    """The elements of a model for which others may stand."""
    for one in model.content:
        if isinstance(one, XsdGroup):
            yield from _heads(one)
        elif isinstance(one, XsdElement) and any(True for _ in one.iter_substitutes()):
            yield one


def _merged(places: Iterable[_Place]) -> tuple[_Place, ...]:
    """Return one place a name, where it first stands; the bounds of all places of that name are added up."""
    found: dict[str, _Place] = {}
    for place in places:
        known = found.setdefault(place.declaration.name, place)
        if known is not place:
            most = None if known.most is None or place.most is None else known.most + place.most
            found[place.declaration.name] = replace(
                known, least=known.least + place.least, most=most, by_wildcard=known.by_wildcard and place.by_wildcard
            )
    return tuple(found.values())


def _attributes(kind: XsdComplexType) -> tuple[dict[str, AttributeFacts], bool]:
    """Return the attributes a type takes, and whether it takes others too."""
    found: dict[str, AttributeFacts] = {}
    for name, one in kind.attributes.items():
        if name is not None and isinstance(one, XsdAttribute) and one.use != "prohibited":
            value = _fixed(value_facts(one.type), one.fixed) or ANY_VALUE
            found[name] = AttributeFacts(name=name, required=one.use == "required", value=value)
    return found, None in kind.attributes


def _fixed(value: ValueFacts | None, fixed: str | None) -> ValueFacts | None:
    """Return a value with the only one it may be, when the schema fixes it."""
    return value if value is None or fixed is None else replace(value, one_of=(fixed,))


def _wco_id(declaration: XsdElement) -> str:
    """The WCO id in an element's annotation: `<WCOID>` is how WCO schemas and ours write it."""
    found = declaration.elem.find(_WCO_ID)
    return "" if found is None else (found.text or "").strip()
