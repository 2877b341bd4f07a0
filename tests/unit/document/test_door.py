"""What passes the XML door, what does not, and with which code."""

import contextlib
import pickle
import socket
import string
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.document import Document, read
from gateway.document.sniff import sniff
from gateway.domain.limits import DocumentLimits
from gateway.errors import DocumentError
from tests.unit.document.messages import DEC, LIMITS, MD, VALID, declaration

BOM = b"\xef\xbb\xbf"
CANARY = "canary-77-value"


def refused(raw: bytes, limits: DocumentLimits = LIMITS) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read(raw, limits)
    return caught.value


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_every_sample_passes(path: Path) -> None:
    raw = path.read_bytes()
    document = read(raw, LIMITS)
    assert document.raw == raw


@pytest.mark.parametrize(
    "raw",
    [
        BOM + declaration(),
        declaration(before='<?xml version="1.0" encoding="utf-8"?>'),
        declaration(before="<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\r\n"),
        declaration(before='<?xml version="1.0"?><!-- first --><?note second?>\n<!-- <!DOCTYPE in a comment> -->'),
        BOM + declaration(before='<?xml version="1.0" encoding="UTF-8"?>'),
    ],
)
def test_utf8_with_or_without_mark_declaration_comments_and_instructions_passes(raw: bytes) -> None:
    assert read(raw, LIMITS).root.tag == f"{{{MD}}}MetaData"


@pytest.mark.parametrize(
    "raw",
    [
        declaration().decode().encode("utf-16"),
        declaration().decode().encode("utf-16-le"),
        declaration().decode().encode("utf-16-be"),
        declaration().decode().encode("utf-32"),
        declaration().decode().encode("utf-32-be"),
        declaration(before='<?xml version="1.0"?>').decode().encode("utf-7").replace(b"<", b"+ADw-"),
        b"+/v8-" + declaration(),
        declaration(before='<?xml version="1.0" encoding="UTF-16"?>'),
        BOM + declaration(before='<?xml version="1.0" encoding="UTF-16"?>'),
        declaration(before='<?xml version="1.0" encoding="ISO-8859-1"?>'),
        declaration(before='<?xml version="1.0" encoding = "UTF-7" ?>'),
        declaration(before='<?xml version="1.0" encoding="US-ASCII"?>'),
        declaration("<ID>\xe9</ID>").decode().encode("iso-8859-1"),
        declaration("<ID>x</ID>").replace(b">x<", b">\xc0\xaf<"),
        declaration("<ID>x</ID>").replace(b">x<", b">\xed\xa0\x80<"),
        declaration("<!--x-->").replace(b"x-->", b"\xff-->"),
    ],
)
def test_any_encoding_but_utf8_is_refused(raw: bytes) -> None:
    assert refused(raw).code == "document.encoding_refused"


@pytest.mark.parametrize(
    "before",
    [
        "<!DOCTYPE MetaData>",
        "<!DOCTYPE MetaData [<!ENTITY a 'b'>]>",
        '<?xml version="1.0"?>\n<!DOCTYPE MetaData SYSTEM "file:///etc/hostname">',
        "<?a ?><!-- > --> <?b?>\t<!DOCTYPE\nMetaData>",
        "\n<!DOCTYPE MetaData>",
        "<!DOCTYPE a [<!ENTITY x0 'ha'><!ENTITY x1 '&x0;&x0;'><!ENTITY x2 '&x1;&x1;'>]>",
    ],
)
def test_any_doctype_is_refused(before: str) -> None:
    assert refused(declaration(before=before)).code == "document.doctype_refused"
    assert refused(BOM + declaration(before=before)).code == "document.doctype_refused"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "document.empty"),
        (b" \r\n\t ", "document.empty"),
        (BOM, "document.not_well_formed"),
        (b"<a>", "document.not_well_formed"),
        (b"<!-- never closed", "document.not_well_formed"),
        (b"<?never closed", "document.not_well_formed"),
        (b"text", "document.not_well_formed"),
        (b"<!doctype html><html/>", "document.doctype_refused"),
        (declaration("<ID>&unknown;</ID>"), "document.not_well_formed"),
        (declaration("<p:ID/>"), "document.not_well_formed"),
        (declaration("<ID>\x00</ID>"), "document.not_well_formed"),
        (declaration() + b"<!DOCTYPE a>", "document.not_well_formed"),
        (declaration() + declaration(), "document.not_well_formed"),
        (b"<Meta/>", "document.unknown_root"),
        (b'<GoodsShipment xmlns="urn:wco:datamodel:WCO:DEC-DMS:2"/>', "document.unknown_root"),
        (b"<MetaData/>", "document.unknown_kind"),
        (f'<MetaData xmlns="{MD}"/>'.encode(), "document.unknown_kind"),
        (f'<MetaData xmlns="{MD}"><a><Declaration/></a></MetaData>'.encode(), "document.unknown_kind"),
        (b"<MetaData>" + b"<XDeclaration/>" * 40 + b"</MetaData>", "document.unknown_kind"),
    ],
)
def test_what_is_not_a_message_is_refused_with_its_code(raw: bytes, code: str) -> None:
    assert refused(raw).code == code


