"""Selectors: how a rule says which places of a schema set it is about.

    /MetaData/Declaration/GoodsShipment       a path; `p:Name` where two namespaces use one name side by side
    /MetaData/*/TypeCode                      `*` stands for one step
    //Contact   /MetaData/Declaration//Name   `//`: any number of steps between
    //ActualAmount/@currencyID                a last `@name` is about one attribute
    wco:R037                                  every place with this WCO id
    privacy:personal                          every leaf and attribute of this privacy class
    set:contact-data                          a set of selectors, named under `paths`

A selector is held against the tree of a set and gives its *anchors*: paths of places, or attributes of places. A bare
body stands in its envelope: every place counts once. After `//` a name without a prefix is of any namespace.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from gateway.domain.ids import is_name
from gateway.schema import PrivacyClass, SchemaTree

__all__ = ["Anchor", "Selector", "SelectorError", "SelectorKind", "parse_selector"]

MAX_STEPS: Final = 64
MAX_LEAPS: Final = 4
"""How often `//` may stand in one selector: each leap multiplies the ways a path can be matched."""

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_.-]{0,127}"
_STEP: Final = rf"(?:\*|(?:[a-z][a-z0-9]{{0,15}}:)?{_NAME})"
_PATH: Final = re.compile(rf"(?:(?://?{_STEP})+(?://?@{_NAME})?|//@{_NAME})")
_WCO_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")


class SelectorKind(StrEnum):
    """How a selector is written, from the most precise to the least."""

    PLAIN = "plain"
    WILDCARD = "wildcard"
    ANYWHERE = "anywhere"
    WCO = "wco"
    SET = "set"
    PRIVACY = "privacy"

    @property
    def precision(self) -> int:
        """On one anchor the rule with the higher number decides."""
        return -_KINDS.index(self)


_KINDS: Final = tuple(SelectorKind)


class Anchor(NamedTuple):
    """One thing a rule stands on: the place at a path of the tree, or, where it is named, one attribute of it."""

    path: str
    attribute: str = ""

    @property
    def text(self) -> str:
        """How people read it: the path, an attribute after `/@`."""
        return f"{self.path}/@{self.attribute}" if self.attribute else self.path


class SelectorError(ValueError):
    """A text that is no selector. Says what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """One selector. `text` as written; `steps` of a path, an empty one where `//` stands; `attribute` or nothing.

    `members`: what a named set stands for, sets within it resolved; empty for every other kind.
    """

    text: str
    kind: SelectorKind
    steps: tuple[str, ...] = ()
    attribute: str = ""
    members: tuple["Selector", ...] = ()

    @property
    def name(self) -> str:
        """What stands after `wco:`, `set:` or `privacy:`."""
        return self.text.partition(":")[2]

    def matches(self, tree: SchemaTree) -> tuple[Anchor, ...]:
        """Return its anchors in the order of the tree, each once; nothing when the set has no such place."""
        return _matched(self, tree)


# The check and the compiler ask the same of every rule several times over.
@lru_cache(maxsize=1024)
def _matched(selector: Selector, tree: SchemaTree) -> tuple[Anchor, ...]:
    match selector.kind:
        case SelectorKind.PLAIN:
            path = "".join(f"/{step}" for step in selector.steps)
            return _at([path] if path in tree.places else [], selector, tree)
        case SelectorKind.WILDCARD | SelectorKind.ANYWHERE:
            pattern = _pattern(selector)
            return _at([path for path in tree.places if pattern.fullmatch(path)], selector, tree)
        case SelectorKind.WCO:
            return tuple(Anchor(path) for path, node in tree.places.items() if node.wco_id == selector.name)
        case SelectorKind.PRIVACY:
            return _of_class(PrivacyClass(selector.name), tree)
        case SelectorKind.SET:
            return tuple(dict.fromkeys(anchor for member in selector.members for anchor in member.matches(tree)))


def _at(paths: list[str], selector: Selector, tree: SchemaTree) -> tuple[Anchor, ...]:
    name = selector.attribute
    if not name:
        return tuple(map(Anchor, paths))
    return tuple(Anchor(path, name) for path in paths if name in tree.places[path].attributes)


def _pattern(selector: Selector) -> re.Pattern[str]:
    prefix = r"(?:[^/:]+:)?" if selector.kind is SelectorKind.ANYWHERE else ""
    written = ""
    for step in selector.steps:
        if not step:
            written += r"(?:/[^/]+)*"
        elif step == "*":
            written += r"/[^/]+"
        else:
            written += f"/{'' if ':' in step else prefix}{re.escape(step)}"
    return re.compile(written)


def _of_class(privacy: PrivacyClass, tree: SchemaTree) -> tuple[Anchor, ...]:
    found: list[Anchor] = []
    for path, node in tree.places.items():
        if node.privacy is privacy:
            found.append(Anchor(path))
        # An attribute that has a namespace never leaves, so no rule stands on one.
        plain = (one for one in node.attributes.values() if not one.name.startswith("{"))
        found += [Anchor(path, one.name) for one in plain if one.privacy is privacy]
    return tuple(found)


def parse_selector(text: str) -> Selector:
    """Return what `text` selects; the members of a set are for the caller to fill in. Raises SelectorError."""
    head, colon, name = text.partition(":")
    if colon and head in (SelectorKind.WCO, SelectorKind.SET, SelectorKind.PRIVACY):
        return _named(SelectorKind(head), name)
    if not _PATH.fullmatch(text):
        raise SelectorError("Write it from the root, such as /MetaData/Declaration/GoodsShipment, or //Name")
    steps = text.split("/")[1:]
    attribute = steps.pop()[1:] if steps[-1].startswith("@") else ""
    if len(steps) > MAX_STEPS or steps.count("") > MAX_LEAPS:
        raise SelectorError(f"Write at most {MAX_STEPS} steps, and `//` at most {MAX_LEAPS} times")
    kind = SelectorKind.WILDCARD if "*" in steps else SelectorKind.PLAIN
    kind = SelectorKind.ANYWHERE if "" in steps else kind
    return Selector(text=text, kind=kind, steps=tuple(steps), attribute=attribute)


def _named(kind: SelectorKind, name: str) -> Selector:
    if kind is SelectorKind.WCO and not _WCO_ID.fullmatch(name):
        raise SelectorError("Write wco: and an id, such as wco:R037")
    if kind is SelectorKind.SET and not is_name(name):
        raise SelectorError("Write set: and a name under `paths`, such as set:contact-data")
    if kind is SelectorKind.PRIVACY and name not in tuple(PrivacyClass):
        raise SelectorError(f"Write privacy: and one of {', '.join(PrivacyClass)}")
    return Selector(text=f"{kind}:{name}", kind=kind)
