"""Reads a parsed rule expression against a schema set: what it names, and whether XPath 1.0 means the same by it.

The language of rules is XPath 2.0. libxml2 runs XPath 1.0 a hundred times faster, and most rules are within what both
mean alike. So an expression is walked once, token by token, and every part gets a shape: nodes of which places, a
number, a text, a truth. Where a construct is not in the table below, or its shapes could make the two languages differ,
the whole expression is left to the XPath 2.0 engine. The table is what docs/profile-rules.md promises:

    paths        child, attribute, self, parent, descendant axes; `.` `..` `/` `//` `|`; name tests, `*`; predicates
    comparisons  numbers; nodes that the set types as numbers with a number; nodes or text with nodes or text, `=` `!=`
    arithmetic   on what is a number already, never on bare nodes: of no node XPath 1.0 makes NaN, XPath 2.0 nothing
    functions    those of _FUNCTIONS; where a text is expected, nodes that can be at most one (XPath 2.0 refuses more)
    number()     of numbers, of places that the set types as numbers, and of the beginning of a text whose pattern has
                 hardly more than digits: XPath 2.0 also knows INF, and libxml2 reads halves of exponents

One spelling of a number is left that they read differently, a "+" before it: signed.py looks for that in documents, at
the places that `numbers` names. On the way it notes every name that can not stand where the expression looks for it:
such a rule would never fire.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway.schema.facts.nodes import SchemaNode, SchemaTree, ValueFacts
from gateway.schema.rules.functions import NAMESPACE, SIGNATURES

__all__ = ["Places", "Reading", "Shape", "read_expression"]

Places = frozenset[str]

_DOWN: Final = frozenset({"child", "self", "descendant", "descendant-or-self", "parent", "attribute"})
_ORDERS: Final = frozenset({"<", "<=", ">", ">="})
_EQUALS: Final = frozenset({"=", "!="})
_SUMS: Final = frozenset({"+", "-", "*", "div", "mod"})
_NUMBER_TYPES: Final = frozenset({"decimal", "integer", "nonNegativeInteger", "positiveInteger", "int", "short"})
# No letter that could stand in a number, and nothing for which such a letter could stand.
_DIGITS_ONLY: Final = re.compile(r"(?:\\d|\[0-9\]|\[-\+\]|\[\+-\]|[0-9ZT(){}|?*,])+")
_STEPS: Final = frozenset({"(name)", ":", "*", ".", "..", "@", "["})
_TEXT, _NODES, _NUMBER, _ANY = "text", "nodes", "number", "any"
# function → (shapes of its arguments, shape of what it gives, least number of arguments)
_FUNCTIONS: Final[Mapping[str, tuple[tuple[str, ...], str, int]]] = {
    "count": ((_NODES,), "integer", 1),
    "sum": (("numbers",), "double", 1),
    "number": (("one",), "double", 0),
    "floor": ((_NUMBER,), "double", 1),
    "ceiling": ((_NUMBER,), "double", 1),
    "position": ((), "integer", 0),
    "last": ((), "integer", 0),
    "string-length": ((_TEXT,), "integer", 0),
    "not": ((_ANY,), "truth", 1),
    "boolean": ((_ANY,), "truth", 1),
    "true": ((), "truth", 0),
    "false": ((), "truth", 0),
    "string": ((_TEXT,), "text", 0),
    "normalize-space": ((_TEXT,), "text", 0),
    "starts-with": ((_TEXT, _TEXT), "truth", 2),
    "contains": ((_TEXT, _TEXT), "truth", 2),
    "substring-before": ((_TEXT, _TEXT), "text", 2),
    "substring-after": ((_TEXT, _TEXT), "text", 2),
    "substring": ((_TEXT, _NUMBER, _NUMBER), "text", 2),
    "translate": ((_TEXT, _TEXT, _TEXT), "text", 3),
    "concat": ((_TEXT,) * 9, "text", 2),
}
_OF_THE_CONTEXT: Final = ("number", "string", "normalize-space")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a part of an expression gives. `kind`: nodes, integer, decimal, double, text, truth, or any.

    `places` of nodes: their paths (an attribute's after `/@`), None when that can not be told; of a text: those with
    whose text it begins. `single`: at most one node from one context node.
    """

    kind: str
    places: Places | None = None
    single: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it is a number in both languages."""
        return self.kind in ("integer", "decimal", "double")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What came of reading one expression. `foreign`: why XPath 1.0 does not run it, empty when it does.

    `strays`: (name, where it was looked for), for names that the set does not have there. `numbers`: the places whose
    text it reads as a number.
    """

    shape: Shape
    foreign: str
    strays: tuple[tuple[str, str], ...]
    numbers: Places