def test_the_size_limit_is_checked_before_anything_else() -> None:
    raw = declaration(before="<!DOCTYPE MetaData>")
    assert refused(raw, DocumentLimits(size_bytes=len(raw) - 1)).code == "document.too_large"
    assert refused(raw, DocumentLimits(size_bytes=len(raw))).code == "document.doctype_refused"


def test_depth_is_allowed_up_to_the_limit_and_not_beyond() -> None:
    def nested(levels: int) -> bytes:
        return declaration("<a>" * (levels - 2) + "</a>" * (levels - 2))

    assert read(nested(64), LIMITS)
    assert refused(nested(65)).code == "document.too_deep"
    assert refused(nested(5000)).code == "document.too_deep"
    assert refused(nested(9), DocumentLimits(depth=8)).code == "document.too_deep"


def test_elements_are_allowed_up_to_the_limit_and_not_beyond() -> None:
    limits = DocumentLimits(elements=100)
    assert read(declaration("<a/>" * 98), limits)
    assert refused(declaration("<a/>" * 99), limits).code == "document.too_many_elements"
    assert refused(declaration("<a>b</a>" * 99), limits).code == "document.too_many_elements"


def test_comments_do_not_count_as_elements() -> None:
    assert read(declaration("<!-- <a/><a/><a/> -->" * 200), DocumentLimits(elements=10))


@pytest.mark.parametrize(
    "piece",
    [
        "<!-- <a/><b></b> <![CDATA[ <? -->",
        "<![CDATA[<a/><b></b> <!-- <? ]]>",
        "<?p <a/><b></b> <!-- <![CDATA[ ?>",
        "<!----><!-- <a/> --><?p?><![CDATA[]]>",
    ],
)
def test_only_what_is_an_element_counts_as_one(piece: str) -> None:
    limits = DocumentLimits(elements=100)
    assert read(declaration(piece * 150 + "<a/>" * 98), limits)
    assert refused(declaration(piece * 150 + "<a/>" * 99), limits).code == "document.too_many_elements"
    assert refused(declaration("<a/>" * 99 + piece * 150), limits).code == "document.too_many_elements"


def test_what_looks_like_elements_in_comments_is_none_however_many_there_are() -> None:
    raw = declaration("<!-- <a/> -->" * 19_000 + "<a/>" * 100)
    assert read(raw, DocumentLimits(elements=110))
    assert refused(raw, DocumentLimits(elements=99)).code == "document.too_many_elements"


def test_a_bad_document_with_very_many_tags_is_still_called_not_well_formed() -> None:
    assert refused(declaration("<a/>" * 50 + "<b>"), DocumentLimits(elements=100)).code == "document.not_well_formed"


def test_attributes_are_allowed_up_to_the_limit_and_not_beyond() -> None:
    def wide(number: int) -> bytes:
        return declaration("<a " + " ".join(f'b{index}="1"' for index in range(number)) + "/>")

    assert read(wide(64), LIMITS)
    assert refused(wide(65)).code == "document.too_many_attributes"
    assert refused(wide(20_000)).code == "document.too_many_attributes"


def test_a_tag_too_long_for_the_parser_is_judged_by_its_bytes_and_a_long_text_is_none() -> None:
    def long(number: int, *, quote: str = '"') -> bytes:
        size = 80_000 // number
        attributes = (f"b{index} = {quote}{'=' * size}>{quote}" for index in range(number))
        return declaration("<a " + "\n".join(attributes) + "/>")

    for quote in "\"'":
        assert read(long(64, quote=quote), LIMITS)
        assert refused(long(65, quote=quote)).code == "document.too_many_attributes"
    assert read(declaration("<a>" + "b='c' " * 80_000 + "</a>"), LIMITS)
    assert refused(declaration("<" + "x" * 80_000 + "/>")).code == "document.too_large"
    assert read(declaration("<" + "x" * 30_000 + "/>"), LIMITS)


def test_namespace_declarations_count_as_attributes() -> None:
    def wide(number: int) -> bytes:
        return declaration("<a " + " ".join(f'xmlns:n{index}="urn:{index}"' for index in range(number)) + "/>")

    assert read(wide(64), LIMITS)
    assert refused(wide(65)).code == "document.too_many_attributes"


