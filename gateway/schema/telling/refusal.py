"""Turns lxml's error log of one refused document into violations: what, where, what was expected, what to do.

libxml2's texts quote values. So what is said here is made from the kind of error, the place, and what the set says
about it; out of libxml2's text come only names, and only when the set knows them. At one place one rule is named, the
most telling: what is expected there says the rest.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from types import MappingProxyType
from typing import Final

from lxml import etree

from gateway.document import indexed_path, segment, split_name, wco_path
from gateway.domain.telling import Telling
from gateway.errors import DocumentError, Violation
from gateway.schema.facts.nodes import SchemaNode, SchemaTree, ValueFacts
from gateway.schema.telling.breach import CODES, Breach
from gateway.schema.telling.diagnosis import Diagnosis, lacking, misplaced, out_of_order, value_breach
from gateway.schema.telling.texts import Texts, texts_in
from gateway.schema.telling.unlisted import NOTHING_KNOWN, known_name, unlisted_content, unlisted_value
from gateway.schema.telling.words import MAX_VIOLATIONS, expectation

__all__ = ["MAX_VALUE", "door_violation", "not_judged", "root_not_in_set", "violations"]

MAX_VALUE: Final = 200
"""Characters of a value that are shown to a submitter who asks."""

# libxml2's names for the clauses of XSD 1.0 part 1 (cvc-…), without their prefix SCHEMAV_.
_CONTENT: Final = frozenset({"ELEMENT_CONTENT", "CVC_WILDCARD", "CVC_COMPLEX_TYPE_2_2", "CVC_COMPLEX_TYPE_2_4"})
_NOT_EMPTY: Final = "CVC_COMPLEX_TYPE_2_1"
_OVERRIDES: Final[Mapping[str, Breach]] = {
    "CVC_ELT_3_1": Breach.NIL,
    "CVC_ELT_3_2_1": Breach.NIL,
    "CVC_ELT_4_1": Breach.TYPE_OVERRIDE,
    "CVC_ELT_4_2": Breach.TYPE_OVERRIDE,
    "CVC_ELT_4_3": Breach.TYPE_OVERRIDE,
}
# What shows as soon as an element begins, or its text is seen, whatever comes after.
_SEEN_AT_ONCE: Final = frozenset(
    {
        *(Breach.UNEXPECTED, Breach.MISSPELT, Breach.WRONG_NAMESPACE, Breach.OUT_OF_ORDER, Breach.TOO_MANY),
        *(Breach.TWO_BODIES, Breach.ATTRIBUTE_NOT_ALLOWED, Breach.ATTRIBUTE_MISSING, Breach.TYPE_OVERRIDE, Breach.NIL),
        *(Breach.TEXT_NOT_ALLOWED, Breach.ELEMENTS_IN_VALUE),
    }
)
# The key that is referred to may stand behind the start that was judged.
_NO_SUCH_KEY: Final = "No match found for key-sequence"
_UNKNOWN_ATTRIBUTE: Final = frozenset({"CVC_COMPLEX_TYPE_3_2_1", "CVC_COMPLEX_TYPE_3_2_2"})
_VALUE: Final = re.compile(r"CVC_(DATATYPE|[A-Z]+_VALID|TYPE_3_1|FACET|AU|ATTRIBUTE|COMPLEX_TYPE_3_1)")
_FIXED: Final = frozenset({"CVC_AU", "CVC_ELT_5_2_2_2_1", "CVC_ELT_5_2_2_2_2"})
_ATTRIBUTE_IN_TEXT: Final = re.compile(r"^Element '[^']*', attribute '([^']*)':")
_REQUIRED_IN_TEXT: Final = re.compile(r"The attribute '([^']*)' is required")
_EXPECTED_IN_TEXT: Final = re.compile(r"Expected is (?:one of )?\( (.*) \)\.$")
_WILDCARD: Final = re.compile(r"(##other:)?(?:\{([^}]*)\})?\*")
_STEP: Final = re.compile(r"(?:([^:\[\]/]+):)?([^:\[\]/]+)(?:\[(\d+)\])?")
_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_XSI_NIL: Final = f"{_XSI}nil"
_HIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")

_OF_THE_DOOR: Final[Mapping[str, Breach]] = {code: breach for breach, code in CODES.items() if code.startswith("doc")}


def violations(
    log: Iterable[etree._LogEntry],
    root: etree._Element,
    tree: SchemaTree,
    telling: Telling,
    *,
    unended: Mapping[etree._Element, etree._Element] = MappingProxyType({}),
) -> tuple[Violation, ...]:
    """Return what an error log of lxml says about the tree under `root`: 1 to MAX_VIOLATIONS, one a place.

    `unended`: where the tree is only the start of a document, the elements whose end it does not have, each with its
    like in the whole document: of what they lack or hold only that is said which no end could mend.
    """
    texts = texts_in(telling.language)
    found: dict[tuple[object, ...], Violation] = {}
    entries = (entry for entry in log if not unended or _NO_SUCH_KEY not in entry.message)
    for seen in _diagnoses(entries, root, tree):
        diagnosis = _of_the_whole(seen, unended)
        if diagnosis is None:
            continue
        # One place, one violation: an empty element is not also said to be no number.
        place = (diagnosis.element, diagnosis.attribute, diagnosis.breach is Breach.TEXT_NOT_ALLOWED)
        if place not in found:
            found[place] = told(diagnosis, tree, texts, telling)
        if len(found) == MAX_VIOLATIONS:
            break
    # A refusal always says something, if only that the document breaks a rule.
    return tuple(found.values()) or (not_judged(root, tree, telling),)


def _of_the_whole(seen: Diagnosis, unended: Mapping[etree._Element, etree._Element]) -> Diagnosis | None:
    """Return what was seen in the start of a document as it is in the whole; None where its end could mend it."""
    element, inside = seen.element, seen.inside
    if seen.breach is Breach.MISSING and inside is not None and inside is not element:
        # `element` came too early: what must stand before it is missing, or is still to come.
        later = None
        if inside in unended and seen.node is not None:
            there = len(list(inside.iterchildren(seen.node.qualified)))
            later = next(islice(unended[inside].iterchildren(seen.node.qualified), there, None), None)
        if later is None or seen.node is None:
            return replace(seen, element=_like(element, unended), inside=_like(inside, unended))
        return out_of_order(later, seen.node, str(seen.fills["other"]))
    certain = element not in unended or seen.breach in _SEEN_AT_ONCE or seen.attribute is not None
    return replace(seen, element=_like(element, unended), inside=_like(inside, unended)) if certain else None


def _like(element: etree._Element | None, unended: Mapping[etree._Element, etree._Element]) -> etree._Element | None:
    """Return the element of the whole document that one of its start is: only there it has all its siblings."""
    if element is None or element in unended:
        return element if element is None else unended[element]
    parent = element.getparent()
    above = _like(parent, unended)
    return element if parent is None or above is None else above[parent.index(element)]


def not_judged(root: etree._Element, tree: SchemaTree, telling: Telling) -> Violation:
    """Return the violation of a document that no verdict could be had on, when nothing says where."""
    found = Diagnosis(breach=Breach.OTHER, element=root, fills={"name": ""})
    return told(found, tree, texts_in(telling.language), telling)


def root_not_in_set(root: etree._Element, roots: Iterable[str], tree: SchemaTree, telling: Telling) -> Violation:
    """Return the violation of a document whose root the set does not allow: another element, or another namespace."""
    texts = texts_in(telling.language)
    names = tuple(split_name(name)[1] for name in roots)
    local = split_name(str(root.tag))[1]
    twin = next((node for node in tree.roots if node.name == local), None)
    if twin is not None:
        fills: Mapping[str, object] = {"name": twin.name, "namespace": twin.namespace}
        found = Diagnosis(
            breach=Breach.WRONG_NAMESPACE, element=root, node=twin, fills=fills, expected=("namespace", fills)
        )
    else:
        fills = {"names": names}
        found = Diagnosis(breach=Breach.ROOT, element=root, fills=fills, expected=("elements", fills))
    return told(found, tree, texts, telling, code=CODES[Breach.ROOT])


def door_violation(error: DocumentError, telling: Telling) -> Violation:
    """Return what the XML door says of a document, in the words of a violation."""
    texts = texts_in(telling.language)
    breach = _OF_THE_DOOR.get(error.code, Breach.ROOT)
    fills = {"names": "MetaData", **error.facts}
    limit = next((error.facts[name] for name in ("limit", "limit_bytes") if name in error.facts), None)
    expected = {Breach.ENCODING: texts("expected.utf_8"), Breach.ROOT: "MetaData"}.get(breach, texts("expected.xml"))
    return Violation(
        code=error.code,
        rule=breach,
        path="/",
        line=error.facts.get("line"),
        message=texts(f"message.{breach}", **fills),
        expected=expected if limit is None else texts("expected.limit", limit=limit),
        fix=texts(f"fix.{breach}", **fills),
    )


def told(found: Diagnosis, tree: SchemaTree, texts: Texts, telling: Telling, *, code: str | None = None) -> Violation:
    """Return a diagnosis as it is told in one language; `code` where it is not the one of its breach."""
    fills = _in_words(found.fills, texts)
    node = found.node
    wco_id, wco_name = ("", "") if node is None else tree.names_of(node)
    return Violation(
        code=code or CODES[found.breach],
        rule=found.breach,
        path=_path(found, tree),
        line=None if found.element is None else found.element.sourceline,
        wco_id=wco_id,
        wco_name=wco_name,
        message=_sentence(texts(f"message.{found.breach}{found.variant}", **fills), texts),
        expected=_expected(found, texts),
        fix=texts(f"fix.{found.breach}{found.variant}", **fills),
        value=_value(found) if telling.values else None,
    )


def _expected(found: Diagnosis, texts: Texts) -> str:
    if found.value is not None:
        return expectation(found.value, texts) if found.value != NOTHING_KNOWN else ""
    if found.expected is None:
        return ""
    text_id, fills = found.expected
    return texts(f"expected.{text_id}", **_in_words(fills, texts))


def _sentence(text: str, texts: Texts) -> str:
    """Return a sentence with a capital at its start, unless a name stands there: that is written as the set has it."""
    word = texts("word.element")
    return word[:1].upper() + text[1:] if text.startswith(word) else text


def _in_words(fills: Mapping[str, object], texts: Texts) -> dict[str, object]:
    """Fill in what has no name with a word for it, and several names as a choice."""
    words = {name: texts.listed(value) if isinstance(value, tuple) else value for name, value in fills.items()}
    unnamed = {"namespace": "word.no_namespace"}
    return {name: texts(unnamed.get(name, "word.element")) if value == "" else value for name, value in words.items()}


def _path(found: Diagnosis, tree: SchemaTree) -> str:
    if found.element is None:
        return "/"
    if found.inside is None or found.node is None:
        path = indexed_path(found.element, tree.names.__contains__)
        return path if found.attribute is None else f"{path}/@{found.attribute}"
    # What is missing or misspelt is named as the set names it, counted among those that are there.
    alike = {found.node.qualified, str(found.node.qualified if found.element is found.inside else found.element.tag)}
    others = [one for one in found.inside.iterchildren(*alike) if one is not found.element]
    before = len(list(found.element.itersiblings(*alike, preceding=True))) if others else 0
    index = f"[{before + 1}]" if others else ""
    parent = indexed_path(found.inside, tree.names.__contains__)
    return f"{parent}/{segment(found.node.qualified, str(found.inside.tag))}{index}"


def _value(found: Diagnosis) -> str | None:
    """What the submitter wrote: the value, the stray text, or the name that has no place; shown safely and in part."""
    element = found.element
    if element is None or found.breach is Breach.MISSING:
        return None
    if found.attribute is not None:
        text = element.get(found.attribute) or ""
    elif found.breach is Breach.ATTRIBUTE_NOT_ALLOWED:
        known = found.node.attributes if found.node is not None else {}
        text = ", ".join(str(name) for name in element.attrib if name not in known)
    elif found.value is not None or found.breach in (Breach.NIL, Breach.TYPE_OVERRIDE):
        text = element.text or ""
    elif found.breach is Breach.TEXT_NOT_ALLOWED:
        text = "".join(filter(None, (element.text, *(child.tail for child in element)))).strip()
    else:
        text = split_name(str(element.tag))[1]
    shown = text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", shown)


# ── from libxml2's log ───────────────────────────────────────────────────────────────────────────────────────────


def _diagnoses(log: Iterable[etree._LogEntry], root: etree._Element, tree: SchemaTree) -> Iterator[Diagnosis]:
    siblings: _Siblings = {}
    for entry in log:
        element = _element_at(entry.path, root, siblings)
        clause, said = entry.type_name.removeprefix("SCHEMAV_"), entry.message
        if element is None:
            yield Diagnosis(breach=Breach.OTHER, element=None, fills={"name": ""})
        else:
            yield diagnosed(clause, said, element, tree)


def diagnosed(clause: str, said: str, element: etree._Element, tree: SchemaTree) -> Diagnosis:
    """Return what is wrong at `element`. `clause`: libxml2's name for the rule; `said`: its words, not to be shown."""
    node = _node_at(element, tree)
    if node is not None and node.qualified != element.tag:
        node = None
    if (of := _ATTRIBUTE_IN_TEXT.match(said)) is not None or clause == "CVC_COMPLEX_TYPE_4":
        return _attribute(clause, said, of[1] if of else "", element, node, tree)
    if clause == _NOT_EMPTY:
        return _not_empty(said, element, node, tree)
    if clause in _CONTENT or (clause == "CVC_ELT_1" and element.getparent() is not None):
        return _content(said, element, node, tree)
    name = _name_of(element, node, tree)
    if clause in _OVERRIDES:
        return _override(_OVERRIDES[clause], element, node)
    if clause == "CVC_COMPLEX_TYPE_2_3":
        return Diagnosis(
            breach=Breach.TEXT_NOT_ALLOWED, element=element, node=node, fills={"name": name}, expected=("no_text", {})
        )
    of_value = _VALUE.match(clause) or clause in _FIXED
    if of_value and not tree.nodes:
        return unlisted_value(clause, said, element, "", tree)
    if of_value and node is not None and node.value is not None:
        return _of_value(clause, said, element, node, None, node.value)
    expected = _of_keys(said) if clause == "CVC_IDC" else None
    return Diagnosis(breach=Breach.OTHER, element=element, node=node, fills={"name": name}, expected=expected)


