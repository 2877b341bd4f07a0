"""From a valid document to the view of it that one partner gets.

How it works. The view is built new: the document is read from the root down beside the places of the compiled policy,
and what has a place is written into a fresh tree. There is no step that removes something from a copy, so forgetting
to remove is not a mistake this code can make. What comes out:

1. a kept leaf, with its exact text and the attributes named; a leaf that says `xsi:nil` has no value and is not kept;
2. the bare ancestors of kept leaves, with attributes only where their own rule names them;
3. nothing else: no comment, no instruction, no blank text, no `xsi:` attribute, no prefix of the sender's.

An element of which nothing is kept is not written; only a class that the schema requires, a rule keeps, and the
document left empty is written empty. An element that would lack what the schema requires is not written either; when
that reaches the root, or when the schema set does not accept what came out, there is no view, and the message is
refused. One visit per element of which something is kept: linear in the document.
"""

from collections.abc import Iterator
from typing import Final

from lxml import etree

from gateway.document import serialise
from gateway.document.facts import find_body, read_facts
from gateway.domain.message import View
from gateway.errors import GatewayError, PolicyError, SchemaError
from gateway.policy.compiled import CompiledPolicy, Place
from gateway.schema import CompiledSet, ValidDocument, validate_view_root

__all__ = ["XSI", "apply_policy", "is_nil"]

XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_NIL: Final = f"{{{XSI}}}nil"
_XSI_BYTES: Final = XSI.encode()
_NOT_WRITTEN: Final = -1
# Leaves with text, and attributes with a value: what `kept` and `withheld` count.
_CONTENTS: Final = etree.XPath("count(//*[not(*)]/text()) + count(//@*[. != ''])")


def apply_policy(document: ValidDocument, policy: CompiledPolicy, compiled: CompiledSet) -> View:
    """Return the view of `document` that `policy` permits, valid under the same schema set.

    Raises PolicyError: `policy.nothing_kept` when the policy keeps nothing of this document, `policy.view_invalid`
    when what it keeps can not stand alone. Neither says what the document holds.
    """
    _check_same_set(document, policy, compiled)
    root, kept = _build(document, policy)
    try:
        validate_view_root(root, compiled)
        facts = read_facts(find_body(root))
    except SchemaError as error:
        paths = sorted({violation.path for violation in error.violations})[:20]
        raise PolicyError("policy.view_invalid", f"The view breaks {compiled.id}", facts={"paths": paths}) from None
    except GatewayError:
        raise PolicyError("policy.view_invalid", "The view does not show its message kind") from None
    if facts.kind is not document.facts.kind:
        raise PolicyError("policy.view_invalid", "The view would show another message kind than the document")
    return View(
        xml=serialise(root, policy.prefixes),
        facts=facts,
        schema_set=compiled.id,
        schema_set_sha256=compiled.sha256,
        policy_sha256=policy.sha256,
        kept=kept,
        withheld=int(_CONTENTS(document.root)) - kept,
    )


def is_nil(element: etree._Element) -> bool:
    """Tell whether an element says that it has no value (XSD 1.0 part 1, 2.6.2)."""
    return (element.get(_NIL) or "").strip() in ("true", "1")


def _check_same_set(document: ValidDocument, policy: CompiledPolicy, compiled: CompiledSet) -> None:
    valid_under = (document.schema_set, document.schema_set_sha256)
    if valid_under != (policy.schema_set, policy.schema_set_sha256) or valid_under != (compiled.id, compiled.sha256):
        raise PolicyError(
            "policy.view_invalid",
            f"The document is valid under {document.schema_set}; the policy is for {policy.schema_set}",
        )


def _build(document: ValidDocument, policy: CompiledPolicy) -> tuple[etree._Element, int]:
    """Return the tree of the view, and how many leaves and attributes with content are in it."""
    source = document.root
    place = policy.roots.get(source.tag)
    if place is None:
        raise PolicyError("policy.nothing_kept")
    # A namespace must be declared to be used, and only this one can say nil.
    may_hold_nil = _XSI_BYTES in document.document.raw
    root = etree.Element(source.tag, nsmap=dict(policy.prefixes))
    kept = _fill(root, source, place, may_hold_nil)
    if kept != _NOT_WRITTEN:
        return root, kept + _copy_attributes(root, source, place)
    if any(True for _ in _kept_leaves(source, place)):
        raise PolicyError(
            "policy.view_invalid", "What the schema requires is not in what the policy keeps of this document"
        )
    raise PolicyError("policy.nothing_kept")


def _fill(target: etree._Element, source: etree._Element, place: Place, may_hold_nil: bool) -> int:
    """Write what is kept below `source` into `target` and return how much it is; or that `target` must not stand."""
    places, kept, has_content = place.children, 0, False
    for child in source:
        tag = child.tag
        below = places.get(tag)
        if below is None or (may_hold_nil and is_nil(child)):
            continue
        written = etree.SubElement(target, tag)
        if below.is_leaf:
            text = child.text
            if text:
                written.text = text
                kept += 1
            has_content = True
        elif (inside := _fill(written, child, below, may_hold_nil)) != _NOT_WRITTEN:
            kept += inside
            has_content = True
        elif not (below.may_be_empty and len(child) == 0):
            target.remove(written)
            continue
        if below.attributes:
            kept += _copy_attributes(written, child, below)
    if has_content and all(_count(target, tag) >= least for tag, least in place.required):
        return kept
    return _NOT_WRITTEN


def _copy_attributes(target: etree._Element, source: etree._Element, place: Place) -> int:
    kept = 0
    for name in place.attributes:
        value = source.get(name)
        if value is not None:
            target.set(name, value)
            kept += 1 if value else 0
    return kept


def _count(parent: etree._Element, tag: str) -> int:
    return sum(1 for _ in parent.iterchildren(tag))


def _kept_leaves(source: etree._Element, place: Place) -> Iterator[etree._Element]:
    for child in source:
        below = place.children.get(child.tag)
        if below is not None and below.is_leaf:
            yield child
        elif below is not None:
            yield from _kept_leaves(child, below)
