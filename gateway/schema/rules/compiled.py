"""Runs profile rules over a document: which places break which rule.

Two engines, one language. A rule is XPath 2.0; where shapes.py finds that XPath 1.0 means the same, libxml2 runs
it. All such rules for one message kind are first asked in a single expression (screen.py), which crosses from Python to
libxml2 once and walks over the document about once; only when it holds is each rule asked, in the same way, and one
that is broken for its places. A sound document costs that one call.
What is left is run by elementpath, whose tree of the document is built only if a rule's `when` holds, and once. It runs
all rules of a document that spells a number in a way that libxml2 does not read (signed.py).

The context of an expression is the body: a Declaration, or each Response in turn. Compiled rules belong to one process
and one thread, as the set does that they are compiled against.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from lxml import etree

from gateway.document import BODIES, indexed_path, wco_path
from gateway.domain.message import MessageKind
from gateway.domain.profile import Severity
from gateway.errors import Violation
from gateway.schema.facts.nodes import SchemaTree
from gateway.schema.rules.check import ParsedExpression, RuleParser
from gateway.schema.rules.functions import for_lxml
from gateway.schema.rules.language import Rule, RuleTarget
from gateway.schema.rules.screen import any_of
from gateway.schema.rules.shapes import Places
from gateway.schema.rules.signed import SignedNumbers, may_be_negative
from gateway.schema.telling.texts import ENGLISH
from gateway.schema.telling.words import MAX_VIOLATIONS
from gateway.schema.validation import CompiledSet

__all__ = ["BrokenRule", "CompiledRules", "compile_rules", "with_severities"]

MOST_PLACES_OF_A_RULE: Final = 20
_ANY_BODY: Final = tuple(f"{{*}}{name}" for name in sorted(BODIES))
CODE: Final = "schema.profile_broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """One place that breaks a rule."""

    severity: Severity
    violation: Violation


@dataclass(frozen=True, slots=True)
class _Quick:
    """A rule that libxml2 runs. `broken`: whether it is, which is told sooner than where, as `selects` does."""

    rule: Rule
    broken: etree.XPath
    selects: etree.XPath


@dataclass(frozen=True, slots=True)
class _Slow:
    """A rule that elementpath runs, as token trees, unless `quick_when` keeps it from it."""

    rule: Rule
    quick_when: etree.XPath | None
    when: Any
    selects: Any


@dataclass(frozen=True, slots=True)
class _Group:
    """The rules for one message kind and target. `screen` holds when any quick rule is broken; `unsigned` does so for
    documents without a number below zero.

    `exact`: all of them, for elementpath alone. `signed`: finds the documents for which these are.
    """

    screen: etree.XPath | None
    unsigned: etree.XPath | None
    quick: tuple[_Quick, ...]
    slow: tuple[_Slow, ...]
    exact: tuple[_Slow, ...]
    signed: SignedNumbers


class CompiledRules:
    """Rules ready to run. `breaches` takes the parsed document; nothing of it is kept."""

    __slots__ = ("_groups", "_tree")

    def __init__(self, groups: Mapping[tuple[MessageKind, RuleTarget], _Group], tree: SchemaTree) -> None:
        self._groups: Final = groups
        self._tree: Final = tree

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("CompiledRules stay in the process that compiled them; hand over the RuleSet")

    @property
    def slow(self) -> tuple[str, ...]:
        """The ids of the rules that elementpath runs."""
        return tuple(sorted({one.rule.id for group in self._groups.values() for one in group.slow}))

    def has(self, kind: MessageKind, target: RuleTarget) -> bool:
        """Tell whether any rule is for such a message."""
        return (kind, target) in self._groups

    def breaches(
        self, root: etree._Element, kind: MessageKind, target: RuleTarget, today: date, raw: bytes = b""
    ) -> tuple[BrokenRule, ...]:
        """Return the places that break a rule, in the order of the rules: at most MAX_VIOLATIONS.

        `raw`: the bytes that the tree under `root` was read from; without them it is searched for what they would show.
        """
        group = self._groups.get((kind, target))
        if group is None:
            return ()
        day = today.year * 10000 + today.month * 100 + today.day
        # One Declaration, or Responses, within the envelope or bare.
        bodies = list(root.iterchildren(*_ANY_BODY)) or [root]
        is_exact = group.signed.stand_in(root, raw)
        found: list[BrokenRule] = []
        is_unsigned = group.unsigned is not group.screen and raw != b"" and not may_be_negative(raw)
        screen = group.unsigned if is_unsigned else group.screen
        if not is_exact and screen is not None:
            found += [breach for body in bodies for breach in _quick_breaches(group, screen, body, day, self._breach)]
        if slow := group.exact if is_exact else group.slow:
            found += _slow_breaches(slow, root, bodies, day, self._breach)
        return tuple(dict.fromkeys(found))[:MAX_VIOLATIONS]

    def _breach(self, rule: Rule, element: etree._Element, message: str = "") -> BrokenRule:
        node = self._tree.node(wco_path(element))
        wco_id, wco_name = ("", "") if node is None else self._tree.names_of(node)
        violation = Violation(
            code=CODE,
            rule=rule.id,
            path=indexed_path(element, self._tree.names.__contains__),
            line=element.sourceline,
            wco_id=wco_id,
            wco_name=wco_name,
            message=message or rule.title,
            expected=rule.expected,
            fix=rule.fix,
        )
        return BrokenRule(severity=rule.severity, violation=violation)


_Tell = Callable[..., BrokenRule]


def _quick_breaches(
    group: _Group, screen: etree.XPath, body: etree._Element, day: int, tell: _Tell
) -> Iterator[BrokenRule]:
    if not screen(body, today=day):
        return
    for one in group.quick:
        if not one.broken(body, today=day):
            continue
        selected: Any = one.selects(body, today=day)
        for element in selected[:MOST_PLACES_OF_A_RULE]:
            yield tell(one.rule, element)


def _slow_breaches(
    rules: Sequence[_Slow], root: etree._Element, bodies: Iterable[etree._Element], day: int, tell: _Tell
) -> Iterator[BrokenRule]:
    """Ask elementpath. What fails on a document counts as broken there: silence must only mean that the rule holds."""
    asked = [
        (one, body) for body in bodies for one in rules if one.quick_when is None or one.quick_when(body, today=day)
    ]
    if not asked:
        return
    from elementpath import ElementPathError, XPathContext

    tree: Any = root.getroottree()  # as in lxml, `/` is the document
    whole = XPathContext(tree).root
    for one, element in asked:
        body: Any = element
        try:
            if one.when is not None and not _holds(one.when, XPathContext(whole, item=body, variables={"today": day})):
                continue
            found = one.selects.get_results(XPathContext(whole, item=body, variables={"today": day}))
        except ElementPathError:
            yield tell(one.rule, body, ENGLISH("rule.undecided"))
            continue
        elements = [element for element in found if isinstance(element, etree._Element)]
        yield from (tell(one.rule, selected) for selected in elements[:MOST_PLACES_OF_A_RULE])


def _holds(when: Any, context: Any) -> bool:
    return bool(when.boolean_value(list(when.select(context))))


def compile_rules(rules: Iterable[Rule], compiled: CompiledSet) -> CompiledRules:
    """Return the rules ready to run under a set. They must have passed `check_rules`."""
    parser = RuleParser(compiled.tree, compiled.prefixes)
    maker = _Maker(parser.namespaces, for_lxml(compiled.tree))
    grouped: dict[tuple[MessageKind, RuleTarget], list[_Made]] = {}
    for rule in rules:
        one = maker.rule(rule, parser.parse(rule.selects), parser.parse(rule.when) if rule.when else None)
        for kind in sorted(rule.kinds):
            grouped.setdefault((kind, rule.target), []).append(one)
    return CompiledRules({key: maker.group(found, compiled.tree) for key, found in grouped.items()}, compiled.tree)


@dataclass(frozen=True, slots=True)
class _Made:
    """One rule, made ready. `numbers`: the places whose text libxml2 would read as a number for it."""

    ready: _Quick | _Slow
    exact: _Slow
    numbers: Places


class _Maker:
    """Makes XPath objects with the set's prefixes and our functions."""

    def __init__(self, namespaces: Mapping[str, str], functions: Mapping[tuple[str, str], Callable[..., Any]]) -> None:
        self._namespaces = dict(namespaces)
        self._functions = dict(functions)

    def xpath(self, text: str) -> etree.XPath:
        return etree.XPath(text, namespaces=self._namespaces, extensions=self._functions, smart_strings=False)

    def rule(self, rule: Rule, selects: ParsedExpression, when: ParsedExpression | None) -> _Made:
        exact = _Slow(rule, None, None if when is None else when.token, selects.token)
        if when is not None and when.reading.foreign:
            return _Made(exact, exact, frozenset())
        asked: Places = frozenset() if when is None else when.reading.numbers
        if not selects.reading.foreign:
            quick = _Quick(rule, self.xpath(_broken([rule])), self.xpath(rule.selects))
            return _Made(quick, exact, asked | selects.reading.numbers)
        quick_when = None if when is None else self.xpath(f"boolean({rule.when})")
        return _Made(_Slow(rule, quick_when, None, selects.token), exact, asked)

    def group(self, made: Sequence[_Made], tree: SchemaTree) -> _Group:
        quick = tuple(one.ready for one in made if isinstance(one.ready, _Quick))
        slow = tuple(one.ready for one in made if isinstance(one.ready, _Slow))
        all_asked, fewer = (_broken([one.rule for one in quick], negative=negative) for negative in (True, False))
        screen = self.xpath(all_asked) if quick else None
        unsigned = self.xpath(fewer) if fewer else None
        return _Group(
            screen=screen,
            unsigned=screen if fewer == all_asked else unsigned,
            quick=quick,
            slow=slow,
            exact=tuple(one.exact for one in made),
            signed=SignedNumbers(frozenset().union(*(one.numbers for one in made)), tree),
        )


def _broken(rules: Sequence[Rule], *, negative: bool = True) -> str:
    """Return the expression that tells whether any of the rules is broken; `negative` as for `any_of`.

    Of a rule's `when` and what it selects the shorter is asked first: where that is false, the other costs nothing.
    """
    always = any_of((rule.selects for rule in rules if not rule.when), negative=negative)
    at_times = ((rule.when, any_of([rule.selects], negative=negative)) for rule in rules if rule.when)
    both = (sorted((f"boolean({when})", f"({one})"), key=len) for when, one in at_times if one)
    return " or ".join([*([always] if always else []), *(f"{first} and {then}" for first, then in both)])


def with_severities(rules: Iterable[Rule], severities: Mapping[str, Severity], without: frozenset[str]) -> list[Rule]:
    """Return the rules as an agreement wants them: some left out, some with another severity."""
    return [replace(one, severity=severities.get(one.id, one.severity)) for one in rules if one.id not in without]
