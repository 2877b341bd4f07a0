"""What `gateway schema add` makes of the files of an administration."""

import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest
from lxml import etree

from gateway.document import read
from gateway.domain.limits import DocumentLimits
from gateway.errors import SchemaError
from gateway.schema import Wish, compile_set, explain, load_set, make_set, manifest_text, validate, validate_view_root
from tests.unit.schema.foreign_sets import (
    APART,
    XS,
    bring,
    element,
    envelope,
    include,
    made,
    of_any,
    verdicts,
    written,
    xsd,
)

DECLARED = '<m:MetaData xmlns:m="urn:m"><Declaration xmlns="urn:d">{}</Declaration></m:MetaData>'


def refused(files: dict[str, bytes], entry: str = "", *bodies: str) -> SchemaError:
    with pytest.raises(SchemaError) as caught:
        made(files, entry, *bodies)
    return caught.value


# ── envelope and body ──


def test_an_envelope_and_its_body_are_brought_together(tmp_path: Path) -> None:
    found = made(APART, "envelope/MetaData.xsd")
    assert found.entry == "gateway-entry.xsd"
    assert found.generated == ("gateway-entry.xsd",)
    assert set(found.files) == {*APART} - {"body/unrelated.xsd", "readme.txt"} | {"gateway-entry.xsd"}
    assert found.roots == ("{urn:m}MetaData", "{urn:d}Declaration")
    assert found.namespaces == ("urn:m", "urn:d", "urn:t")
    assert [str(kind) for kind in found.kinds] == ["declaration", "amendment", "arrival"]
    documents = [DECLARED.format(1), DECLARED.format("x"), '<Declaration xmlns="urn:d">1</Declaration>']
    assert verdicts(found, tmp_path, *documents) == [True, False, True]


def test_an_entry_that_brings_them_together_itself_is_left_as_it_is() -> None:
    wrapper = xsd("urn:m", include("MetaData.xsd") + bring("urn:d", "../body/Declaration.xsd"))
    found = made({**APART, "envelope/w.xsd": wrapper}, "envelope/w.xsd")
    assert (found.entry, found.generated) == ("envelope/w.xsd", ())
    assert found.roots == ("{urn:m}MetaData", "{urn:d}Declaration")


def test_of_two_bodies_a_person_must_choose() -> None:
    files = {**APART, "body/Cancel.xsd": xsd("urn:d", element("Declaration", "xs:date"))}
    error = refused(files, "envelope/MetaData.xsd")
    assert error.code == "schema.choice_needed"
    assert list(error.facts["candidates"]) == ["body/Cancel.xsd", "body/Declaration.xsd"]
    assert "--body" in error.detail
    chosen = made(files, "envelope/MetaData.xsd", "body/Cancel.xsd")
    assert "body/Cancel.xsd" in chosen.files
    assert "body/Declaration.xsd" not in chosen.files


def test_a_part_and_a_copy_of_a_body_are_no_choice() -> None:
    files = dict(APART)
    part = xsd("urn:d", element("Part"))
    whole = files["body/Declaration.xsd"].replace(b"<xs:element", include("part.xsd").encode() + b"<xs:element", 1)
    files |= {"body/Declaration.xsd": whole, "body/part.xsd": part}
    assert "body/part.xsd" in made(files, "envelope/MetaData.xsd").files
    files |= {"envelope/Declaration.xsd": whole, "envelope/part.xsd": part}
    copied = made(files, "envelope/MetaData.xsd").files
    assert "envelope/Declaration.xsd" in copied
    assert "body/Declaration.xsd" not in copied


def test_a_body_that_comes_back_to_itself_is_the_part_of_no_other() -> None:
    envelope_file = xsd("urn:m", envelope(of_any("urn:d")))
    circle = {"a.xsd": xsd("urn:d", include("b.xsd") + element("A")), "b.xsd": xsd("", include("c.xsd"))}
    files = {**circle, "c.xsd": xsd("", include("b.xsd")), "m.xsd": envelope_file}
    assert set(made(files, "m.xsd").files) == {*files, "gateway-entry.xsd"}
    files = {**files, "z.xsd": xsd("urn:d", include("a.xsd"))}
    assert "z.xsd" in made(files, "m.xsd").files
    files = {**files, "a.xsd": xsd("urn:d", include("z.xsd") + element("A"))}
    assert refused(files, "m.xsd").facts["candidates"] == ["a.xsd", "z.xsd"]


