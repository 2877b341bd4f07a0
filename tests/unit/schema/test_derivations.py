"""A chain of derived types that libxml2 would lay out for minutes is refused when the set is added."""

import pytest

from gateway.errors import SchemaError
from gateway.schema import Wish, make_set
from tests.unit.schema.foreign_sets import xsd

ELEMENT = '<xs:element name="Invoice" type="xs:string"/>'
FIRST = '<xs:complexType name="T0"><xs:sequence/></xs:complexType>'


def derived(step: int) -> str:
    content = f'<xs:sequence><xs:element name="e{step}" type="xs:string"/></xs:sequence>'
    extension = f'<xs:complexContent><xs:extension base="T{step - 1}">{content}</xs:extension></xs:complexContent>'
    return f'<xs:complexType name="T{step}">{extension}</xs:complexType>'


def chain(steps: int, order: int) -> dict[str, bytes]:
    types = [FIRST, *map(derived, range(1, steps + 1))]
    return {"a.xsd": xsd("urn:a", ELEMENT + "".join(types[::order]))}


@pytest.mark.parametrize("order", [1, -1], ids=["bases first", "bases last"])
def test_a_type_may_be_derived_in_64_steps_and_no_more(order: int) -> None:
    assert make_set(chain(64, order), Wish(set_id="own-1")).roots == ("{urn:a}Invoice",)
    for steps in (65, 1200):
        with pytest.raises(SchemaError, match="is derived in more than 64 steps") as error:
            make_set(chain(steps, order), Wish(set_id="own-1"))
        assert error.value.code == "schema.set_broken"


def test_types_of_values_count_alike() -> None:
    types = ['<xs:simpleType name="T0"><xs:restriction base="xs:string"/></xs:simpleType>']
    types += (
        f'<xs:simpleType name="T{step}"><xs:restriction base="T{step - 1}"/></xs:simpleType>' for step in range(1, 65)
    )
    with pytest.raises(SchemaError, match="the type T64 is derived"):
        make_set({"a.xsd": xsd("urn:a", ELEMENT + "".join(types))}, Wish(set_id="own-1"))