def _name_of(element: etree._Element, node: SchemaNode | None, tree: SchemaTree) -> str:
    """The name of a place; where no places are known, that of the element, if the set has it."""
    if node is not None:
        return node.name
    return "" if tree.nodes else known_name(element, tree)


def _of_keys(said: str) -> tuple[str, Mapping[str, object]] | None:
    """What a key of the set asks for (XSD 1.0 part 1, 3.11.4), by the start of what libxml2 says."""
    if ": Duplicate key-sequence" in said:
        return "unique", {}
    if ": Not all fields of key" in said:
        return "whole_key", {}
    return ("known_key", {}) if _NO_SUCH_KEY in said else None


def _not_empty(said: str, element: etree._Element, node: SchemaNode | None, tree: SchemaTree) -> Diagnosis:
    """`element`, of a type without content, holds text or elements."""
    name = _name_of(element, node, tree)
    child = next(element.iterchildren(etree.Element), None)
    if "Character content" in said or child is None:
        return Diagnosis(
            breach=Breach.TEXT_NOT_ALLOWED,
            element=element,
            node=node,
            fills={"name": name},
            expected=("empty", {"name": name}),
            variant="_empty",
        )
    if not tree.nodes:
        return unlisted_content(child, tree, (), missing=False)
    return misplaced(child, node, tree, ())


