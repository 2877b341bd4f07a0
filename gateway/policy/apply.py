"""From a valid document to the view of it that one partner gets.

How it works. The view is built new: the document is read from the root down beside the places of the compiled policy,
and what has a place is written. There is no step that removes something from a copy, so forgetting to remove is not a
mistake this code can make. What comes out:

1. a kept leaf, with its exact text and the attributes named; a leaf that says `xsi:nil` has no value and is not kept;
2. the bare ancestors of kept leaves, with attributes only where their own rule names them;
3. nothing else: no comment, no instruction, no blank text, no `xsi:` attribute, no prefix of the sender's.

An element of which nothing is kept is not written; only a class that the schema requires, a rule keeps, and the
document left empty is written empty. An element that would lack what the schema requires is not written either; when
that reaches the root there is no view. Then the bytes go through the XML door and the schema set like any document:
what was found valid is the very bytes that leave. One visit per element of which something is kept: linear.
"""

from collections.abc import Callable, Iterator
from typing import Final

from lxml import etree

from gateway.document import attribute, document_bytes, escape_text, read
from gateway.domain.limits import CEILING_DOCUMENT_BYTES, DocumentLimits
from gateway.domain.message import View
from gateway.errors import DocumentError, PolicyError, SchemaError
from gateway.policy.compiled import CompiledPolicy, Place
from gateway.schema import CompiledSet, ValidDocument, validate

__all__ = ["apply_policy", "is_nil"]

_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_NIL: Final = f"{{{_XSI}}}nil"
_SAYS_NIL: Final = etree.XPath("boolean(//@xsi:nil)", namespaces={"xsi": _XSI})
_NOT_WRITTEN: Final = -1
# Leaves with text, and attributes with a value: what `kept` and `withheld` count.
_CONTENTS: Final = etree.XPath("count(//*[not(*)]/text()) + count(//@*[. != ''])")
# A view has no more elements than its document; escaping may make it longer.
_VIEW_LIMITS: Final = DocumentLimits(size_bytes=CEILING_DOCUMENT_BYTES)


def apply_policy(
    document: ValidDocument,
    policy: CompiledPolicy,
    compiled: CompiledSet,
    inspect_view: Callable[[ValidDocument], None] | None = None,
) -> View:
    """Return the view of `document` that `policy` permits, valid under the same schema set.

    `inspect_view` is shown the view as it was read back, before it is one, and may raise: that is for profile rules.

    Raises PolicyError: `policy.nothing_kept` when the policy keeps nothing of this document, `policy.view_invalid`
    when what it keeps can not stand alone. Neither says what the document holds.
    """
    _check_same_set(document, policy, compiled)
    xml, kept = _write_view(document, policy)
    view = _validated(xml, compiled)
    if view.document.kind is not document.document.kind:
        raise PolicyError("policy.view_invalid", "The view would show another message kind than the document")
    if inspect_view is not None:
        inspect_view(view)
    return View(
        xml=xml,
        facts=view.facts,
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


def _validated(xml: bytes, compiled: CompiledSet) -> ValidDocument:
    try:
        return validate(read(xml, _VIEW_LIMITS), compiled)
    except SchemaError as error:
        paths = sorted({violation.path for violation in error.violations})[:20]
        raise PolicyError("policy.view_invalid", f"The view breaks {compiled.id}", facts={"paths": paths}) from None
    except DocumentError as error:
        raise PolicyError("policy.view_invalid", f"The view is no document: {error.code}") from None


def _write_view(document: ValidDocument, policy: CompiledPolicy) -> tuple[bytes, int]:
    """Return the bytes of the view, and how many leaves and attributes with content are in it."""
    source = document.root
    place = policy.roots.get(source.tag)
    if place is None:
        raise PolicyError("policy.nothing_kept")
    out: list[str] = []
    kept = _write_below(out, source, place, may_hold_nil=_SAYS_NIL(source))
    if kept != _NOT_WRITTEN:
        attributes, number = _attributes(source, place)
        return document_bytes(place.start[1:], attributes, "".join(out), policy.prefixes), kept + number
    if any(True for _ in _kept_leaves(source, place)):
        raise PolicyError(
            "policy.view_invalid", "What the schema requires is not in what the policy keeps of this document"
        )
    raise PolicyError("policy.nothing_kept")


def _write_below(out: list[str], source: etree._Element, place: Place, *, may_hold_nil: bool) -> int:
    """Write what is kept below `source` and return how much it is; or that `source` itself must not stand."""
    places, kept, has_content = place.children, 0, False
    written: list[object] = []
    for child in source:
        tag = child.tag
        below = places.get(tag)
        if below is None or (may_hold_nil and is_nil(child)):
            continue
        start, number = below.start, 0
        if below.attributes:
            attributes, number = _attributes(child, below)
            start += attributes
        if below.is_leaf:
            text = child.text
            out.append(f"{start}>{escape_text(text)}{below.end}" if text else f"{start}/>")
            kept += 1 if text else 0
            has_content = True
        else:
            mark = len(out)
            out.append(f"{start}>")
            inside = _write_below(out, child, below, may_hold_nil=may_hold_nil)
            if inside != _NOT_WRITTEN:
                out.append(below.end)
                kept += inside
                has_content = True
            else:
                del out[mark:]
                if not below.may_be_empty or len(child):
                    continue
                out.append(f"{start}/>")
        kept += number
        if place.required:
            written.append(tag)
    if has_content and all(written.count(tag) >= least for tag, least in place.required):
        return kept
    return _NOT_WRITTEN


def _attributes(source: etree._Element, place: Place) -> tuple[str, int]:
    """Return the kept attributes of an element as written, and how many have content."""
    found = [(name, value) for name in place.attributes if (value := source.get(name)) is not None]
    return "".join(attribute(name, value) for name, value in found), sum(1 for _, value in found if value)


def _kept_leaves(source: etree._Element, place: Place) -> Iterator[etree._Element]:
    for child in source:
        below = place.children.get(child.tag)
        if below is not None and below.is_leaf:
            yield child
        elif below is not None:
            yield from _kept_leaves(child, below)