def test_a_long_chain_of_files_is_looked_through_in_a_time_that_grows_with_its_length() -> None:
    def link(number: int) -> bytes:
        return xsd("urn:d", (include(f"c{number + 1}.xsd") if number < 1799 else "") + element(f"X{number}"))

    files = {"m.xsd": xsd("urn:m", envelope(of_any("urn:d"))), **{f"c{one}.xsd": link(one) for one in range(1800)}}
    started = time.process_time()
    assert len(made(files, "m.xsd").files) == 1802
    assert time.process_time() - started < 8


def test_what_a_body_imports_is_a_body_already(tmp_path: Path) -> None:
    both = envelope(of_any("urn:d urn:r"))
    response = xsd("urn:r", bring("urn:d", "../body/Declaration.xsd") + element("Response"))
    files = {**APART, "envelope/MetaData.xsd": xsd("urn:m", both), "answer/Response.xsd": response}
    files["body/Cancel.xsd"] = xsd("urn:d", element("Declaration", "xs:date"))
    found = made(files, "envelope/MetaData.xsd")
    assert "body/Cancel.xsd" not in found.files
    assert [str(kind) for kind in found.kinds] == ["response"]
    assert verdicts(found, tmp_path, DECLARED.format(1), DECLARED.format("2026-01-01")) == [True, False]


def test_a_wildcard_that_nothing_can_fill_is_said() -> None:
    found = made({"MetaData.xsd": xsd("urn:m", envelope(of_any("urn:nowhere")))})
    assert len(found.notes) == 1
    assert "urn:nowhere" in found.notes[0]


@pytest.mark.parametrize("wildcard", ['namespace="##other"', 'namespace="##any" processContents="strict"', ""])
def test_an_envelope_for_any_namespace_gets_the_one_body_there_is(wildcard: str, tmp_path: Path) -> None:
    files = {**APART, "envelope/MetaData.xsd": xsd("urn:m", envelope(wildcard))}
    assert refused(files, "envelope/MetaData.xsd").code == "schema.choice_needed"
    del files["body/unrelated.xsd"]
    found = made(files, "envelope/MetaData.xsd")
    assert found.roots == ("{urn:m}MetaData", "{urn:d}Declaration")
    assert verdicts(found, tmp_path, DECLARED.format(1), DECLARED.format("x")) == [True, False]


@pytest.mark.parametrize(
    ("wildcard", "own", "body"),
    [
        ("##local", "urn:m", ""),
        ("##local", "", ""),
        ("##local urn:q", "urn:m", ""),
        ("##targetNamespace", "urn:m", "urn:m"),
        ("##targetNamespace ##local", "urn:m", "urn:m"),
        ("urn:m", "urn:m", "urn:m"),
    ],
)
def test_a_wildcard_for_no_namespace_or_its_own_gets_its_body(
    wildcard: str, own: str, body: str, tmp_path: Path
) -> None:
    files = {"m.xsd": xsd(own, envelope(of_any(wildcard))), "d.xsd": xsd(body, element("Declaration"))}
    files["other-release.xsd"] = xsd(own, envelope(of_any(wildcard)) + element("Trailer"))
    found = made(files, "m.xsd")
    assert "d.xsd" in found.files
    assert "other-release.xsd" not in found.files
    whole = f'<m:MetaData xmlns:m="{own}"><b:Declaration xmlns:b="{body}">{{}}</b:Declaration></m:MetaData>'
    whole = whole.replace(' xmlns:m=""', "").replace(' xmlns:b=""', "")
    whole = whole if own else whole.replace("m:", "")
    whole = whole if body else whole.replace("b:", "")
    assert verdicts(found, tmp_path, whole.format(1), whole.format("x")) == [True, False]