def _node_at(element: etree._Element, tree: SchemaTree) -> SchemaNode | None:
    """Return the place of `element` in the set; where a class has itself inside, that of its like above."""
    path = wco_path(element)
    node = tree.node(path)
    if node is not None:
        return tree.node(node.repeats) if node.repeats else node
    at = ""
    for step in path.split("/")[1:]:
        node = tree.node(f"{at}/{step}")
        if node is None:
            return None
        at = node.repeats or node.path
    return tree.node(at)


def _content(said: str, element: etree._Element, node: SchemaNode | None, tree: SchemaTree) -> Diagnosis:
    match = _EXPECTED_IN_TEXT.search(said)
    allowed = match[1].split(", ") if match is not None else []
    if not tree.nodes:
        return unlisted_content(element, tree, allowed, missing="Missing child element(s)" in said)
    if "Missing child element(s)" in said:
        return lacking(
            element, node, [name for name in _spelled_out(allowed, node) if split_name(name)[1] in tree.names]
        )
    if node is not None and node.is_leaf and "content is not allowed" in said:
        fills = {"name": node.name}
        return Diagnosis(
            breach=Breach.ELEMENTS_IN_VALUE, element=element, node=node, fills=fills, expected=("no_elements", {})
        )
    parent = element.getparent()
    holder = None if parent is None else _node_at(parent, tree)
    return misplaced(element, holder, tree, _spelled_out(allowed, holder))