@pytest.mark.parametrize("place", [0, 1, 30, 63, 64])
def test_the_shortest_namespace_declarations_are_all_counted(place: int) -> None:
    letters = string.ascii_letters + "".join(map(chr, range(0xC0, 0xD0)))
    declared = [f'xmlns:{letter}="b"' for letter in letters[:64]]
    declared.insert(place, 'xmlns="b"')
    assert refused(declaration(f"<a {' '.join(declared)}/>")).code == "document.too_many_attributes"
    del declared[place - 1]
    assert read(declaration(f"<a {' '.join(declared)}/>"), LIMITS)


def test_what_a_text_or_a_value_says_of_namespaces_declares_none() -> None:
    signs = 'xmlns:a="b" ' * 100
    assert read(declaration(f"<a>{signs}</a>"), LIMITS)
    assert read(declaration(f"<a c='{signs}'/>"), LIMITS)
    like_them = "".join(f'xmlnsa{index}="b" c:xmlns{index}="b" ' for index in range(32))
    signs = "<d e=' : : '/>" * 70
    assert read(declaration(f'<b xmlns:c="urn:c"><a {like_them}/>{signs}</b>'), LIMITS)


def test_comments_and_instructions_are_many_but_not_without_number() -> None:
    for one in ("<!---->", "<?a?>"):
        assert read(declaration(one * 20_000), LIMITS)
        assert refused(declaration(one * 20_001)).code == "document.too_many_elements"
    assert read(declaration("<a>" + "!?" * 100_000 + "</a>"), LIMITS)


@pytest.mark.parametrize(
    ("sign", "most", "code"),
    [("=", 250_000, "document.too_many_attributes"), ("<", 500_000, "document.too_many_elements")],
)
def test_signs_of_markup_are_counted_wherever_they_stand(sign: str, most: int, code: str) -> None:
    signs = declaration(f"<!--{'x' * 900_000}-->").decode().count(sign)
    for number, refusal in ((most - signs, None), (most - signs + 1, code)):
        raw = declaration(f"<!--{'x' * 900_000}{sign * number}-->")
        if refusal is None:
            assert read(raw, LIMITS)
        else:
            assert refused(raw).code == refusal


def test_a_text_is_long_but_not_without_end() -> None:
    assert read(declaration("<a>" + "x" * 1_048_000 + "</a>"), LIMITS)
    assert refused(declaration("<a>" + "x" * 1_050_000 + "</a>")).code == "document.too_large"
    half = "x" * 600_000
    for between in ("<!-- -->", "<?y?>", f"<![CDATA[{half}]]>", "<!-- --><?y?><![CDATA[x]]>"):
        assert refused(declaration(f"<a>{half}{between}{half}</a>")).code == "document.too_large"
    assert refused(declaration(f"<a><![CDATA[{half * 2}]]></a>")).code == "document.too_large"
    assert read(declaration(f"<a>{half}<!-- --></a><!-- --><a><?y?>{half}</a><!--{half * 2}-->"), LIMITS)


def test_an_xml_declaration_is_no_longer_than_it_can_be() -> None:
    assert read(declaration(before=f'<?xml version="1.0"{" " * 900}?>'), LIMITS)
    assert refused(declaration(before=f'<?xml version="1.0"{" " * 1_100}?>')).code == "document.too_large"
    assert read(declaration(before=f"<?xml-x {' ' * 1_100}?>"), LIMITS)


def test_many_narrow_elements_and_many_equals_signs_in_text_are_no_attributes() -> None:
    assert read(declaration('<a b="1" xmlns:x="urn:x"/>' * 200 + "<c>" + "=" * 500 + "</c>"), LIMITS)


def test_comments_and_instructions_leave_the_tree_and_the_text_whole() -> None:
    document = read(declaration("<ID>12<!-- x -->3<?y z?>4<![CDATA[<5]]></ID>"), LIMITS)
    (leaf,) = document.body
    assert leaf.text == "1234<5"
    assert len(leaf) == 0


@pytest.mark.parametrize(
    "raw",
    [
        declaration("<a/>" * 2_600_000),
        declaration("<a><a></a></a>" * 700_000),
        declaration("<a " + " ".join(f'b{index}="1"' for index in range(200_000)) + "/>"),
        declaration("<a " + " ".join(f'xmlns:b{index}="1"' for index in range(200_000)) + "/>"),
        declaration("<a>" * 200_000),
        declaration("<a>" + "x" * 10_400_000 + "</a>"),
        declaration("<a b='" + "x" * 10_400_000 + "'/>"),
        declaration("<" + "x" * 10_400_000 + "/>"),
        declaration(before="<?a?>" * 2_000_000),
        declaration(before="<!---->" * 1_400_000),
        b"<!--" * 2_500_000,
        b"<?a " * 2_500_000,
        b"<" * 10_000_000,
        b"<a>" + b"<xmlns" * 1_700_000,
        b"<a>" + b"xmlns=" * 1_700_000,
    ],
    ids=lambda raw: f"{raw[100:130]!r}",
)
def test_a_document_made_to_exhaust_is_refused_within_a_second(raw: bytes) -> None:
    # One second is the promise on an idle machine; five keep the test honest on a busy one.
    start = time.perf_counter()
    refused(raw[: LIMITS.size_bytes])
    assert time.perf_counter() - start < 5


