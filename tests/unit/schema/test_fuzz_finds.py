"""What fuzzing found, each as a test of its own."""

import pytest

from gateway.errors import SchemaError
from gateway.schema.adding import Wish, make_set

HEAD = b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x">'


def test_an_element_whose_name_is_none_makes_a_set_that_is_refused() -> None:
    files = {"a.xsd": HEAD + b'<xs:element name="D,claration" type="xs:string"/></xs:schema>'}
    with pytest.raises(SchemaError):
        make_set(files, Wish(set_id="x-1", entry="a.xsd"))


def test_an_element_whose_name_has_white_space_around_it_makes_a_set_that_is_refused() -> None:
    """XSD takes the white space away; libxml2 does not, and then no document can hold such an element."""
    files = {"a.xsd": HEAD + b'<xs:element name="\n Declaration " type="xs:string"/></xs:schema>'}
    with pytest.raises(SchemaError):
        make_set(files, Wish(set_id="x-1", entry="a.xsd"))
