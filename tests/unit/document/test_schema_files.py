"""How references between the files of a schema set are worked out."""

import pytest

from gateway.document import locate, parse_schema
from gateway.errors import SchemaError

SCHEMA = b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>'


@pytest.mark.parametrize(
    ("location", "of", "path"),
    [
        ("b.xsd", "a.xsd", "b.xsd"),
        ("./types/b.xsd", "a.xsd", "types/b.xsd"),
        ("../other/b.xsd", "one/a.xsd", "other/b.xsd"),
        ("b%20c.xsd", "a.xsd", "b c.xsd"),
        ("b%23c%3F.xsd", "a.xsd", "b#c?.xsd"),
        ("../b.xsd", "50%/a#b/a.xsd", "50%/b.xsd"),
    ],
)
def test_a_relative_location_is_a_path_inside_the_set(location: str, of: str, path: str) -> None:
    assert locate(location, of=of) == path


@pytest.mark.parametrize("location", ["b.xsd#part", "b.xsd#", "b.xsd?version=1", "b.xsd?", "#part"])
def test_a_location_with_more_than_a_path_is_refused_by_name(location: str) -> None:
    with pytest.raises(SchemaError, match="a fragment or a query") as caught:
        locate(location, of="a.xsd")
    assert caught.value.code == "schema.set_broken"


@pytest.mark.parametrize(
    "location",
    [
        "http://example.org/a.xsd",
        "https://example.org/a.xsd",
        "file:///etc/passwd",
        "//example.org/a.xsd",
        "/etc/passwd",
        "../a.xsd",
        "..",
        "x/../../a.xsd",
        "%2e%2e/a.xsd",
        "..\\a.xsd",
        "http://[::1/y.xsd",
        "//[x/y.xsd",
        "",
    ],
)
def test_a_location_outside_the_set_is_refused(location: str) -> None:
    with pytest.raises(SchemaError) as caught:
        locate(location, of="a.xsd")
    assert caught.value.code == "schema.set_broken"


@pytest.mark.parametrize(
    "content",
    [b"", b"<a", b"<!DOCTYPE a>" + SCHEMA, SCHEMA.decode().encode("utf-16"), b"<a>&b;</a>"],
)
def test_a_schema_file_that_is_no_clean_xml_is_refused(content: bytes) -> None:
    with pytest.raises(SchemaError, match=r"a\.xsd"):
        parse_schema({"a.xsd": content}, "a.xsd")


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "iso-8859-15", "windows-1252", "US-ASCII"])
def test_a_schema_file_in_an_older_western_encoding_is_read(encoding: str) -> None:
    note = "d\u00e9claration" if encoding != "US-ASCII" else "declaration"
    text = f"""<?xml version="1.0" encoding='{encoding}' standalone="no"?>{SCHEMA.decode()[:-2]} id="{note}"/>"""
    assert parse_schema({"a.xsd": text.encode(encoding)}, "a.xsd").getroot().get("id") == note
    with pytest.raises(SchemaError):
        parse_schema({"a.xsd": text.replace("?>", "?><!DOCTYPE a>", 1).encode(encoding)}, "a.xsd")


def test_a_schema_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"no file b\.xsd"):
        parse_schema({"a.xsd": SCHEMA}, "b.xsd")