def _spelled_out(allowed: Iterable[str], holder: SchemaNode | None) -> list[str]:
    """Return the names that libxml2 lists, and for a wildcard, `{namespace}*`, the elements it stands for."""
    children = () if holder is None else holder.children
    found: list[str] = []
    for name in allowed:
        match = _WILDCARD.fullmatch(name)
        if match is None:
            found.append(name)
            continue
        spared = match[1] is not None
        found += [one.qualified for one in children if match[2] is None or (one.namespace == match[2]) is not spared]
    return found


def _attribute(
    clause: str, said: str, name: str, element: etree._Element, node: SchemaNode | None, tree: SchemaTree
) -> Diagnosis:
    if not tree.nodes and _VALUE.match(clause) and clause not in _UNKNOWN_ATTRIBUTE:
        return unlisted_value(clause, said, element, name, tree)
    if clause == "CVC_COMPLEX_TYPE_4":
        required = _REQUIRED_IN_TEXT.search(said)
        facts = node.attributes.get(required[1]) if node is not None and required is not None else None
        named = {"name": facts.name if facts is not None else ""}
        return Diagnosis(
            breach=Breach.ATTRIBUTE_MISSING,
            element=element,
            node=node,
            attribute=facts.name if facts is not None else None,
            fills=named,
            value=facts.value if facts is not None else None,
        )
    facts = node.attributes.get(name) if node is not None else None
    if facts is not None and clause not in _UNKNOWN_ATTRIBUTE:
        return _of_value(clause, said, element, node, facts.name, facts.value)
    if name.startswith(_XSI):
        # xsi:type and xsi:nil are attributes of no type: a document may not choose its own types here.
        return _override(Breach.NIL if name == _XSI_NIL else Breach.TYPE_OVERRIDE, element, node)
    names = tuple(sorted(node.attributes)) if node is not None else ()
    fills: dict[str, object] = {"name": _name_of(element, node, tree), "names": names}
    expected = ("attributes" if names else "no_attributes", fills) if tree.nodes else None
    return Diagnosis(breach=Breach.ATTRIBUTE_NOT_ALLOWED, element=element, node=node, fills=fills, expected=expected)


