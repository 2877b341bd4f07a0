"""The one way a view becomes bytes.

UTF-8 with an XML declaration and no line break after it; the fixed prefixes of names.py, declared on the root and only
those in use; no comments, no processing instructions, no white space between elements. The same tree gives the same
bytes on every machine, so digests over them are stable.
"""

import copy
from collections.abc import Mapping
from typing import Final

from lxml import etree

from gateway.document.door import Document
from gateway.document.names import PREFIXES

_DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>'
_FIXED: Final = dict(PREFIXES)
_BLANKS: Final = etree.XPath("boolean(//text()[../* and not(normalize-space())])")


def serialise(root: etree._Element, prefixes: Mapping[str, str] | None = None) -> bytes:
    """Return the fixed form of a freshly built tree. Consumes it: the children move to a new root.

    `prefixes`: of `prefixes_for`, when a set has namespaces of its own. The caller builds the tree without comments,
    processing instructions and white space; this only settles prefixes and the form (`in_fixed_form` checks all).
    """
    fixed = etree.Element(root.tag, root.attrib, nsmap=_FIXED if prefixes is None else dict(prefixes))
    fixed.text = root.text
    # Moving a subtree under a parent that declares its namespaces makes lxml use the parent's prefixes.
    fixed.extend(list(root))
    etree.cleanup_namespaces(fixed)
    return _DECLARATION + etree.tostring(fixed, encoding="UTF-8", xml_declaration=False)


def in_fixed_form(document: Document, prefixes: Mapping[str, str] | None = None) -> bool:
    """Tell whether a document's bytes are exactly what `serialise` would write: how an arriving view must look.

    Comments, processing instructions, CDATA, odd prefixes, unused namespaces, other quoting and white space between
    elements all make the bytes differ.
    """
    return not _BLANKS(document.root) and serialise(copy.deepcopy(document.root), prefixes) == document.raw