_UNKNOWN: Final = Shape(kind=_ANY)
_ROOT: Final = Shape(kind=_NODES, places=frozenset({""}), single=True)


def read_expression(token: Any, tree: SchemaTree, namespaces: Mapping[str, str], bodies: Places) -> Reading:
    """Return the reading of a token tree of elementpath. `bodies`: the paths of the context node."""
    reader = _Reader(tree, namespaces)
    shape = reader.read(token, Shape(kind=_NODES, places=bodies, single=True))
    strays = tuple(dict.fromkeys(reader.strays))
    return Reading(shape=shape, foreign=reader.foreign, strays=strays, numbers=frozenset(reader.numbers))


class _Reader:
    def __init__(self, tree: SchemaTree, namespaces: Mapping[str, str]) -> None:
        self.tree = tree
        self.namespaces = namespaces
        self.foreign = ""
        self.strays: list[tuple[str, str]] = []
        self.numbers: set[str] = set()
        self._readers: Mapping[str, Callable[[Any, Shape], Shape]] = {
            ".": lambda _, context: replace(context, single=True),
            "..": lambda _, context: self.step("parent", None, context),
            "(name)": lambda token, context: self.step("child", token, context),
            "@": lambda token, context: self.step("attribute", token[0], context),
            "/": self.path,
            "//": self.path,
            "[": self.predicate,
            "(": self.group,
            "|": self.union,
            "$": lambda token, _: self.variable(token),
            "(string)": lambda _, __: Shape(kind="text"),
            "(integer)": lambda _, __: Shape(kind="integer"),
            "(decimal)": lambda _, __: Shape(kind="decimal"),
            "and": self.both,
            "or": self.both,
        }

    def leave(self, why: str) -> Shape:
        """Leave the expression to the XPath 2.0 engine."""
        self.foreign = self.foreign or why
        return _UNKNOWN

    def read(self, token: Any, context: Shape) -> Shape:
        """Return the shape of one part, evaluated for each node of `context`."""
        symbol = token.symbol
        if symbol in self._readers:
            return self._readers[symbol](token, context)
        if symbol == ":":
            return self.call(token[1], context) if _is_function(token[1]) else self.step("child", token, context)
        if symbol == "*" and len(token) == 0:
            return self.step("child", token, context)
        if token.label == "axis":
            return self.step(symbol, token[0], context)
        if symbol in _ORDERS | _EQUALS:
            return self.comparison(token, context)
        if symbol in _SUMS:
            return self.arithmetic(token, context)
        if _is_function(token):
            return self.call(token, context)
        for part in token:
            self.read(part, context)
        return self.leave(f"`{symbol}` is not in XPath 1.0, or means something else there")

    # ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────

    def path(self, token: Any, context: Shape) -> Shape:
        if len(token) == 0:
            return _ROOT
        left = _ROOT if len(token) == 1 else self.read(token[0], context)
        if token.symbol == "//":
            left = Shape(kind=_NODES, places=self.below(left.places))
        step = token[-1]
        if step.symbol not in _STEPS and step.label != "axis":
            self.leave("a step that is not a name, such as `a/(b|c)`")
        right = self.read(step, left)
        return replace(right, single=left.single and right.single)

    def below(self, places: Places | None) -> Places | None:
        """Return the places and all below them."""
        if places is None:
            return None
        found, waiting = set(places), [child for place in places for child in self.children(place)]
        while waiting:
            node = waiting.pop()
            if node.path not in found:
                found.add(node.path)
                waiting += node.children
        return frozenset(found)

    def children(self, place: str) -> tuple[SchemaNode, ...]:
        if not place:
            return self.tree.roots
        node = self.tree.node(place)
        return () if node is None else node.children

    def step(self, axis: str, test: Any, context: Shape) -> Shape:
        if axis not in _DOWN:
            self.leave(f"the axis {axis}")
        if test is not None and (test.label == "kind test" or test.symbol not in ("(name)", ":", "*")):
            return self.leave("a test for a kind of node")
        found = self.reached(axis, test, context.places)
        if found is not None and not found and context.places:
            self.strays.append((_written(test), _places_written(context.places)))
            found = None
        single = axis in ("self", "parent", "attribute") or (axis == "child" and self.at_most_once(found))
        return Shape(kind=_NODES, places=found, single=single and not _is_wild(test))

    def reached(self, axis: str, test: Any, places: Places | None) -> Places | None:
        if places is None:
            return None
        if axis == "attribute":
            return self.attributes(test, places)
        if axis == "parent":
            return frozenset(place.rpartition("/")[0] for place in places if place)
        if axis == "child":
            nodes = [child for place in places for child in self.children(place)]
            return frozenset(node.path for node in nodes if self.passes(test, node))
        if axis in ("self", "descendant", "descendant-or-self"):
            reach = places if axis == "self" else self.below(places) or frozenset()
            known = [node for place in reach if (node := self.tree.node(place)) is not None]
            return frozenset(node.path for node in known if self.passes(test, node))
        return None

    def attributes(self, test: Any, places: Places) -> Places | None:
        if _is_wild(test) or test.symbol == ":":
            return None
        nodes = [node for place in places if (node := self.tree.node(place)) is not None]
        return frozenset(f"{node.path}/@{test.value}" for node in nodes if test.value in node.attributes)

    def passes(self, test: Any, node: SchemaNode) -> bool:
        if test is None or (test.symbol == "*" and len(test) == 0):
            return True
        if test.symbol == "(name)":
            return not node.namespace and node.name == test.value
        prefix, local = test[0].value, test[1].value
        return node.namespace == self.namespaces.get(prefix) and local in (node.name, "*")

    def at_most_once(self, places: Places | None) -> bool:
        if places is None:
            return False
        nodes = [self.tree.node(place) for place in places]
        return all(node is not None and node.most == 1 for node in nodes)

    def predicate(self, token: Any, context: Shape) -> Shape:
        base = self.read(token[0], context)
        self.read(token[1], replace(base, single=True))
        if base.kind != _NODES:
            return self.leave("a predicate on what is not nodes")
        return replace(base, single=base.single or token[1].symbol == "(integer)")

    def group(self, token: Any, context: Shape) -> Shape:
        return self.read(token[0], context) if len(token) == 1 else self.leave("an empty or longer sequence")

    def union(self, token: Any, context: Shape) -> Shape:
        left, right = self.read(token[0], context), self.read(token[1], context)
        if left.kind != _NODES or right.kind != _NODES:
            return self.leave("a union of what is not nodes")
        if left.places is None or right.places is None:
            return Shape(kind=_NODES)
        return Shape(kind=_NODES, places=left.places | right.places)

    # ── values ───────────────────────────────────────────────────────────────────────────────────────────────────

    def variable(self, token: Any) -> Shape:
        return Shape(kind="integer") if token[0].value == "today" else self.leave("a variable of its own")

    def both(self, token: Any, context: Shape) -> Shape:
        for part in token:
            self.read(part, context)
        return Shape(kind="truth")

    def comparison(self, token: Any, context: Shape) -> Shape:
        left, right = self.read(token[0], context), self.read(token[1], context)
        if not self.alike(left, right, is_order=token.symbol in _ORDERS):
            self.leave(f"`{token.symbol}` between {left.kind} and {right.kind}")
        return Shape(kind="truth")

    def alike(self, left: Shape, right: Shape, *, is_order: bool) -> bool:
        """Tell whether both languages compare these the same way."""
        if left.is_number or right.is_number:
            return all(one.is_number or self.reads_numbers(one) for one in (left, right))
        if is_order:
            return False  # of texts XPath 1.0 makes numbers, XPath 2.0 compares them letter by letter
        return {left.kind, right.kind} <= {_NODES, _TEXT} or left.kind == right.kind == "truth"

    def reads_numbers(self, shape: Shape) -> bool:
        """Whether the set types every place as a number: of another text XPath 1.0 makes NaN, XPath 2.0 an error."""
        self.numbers |= shape.places or frozenset()
        return shape.kind == _NODES and bool(shape.places) and all(map(self.is_number_at, shape.places or ()))

    def is_number_at(self, place: str) -> bool:
        value = self.value_at(place)
        return value is not None and value.base in _NUMBER_TYPES

    def begins_in_digits(self, shape: Shape) -> bool:
        """Whether XPath 1.0 reads as a number what XPath 2.0 does, of a text that begins as those at its places do."""
        self.numbers |= shape.places or frozenset()
        return bool(shape.places) and all(
            self.is_number_at(one) or self.is_digits_at(one) for one in shape.places or ()
        )

    def is_digits_at(self, place: str) -> bool:
        value = self.value_at(place)
        return value is not None and any(map(_DIGITS_ONLY.fullmatch, value.patterns))

    def value_at(self, place: str) -> ValueFacts | None:
        path, _, attribute = place.partition("/@")
        node = self.tree.node(path)
        if node is None:
            return None
        if attribute:
            return node.attributes[attribute].value
        return None if node.nillable else node.value  # of no text XPath 1.0 makes NaN, XPath 2.0 an error

    def arithmetic(self, token: Any, context: Shape) -> Shape:
        parts = [self.read(part, context) for part in token]
        if not all(part.is_number for part in parts):
            return self.leave(f"`{token.symbol}` on what is not a number yet; write number(…)")
        kinds = {part.kind for part in parts}
        if "double" in kinds:
            return Shape(kind="double")
        if "decimal" in kinds or token.symbol in ("div", "mod"):
            return self.leave("decimals, which XPath 2.0 reckons exactly")
        return Shape(kind="integer")

    def call(self, token: Any, context: Shape) -> Shape:
        arguments = [self.read(part, context) for part in token]
        if not arguments and token.symbol in _OF_THE_CONTEXT:
            arguments = [replace(context, single=True)]
        if token.symbol in SIGNATURES and token.namespace == NAMESPACE:
            takes, gives = SIGNATURES[token.symbol]
            least = len(takes)
        elif token.symbol in _FUNCTIONS:
            takes, gives, least = _FUNCTIONS[token.symbol]
        else:
            return self.leave(f"the function {token.symbol}()")
        if len(arguments) < least and not (least == 0 and not arguments):
            return self.leave(f"{token.symbol}() with fewer arguments")
        for argument, kind in zip(arguments, takes, strict=False):
            if not self.fits(argument, kind):
                self.leave(f"{token.symbol}() of {argument.kind} that may be several or of another type")
        if gives == _NODES:
            return replace(arguments[0], single=False) if arguments[0].kind == _NODES else _UNKNOWN
        return Shape(kind=gives, places=_begins_as(token, arguments) if gives == _TEXT else None)

    def fits(self, argument: Shape, kind: str) -> bool:
        if kind == _ANY:
            return argument.kind != _ANY
        if kind == "one":
            return argument.is_number or (self.fits(argument, _TEXT) and self.begins_in_digits(argument))
        if kind == "numbers":
            return self.reads_numbers(argument)
        if kind == _NUMBER:
            return argument.is_number
        if kind == _TEXT:
            return argument.kind == _TEXT or (argument.kind == _NODES and argument.single)
        return argument.kind == kind


def _begins_as(token: Any, arguments: Sequence[Shape]) -> Places | None:
    """Return the places with whose text that of a call begins, blanks aside."""
    if token.symbol == "substring" and (token[1].symbol != "(integer)" or token[1].value != 1):
        return None
    return arguments[0].places if token.symbol in (*_OF_THE_CONTEXT, "substring") else None


def _is_function(token: Any) -> bool:
    return token.label in ("function", "external function", "constructor function") or token.symbol in SIGNATURES


def _is_wild(test: Any) -> bool:
    return test is not None and (test.symbol == "*" or (test.symbol == ":" and test[1].symbol == "*"))


def _written(test: Any) -> str:
    return "*" if test is None or test.symbol == "*" else str(test.value)


def _places_written(places: Places) -> str:
    shown = sorted(place or "the root" for place in places)
    return ", ".join(shown[:2]) + (", …" if len(shown) > 2 else "")
