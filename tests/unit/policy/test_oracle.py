"""The independent oracle accepts every view the program makes, and catches every fault planted in one.

The faults are what a filter could get wrong: each takes a right view (or right headers) and spoils one thing.
"""

import copy
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from tests.oracle.headers import judge_headers
from tests.unit.policy.rules import SAMPLES, apply, example, example_judge, fitting, sample
from tests.unit.schema.sets import DEC


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_oracle_accepts_every_view_of_every_sample(path: Path) -> None:
    raw = path.read_bytes()
    for name in fitting(path):
        assert example_judge(name).complaints(raw, apply(raw, example(name)).xml) == []


# ── faults in the view ───────────────────────────────────────────────────────────────────────────────────────────

Spoil = Callable[[etree._Element], None]
ITEM = f"{{{DEC}}}GovernmentAgencyGoodsItem"


def find(root: etree._Element, *names: str) -> etree._Element:
    found = root.find(
        "/".join(f".//{{{DEC}}}{name}" if index == 0 else f"{{{DEC}}}{name}" for index, name in enumerate(names))
    )
    assert found is not None
    return found


def parent_of(element: etree._Element) -> etree._Element:
    parent = element.getparent()
    assert parent is not None
    return parent


def additional_attribute(root: etree._Element) -> None:
    find(root, "TypeCode").set("name", "Import")


def kept_comment(root: etree._Element) -> None:
    find(root, "TypeCode").addnext(etree.Comment(" urgent "))


def kept_instruction(root: etree._Element) -> None:
    find(root, "TypeCode").addnext(etree.ProcessingInstruction("desk", "x"))


def white_space(root: etree._Element) -> None:
    find(root, "Declaration").text = "\n  "


def white_space_after_a_child(root: etree._Element) -> None:
    find(root, "TypeCode").tail = " "


def lost_leaf(root: etree._Element) -> None:
    code = find(root, "Declaration", "GoodsItemQuantity")
    parent_of(code).remove(code)


def items_in_another_order(root: etree._Element) -> None:
    first, second = root.findall(f".//{ITEM}")[:2]
    second.addnext(first)


def lost_item(root: etree._Element) -> None:
    last = root.findall(f".//{ITEM}")[-1]
    parent_of(last).remove(last)


def leaked_leaf(root: etree._Element) -> None:
    code = etree.Element(f"{{{DEC}}}FunctionalReferenceID")
    code.text = "SAMPLE-IM-0001"
    find(root, "FunctionCode").addnext(code)


def leaked_subtree_of_a_sibling(root: etree._Element) -> None:
    exporter = etree.Element(f"{{{DEC}}}Exporter")
    etree.SubElement(exporter, f"{{{DEC}}}Name").text = "x"
    find(root, "GoodsShipment").addprevious(exporter)


def altered_text(root: etree._Element) -> None:
    code = find(root, "Classification", "ID")
    code.text = (code.text or "")[:4]


def trimmed_text(root: etree._Element) -> None:
    code = find(root, "TypeCode")
    code.text = f"{code.text} "


def lost_attribute(root: etree._Element) -> None:
    del find(root, "GrossMassMeasure").attrib["unitCode"]


def altered_attribute(root: etree._Element) -> None:
    find(root, "GrossMassMeasure").set("unitCode", "GRM")


def empty_ancestor(root: etree._Element) -> None:
    etree.SubElement(find(root, "GoodsShipment"), f"{{{DEC}}}Warehouse")


def leaf_in_another_namespace(root: etree._Element) -> None:
    find(root, "TypeCode").tag = "{urn:wco:datamodel:WCO:RES-DMS:2}TypeCode"


def leaf_twice(root: etree._Element) -> None:
    code = find(root, "TypeCode")
    code.addnext(copy.deepcopy(code))


def schema_hint(root: etree._Element) -> None:
    root.set("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", "urn:a a.xsd")


TREE_FAULTS: list[Spoil] = [
    additional_attribute,
    kept_comment,
    kept_instruction,
    white_space,
    white_space_after_a_child,
    lost_leaf,
    items_in_another_order,
    lost_item,
    leaked_leaf,
    leaked_subtree_of_a_sibling,
    altered_text,
    trimmed_text,
    lost_attribute,
    altered_attribute,
    empty_ancestor,
    leaf_in_another_namespace,
    leaf_twice,
    schema_hint,
]


def verdict(view: bytes) -> list[str]:
    return example_judge("trade-statistics").complaints(sample("import-two-items"), view)


def right_view() -> bytes:
    return apply(sample("import-two-items"), example("trade-statistics")).xml


@pytest.mark.parametrize("spoil", TREE_FAULTS, ids=lambda spoil: spoil.__name__)
def test_each_planted_fault_in_a_view_is_caught(spoil: Spoil) -> None:
    root = etree.fromstring(right_view())
    assert verdict(written(root)) == []
    spoil(root)
    assert verdict(written(root)) != []


