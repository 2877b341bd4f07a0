"""Cuts a copy of a document down to what a policy keeps: the heart of apply.py, whose rules stand there.

By places: every element is asked about, from the root down; nothing stays but by having a place. By names (quick.py):
only what may have to go is looked at; where anything is found that names can not decide, such as a class that ends up
empty and is required, the copy is thrown away and the places decide. Both come to the same bytes.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from gateway.document import Document, built, fixed_copy
from gateway.domain.limits import DocumentLimits
from gateway.policy.compiled import CompiledPolicy, Place
from gateway.policy.quick import Quick, place_of
from gateway.schema import ValidDocument

__all__ = ["Cut", "cut_by_places", "cut_document", "is_nil"]

_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_MAY_SAY_NIL: Final = b":nil"
# What `kept` and `withheld` count: leaves with text, and attributes with a value. In a view only leaves have text.
_TEXTS: Final = etree.XPath("count(//text())")
_ATTRIBUTES: Final = etree.XPath("count(//@*[. != ''])")
_WITHHELD: Final = etree.XPath("count(//*[not(*)]/text()) + count(//@*[. != ''])")
_EARLY_BYTES: Final = 1024
# In the fixed form, where ">" stands nowhere but at the end of a tag: a text that begins with white space.
_BLANK: Final = re.compile(rb">(?:[ \t\n]|&#13;)")
_EMPTY: Final = b"/>"


@dataclass(slots=True)
class Cut:
    """A tree that becomes a view. `withheld` holds the elements taken out; `values`: how many values were besides.

    `attributes`: how many with content are kept, if someone had to count them.
    """

    root: etree._Element
    withheld: etree._Element
    values: int = 0
    attributes: int | None = None

    def counts(self) -> tuple[int, int]:
        """Return how many leaves and attributes with content are kept, and how many are withheld."""
        attributes = _number(_ATTRIBUTES, self.root) if self.attributes is None else self.attributes
        withheld = _number(_WITHHELD, self.withheld) if len(self.withheld) else 0
        return _number(_TEXTS, self.root) + attributes, self.values + withheld


def cut_document(
    document: ValidDocument, policy: CompiledPolicy, place: Place, limits: DocumentLimits
) -> tuple[Cut, Document] | None:
    """Return what the policy keeps of a document, cut and written; None when nothing may stand.

    `place`: of its root. Raises DocumentError when it is larger than `limits` allow.
    """
    if policy.quick is not None:
        cut = _copied(document, policy)
        if _cut_by_names(cut, place, policy.quick):
            # What is compact at its start mostly is to its end.
            if cut.root.text is not None or _BLANK.search(document.document.raw, 0, _EARLY_BYTES):
                _take_out_blanks(cut.root)
            made = built(cut.root, limits)
            if _EMPTY not in made.raw and not _BLANK.search(made.raw):
                return cut, made
    found = cut_by_places(document, policy, place)
    return None if found is None else (found, built(found.root, limits))


def is_nil(element: etree._Element) -> bool:
    """Tell whether an element says that it has no value (XSD 1.0 part 1, 2.6.2)."""
    return (element.get(_NIL) or "").strip() in ("true", "1")


def _copied(document: ValidDocument, policy: CompiledPolicy) -> Cut:
    prefixes = dict(policy.prefixes)
    return Cut(root=fixed_copy(document.root, prefixes), withheld=etree.Element("withheld", nsmap=prefixes))


# ── by names ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _cut_by_names(cut: Cut, place: Place, quick: Quick) -> bool:
    """Take out what is not kept, and tell whether that was decided; blanks and empty elements are for the caller."""
    root = cut.root
    for element in dict.fromkeys(quick.beyond(root, place)):
        parent = element.getparent()
        cut.withheld.append(element)
        while parent is not None and len(parent) == 0:
            if parent is root or parent.tag in quick.required:
                return False
            parent.text = None
            above = parent.getparent()
            cut.withheld.append(parent)
            parent = above
    if len(root) == 0:
        return False
    found = quick.attributed(root)
    if found is None:
        return False
    for owner in found.doubtful:
        there = place_of(owner, root, place)
        if there is None:
            return False
        _cut_attributes(owner, there, cut)
    cut.attributes = found.filled - cut.values  # nothing else was counted so far
    return True


def _take_out_blanks(root: etree._Element) -> None:
    for element in root.iter():
        element.tail = None
        if len(element):
            element.text = None


# ── by places ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cut_by_places(document: ValidDocument, policy: CompiledPolicy, place: Place) -> Cut | None:
    """Return what the policy keeps of a document; None when nothing may stand."""
    cut = _copied(document, policy)
    may_hold_nil = _MAY_SAY_NIL in document.document.raw
    if not _cut_below(cut.root, place, cut, may_hold_nil=may_hold_nil):
        return None
    _cut_attributes(cut.root, place, cut)
    return cut


def _cut_below(element: etree._Element, place: Place, cut: Cut, *, may_hold_nil: bool) -> bool:
    """Take out what is not kept below `element`, and tell whether `element` itself may stand."""
    places, has_content = place.children, False
    out: list[etree._Element] = []
    standing: list[object] = []
    element.text = None
    for child in element:
        tag = child.tag
        child.tail = None
        below = places.get(tag)
        if below is None or (may_hold_nil and is_nil(child)):
            out.append(child)
            continue
        if below.is_leaf:
            has_content = True
        elif len(child) == 0:
            if not below.may_be_empty:
                out.append(child)
                continue
            cut.values += child.text is not None
            child.text = None
        elif _cut_below(child, below, cut, may_hold_nil=may_hold_nil):
            has_content = True
        else:
            out.append(child)
            continue
        _cut_attributes(child, below, cut)
        if place.required:
            standing.append(tag)
    cut.withheld.extend(out)
    return has_content and all(standing.count(tag) >= least for tag, least in place.required)


def _cut_attributes(element: etree._Element, place: Place, cut: Cut) -> None:
    """Leave an element the attributes that its place keeps, in the order of the schema."""
    names = element.keys()
    if not names:
        return
    found = element.attrib
    kept = {name: found[name] for name in place.attributes if name in found}
    if list(kept) != names:
        cut.values += sum(1 for name, value in element.items() if value and name not in kept)
        found.clear()
        found.update(kept)


def _number(count: etree.XPath, root: etree._Element) -> int:
    found: Any = count(root)
    return int(found)
