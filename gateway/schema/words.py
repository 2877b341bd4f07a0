"""Says in plain words what a document breaks, without a value of it.

libxml2's texts quote values. So a text here is made from three things only: the kind of error, the place (a path of
names the set knows, with indexes), and what the set says about that place. Out of libxml2's text come only names, and
only when the set knows them.
"""

import re
from collections.abc import Iterable
from typing import Final

from lxml import etree

from gateway.document import indexed_path, wco_path
from gateway.errors import Violation
from gateway.schema.facts import AttributeFacts, SchemaNode, SchemaTree, ValueFacts

MAX_VIOLATIONS: Final = 50
_MAX_NAMES: Final = 6

_ROOT, _UNEXPECTED, _MISSING = "schema.root_not_in_set", "schema.element_not_expected", "schema.element_missing"
_TEXT, _ATTRIBUTE, _NO_ATTRIBUTE = "schema.text_not_allowed", "schema.attribute_not_allowed", "schema.attribute_missing"
_VALUE, _OVERRIDE, _OTHER = "schema.value_not_allowed", "schema.type_override_refused", "schema.invalid"

# libxml2's names for the rules of XSD 1.0 part 1 (cvc-…), without their prefix SCHEMAV_.
_CODES: Final = {
    "CVC_ELT_1": _ROOT,
    "CVC_WILDCARD": _UNEXPECTED,
    "ELEMENT_CONTENT": _UNEXPECTED,
    "CVC_COMPLEX_TYPE_2_1": _UNEXPECTED,
    "CVC_COMPLEX_TYPE_2_2": _UNEXPECTED,
    "CVC_COMPLEX_TYPE_2_3": _TEXT,
    "CVC_COMPLEX_TYPE_2_4": _UNEXPECTED,
    "CVC_COMPLEX_TYPE_3_1": _VALUE,
    "CVC_COMPLEX_TYPE_3_2_1": _ATTRIBUTE,
    "CVC_COMPLEX_TYPE_3_2_2": _ATTRIBUTE,
    "CVC_COMPLEX_TYPE_4": _NO_ATTRIBUTE,
    "CVC_ELT_3_1": _OVERRIDE,
    "CVC_ELT_4_1": _OVERRIDE,
    "CVC_ELT_4_2": _OVERRIDE,
    "CVC_ELT_4_3": _OVERRIDE,
}
_VALUE_RULES: Final = re.compile(r"CVC_(DATATYPE|[A-Z]+_VALID|TYPE_3_1|FACET|AU|ATTRIBUTE)")
_ATTRIBUTE_IN_TEXT: Final = re.compile(r"^Element '[^']*', attribute '([^']*)':")
_REQUIRED_IN_TEXT: Final = re.compile(r"The attribute '([^']*)' is required")
_EXPECTED_IN_TEXT: Final = re.compile(r"Expected is (?:one of )?\( (.*) \)\.$")
_STEP: Final = re.compile(r"(?:([^:\[\]/]+):)?([^:\[\]/]+)(?:\[(\d+)\])?")
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"

_PATTERNS: Final = {
    r".*[^\s].*": "not blank",
    "([a-zA-Z])*": "letters only",
    "([0-9])*": "digits only",
    r"(20\d{6})(\d{6}(Z|[-+]\d\d))?": "a date YYYYMMDD, or with time and zone YYYYMMDDhhmmss and Z or +hh or -hh",
}
_BASES: Final = {
    "decimal": "a number",
    "anyURI": "a URI",
    "language": "a language tag such as en",
    "boolean": "a boolean",
}


def violations(log: Iterable[etree._LogEntry], root: etree._Element, tree: SchemaTree) -> tuple[Violation, ...]:
    """Return what an error log of lxml says about the tree under `root`: at most MAX_VIOLATIONS, no two the same."""
    found: dict[tuple[str, str, str], Violation] = {}
    for entry in log:
        violation = _violation(entry, root, tree)
        found.setdefault((violation.code, violation.path, violation.message), violation)
        if len(found) == MAX_VIOLATIONS:
            break
    return tuple(found.values())


def root_not_in_set(root: etree._Element, roots: Iterable[str], tree: SchemaTree) -> Violation:
    """Return the violation of a document whose root the set does not allow."""
    return Violation(
        code=_ROOT,
        path=indexed_path(root, tree.names.__contains__),
        line=root.sourceline,
        message=f"The set allows as root only {_listed(name.rpartition('}')[2] for name in roots)}",
    )


def expectation(value: ValueFacts) -> str:
    """Return in words what a value must be, such as `text of at most 35 characters, not blank`."""
    if value.one_of:
        return _listed(value.one_of)
    if value.either:
        return "either " + ", or ".join(expectation(one) for one in value.either)
    if value.item is not None:
        return f"a list{_size(value, 'value')}, each {expectation(value.item)}"
    words = [_BASES.get(value.base, "text") + _size(value)]
    words += [_PATTERNS.get(pattern, f"of the form {pattern}") for pattern in value.patterns]
    words += [f"at least {value.least}"] if value.least is not None else []
    words += [f"more than {value.above}"] if value.above is not None else []
    words += [f"at most {value.most}"] if value.most is not None else []
    words += [f"less than {value.below}"] if value.below is not None else []
    return ", ".join(words)