def written(root: etree._Element) -> bytes:
    """Write a tree in the one plain way, so that what is found is what was spoiled."""
    return b'<?xml version="1.0" encoding="UTF-8"?>' + etree.tostring(root, encoding="UTF-8", xml_declaration=False)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<md:MetaData ", b'<md:MetaData xmlns:z="urn:secret" '),
        (b"<md:MetaData ", b"<!-- before --><md:MetaData "),
        (b"</md:MetaData>", b"</md:MetaData><?after x?>"),
        (b"<dec:GoodsShipment>", b"<dec:GoodsShipment><![CDATA[ ]]>"),
        (b"<dec:GoodsShipment>", b"<dec:GoodsShipment >"),
        (b"<dec:TypeCode>IMA</", b"<dec:TypeCode><![CDATA[IMA]]></"),
        (b"<dec:TypeCode>IMA</", b"<dec:TypeCode>&#73;MA</"),
        (b"</md:MetaData>", b"</md:MetaData>\n"),
    ],
    ids=[
        *("unused namespace", "comment before the root", "instruction after the root", "blank in CDATA"),
        *("blank in a tag", "text in CDATA", "reference without need", "blank after the root"),
    ],
)
def test_each_planted_fault_in_the_bytes_is_caught(old: bytes, new: bytes) -> None:
    view = right_view()
    assert old in view
    assert verdict(view.replace(old, new, 1)) != []


def test_a_view_of_another_document_is_caught() -> None:
    other = apply(sample("export-one-item"), example("trade-statistics")).xml
    assert verdict(other) != []


# ── faults in the headers ────────────────────────────────────────────────────────────────────────────────────────

LRN = "SAMPLE-IM-0001"
AGREED = {
    "from": "GB-HMRC",
    "to": "NO-TOLL",
    "kind": "declaration",
    "schema_set": {"id": "dms-declaration", "sha256": "a" * 64},
    "agreement": {"id": "gb-no", "version": 1, "sha256": "b" * 64},
    "policy_sha256": "c" * 64,
    "terms": {"legal_basis": "l", "purpose": "p", "onward_use": "o", "retention_days": 1},
}


def headers() -> tuple[dict[str, Any], dict[str, Any]]:
    """Right headers of one message: of the JWS and of the JWE."""
    identity = {"id": "0195d3c0-0000-7000-8000-000000000001", "from": "GB-HMRC", "to": "NO-TOLL"}
    wcx = {
        **identity,
        **copy.deepcopy(AGREED),
        "v": 1,
        "conversation": "3f0c3b8e-1d1f-4b57-9a64-0b9d1f2a6c11",
        "sequence": 1,
        "created": "2026-01-31T10:00:00Z",
        "expires": "2026-02-01T10:00:00Z",
        "nonce": "AAECAwQFBgcICQoLDA0ODw",
    }
    thumbprint = "k" * 42 + "A"
    jws = {"alg": "ES256", "kid": thumbprint, "x5t#S256": thumbprint, "typ": "wcx-message+jws", "cty": "xml"}
    jwe = {
        "alg": "ECDH-ES+A256KW",
        "enc": "A256GCM",
        "kid": thumbprint,
        "epk": {},
        "typ": "wcx-message+jwe",
        "cty": "JWT",
    }
    return {**jws, "crit": ["wcx"], "wcx": wcx}, {**jwe, "crit": ["wcx"], "wcx": identity}


def header_verdict(jws: dict[str, Any], jwe: dict[str, Any]) -> list[str]:
    return judge_headers(sample("import-two-items"), jws, jwe, AGREED)


def test_the_oracle_accepts_right_headers() -> None:
    assert LRN.encode() in sample("import-two-items")
    assert header_verdict(*headers()) == []


def member_with_the_reference(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jws["wcx"]["lrn"] = LRN


def hash_of_the_reference(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jws["wcx"]["withheld"] = hashlib.sha256(LRN.encode()).hexdigest()


def reference_as_key_id(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jwe["kid"] = LRN


def reference_in_the_terms(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jws["wcx"]["terms"]["purpose"] = f"about {LRN}"


def conversation_made_of_the_document(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jws["wcx"]["conversation"] = "3f0c3b8e-1d1f-5b57-9a64-0b9d1f2a6c11"


def outer_member(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jwe["wcx"]["kind"] = "declaration"


def another_recipient_outside(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jwe["wcx"]["to"] = "NL-DOUANE"


def another_policy(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jws["wcx"]["policy_sha256"] = "d" * 64


def lost_nonce(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    del jws["wcx"]["nonce"]


def address_of_a_key(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jws["jku"] = "https://example"


def text_as_sequence(jws: dict[str, Any], jwe: dict[str, Any]) -> None:
    jws["wcx"]["sequence"] = "1"


@pytest.mark.parametrize(
    "spoil",
    [
        member_with_the_reference,
        hash_of_the_reference,
        reference_as_key_id,
        reference_in_the_terms,
        conversation_made_of_the_document,
        outer_member,
        another_recipient_outside,
        another_policy,
        lost_nonce,
        address_of_a_key,
        text_as_sequence,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_each_planted_fault_in_the_headers_is_caught(spoil: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    jws, jwe = headers()
    spoil(jws, jwe)
    assert header_verdict(jws, jwe) != []