def test_a_part_that_takes_the_namespace_of_who_includes_it_is_no_body_without_one() -> None:
    part, whole = xsd("", element("Declaration")), xsd("urn:d", include("part.xsd"))
    found = made({"m.xsd": xsd("urn:m", envelope(of_any("##local"))), "d.xsd": whole, "part.xsd": part}, "m.xsd")
    assert set(found.files) == {"m.xsd"}


@pytest.mark.parametrize(
    ("wildcard", "told"),
    [
        ("##local", "elements of no namespace, and no file declares any"),
        ("##other", "elements of another namespace, and no file declares any"),
        ("##targetNamespace", "no file declares any but MetaData around it"),
        ("##any", "no file declares any but MetaData around it"),
    ],
)
def test_an_envelope_without_a_body_is_said(wildcard: str, told: str) -> None:
    (note,) = made({"m.xsd": xsd("urn:m", envelope(of_any(wildcard)))}, "m.xsd").notes
    assert told in note


def test_a_lax_wildcard_asks_for_nothing() -> None:
    lax = xsd("urn:m", envelope('namespace="urn:d" processContents="lax"'))
    assert made({**APART, "envelope/MetaData.xsd": lax}, "envelope/MetaData.xsd").generated == ()


# ── entry, roots, release ──


def test_the_entry_may_be_left_out_when_one_file_alone_stands_apart() -> None:
    files = {"a.xsd": xsd("urn:a", include("b.xsd")), "b.xsd": xsd("urn:a", element("A"))}
    assert made(files).entry == "a.xsd"
    error = refused({**files, "c.xsd": xsd("urn:c", element("C"))})
    assert (error.code, list(error.facts["candidates"])) == ("schema.choice_needed", ["a.xsd", "c.xsd"])
    assert refused({"readme.txt": b"nothing"}).code == "schema.choice_needed"


def test_an_entry_that_is_not_there_names_those_of_its_name() -> None:
    error = refused(dict(APART), "MetaData.xsd")
    assert (error.code, list(error.facts["candidates"])) == ("schema.choice_needed", ["envelope/MetaData.xsd"])


def test_a_bare_declaration_without_a_namespace_is_a_set(tmp_path: Path) -> None:
    found = made({"Declaration.xsd": xsd("", element("Declaration"))})
    assert (found.roots, found.namespaces, found.release) == (("Declaration",), (), "not stated")
    bare, other = "<Declaration>1</Declaration>", '<Declaration xmlns="urn:d">1</Declaration>'
    assert verdicts(found, tmp_path, bare, bare.replace("1", "x"), other) == [True, False, False]


def test_a_schema_of_another_trade_has_all_its_elements_as_roots_and_no_kind() -> None:
    shared = '<xs:element name="Never" type="xs:int" abstract="true"/>'
    found = made({"a.xsd": xsd("urn:a", element("Invoice") + element("Order") + shared)})
    assert (found.roots, found.kinds, found.title) == (("{urn:a}Invoice", "{urn:a}Order"), (), "Invoice and Order")


def test_what_a_person_says_goes_before_what_is_derived() -> None:
    wish = Wish(
        set_id="own-1",
        entry="envelope/MetaData.xsd",
        kinds=("cancellation",),
        release="R",
        title='With "quotes" and \\',
        valid_from=date(2026, 1, 1),
        valid_until=date(2027, 1, 1),
    )
    found = make_set(APART, wish)
    assert (found.kinds, found.release, found.valid_until) == (("cancellation",), "R", date(2027, 1, 1))
    for one in (found, replace(found, notes=("a control \u007f \u0001", "a \u2028 line"), kinds=())):
        assert load_set({**one.files, "manifest.toml": manifest_text(one).encode()}) == one
    assert made(APART, "envelope/MetaData.xsd").release == "3.1"


def test_a_set_has_one_hash_from_wherever_it_was_added() -> None:
    below = {f"release/2026/{path}": content for path, content in APART.items()}
    found = made(below, "release/2026/envelope/MetaData.xsd")
    assert found == made(APART, "envelope/MetaData.xsd")


# ── references ──