def test_nothing_is_fetched_that_a_document_points_at() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        pointing = [
            declaration(before=f'<!DOCTYPE a SYSTEM "{url}/a.dtd">'),
            declaration(before=f'<!DOCTYPE a [<!ENTITY b SYSTEM "{url}/b">]>'),
            declaration(before=f'<?xml-stylesheet href="{url}/c.xsl"?>'),
            declaration(f'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{url}/d" parse="text"/>'),
            declaration(
                f'<ID xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:schemaLocation="{DEC} {url}/e.xsd"/>'
            ),
        ]
        for raw in pointing:
            with contextlib.suppress(DocumentError):
                read(raw, LIMITS)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize(
    "raw",
    [
        declaration(f"<ID>{CANARY}</ID><b>"),
        declaration(f"<ID {CANARY}></ID>"),
        declaration(f"<ID>&{CANARY};</ID>"),
        declaration(f"<{CANARY}></ID>"),
        declaration(f"<{CANARY}:ID/>"),
        declaration("<a>" * 70 + CANARY + "</a>" * 70),
        f"<{CANARY}/>".encode(),
        declaration(before=f"<?xml version='1.0' encoding='{CANARY}'?>"),
        declaration(before=f"<!DOCTYPE {CANARY}>"),
    ],
)
def test_no_refusal_says_what_stood_in_the_document(raw: bytes) -> None:
    error = refused(raw)
    assert CANARY not in str(error) + repr(error) + str(dict(error.facts)) + str(error.args)
    assert error.__cause__ is None


def test_threads_do_not_see_each_others_errors() -> None:
    lines: dict[int, set[int]] = {}

    def work(number: int) -> None:
        raw = declaration("\n" * number + "<a>")
        lines[number] = {refused(raw).facts["line"] for _ in range(200)}

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lines == {number: {number + 1} for number in range(1, 5)}


def test_only_read_makes_a_document() -> None:
    document = read(declaration(), LIMITS)
    with pytest.raises(TypeError, match="only"):
        Document(document.root, document.raw, None, LIMITS, object())


def test_a_document_does_not_travel_and_does_not_show_itself() -> None:
    document = read(declaration(f"<ID>{CANARY}</ID>"), LIMITS)
    assert CANARY not in repr(document)
    with pytest.raises(TypeError, match="stays"):
        pickle.dumps(document)


_PIECES = st.sampled_from(
    [
        "<",
        ">",
        "/>",
        "<a",
        "</a>",
        "<a>",
        "<!--",
        "-->",
        "<?",
        "?>",
        "<![CDATA[",
        "]]>",
        "&",
        "&amp;",
        "&#0;",
        "&#x41;",
        "=",
        '"',
        "'",
        " ",
        "\n",
        "xmlns",
        "xmlns:a='b'",
        "<!DOCTYPE",
        "<?xml version='1.0'?>",
        "encoding='UTF-16'",
        f'<m:MetaData xmlns:m="{MD}">',
        f'<Declaration xmlns="{DEC}">',
        "</Declaration>",
        "</m:MetaData>",
        "\ufeff",
        "é",
        "\x00",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.lists(_PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode())))
def test_any_bytes_make_a_document_or_a_document_error(raw: bytes) -> None:
    # Anything but a DocumentError escapes and fails the test.
    with contextlib.suppress(DocumentError):
        document = read(raw, DocumentLimits(depth=6, elements=20, attributes=3))
        assert document.facts.kind in ("declaration", "amendment", "arrival", "cancellation")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_sample_makes_a_document_or_a_document_error(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from([path.read_bytes() for path in VALID])))
    for _ in range(data.draw(st.integers(1, 6))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(DocumentError):
        assert read(bytes(raw), LIMITS).facts


def test_what_does_not_end_before_the_root_is_told_with_its_place() -> None:
    assert dict(refused(b"<?xml version='1.0'?>\n  <!-- never").facts) == {"line": 2, "column": 3}


@pytest.mark.parametrize(
    "start",
    [
        b"<?xml version='1.0' encoding='UTF-8'?>\n",
        b"<?xml version='1.0' encoding='utf-8' standalone='yes'?>",
        b'<?xml version="1.0" encoding=\'UTF-8\' standalone="no"?>',
    ],
)
def test_either_quote_makes_a_start_that_leaves_no_doubt(start: bytes) -> None:
    assert sniff(start + b"<a/>") is True
    assert sniff(start.replace(b"1.0", b"1.1") + b"<a/>") is False
