"""The one form in which a view is written."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.document import built, fixed_copy, in_fixed_form, prefixes_for, read, serialise
from gateway.errors import DocumentError
from tests.unit.document.messages import DEC, LIMITS, MD, SAMPLES, VALID

EXPECTED = (
    f'<?xml version="1.0" encoding="UTF-8"?><md:MetaData xmlns:md="{MD}" xmlns:dec="{DEC}">'
    "<dec:Declaration><dec:ID>ä &lt;&amp;</dec:ID></dec:Declaration></md:MetaData>"
).encode()


def built_tree() -> etree._Element:
    root = etree.Element(f"{{{MD}}}MetaData", nsmap={"x": "urn:never-used"})
    body = etree.SubElement(root, f"{{{DEC}}}Declaration")
    etree.SubElement(body, f"{{{DEC}}}ID").text = "ä <&"
    return root


def test_a_built_tree_is_written_with_fixed_prefixes_and_only_namespaces_in_use() -> None:
    assert serialise(built_tree()) == EXPECTED


def test_what_is_written_passes_the_door_in_fixed_form() -> None:
    assert in_fixed_form(read(EXPECTED, LIMITS))


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_writing_again_what_was_written_gives_the_same_bytes(path: Path) -> None:
    once = serialise(copy.deepcopy(read(path.read_bytes(), LIMITS).root))
    assert serialise(copy.deepcopy(read(once, LIMITS).root)) == once
    assert once.count(b"xmlns:") == once[: once.index(b">", 60)].count(b"xmlns:")


def test_prefixes_of_the_sender_do_not_survive() -> None:
    one = serialise(read((SAMPLES / "valid/export-one-item.xml").read_bytes(), LIMITS).root)
    assert b"<decv:DateTimeString " in one
    assert b"xmlns:m=" not in one
    assert b"xmlns:t=" not in one


def test_namespaces_of_a_foreign_set_get_their_own_fixed_prefixes() -> None:
    root = built_tree()
    etree.SubElement(root[0], "{urn:example:other}Extra", {"{urn:example:other}a": "1"})
    written = serialise(root, prefixes_for(["urn:example:other"]))
    assert b'<n1:Extra n1:a="1"/>' in written


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"<dec:ID>", b"<!-- c --><dec:ID>"),
        lambda raw: raw.replace(b"<dec:ID>", b"<?p i?><dec:ID>"),
        lambda raw: raw.replace(b"<dec:ID>", b"\n<dec:ID>"),
        lambda raw: raw.replace(b"<dec:ID>", b"<dec:ID >"),
        lambda raw: raw.replace(b"dec:", b"d:").replace(b":dec=", b":d="),
        lambda raw: raw.replace(b" xmlns:dec", b' xmlns:res="urn:wco:datamodel:WCO:RES-DMS:2" xmlns:dec'),
        lambda raw: raw.replace("ä".encode(), b"&#228;"),
        lambda raw: raw.replace(b"&lt;&amp;", b"<![CDATA[<&]]>"),
        lambda raw: raw + b"\n",
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b'"', b"'"),
    ],
)
def test_anything_beside_the_fixed_form_is_noticed(change: Callable[[bytes], bytes]) -> None:
    changed = change(EXPECTED)
    assert changed != EXPECTED
    assert not in_fixed_form(read(changed, LIMITS))


XML_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=60)


@given(text=XML_TEXT, attribute=XML_TEXT)
def test_text_and_attributes_come_back_as_they_were(text: str, attribute: str) -> None:
    root = built_tree()
    root[0][0].text = text
    root[0][0].set("schemeName", attribute)
    (leaf,) = read(serialise(root), LIMITS).body
    assert (leaf.text or "", leaf.get("schemeName")) == (text, attribute)


def canonical(root: etree._Element) -> bytes:
    return etree.tostring(root, method="c14n", exclusive=True)


@given(text=XML_TEXT, attribute=XML_TEXT)
def test_whoever_reads_what_was_built_gets_the_tree_that_was_built(text: str, attribute: str) -> None:
    source = built_tree()
    source[0][0].text = f"{text}\r\n"
    source[0][0].set("schemeName", f"{attribute}\t\n\r")
    document = built(fixed_copy(source), LIMITS)
    again = read(document.raw, LIMITS)
    assert canonical(again.root) == canonical(document.root)
    assert again.facts == document.facts


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_copy_under_the_fixed_prefixes_is_written_as_any_tree_is(path: Path) -> None:
    document = read(path.read_bytes(), LIMITS)
    before = etree.tostring(document.root)
    made = built(fixed_copy(document.root), LIMITS)
    assert made.raw == serialise(copy.deepcopy(document.root))
    assert canonical(read(made.raw, LIMITS).root) == canonical(made.root)
    assert etree.tostring(document.root) == before


def test_what_is_built_too_large_is_refused() -> None:
    with pytest.raises(DocumentError) as caught:
        built(built_tree(), replace(LIMITS, size_bytes=100))
    assert caught.value.code == "document.too_large"


def test_a_value_that_escaping_makes_too_long_for_a_parser_is_refused() -> None:
    tree = built_tree()
    tree[0][0].set("schemeName", '"' * 2_000_000)
    with pytest.raises(DocumentError) as caught:
        built(tree, replace(LIMITS, size_bytes=32 * 1024 * 1024))
    assert caught.value.code == "document.too_large"


def test_line_ends_within_values_survive() -> None:
    root = built_tree()
    root[0][0].text = "a\r\nb\tc"
    root[0][0].set("schemeName", "d\r\ne\tf")
    (leaf,) = read(serialise(root), LIMITS).body
    assert (leaf.text, leaf.get("schemeName")) == ("a\r\nb\tc", "d\r\ne\tf")