@pytest.mark.parametrize("missing", ["body/Declaration.xsd", "types/Types.xsd"])
def test_a_missing_file_is_named_with_who_refers_to_it(missing: str) -> None:
    files = {path: content for path, content in APART.items() if path != missing}
    files["w.xsd"] = xsd("urn:m", include("envelope/MetaData.xsd") + bring("urn:d", "body/Declaration.xsd"))
    error = refused(files, "w.xsd")
    assert error.code == "schema.set_broken"
    assert missing in error.detail
    assert error.facts["missing"] == missing
    assert error.facts["file"] in error.detail


def test_an_import_that_names_another_namespace_than_its_file_is_refused() -> None:
    error = refused({"a.xsd": xsd("urn:a", bring("urn:x", "b.xsd") + element("A")), "b.xsd": xsd("urn:b", "")}, "a.xsd")
    assert "urn:x" in error.detail
    assert "urn:b" in error.detail
    without = {"a.xsd": xsd("urn:a", bring("urn:x", "b.xsd") + element("A")), "b.xsd": xsd("", "")}
    assert refused(without, "a.xsd").code == "schema.set_broken"
    included = {"a.xsd": xsd("urn:a", include("b.xsd") + element("A")), "b.xsd": xsd("urn:b", "")}
    assert refused(included, "a.xsd").code == "schema.set_broken"


def test_circles_chameleons_and_files_reached_twice_are_fine(tmp_path: Path) -> None:
    files = {
        "a.xsd": xsd("urn:a", include("p/n.xsd") + bring("urn:b", "p/b.xsd") + element("A", "T")),
        "p/b.xsd": xsd(
            "urn:b", include("n.xsd") + include("./n%2Exsd") + bring("urn:a", "../a.xsd") + element("B", "T")
        ),
        "p/n.xsd": xsd(
            "", include("m.xsd") + '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>'
        ),
        "p/m.xsd": xsd("", include("n.xsd") + element("N", "T")),
    }
    found = made(files, "a.xsd")
    assert found.roots == ("{urn:a}A", "{urn:a}N")
    documents = [
        f'<{name} xmlns="{uri}">{text}</{name}>' for name, uri in (("A", "urn:a"), ("N", "urn:a")) for text in "1x"
    ]
    assert verdicts(found, tmp_path, *documents) == [True, False, True, False]


def test_a_file_of_many_megabytes_of_words_is_taken(tmp_path: Path) -> None:
    note = f"<xs:annotation><xs:documentation>{'What an official schema says of it. ' * 160}</xs:documentation></xs:annotation>"
    places = "".join(f'<xs:element name="E{number}" type="xs:int">{note}</xs:element>' for number in range(300))
    whole = f'<xs:element name="A"><xs:complexType><xs:sequence>{places}</xs:sequence></xs:complexType></xs:element>'
    content = xsd("urn:a", whole)
    assert len(content) > 1_700_000
    found = made({"a.xsd": content})
    values = "".join(f"<E{number}>1</E{number}>" for number in range(300))
    documents = [f'<A xmlns="urn:a">{text}</A>' for text in (values, values.replace("<E7>1", "<E7>x"), "")]
    assert verdicts(found, tmp_path, *documents) == [True, False, False]


def test_included_files_in_an_older_western_encoding_are_read_too(tmp_path: Path) -> None:
    part = xsd("urn:a", element("\u00c9l\u00e9ment")).decode()
    western = f'<?xml version="1.0" encoding="ISO-8859-1"?>{part}'.encode("iso-8859-1")
    found = made({"a.xsd": xsd("urn:a", include("b.xsd")), "b.xsd": western})
    assert found.roots == ("{urn:a}\u00c9l\u00e9ment",)
    assert verdicts(found, tmp_path, '<\u00c9l\u00e9ment xmlns="urn:a">1</\u00c9l\u00e9ment>') == [True]
    assert found.files["b.xsd"] == western


