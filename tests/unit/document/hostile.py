"""Hostile documents of our own, one or more of each kind that there is: made here, since some are 10 MiB large."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.unit.document.messages import LIMITS, declaration

_MOST: Final = LIMITS.size_bytes
_BOM: Final = b"\xef\xbb\xbf"


def _within(repeated: str, *, room: int = 1_000) -> bytes:
    """A declaration filled with one text up to the size limit."""
    return declaration(repeated * ((_MOST - room) // len(repeated)))


def _lol(levels: int = 9) -> bytes:
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, levels))
    return declaration("<ID>&e8;</ID>", before=f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]>')


def _named(number: int, form: str) -> str:
    return " ".join(form.format(index) for index in range(number))


_INCLUDE: Final = 'xmlns:x="http://www.w3.org/2001/XInclude"'
_LATIN: Final = '<?xml version="1.0" encoding="ISO-8859-1"?>'
_UTF_16: Final = '<?xml version="1.0" encoding="UTF-16"?>'
_FILE: Final = "file:///etc/hostname"

# By kind: how it is made, and the code it must be refused with. `schema.…`: the door lets it in, the set does not.
KINDS: Final[Mapping[str, tuple[Callable[[], bytes], str]]] = {
    "entities in entities": (_lol, "document.doctype_refused"),
    "one long entity many times": (
        lambda: declaration("&e;" * 1_000_000, before=f'<!DOCTYPE a [<!ENTITY e "{"x" * 100_000}">]>'),
        "document.doctype_refused",
    ),
    "entities that hold each other": (
        lambda: declaration("&a;", before='<!DOCTYPE a [<!ENTITY a "&b;"><!ENTITY b "&a;">]>'),
        "document.doctype_refused",
    ),
    "parameter entities": (
        lambda: declaration(before='<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>'),
        "document.doctype_refused",
    ),
    "a DTD": (lambda: declaration(before="<!DOCTYPE a [<!ELEMENT a ANY>]>"), "document.doctype_refused"),
    "a large DTD": (
        lambda: declaration(before=f"<!DOCTYPE a [{'<!ELEMENT a ANY>' * 600_000}]>"),
        "document.doctype_refused",
    ),
    "an external DTD": (lambda: declaration(before=f'<!DOCTYPE a SYSTEM "{_FILE}">'), "document.doctype_refused"),
    "an external entity of a file": (
        lambda: declaration("<ID>&e;</ID>", before=f'<!DOCTYPE a [<!ENTITY e SYSTEM "{_FILE}">]>'),
        "document.doctype_refused",
    ),
    "an external entity of a host": (
        lambda: declaration("<ID>&e;</ID>", before='<!DOCTYPE a [<!ENTITY e SYSTEM "http://127.0.0.1:9/e">]>'),
        "document.doctype_refused",
    ),
    "a DOCTYPE behind comments": (
        lambda: declaration(before="<?p?><!-- -->\n" * 300 + "<!DOCTYPE a>"),
        "document.doctype_refused",
    ),
    "XInclude of a file as text": (
        lambda: declaration(f'<x:include {_INCLUDE} href="{_FILE}" parse="text"/>'),
        "schema.element_not_expected",
    ),
    "XInclude of a host": (
        lambda: declaration(f'<x:include {_INCLUDE} href="http://127.0.0.1:9/x"/>'),
        "schema.element_not_expected",
    ),
    "a stylesheet and a schema at a host": (
        lambda: declaration(
            '<a xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="urn:a http://127.0.0.1:9/a"/>',
            before='<?xml-stylesheet href="http://127.0.0.1:9/s.xsl"?>',
        ),
        "schema.element_not_expected",
    ),
    "UTF-7": (lambda: b"+ADw-?xml version='1.0'?+AD4-" + declaration(), "document.encoding_refused"),
    "UTF-7 by its declaration": (
        lambda: declaration(before='<?xml version="1.0" encoding="UTF-7"?>'),
        "document.encoding_refused",
    ),
    "UTF-16": (lambda: declaration(before=_UTF_16).decode().encode("utf-16"), "document.encoding_refused"),
    "UTF-16 without a mark": (lambda: declaration().decode().encode("utf-16-be"), "document.encoding_refused"),
    "UTF-32": (lambda: declaration().decode().encode("utf-32"), "document.encoding_refused"),
    "UTF-32 without a mark": (lambda: declaration().decode().encode("utf-32-le"), "document.encoding_refused"),
    "UTF-16 by its declaration alone": (lambda: declaration(before=_UTF_16), "document.encoding_refused"),
    "a mark that contradicts the declaration": (
        lambda: _BOM + declaration(before=_LATIN),
        "document.encoding_refused",
    ),
    "bytes that contradict the declaration": (
        lambda: (
            declaration("<ID>\xe9</ID>", before='<?xml version="1.0" encoding="UTF-8"?>').decode().encode("latin-1")
        ),
        "document.encoding_refused",
    ),
    "EBCDIC": (
        lambda: declaration(before='<?xml version="1.0"?>').decode().encode("cp500"),
        "document.encoding_refused",
    ),
    "200,000 attributes": (
        lambda: declaration("<a " + _named(200_000, 'a{}=""') + "/>"),
        "document.too_many_attributes",
    ),
    "60 attributes at each of 15,000 elements": (
        lambda: declaration(("<a " + _named(60, 'a{}=""') + "/>") * 15_000),
        "document.too_many_attributes",
    ),
    "attributes with white space without number": (
        lambda: declaration(("<a " + _named(60, "a{} =\n' '") + "/>") * 10_000),
        "document.too_many_attributes",
    ),
    "200,000 namespaces": (
        lambda: declaration("<a " + _named(200_000, 'xmlns:a{}="u"') + "/>"),
        "document.too_many_attributes",
    ),
    "the same attribute twice": (lambda: declaration('<a b="1" b="2"/>'), "document.not_well_formed"),
    "deep nesting": (lambda: declaration("<a>" * 100_000 + "</a>" * 100_000), "document.too_deep"),
    "nesting just beyond the limit": (lambda: declaration("<a>" * 63 + "</a>" * 63), "document.too_deep"),
    "nesting without an end": (lambda: _within("<a>"), "document.too_many_elements"),
    "millions of instructions": (lambda: _within("<?a?>"), "document.too_many_elements"),
    "millions of comments": (lambda: _within("<!---->"), "document.too_many_elements"),
    "millions of sections": (
        lambda: declaration("<a>" + "<![CDATA[]]>" * 800_000 + "</a>"),
        "document.too_many_elements",
    ),
    "a section full of openings": (
        lambda: declaration("<FunctionCode><![CDATA[" + "<a" * 4_000_000 + "]]></FunctionCode>"),
        "document.too_large",
    ),
    "a number without end in pieces": (
        lambda: declaration(f"<FunctionCode>{('9' * 900_000 + '<!-- -->') * 10}</FunctionCode>"),
        "document.too_large",
    ),
    "a number without end in many pieces": (
        lambda: declaration("<FunctionCode>" + ("<![CDATA[" + "9" * 450 + "]]>") * 19_000 + "</FunctionCode>"),
        "document.too_large",
    ),
    "a number without end": (
        lambda: declaration(f"<FunctionCode>{'9' * 9_000_000}</FunctionCode>"),
        "document.too_large",
    ),
    "an XML declaration of blanks": (
        lambda: declaration(before='<?xml version="1.0"' + " " * 9_000_000 + "?>"),
        "document.too_large",
    ),
    "an encoding without end": (
        lambda: declaration(before=f'<?xml version="1.0" encoding="{"U" * 9_000_000}"?>'),
        "document.too_large",
    ),
    "huge text": (lambda: declaration("<a>" + "x" * (_MOST - 1_000) + "</a>"), "document.too_large"),
    "a huge attribute": (lambda: declaration(f'<a b="{"x" * (_MOST - 1_000)}"/>'), "document.too_large"),
    "a huge name": (lambda: declaration(f"<{'x' * (_MOST - 1_000)}/>"), "document.too_large"),
    "a huge comment that does not end": (lambda: declaration("<!--" + "x" * 9_000_000), "document.not_well_formed"),
    "millions of siblings": (lambda: _within("<a/>"), "document.too_many_elements"),
    "millions of siblings with text": (lambda: _within("<a>b</a>"), "document.too_many_elements"),
    "millions of comments before the root": (
        lambda: declaration(before="<!---->" * 1_400_000),
        "document.too_many_elements",
    ),
    "millions of openings": (lambda: b"<" * _MOST, "document.too_many_elements"),
    "millions of comments that do not end": (lambda: b"<!--" * 2_500_000, "document.not_well_formed"),
    "more than the size limit": (lambda: b" " * (_MOST + 1), "document.too_large"),
    "nothing but blanks": (lambda: b" " * _MOST, "document.empty"),
    "NUL": (lambda: declaration("<ID>\x00</ID>"), "document.not_well_formed"),
    "an entity that nobody declared": (lambda: declaration("<ID>&nobody;</ID>"), "document.not_well_formed"),
    "two roots": (lambda: declaration() * 2, "document.not_well_formed"),
}