def _size(value: ValueFacts, unit: str = "character") -> str:
    if value.total_digits is not None:
        decimals = "no decimals" if not value.fraction_digits else f"at most {value.fraction_digits} of them decimals"
        return f" of at most {value.total_digits} digits, {decimals}"
    if value.min_length is not None and value.min_length == value.max_length:
        return f" of exactly {value.max_length} {unit}{'s' if value.max_length != 1 else ''}"
    if value.max_length is not None:
        at_least = f"{value.min_length} to" if value.min_length else "at most"
        return f" of {at_least} {value.max_length} {unit}s"
    return f" of at least {value.min_length} {unit}s" if value.min_length else ""


def _violation(entry: etree._LogEntry, root: etree._Element, tree: SchemaTree) -> Violation:
    rule, text = entry.type_name.removeprefix("SCHEMAV_"), entry.message
    element = _element_at(entry.path, root)
    node = tree.node(wco_path(element)) if element is not None else None
    attribute = _known_attribute(_ATTRIBUTE_IN_TEXT.match(text), node)
    about_attribute = _ATTRIBUTE_IN_TEXT.match(text) is not None
    code = _CODES.get(rule) or (_VALUE if _VALUE_RULES.match(rule) else _OTHER)
    if code == _UNEXPECTED and "Missing child element(s)" in text:
        code = _MISSING
    if code == _VALUE and about_attribute and attribute is None:
        # xsi:type and xsi:nil are attributes of no type: a document may not choose its own types here.
        code = _OVERRIDE if f"attribute '{_XSI}" in text else _ATTRIBUTE
    return Violation(
        code=code,
        path="/" if element is None else indexed_path(element, tree.names.__contains__),
        line=entry.line or None,
        wco_id=node.wco_id if node is not None else "",
        message=_message(code, text, node, attribute, tree),
    )


def _message(code: str, text: str, node: SchemaNode | None, attribute: AttributeFacts | None, tree: SchemaTree) -> str:
    if code == _UNEXPECTED:
        if node is not None and node.is_leaf and "content is not allowed" in text:
            return f"{node.name} holds a value and no elements"
        return "This element may not stand here" + _expected(text, tree)
    if code == _MISSING:
        return f"{node.name if node else 'The element'} lacks a required element" + _expected(text, tree)
    if code == _TEXT:
        return f"{node.name if node else 'The element'} holds elements; text may not stand between them"
    if code == _ATTRIBUTE:
        return "An attribute is not allowed here" + _allowed_attributes(node)
    if code == _NO_ATTRIBUTE:
        required = _known_attribute(_REQUIRED_IN_TEXT.search(text), node)
        return f"The attribute {required.name} is required" if required else "A required attribute is missing"
    if code == _VALUE and attribute is not None:
        return f"The attribute {attribute.name} must be {expectation(attribute.value)}"
    if code == _VALUE and node is not None and node.value is not None:
        return f"{node.name} must be {expectation(node.value)}"
    if code == _OVERRIDE:
        return "A document may neither choose another type (xsi:type) nor leave an element empty (xsi:nil) here"
    if code == _ROOT:
        return "The set knows no such root"
    return "The document breaks a rule of the schema set here"


def _known_attribute(match: re.Match[str] | None, node: SchemaNode | None) -> AttributeFacts | None:
    return node.attributes.get(match[1]) if match and node is not None else None


def _allowed_attributes(node: SchemaNode | None) -> str:
    if node is None:
        return ""
    return f"; allowed: {_listed(sorted(node.attributes))}" if node.attributes else f"; {node.name} takes none"


def _expected(text: str, tree: SchemaTree) -> str:
    match = _EXPECTED_IN_TEXT.search(text)
    if match is None:
        return ""
    names = [name.rpartition("}")[2] for name in match[1].split(", ")]
    known = [name for name in names if name in tree.names]
    return f"; expected: {_listed(known)}" if known else ""


def _listed(names: Iterable[str]) -> str:
    words = list(names)
    if len(words) > _MAX_NAMES:
        return ", ".join(words[:_MAX_NAMES]) + ", …"
    return " or ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _element_at(path: str | None, root: etree._Element) -> etree._Element | None:
    """Return the element at a node path of libxml2, such as `/md:MetaData/*[2]/*`; None if it is not found.

    `*` counts all siblings, a prefixed name those of that name and prefix (xmlGetNodePath).
    """
    steps = [step for step in (path or "").split("/") if step and not step.startswith("@") and step != "text()"]
    if not steps:
        return None
    element = root
    for step in steps[1:]:
        match = _STEP.fullmatch(step)
        if match is None:
            return None
        prefix, local, index = match[1], match[2], int(match[3] or 1)
        same = [
            child
            for child in element.iterchildren(etree.Element)
            if local == "*" or (child.prefix == prefix and etree.QName(child).localname == local)
        ]
        if index > len(same):
            return None
        element = same[index - 1]
    return element