@pytest.mark.parametrize("folder", ["a#b", "a?b", "50%", "a%20b", "[x]", "a:b", "(2016) & co"])
def test_a_folder_may_have_any_name(folder: str, tmp_path: Path) -> None:
    code = '<xs:simpleType name="Code"><xs:restriction base="xs:int"/></xs:simpleType>'
    value = '<xs:element name="Value" xmlns:t="urn:t" type="t:Code"/>'
    entry = f"{folder}/a.xsd"
    files = {entry: xsd("urn:a", bring("urn:t", "../t/t.xsd") + value), "t/t.xsd": xsd("urn:t", code)}
    outer = xsd("urn:m", bring("urn:a", quote(entry)) + element("M"))
    assert compile_set(made({**files, "m.xsd": outer}, "m.xsd")).tree
    found = made(files, entry)
    compiled, bare = compile_set(found), etree.XMLSchema(etree.parse(str(written(found.files, tmp_path) / entry)))
    for content, is_valid in (("1", True), ("x", False)):
        document = etree.fromstring(f'<Value xmlns="urn:a">{content}</Value>')
        assert compiled.accepts(document) == bare.validate(document) == is_valid
    assert compiled.tree


@pytest.mark.parametrize("where", ["schema", "import"])
def test_a_reference_that_xml_base_changes_is_refused_by_name(where: str) -> None:
    base = 'xml:base="more/"'
    reference = bring("urn:t", "t.xsd").replace("<xs:import", f"<xs:import {base if where == 'import' else ''}")
    files = {"a.xsd": xsd("urn:a", reference + element("A"), base if where == "schema" else "")}
    found = refused({**files, "t.xsd": xsd("urn:t", ""), "more/t.xsd": xsd("urn:t", "")}, "a.xsd")
    assert "xml:base" in found.detail
    assert found.facts["file"] == "a.xsd"


def test_a_set_that_does_not_compile_says_where_and_why() -> None:
    error = refused(
        {"a.xsd": xsd("urn:a", include("p/b.xsd")), "p/b.xsd": xsd("urn:a", element("A", "Nowhere"))}, "a.xsd"
    )
    assert error.code == "schema.set_broken"
    assert "p/b.xsd, line 1" in error.detail
    assert "Nowhere" in error.detail


def test_a_lone_file_that_can_not_be_read_says_why() -> None:
    assert "not well-formed" in refused({"a.xsd": b"<xs:schema"}).detail


# ── one namespace from several files ──

ENTRY = xsd("urn:r", bring("urn:x", "a.xsd") + bring("urn:x", "b.xsd") + envelope(of_any("urn:x"), "R"))
ONE, TWO = '<R xmlns="urn:r"><A xmlns="urn:x">1</A></R>', '<R xmlns="urn:r"><B xmlns="urn:x">1</B></R>'
A, B = xsd("urn:x", element("A")), xsd("urn:x", element("B"))


def test_two_files_of_one_namespace_are_joined(tmp_path: Path) -> None:
    found = made({"e.xsd": ENTRY, "a.xsd": A, "b.xsd": B}, "e.xsd")
    assert found.generated == ("gateway-entry.xsd", "gateway-joined.xsd")
    assert verdicts(found, tmp_path, ONE, TWO, TWO.replace("1", "x")) == [True, True, False]


def test_two_files_that_share_a_part_are_joined_too(tmp_path: Path) -> None:
    part = xsd("urn:x", '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>')
    a, b = (xsd("urn:x", include("t.xsd") + element(name, "T")) for name in "AB")
    found = made({"e.xsd": ENTRY, "a.xsd": a, "b.xsd": b, "t.xsd": part}, "e.xsd")
    assert verdicts(found, tmp_path, ONE, TWO, TWO.replace("1", "x")) == [True, True, False]


def test_files_that_are_imported_from_different_places_are_joined(tmp_path: Path) -> None:
    between = xsd("urn:c", bring("urn:x", "b.xsd") + '<xs:element name="C" xmlns:x="urn:x" type="x:T"/>')
    entry = xsd("urn:r", bring("urn:x", "a.xsd") + bring("urn:c", "c.xsd") + envelope(of_any("urn:c urn:x"), "R"))
    typed = xsd("urn:x", '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>')
    found = made({"e.xsd": entry, "a.xsd": A, "b.xsd": typed, "c.xsd": between}, "e.xsd")
    third = '<R xmlns="urn:r"><C xmlns="urn:c">1</C></R>'
    assert verdicts(found, tmp_path, ONE, third, third.replace("1", "x")) == [True, True, False]


