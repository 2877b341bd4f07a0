"""Looks at the first bytes of a document before any parser sees it: encoding and document type declaration.

XML 1.0 appendix F tells how an encoding shows in the first bytes. Only UTF-8 passes, with or without a byte-order
mark; a declaration that names anything else is refused, because parsers disagree about what such bytes mean. A DOCTYPE
is the door to entities, external files and defaults, and no customs message needs one (OWASP XXE).
"""

import re
from typing import Final

from gateway.errors import DocumentError

_BOM: Final = b"\xef\xbb\xbf"
# UTF-16 and UTF-32 in both orders, with and without mark; UTF-7; EBCDIC; SCSU; UTF-EBCDIC (XML 1.0 appendix F).
_FOREIGN_STARTS: Final = (
    b"\xfe\xff",
    b"\xff\xfe",
    b"\x00",
    b"<\x00",
    b"+/v",
    b"+ADw-",
    b"\x4c\x6f\xa7\x94",
    b"\x0e\xfe\xff",
    b"\xdd\x73\x66\x73",
)
# How nearly every message starts: it shows in one match that nothing below can be wrong.
_PLAIN_START: Final = re.compile(
    rb"""(?:\xef\xbb\xbf)?(?:<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"[Uu][Tt][Ff]-8"|'[Uu][Tt][Ff]-8'))?"""
    rb"""(?: standalone=(?:"(?:yes|no)"|'(?:yes|no)'))?\?>)?"""
    rb"""[ \t\r\n]*+(?>(?:<!--[^-<]*+-->[ \t\r\n]*+){0,4})<[A-Za-z_]"""
)
_DECLARATION_BYTES: Final = 1000
_XML_DECLARATION: Final = re.compile(rb"<\?xml[ \t\r\n][^>]{0,%d}?\?>" % _DECLARATION_BYTES)
_DECLARATION_START: Final = re.compile(rb"<\?xml[ \t\r\n]")
_ENCODING: Final = re.compile(rb"""[ \t\r\n]encoding[ \t\r\n]*=[ \t\r\n]*(["'])([^"']*)\1""")
_MAX_MISC: Final = 1000
_SPACE: Final = re.compile(rb"[ \t\r\n]*")


def sniff(raw: bytes) -> bool:
    """Return if `raw` may be given to the parser, and tell whether its start leaves no doubt that it has no DOCTYPE.

    Raises DocumentError `document.empty`, `document.encoding_refused` or `document.doctype_refused`.
    """
    if _PLAIN_START.match(raw):
        return True
    # 1. Something must be there.
    if not raw or raw.isspace():
        raise DocumentError("document.empty")
    # 2. The start must not be that of another encoding. That all bytes are UTF-8 is checked by the parser (door.py).
    if raw.startswith(_FOREIGN_STARTS):
        raise DocumentError("document.encoding_refused", "The first bytes show an encoding other than UTF-8")
    # 3. A declared encoding must be the one the bytes are in.
    start = len(_BOM) if raw.startswith(_BOM) else 0
    declaration = _XML_DECLARATION.match(raw, start)
    if declaration:
        encoding = _ENCODING.search(declaration[0])
        if encoding and encoding[2].upper() != b"UTF-8":
            raise DocumentError("document.encoding_refused", "The XML declaration names an encoding other than UTF-8")
        start = declaration.end()
    elif _DECLARATION_START.match(raw, start) and raw.find(b"?>", start) > start + _DECLARATION_BYTES:
        raise DocumentError("document.too_large", "The XML declaration is larger than is accepted")
    # 4. Between the declaration and the root only white space, comments and processing instructions may stand.
    if _after_misc(raw, start) == b"<!DOCTYPE":
        raise DocumentError("document.doctype_refused")
    return False


def place_of(raw: bytes, position: int) -> dict[str, int]:
    """Return the line and the column (in bytes) of a position, both from 1."""
    before = raw.rfind(b"\n", 0, position)
    return {"line": raw.count(b"\n", 0, position) + 1, "column": position - before}


def _after_misc(raw: bytes, position: int) -> bytes:
    """Return the nine bytes after white space, comments and PIs. Linear: every `find` starts where the last ended."""
    for _ in range(_MAX_MISC):
        position = _skip_space(raw, position)
        if raw.startswith(b"<!--", position):
            end, width = raw.find(b"-->", position + 4), 3
        elif raw.startswith(b"<?", position):
            end, width = raw.find(b"?>", position + 2), 2
        else:
            return raw[position : position + 9].upper()
        if end < 0:  # The parser would say so too, after it had looked at every byte of it.
            raise DocumentError(
                "document.not_well_formed", "What begins here does not end", facts=place_of(raw, position)
            )
        position = end + width
    raise DocumentError("document.too_many_elements", "Too many comments and processing instructions before the root")


def _skip_space(raw: bytes, position: int) -> int:
    match = _SPACE.match(raw, position)
    return match.end() if match else position