def _override(breach: Breach, element: etree._Element, node: SchemaNode | None) -> Diagnosis:
    fills = {"name": node.name if node is not None else ""}
    return Diagnosis(breach=breach, element=element, node=node, fills=fills, expected=("no_override", fills))


def _of_value(
    clause: str, said: str, element: etree._Element, node: SchemaNode | None, attribute: str | None, facts: ValueFacts
) -> Diagnosis:
    name = attribute or (node.name if node is not None else "")
    text = (element.text if attribute is None else element.get(attribute)) or ""
    breach, count = value_breach(clause, text, facts, name=name, said=said)
    if clause in _FIXED:
        breach, count = Breach.BAD_VALUE, 0
    return Diagnosis(
        breach=breach,
        element=element,
        node=node,
        attribute=attribute,
        fills={"name": name, **({"count": count} if count else {})},
        value=facts,
        variant="_fixed" if clause in _FIXED else "",
    )


_Siblings = dict[tuple[etree._Element, str | None, str], list[etree._Element]]
"""What stands below an element under one prefix and name: looked for once, for there may be a hundred thousand."""


def _element_at(path: str | None, root: etree._Element, siblings: _Siblings) -> etree._Element | None:
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
        if (element, prefix, local) not in siblings:
            siblings[element, prefix, local] = [
                child
                for child in element.iterchildren(etree.Element)
                if local == "*" or (child.prefix == prefix and etree.QName(child).localname == local)
            ]
        same = siblings[element, prefix, local]
        if index > len(same):
            return None
        element = same[index - 1]
    return element