def test_another_file_of_the_entrys_own_namespace_is_brought_in_beside_it(tmp_path: Path) -> None:
    entry = xsd("urn:r", bring("urn:x", "a.xsd") + envelope(of_any("urn:x"), "R"))
    back = xsd("urn:x", bring("urn:r", "r2.xsd") + '<xs:element name="A" xmlns:r="urn:r" type="r:T"/>')
    second = xsd("urn:r", '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>')
    found = made({"e.xsd": entry, "a.xsd": back, "r2.xsd": second}, "e.xsd")
    assert verdicts(found, tmp_path, ONE, ONE.replace("1", "x")) == [True, False]


def test_copies_are_not_joined_and_a_fuller_file_goes_first(tmp_path: Path) -> None:
    same = made({"e.xsd": ENTRY, "a.xsd": A, "b.xsd": A}, "e.xsd")
    assert (same.generated, same.notes) == ((), ())
    both = xsd("urn:x", element("A") + element("B"))
    fuller = made({"e.xsd": ENTRY, "a.xsd": A, "b.xsd": both}, "e.xsd")
    assert b"a.xsd" not in fuller.files["gateway-joined.xsd"]
    assert verdicts(fuller, tmp_path, ONE, TWO) == [True, True]


def test_files_that_contradict_each_other_leave_the_first_and_a_note(tmp_path: Path) -> None:
    other = xsd("urn:x", element("A", "xs:string") + element("B"))
    found = made({"e.xsd": ENTRY, "a.xsd": A, "b.xsd": other}, "e.xsd")
    assert verdicts(found, tmp_path, ONE, ONE.replace("1", "x"), TWO) == [True, False, False]
    (note,) = found.notes
    assert "element A" in note
    assert "b.xsd" in note


def test_a_prefix_is_no_difference() -> None:
    typed = '<{0}:element xmlns:{0}="{1}" name="A" type="{2}:T" xmlns:{2}="urn:x"/>'
    more = '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>'
    a, b = (xsd("urn:x", typed.format("xs", XS.split('"')[1], prefix) + more) for prefix in "pq")
    assert made({"e.xsd": ENTRY, "a.xsd": a, "b.xsd": b}, "e.xsd").notes == ()


def test_joins_that_name_each_other_lose_nothing(tmp_path: Path) -> None:
    files = {
        "e.xsd": xsd("urn:r", bring("urn:y", "y.xsd") + envelope(of_any("urn:x urn:z"), "R")),
        "y.xsd": xsd("urn:y", bring("urn:z", "z1.xsd") + bring("urn:x", "x1.xsd") + bring("urn:z", "z2.xsd")),
        "z1.xsd": xsd("urn:z", bring("urn:x", "x2.xsd") + element("Z1")),
        "z2.xsd": xsd("urn:z", bring("urn:r", "e.xsd") + element("Z2")),
        "x1.xsd": xsd("urn:x", element("X1")),
        "x2.xsd": xsd("urn:x", bring("urn:z", "z1.xsd") + bring("urn:z", "z2.xsd") + element("X2")),
    }
    found = made(files, "e.xsd")
    assert found.notes == ()
    elements = [("x", "X1"), ("x", "X2"), ("z", "Z1"), ("z", "Z2")]
    documents = [f'<R xmlns="urn:r"><{name} xmlns="urn:{uri}">1</{name}></R>' for uri, name in elements]
    assert verdicts(found, tmp_path, *documents, documents[0].replace("1<", "x<")) == [True] * 4 + [False]


def test_a_file_that_is_included_before_it_is_imported_is_not_lost() -> None:
    files = {
        "e.xsd": xsd(
            "urn:r", bring("urn:y", "y.xsd") + '<xs:import schemaLocation="n.xsd"/>' + envelope(of_any("##local"), "R")
        ),
        "y.xsd": xsd("urn:y", include("n.xsd")),
        "n.xsd": xsd("", element("N")),
    }
    found = made(files, "e.xsd")
    assert found.notes == ()
    assert found.generated == ("gateway-entry.xsd", "gateway-joined.xsd")
    assert compile_set(found).accepts(etree.fromstring('<r:R xmlns:r="urn:r"><N>1</N></r:R>'))


