"""What a schema set says about each place, as values: the tree that policies are checked against.

`SchemaTree` holds one node per path, from every root of the set, children in document order. It answers what may stand
where and how often, under which WCO id, with which attributes, and which facets bound a value. tree.py reads it out of
the XSD files.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gateway.schema.facts.models import Identity, Model

_INDEX: Final = re.compile(r"\[\d+\]")


class PrivacyClass(StrEnum):
    """What a value could do in wrong hands.

    `personal`: it tells of a person, or may. `commercial`: of a trade. `security`: of where goods are and how they are
    guarded. `credential`: who has it can act with it. `neutral`: none of these.
    """

    PERSONAL = "personal"
    COMMERCIAL = "commercial"
    SECURITY = "security"
    CREDENTIAL = "credential"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classed:
    """A privacy class and why. `guessed`: nobody has reviewed it for this set."""

    privacy: PrivacyClass
    reason: str
    guessed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueFacts:
    """What bounds a value. `base` is the built-in XSD type it is derived from; lengths count characters.

    `patterns` must each match; when `one_of` is not empty, the value must be one of them. `least` and `most` are still
    allowed, `above` and `below` are not. `item`: the value is a list of such, set apart by white space, and lengths
    count items. `either`: the value is of one of several kinds.
    """

    base: str
    min_length: int | None = None
    max_length: int | None = None
    patterns: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    total_digits: int | None = None
    fraction_digits: int | None = None
    least: str | None = None
    most: str | None = None
    above: str | None = None
    below: str | None = None
    item: "ValueFacts | None" = None
    either: tuple["ValueFacts", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFacts:
    """One attribute a place takes. `name` is qualified only when the attribute has a namespace."""

    name: str
    required: bool
    value: ValueFacts
    classed: Classed | None = None

    @property
    def privacy(self) -> PrivacyClass | None:
        """Its privacy class; None in a tree that was not classified."""
        return None if self.classed is None else self.classed.privacy


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaNode:
    """One place. `name` is the local name, `qualified` the `{namespace}local` one. `most` None: any number.

    `value` is None for a class: an element that holds elements. `children` are in document order. `repeats`: path of
    the place above whose content this one has again; its own is not listed. `is_open`: it also takes elements or
    attributes that the set does not list. `is_mixed`: text may stand between its elements. `nillable`: `xsi:nil` may
    empty it. `is_indirect`: some of its elements stand there through a wildcard or a substitution group.
    `by_wildcard`: it stands there through a wildcard only. `is_alternative`: it, or another, must stand there.
    `model`: of a class, where the bounds of its children do not say all; `identities`: what must tell apart in it.
    """

    path: str
    name: str
    namespace: str
    wco_id: str
    least: int
    most: int | None
    value: ValueFacts | None
    attributes: Mapping[str, AttributeFacts] = field(repr=False)
    children: tuple["SchemaNode", ...] = field(repr=False)
    repeats: str = ""
    is_open: bool = False
    is_mixed: bool = False
    is_indirect: bool = False
    by_wildcard: bool = False
    is_alternative: bool = False
    nillable: bool = False
    model: Model | None = field(default=None, repr=False)
    identities: tuple[Identity, ...] = field(default=(), repr=False)
    classed: Classed | None = None
    qualified: str = field(init=False, repr=False, compare=False)
    """Its name as lxml writes it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "qualified", f"{{{self.namespace}}}{self.name}" if self.namespace else self.name)

    @property
    def is_leaf(self) -> bool:
        """Whether it holds a value and no elements."""
        return self.value is not None

    @property
    def privacy(self) -> PrivacyClass | None:
        """Its privacy class; None for a class of elements."""
        return None if self.classed is None else self.classed.privacy


class SchemaTree:
    """All places of a set. `nodes`: by path, parents before children, in document order from each root.

    `homes`: the roots, without bare bodies that stand in an envelope too; `places`: all at and below them, each once.
    `names`: of elements; of a set that can not be listed, with no place at all, those it is made with.
    """

    __slots__ = ("_home_of", "homes", "names", "nodes", "places", "roots")

    def __init__(self, roots: tuple[SchemaNode, ...], names: frozenset[str] = frozenset()) -> None:
        self.roots = roots
        self.nodes: Mapping[str, SchemaNode] = {node.path: node for root in roots for node in _walk(root)}
        self.names: frozenset[str] = names | {node.name for node in self.nodes.values()}
        self._home_of: Mapping[str, str] = {root.path: _home(root, roots) for root in roots}
        self.homes = tuple(root for root in roots if self.home(root) == root.path)
        self.places: Mapping[str, SchemaNode] = {node.path: node for home in self.homes for node in _walk(home)}

    def home(self, root: SchemaNode) -> str:
        """Return the path under which rules speak for a root: a bare body's is where it stands below the envelope."""
        return self._home_of[root.path]

    def below(self, node: SchemaNode) -> Iterator[SchemaNode]:
        """Yield a place and all it holds, in document order."""
        return _walk(node)

    def find(self, asked: str) -> tuple[SchemaNode, ...]:
        """Return the places that are meant by a path, with or without indexes, by a WCO id, or by a name.

        What is exact counts, case included. Empty when the set has nothing of the kind.
        """
        wanted = _INDEX.sub("", asked).rstrip("/")
        if wanted in self.nodes:
            return (self.nodes[wanted],)
        return tuple(node for node in self.places.values() if wanted and wanted in (node.wco_id, node.name))

    def node(self, path: str) -> SchemaNode | None:
        """Return the place at a path without indexes, or None."""
        return self.nodes.get(path)

    def names_of(self, node: SchemaNode) -> tuple[str, str]:
        """Return WCO id and name of a place: a class by its name, an element after its class, such as `UCR/ID`.

        What has no WCO id of its own and only carries the value of what is around it goes by that one.
        """
        parent = self.nodes.get(node.path.rpartition("/")[0])
        if parent is None or not node.is_leaf:
            return node.wco_id, node.name
        if not node.wco_id and parent.wco_id and len(parent.children) == 1:
            return self.names_of_value(parent)
        return node.wco_id, f"{parent.name}/{node.name}"

    def names_of_value(self, holder: SchemaNode) -> tuple[str, str]:
        """Return WCO id and name of an element whose value stands in its only child, such as a date."""
        above = self.nodes.get(holder.path.rpartition("/")[0])
        return holder.wco_id, holder.name if above is None else f"{above.name}/{holder.name}"


def _walk(node: SchemaNode) -> Iterator[SchemaNode]:
    todo = [node]
    while todo:
        found = todo.pop()
        yield found
        todo += reversed(found.children)


def _home(root: SchemaNode, roots: tuple[SchemaNode, ...]) -> str:
    for other in roots:
        for child in other.children if other is not root else ():
            if child.qualified == root.qualified:
                return child.path
    return root.path
