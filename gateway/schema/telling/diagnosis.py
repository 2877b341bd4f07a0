"""Finds out which rule a document breaks at one place, from the place, its value, and what the set says of both.

libxml2 says that something is wrong, where, and by which clause of XSD; this says what a person would: not "not
expected" but that a required element is missing before it, that two stand in the wrong order, that one stands once too
often, or that a name is misspelt. What goes into a Diagnosis out of a document is a number at most (how much too long);
names come from the set only.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from gateway.document import BODIES, METADATA_ROOT, as_compiled, split_name
from gateway.schema.facts.nodes import SchemaNode, SchemaTree, ValueFacts
from gateway.schema.telling.breach import Breach

__all__ = ["Diagnosis", "lacking", "lacking_one_of", "misplaced", "out_of_order", "value_breach"]

_MAX_NAME: Final = 80
"""Longer names than this are nobody's typing error."""
_NEAR: Final = 0.8
_NUMBERS: Final = re.compile(
    r"(decimal|float|double|integer|[a-zA-Z]*Integer|(unsigned)?(Int|Long|Short|Byte)|int|long|short|byte)$"
)
_DATES: Final = re.compile(r"date|time|g(Year|Month|Day)|duration", re.IGNORECASE)
# White space as XML has it: a no-break space is a character like any other.
_BLANKS: Final = " \t\r\n"
_SPACE: Final = re.compile(f"[{_BLANKS}]+")
_DATE_LEAF: Final = re.compile(r"Date(Time)?(String)?$")
_AS_WRITTEN: Final = frozenset({"string", "anySimpleType", "anyType", "normalizedString"})
_CHARACTERS_ONLY: Final = re.compile(r"\(?\[[^\]]+\]\)?[*+]")
_ANY_OF_LENGTH: Final = re.compile(r"\.\{(\d+),(\d+)\}")
_NOT_BLANK: Final = r".*[^\s].*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is wrong at one place. `fills` are what the texts of `breach` leave open, `variant` picks a finer text.

    `element`: where it was seen, for line and value. `node`: the place in the set, if it is one. `inside`: the element
    in which a `node` is missing or was meant, for the path; None where the path is that of `element`. `expected`: the
    text that says what would be right, and its fills; `value`: the facts that say it, where a value is wrong.
    """

    breach: Breach
    element: etree._Element | None
    node: SchemaNode | None = None
    attribute: str | None = None
    fills: Mapping[str, object] = field(default_factory=dict)
    expected: tuple[str, Mapping[str, object]] | None = None
    value: ValueFacts | None = None
    variant: str = ""
    inside: etree._Element | None = None


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────────────


def value_breach(rule: str, text: str, facts: ValueFacts, *, name: str, said: str) -> tuple[Breach, int]:
    """Return which rule a value breaks, and by how much where that is a number, else 0.

    `rule`: the clause that libxml2 names; `text`: the value as it stands; `said`: libxml2's own words, of which only
    the end is looked at, where a pattern of the set stands. `name`: of the element or attribute.
    """
    if not text.strip(_BLANKS):
        return Breach.BLANK, 0
    length = len(text if facts.base in _AS_WRITTEN else _SPACE.sub(" ", text.strip(_BLANKS)))
    if "LENGTH" in rule:
        return _length_breach(length, facts)
    if "DIGITS" in rule:
        return _digits_breach(text.strip(_BLANKS), facts, decimals="FRACTION" in rule)
    if "ENUMERATION" in rule:
        return (Breach.BAD_FORMAT_CODE if name == "formatCode" else Breach.NOT_IN_CODE_LIST), 0
    if "CLUSIVE" in rule:
        return Breach.OUT_OF_RANGE, 0
    if "PATTERN" in rule:
        return _pattern_breach(length, facts, name, said)
    if _NUMBERS.match(facts.base):
        return Breach.NOT_A_NUMBER, 0
    return (Breach.BAD_DATE if _DATES.match(facts.base) else Breach.BAD_VALUE), 0


def _length_breach(length: int, facts: ValueFacts) -> tuple[Breach, int]:
    if facts.max_length is not None and length > facts.max_length:
        return Breach.TOO_LONG, length - facts.max_length
    if facts.min_length is not None and length < facts.min_length:
        return Breach.TOO_SHORT, facts.min_length - length
    return Breach.BAD_VALUE, 0


def _digits_breach(text: str, facts: ValueFacts, *, decimals: bool) -> tuple[Breach, int]:
    """Digits as XSD 1.0 part 2 counts them (4.3.11, 4.3.12): without sign, leading zeros, and zeros after the last."""
    whole, _, places = text.lstrip("+-").partition(".")
    places = places.rstrip("0")
    if decimals:
        over = len(places) - (facts.fraction_digits or 0)
        return Breach.TOO_MANY_DECIMALS, max(over, 1)
    over = len(whole.lstrip("0")) + len(places) - (facts.total_digits or 0)
    return Breach.TOO_MANY_DIGITS, max(over, 1)


def _pattern_breach(length: int, facts: ValueFacts, name: str, said: str) -> tuple[Breach, int]:
    broken = next((one for one in facts.patterns if said.endswith(f"by the pattern '{as_compiled(one)}'.")), "")
    if broken == _NOT_BLANK:  # it holds something, so it is the `.` that fails: it matches no line break
        return Breach.LINE_BREAK, 0
    if (bounds := _ANY_OF_LENGTH.fullmatch(broken)) is not None:
        found = _length_breach(length, ValueFacts(base="", min_length=int(bounds[1]), max_length=int(bounds[2])))
        return found if found[1] else (Breach.LINE_BREAK, 0)
    if r"(20\d{6})" in broken or _DATE_LEAF.search(name):
        return Breach.BAD_DATE, 0
    return (Breach.BAD_CHARACTERS if _CHARACTERS_ONLY.fullmatch(broken) else Breach.PATTERN), 0


# ── what stands where ────────────────────────────────────────────────────────────────────────────────────────────


def misplaced(
    element: etree._Element, holder: SchemaNode | None, tree: SchemaTree, allowed: Sequence[str]
) -> Diagnosis:
    """Return why `element` may not stand where it stands. `allowed`: qualified names that might, as libxml2 says."""
    if holder is None:
        return Diagnosis(breach=Breach.UNEXPECTED, element=element, fills={"name": "", "parent": ""})
    places = {child.qualified: (number, child) for number, child in enumerate(holder.children)}
    if element.tag not in places:
        return _stranger(element, holder, tree, allowed)
    number, own = places[str(element.tag)]
    before = list(element.itersiblings(etree.Element, preceding=True))[::-1]
    same = sum(1 for one in before if one.tag == element.tag)
    bodies = _bodies(holder, tree)
    if element.tag in bodies and own.most == 1 and any(one.tag in bodies for one in before):
        expected = ("body", {"name": own.name, "parent": holder.name})
        return Diagnosis(
            breach=Breach.TWO_BODIES, element=element, node=own, fills={"name": own.name}, expected=expected
        )
    if own.most is not None and same >= own.most:
        fills = {"name": own.name, "count": own.most, "parent": holder.name}
        return Diagnosis(breach=Breach.TOO_MANY, element=element, node=own, fills=fills, expected=("at_most", fills))
    for one in before:
        if one.tag in places and places[str(one.tag)][0] > number:
            return out_of_order(element, own, places[str(one.tag)][1].name)
    return _gap(element, own, holder, before, allowed)


def lacking(element: etree._Element, node: SchemaNode | None, allowed: Sequence[str]) -> Diagnosis:
    """Return what is missing at the end of `element`. `allowed`: qualified names of which one would help."""
    if node is None:
        return lacking_one_of(element, None, "", ())
    there = [child.tag for child in element.iterchildren(etree.Element)]
    wanted = next((child for child in node.children if there.count(child.qualified) < child.least), None)
    if wanted is not None:
        return _missing(element, wanted, node, None)
    able = [child for child in node.children if child.qualified in allowed]
    able = [child for child in able if child.is_alternative] or able
    if len(able) == 1:
        return _missing(element, able[0], node, None)
    names = [child.name for child in able] or [_local(name) for name in allowed]
    return lacking_one_of(element, node, node.name, names)


def _bodies(holder: SchemaNode, tree: SchemaTree) -> frozenset[str]:
    """The bodies that an envelope may hold one of: what its wildcard brings in, and what goes by the name of a body."""
    if all(root is not holder for root in tree.roots):
        return frozenset()
    named = BODIES if holder.name == split_name(METADATA_ROOT)[1] else frozenset()
    return frozenset(one.qualified for one in holder.children if one.by_wildcard or one.name in named)


def lacking_one_of(element: etree._Element, node: SchemaNode | None, parent: str, names: Iterable[str]) -> Diagnosis:
    """Return that `element`, which is named `parent`, lacks one of `names`; an unnamed thing where there are none."""
    several = tuple(dict.fromkeys(names))
    fills = {"name": several[0] if len(several) == 1 else "", "names": several, "parent": parent}
    variant = ("_unnamed", "", "_one_of")[min(len(several), 2)]
    expected = (("one_of" if len(several) > 1 else "elements"), fills) if several else None
    return Diagnosis(breach=Breach.MISSING, element=element, node=node, fills=fills, expected=expected, variant=variant)


def _gap(
    element: etree._Element,
    own: SchemaNode,
    holder: SchemaNode,
    before: Sequence[etree._Element],
    allowed: Sequence[str],
) -> Diagnosis:
    """`element` is in its place, so something that must stand before it does not; or a choice was made otherwise."""
    there = [one.tag for one in before]
    for child in holder.children:
        if child is own:
            break
        if there.count(child.qualified) >= child.least:
            continue
        later = next(element.itersiblings(child.qualified), None)
        return _missing(element, child, holder, own) if later is None else out_of_order(later, child, own.name)
    names = _known(allowed, holder)
    fills = {"name": own.name, "parent": holder.name, "names": names}
    expected = ("elements" if names else "nothing", fills)
    return Diagnosis(
        breach=Breach.UNEXPECTED, element=element, node=own, fills=fills, expected=expected, variant="_now"
    )


def _missing(at: etree._Element, wanted: SchemaNode, holder: SchemaNode, before: SchemaNode | None) -> Diagnosis:
    fills = {"name": wanted.name, "parent": holder.name, "other": before.name if before is not None else ""}
    expected = ("element_before" if before is not None else "element_in", fills)
    inside = at.getparent() if before is not None else at
    return Diagnosis(breach=Breach.MISSING, element=at, node=wanted, fills=fills, expected=expected, inside=inside)


def out_of_order(element: etree._Element, own: SchemaNode, other: str) -> Diagnosis:
    """Return that `element`, which is `own`, stands behind the element named `other` and must stand before it."""
    fills = {"name": own.name, "other": other}
    return Diagnosis(
        breach=Breach.OUT_OF_ORDER, element=element, node=own, fills=fills, expected=("element_before", fills)
    )


def _stranger(element: etree._Element, holder: SchemaNode, tree: SchemaTree, allowed: Sequence[str]) -> Diagnosis:
    """`element` has a name that its class does not have: another namespace, a typing error, or from elsewhere."""
    local = split_name(str(element.tag))[1]
    twins = [child for child in holder.children if child.name == local]
    if twins:
        twin = next((child for child in twins if child.qualified in allowed), twins[0])
        fills = {"name": twin.name, "namespace": twin.namespace}
        return Diagnosis(
            breach=Breach.WRONG_NAMESPACE,
            element=element,
            node=twin,
            fills=fills,
            expected=("namespace", fills),
            inside=element.getparent(),
        )
    meant = _nearest(local, holder, allowed)
    if meant is not None:
        fills = {"name": meant.name, "parent": holder.name}
        return Diagnosis(
            breach=Breach.MISSPELT,
            element=element,
            node=meant,
            fills=fills,
            expected=("element", fills),
            inside=element.getparent(),
        )
    names = _known(allowed, holder)
    homes = _homes(str(element.tag), holder)
    known = local if homes or _is_known(element, tree) else ""
    more: dict[str, object] = {"name": known, "parent": holder.name, "names": homes or names}
    return Diagnosis(
        breach=Breach.UNEXPECTED,
        element=element,
        fills=more,
        expected=("elsewhere" if homes else "elements" if names else "nothing", more),
        variant="_here" if known else "",
    )


def _is_known(element: etree._Element, tree: SchemaTree) -> bool:
    """Whether the set has this very name somewhere, so that saying it quotes the set and not the sender."""
    namespace, local = split_name(str(element.tag))
    return local in tree.names and any(namespace == node.namespace for node in tree.roots)


def _homes(qualified: str, holder: SchemaNode) -> tuple[str, ...]:
    """The classes in `holder` that have this element: it may have slipped out of one."""
    return tuple(child.name for child in holder.children if any(one.qualified == qualified for one in child.children))


def _nearest(local: str, holder: SchemaNode, allowed: Sequence[str]) -> SchemaNode | None:
    """The name that was meant, if a name of the class is near enough; one that may stand there now comes first."""
    if len(local) > _MAX_NAME:
        return None
    first = [child for child in holder.children if child.qualified in allowed]
    by_name = {child.name.lower(): child for child in [*holder.children, *first]}
    for names in ([child.name.lower() for child in first], list(by_name)):
        near = difflib.get_close_matches(local.lower(), names, n=1, cutoff=_NEAR)
        if near:
            return by_name[near[0]]
    return None


def _known(allowed: Iterable[str], holder: SchemaNode) -> tuple[str, ...]:
    there = {child.qualified: child.name for child in holder.children}
    return tuple(dict.fromkeys(there[name] for name in allowed if name in there))


def _local(qualified: str) -> str:
    return split_name(qualified)[1]
