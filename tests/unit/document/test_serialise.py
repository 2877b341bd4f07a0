"""The one form in which a view is written."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.document import in_fixed_form, prefixes_for, read, serialise
from tests.unit.document.messages import DEC, LIMITS, MD, SAMPLES, VALID

EXPECTED = (
    f'<?xml version="1.0" encoding="UTF-8"?><md:MetaData xmlns:md="{MD}" xmlns:dec="{DEC}">'
    "<dec:Declaration><dec:ID>ä &lt;&amp;</dec:ID></dec:Declaration></md:MetaData>"
).encode()


def built() -> etree._Element:
    root = etree.Element(f"{{{MD}}}MetaData", nsmap={"x": "urn:never-used"})
    body = etree.SubElement(root, f"{{{DEC}}}Declaration")
    etree.SubElement(body, f"{{{DEC}}}ID").text = "ä <&"
    return root


def test_a_built_tree_is_written_with_fixed_prefixes_and_only_namespaces_in_use() -> None:
    assert serialise(built()) == EXPECTED


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
    root = built()
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
    root = built()
    root[0][0].text = text
    root[0][0].set("schemeName", attribute)
    (leaf,) = read(serialise(root), LIMITS).body
    assert (leaf.text or "", leaf.get("schemeName")) == (text, attribute)


def test_line_ends_within_values_survive() -> None:
    root = built()
    root[0][0].text = "a\r\nb\tc"
    root[0][0].set("schemeName", "d\r\ne\tf")
    (leaf,) = read(serialise(root), LIMITS).body
    assert (leaf.text, leaf.get("schemeName")) == ("a\r\nb\tc", "d\r\ne\tf")