# ── what libxml2 gives up at ──

MANY_WAYS = (
    '<xs:simpleType name="Ways"><xs:restriction base="xs:string"><xs:pattern value="(a|a|aa)*b"/></xs:restriction>'
    '</xs:simpleType><xs:element name="R"><xs:complexType><xs:sequence>'
    '<xs:element name="V" type="Ways" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="w" type="Ways"/>'
    "</xs:complexType></xs:element>"
)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("<R><V>{}</V></R>", "/R/V"),
        ('<R w="{}"><V>ab</V></R>', "/R"),
        ("<R>" + "<V>ab</V>" * 9_000 + "<V>{}</V></R>", "/R/V[9001]"),
        ('<R w="{}">' + "<V>ab</V>" * 9_000 + "</R>", "/R"),
    ],
)
def test_a_document_that_libxml2_gives_up_at_is_refused_and_the_next_one_judged(document: str, path: str) -> None:
    compiled = compile_set(made({"r.xsd": xsd("", MANY_WAYS)}))
    given_up = explain("given-up", document.format("a" * 3_000).encode(), compiled, DocumentLimits())
    assert [(one.code, one.rule, one.path) for one in given_up.violations] == [("schema.invalid", "other", path)]
    assert not given_up.valid
    assert explain("next", document.format("ab").encode(), compiled, DocumentLimits()).valid
    with pytest.raises(SchemaError) as refusal:
        validate_view_root(etree.fromstring(document.format("a" * 3_000)), compiled)
    assert refusal.value.code == "schema.invalid"


def test_a_message_that_libxml2_gives_up_at_is_refused() -> None:
    ways = MANY_WAYS.replace('name="R"', 'name="Declaration"').replace('name="V"', 'name="FunctionCode"')
    compiled = compile_set(made({"d.xsd": xsd("urn:d", ways)}))
    raw = '<Declaration xmlns="urn:d"><FunctionCode>9</FunctionCode><FunctionCode>{}</FunctionCode></Declaration>'
    with pytest.raises(SchemaError) as refusal:
        validate(read(raw.format("a" * 3_000).encode(), DocumentLimits()), compiled)
    assert refusal.value.code == "schema.invalid"
    assert "other" in [one.rule for one in refusal.value.violations]


# ── what does not count, what can not be read ──


def test_a_root_that_only_a_passed_over_file_declares_is_none() -> None:
    files = {
        "m.xsd": xsd("urn:m", bring("urn:a", "a1.xsd") + bring("urn:a", "a2.xsd") + envelope(of_any("urn:a"))),
        "a1.xsd": xsd("urn:a", element("Declaration")),
        "a2.xsd": xsd("urn:a", element("Response", "xs:date") + element("Declaration", "xs:date")),
    }
    found = made(files, "m.xsd")
    assert found.roots == ("{urn:m}MetaData", "{urn:a}Declaration")
    assert found.title == "MetaData and Declaration"
    assert [str(kind) for kind in found.kinds] == ["declaration", "amendment", "arrival"]
    assert any("Response" in note and "a2.xsd is passed over" in note for note in found.notes)
    compiled = compile_set(found)
    assert {node.name for node in compiled.tree.roots} == {"MetaData", "Declaration"}
    told = explain("f", b'<Response xmlns="urn:a">1</Response>', compiled, DocumentLimits())
    assert [one.code for one in told.violations] == ["schema.root_not_in_set"]


def test_a_file_that_could_be_a_body_and_can_not_be_read_is_not_passed_over() -> None:
    files = {**APART, "body/Broken.xsd": b"<xs:schema"}
    error = refused(files, "envelope/MetaData.xsd")
    assert (error.code, error.facts["file"]) == ("schema.set_broken", "body/Broken.xsd")
    assert "body/Broken.xsd" in error.detail
    assert "--body" in error.detail
    assert "body/Declaration.xsd" in made(files, "envelope/MetaData.xsd", "body/Declaration.xsd").files
    assert made(files, "body/Declaration.xsd").entry == "body/Declaration.xsd"
