"""Runs one rule expression by both engines, so that tests can hold them against each other."""

from typing import Any

from elementpath import XPathContext
from lxml import etree

from gateway.schema import CompiledSet
from gateway.schema.rules.check import ParsedExpression, RuleParser
from gateway.schema.rules.functions import for_lxml

DAY = 20261122


class BothEngines:
    """The expressions of one schema set, parsed once, run by libxml2 and by elementpath."""

    def __init__(self, compiled: CompiledSet) -> None:
        self.parser = RuleParser(compiled.tree, compiled.prefixes)
        self._functions = for_lxml(compiled.tree)

    def parse(self, text: str) -> ParsedExpression:
        return self.parser.parse(text)

    def quick(self, text: str) -> etree.XPath:
        return etree.XPath(text, namespaces=dict(self.parser.namespaces), extensions=dict(self._functions))

    def by_libxml2(self, expression: etree.XPath, body: etree._Element) -> list[etree._Element] | bool:
        found: Any = expression(body, today=DAY)
        return list(found) if isinstance(found, list) else bool(found)

    def by_elementpath(self, expression: ParsedExpression, body: etree._Element) -> list[etree._Element] | bool:
        tree: Any = body.getroottree()
        item: Any = body
        context = XPathContext(tree, item=item, variables={"today": DAY})
        found = expression.token.get_results(context)
        return list(found) if isinstance(found, list) else bool(found)
