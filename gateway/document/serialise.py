"""The one way a view becomes bytes.

UTF-8 with an XML declaration and no line break after it; the fixed prefixes of names.py, declared on the root and only
those in use; no comments, no processing instructions, no white space between elements. The same tree gives the same
bytes on every machine, so digests over them are stable.
"""

import copy
from collections.abc import Mapping
from typing import Final

from lxml import etree

from gateway.document.door import _DOOR, Document, check_texts, read
from gateway.document.names import PREFIXES
from gateway.domain.limits import DocumentLimits
from gateway.errors import DocumentError

_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>'
_FIXED: Final = dict(PREFIXES)
_BLANKS: Final = etree.XPath("boolean(//text()[../* and not(normalize-space())])")
_LONGEST_VALUE: Final = 10_000_000  # XML_MAX_TEXT_LENGTH of libxml2: escaped, one value may be longer than it was


def fixed_copy(root: etree._Element, prefixes: Mapping[str, str] | None = None) -> etree._Element:
    """Return a copy of a tree under the fixed prefixes. `prefixes`: as for `serialise`."""
    fixed = etree.Element(root.tag, root.attrib, nsmap=_FIXED if prefixes is None else dict(prefixes))
    fixed.text = root.text
    for child in root:
        # Going under a parent that declares its namespaces makes lxml use the parent's prefixes.
        fixed.append(copy.copy(child))  # lxml copies an element with all below
    return fixed


def built(root: etree._Element, limits: DocumentLimits) -> Document:
    """Return the document that a tree is, with its bytes in the fixed form. Takes the tree over.

    `root`: as `fixed_copy` made it, of what passed the door, then only cut: no limit but that of size can be broken.
    Whoever reads the bytes gets the same tree (tests hold the one against the other), so they are not read again but
    where escaping may have made one value longer than a parser takes. Raises DocumentError as `read` does.
    """
    etree.cleanup_namespaces(root)
    raw = _DECLARATION + etree.tostring(root, encoding="UTF-8", xml_declaration=False)
    if len(raw) > limits.size_bytes:
        raise DocumentError("document.too_large", facts={"limit_bytes": limits.size_bytes})
    check_texts(raw)
    if len(raw) > _LONGEST_VALUE:
        read(raw, limits)
    return Document(root, raw, None, limits, _DOOR)


def serialise(root: etree._Element, prefixes: Mapping[str, str] | None = None) -> bytes:
    """Return the fixed form of a freshly built tree. Consumes it: the children move to a new root.

    `prefixes`: of `prefixes_for`, when a set has namespaces of its own. The caller builds the tree without comments,
    processing instructions and white space; this only settles prefixes and the form (`in_fixed_form` checks all).
    """
    fixed = etree.Element(root.tag, root.attrib, nsmap=_FIXED if prefixes is None else dict(prefixes))
    fixed.text = root.text
    fixed.extend(list(root))
    etree.cleanup_namespaces(fixed)
    return _DECLARATION + etree.tostring(fixed, encoding="UTF-8", xml_declaration=False)


def in_fixed_form(document: Document, prefixes: Mapping[str, str] | None = None) -> bool:
    """Tell whether a document's bytes are exactly what `serialise` would write: how an arriving view must look.

    Comments, processing instructions, CDATA, odd prefixes, unused namespaces, other quoting and white space between
    elements all make the bytes differ.
    """
    return not _BLANKS(document.root) and serialise(copy.deepcopy(document.root), prefixes) == document.raw
