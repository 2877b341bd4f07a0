"""Refuses what only XSD 1.1 knows: libxml2 reads XSD 1.0 and passes over some of it without a word.

Tried on libxml2 2.14: it ignores the attributes `defaultAttributes` and `xpathDefaultNamespace` of a schema, and all
of the versioning namespace, so that declarations which 1.1 would leave out count. The rest (assertions, alternatives,
open content, …) it refuses as invalid content, in words that do not say why. All of it is refused here by name.
"""

import re
from typing import Final

from lxml import etree

from gateway.errors import SchemaError

_XS: Final = "http://www.w3.org/2001/XMLSchema"
_VERSIONING: Final = "http://www.w3.org/2007/XMLSchema-versioning"
_ELEMENTS: Final = (
    *("alternative", "assert", "assertion", "defaultOpenContent", "explicitTimezone", "openContent", "override"),
)
_ATTRIBUTES: Final = (
    *("defaultAttributes", "defaultAttributesApply", "inheritable", "notNamespace", "notQName"),
    "xpathDefaultNamespace",
)
_TYPES: Final = frozenset({"anyAtomicType", "dateTimeStamp", "dayTimeDuration", "error", "yearMonthDuration"})
_NAMING: Final = ("base", "itemType", "memberTypes", "type")
_OUTSIDE_NOTES: Final = "not(ancestor::xs:appinfo or ancestor::xs:documentation)"
_FOUND: Final = etree.XPath(
    "("
    + " | ".join(f"//xs:{name}" for name in _ELEMENTS)
    + " | "
    + " | ".join(f"//xs:*[@{name}]" for name in _ATTRIBUTES)
    + " | //xs:*[@vc:*] | //xs:element[@targetNamespace] | //xs:attribute[@targetNamespace]"
    + " | //xs:all/xs:any | //xs:all/xs:group | //xs:all/xs:element[@maxOccurs > 1 or @maxOccurs = 'unbounded']"
    + " | //xs:key[@ref] | //xs:keyref[@ref] | //xs:unique[@ref]"
    + f")[{_OUTSIDE_NOTES}]",
    namespaces={"xs": _XS, "vc": _VERSIONING},
)
# Only names that end like such a type are looked at one by one.
_LIKE_ONE: Final = " or ".join(f"contains(., '{one}')" for one in sorted(_TYPES))
_MAY_NAME_TYPE: Final = etree.XPath(
    " | ".join(f"//xs:*[@{name}[{_LIKE_ONE}]]" for name in _NAMING), namespaces={"xs": _XS}
)
# An escape is read whole: an escaped backslash before `p{` begins none.
_CLASS_NAMED: Final = re.compile(r"\\(?:[pP]\{([^}]*)\}|.)", re.DOTALL)
_PATTERNS: Final = etree.XPath(f"//xs:pattern[{_OUTSIDE_NOTES}]", namespaces={"xs": _XS})


def check_dialect(root: etree._Element, path: str) -> None:
    """Raise SchemaError `schema.dialect_refused` for the first construct in a file that is not of XSD 1.0."""
    found = _elements(_FOUND(root))
    if found:
        _refuse(_construct(found[0]), path, found[0])
    for holder in _elements(_MAY_NAME_TYPE(root)):
        for name in " ".join(holder.get(one, "") for one in _NAMING).split():
            prefix, _, local = name.rpartition(":")
            if local in _TYPES and holder.nsmap.get(prefix or None) == _XS:
                _refuse(f"the type xs:{local}", path, holder)


def check_patterns(root: etree._Element, path: str) -> None:
    """Raise SchemaError `schema.set_broken` for a pattern that libxml2 takes, and then fails at with every value.

    It does so for names of character classes and blocks that it does not know.
    """
    for pattern in _elements(_PATTERNS(root)):
        value = pattern.get("value", "")
        names = {found[1] for found in _CLASS_NAMED.finditer(value) if found[1] is not None}
        # Each name by itself: in the whole pattern one text may never come to it.
        for probe in (f"\\p{{{name}}}" for name in sorted(names)):
            _check_evaluated(probe, path, pattern, f" ({probe})")
        if names:
            _check_evaluated(value, path, pattern, "")


def _check_evaluated(probe: str, path: str, pattern: etree._Element, told: str) -> None:
    try:
        _with_pattern(probe)(_SOME_TEXT)
    except (etree.XMLSchemaParseError, etree.XMLSchemaValidateError):
        problem = f"{path} (line {pattern.sourceline}) has a pattern that can not be evaluated{told}"
        raise SchemaError("schema.set_broken", problem) from None


_SOME_TEXT: Final = etree.fromstring("<a>a</a>")


def _with_pattern(pattern: str) -> etree.XMLSchema:
    schema = etree.Element(f"{{{_XS}}}schema", nsmap={"xs": _XS})
    element = etree.SubElement(schema, f"{{{_XS}}}element", name="a")
    simple = etree.SubElement(element, f"{{{_XS}}}simpleType")
    restriction = etree.SubElement(simple, f"{{{_XS}}}restriction", base="xs:string")
    etree.SubElement(restriction, f"{{{_XS}}}pattern", value=pattern)
    return etree.XMLSchema(schema)


def _elements(found: object) -> list[etree._Element]:
    return found if isinstance(found, list) else []


def _construct(element: etree._Element) -> str:
    local = etree.QName(element).localname
    if local in _ELEMENTS:
        return f"xs:{local}"
    versioning = [str(name) for name in element.attrib if str(name).startswith(f"{{{_VERSIONING}}}")]
    if versioning:
        return f"vc:{etree.QName(versioning[0]).localname}"
    named = next((name for name in _ATTRIBUTES if element.get(name) is not None), None)
    if named is None and element.get("targetNamespace") is not None:
        named = "targetNamespace"
    if named is not None:
        return f"the attribute {named} of xs:{local}"
    return f"the reference of xs:{local}" if element.get("ref") and local in ("key", "keyref", "unique") else "xs:all"


def _refuse(construct: str, path: str, element: etree._Element) -> None:
    more = " with more than single elements" if construct == "xs:all" else ""
    raise SchemaError(
        "schema.dialect_refused",
        f"{path} (line {element.sourceline}) uses {construct}{more}, which XSD 1.0 does not know; "
        "ask for the schemas in XSD 1.0",
        facts={"file": path, "line": element.sourceline, "construct": construct},
    )
