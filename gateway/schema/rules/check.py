"""Parses the expressions of rules and holds them against a schema set, before any document comes.

A rule that names what the set does not have would never fire, and nobody would notice. So every name that can not stand
where an expression looks for it is a finding, as is every expression that is not XPath 2.0.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.document import BODIES
from gateway.errors import Finding
from gateway.schema.facts.nodes import SchemaTree
from gateway.schema.rules.endless import endless
from gateway.schema.rules.functions import NAMESPACE, PREFIX, for_elementpath
from gateway.schema.rules.language import Rule, RuleSet
from gateway.schema.rules.shapes import Places, Reading, read_expression
from gateway.schema.validation import CompiledSet

__all__ = ["BrokenExpressionError", "ParsedExpression", "RuleParser", "check_rules"]

_FIX: Final = "docs/profile-rules.md has the language"


class BrokenExpressionError(Exception):
    """The text is no expression of the language; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedExpression:
    """An expression as elementpath runs it (`token`), and what reading it against the set showed."""

    text: str
    token: Any
    reading: Reading


class RuleParser:
    """Parses expressions for one schema set, with its fixed prefixes, our functions and `$today`."""

    def __init__(self, tree: SchemaTree, prefixes: Mapping[str, str]) -> None:
        # Half a second of imports that only rules need.
        from elementpath.xpath2 import XPath2Parser

        self.namespaces: Final = {**prefixes, PREFIX: NAMESPACE}
        self._tree: Final = tree
        self._bodies: Final = body_paths(tree)
        self._parser: Final = XPath2Parser(namespaces=self.namespaces, variable_types={"today": "xs:integer"})
        for_elementpath(self._parser, tree)
        self._parser.tokenizer = self._parser.create_tokenizer(self._parser.symbol_table)

    def parse(self, text: str) -> ParsedExpression:
        """Return the expression. Raises BrokenExpressionError."""
        from elementpath import ElementPathError, MissingContextError
        from elementpath.tdop import Parser

        try:
            # XPath2Parser.parse would evaluate at once what needs no document, and may not come back from it.
            token: Any = Parser.parse(self._parser, text)
            if why := endless(token):
                raise BrokenExpressionError(why)
            with contextlib.suppress(MissingContextError):
                token.evaluate()
        except ElementPathError as error:
            # Its texts quote the rule, which is ours, and never a document.
            raise BrokenExpressionError(f"is not XPath 2.0: {error}") from None
        return ParsedExpression(
            text=text, token=token, reading=read_expression(token, self._tree, self.namespaces, self._bodies)
        )


def body_paths(tree: SchemaTree) -> Places:
    """Return the paths of the bodies: bare roots, and what stands in an envelope."""
    within = [child for root in tree.roots if root.name not in BODIES for child in root.children]
    return frozenset(node.path for node in (*tree.roots, *within) if node.name in BODIES)


def check_rules(rule_set: RuleSet, compiled: CompiledSet) -> tuple[Finding, ...]:
    """Return everything wrong with the expressions and kinds of a rule set, held against its schema set."""
    if compiled.id != rule_set.schema_set:
        problem = f"is for {rule_set.schema_set}, not for {compiled.id}"
        return (Finding(file=rule_set.file, key="schema_set", problem=problem, fix="Name the rules of that set"),)
    parser = RuleParser(compiled.tree, compiled.prefixes)
    return tuple(finding for rule in rule_set.rules for finding in _check_rule(rule, rule_set.file, parser, compiled))


def _check_rule(rule: Rule, file: str, parser: RuleParser, compiled: CompiledSet) -> Iterator[Finding]:
    for foreign in sorted(rule.kinds - set(compiled.schema_set.kinds)):
        problem = f"is for {foreign}, which {compiled.id} does not cover"
        yield Finding(file=file, line=rule.line("kinds"), key=f"{rule.id}.kinds", problem=problem, fix="Leave it out")
    for key, text in (("when", rule.when), ("selects", rule.selects)):
        if not text:
            continue
        line, where = rule.line(key), f"{rule.id}.{key}"
        try:
            reading = parser.parse(text).reading
        except BrokenExpressionError as error:
            yield Finding(file=file, line=line, key=where, problem=str(error), fix=_FIX)
            continue
        for name, places in reading.strays:
            problem = f"looks for {name} below {places}, where {compiled.id} does not have it"
            yield Finding(file=file, line=line, key=where, problem=problem, fix="Correct the path; it would never fire")
        if key == "selects" and reading.shape.kind not in ("nodes", "any"):
            yield Finding(file=file, line=line, key=where, problem="selects no elements", fix=_FIX)
