"""What a schema lets stand only beside something else, end to end: the check warns, and the message is refused.

Alternatives of a choice, members of a group, values that are compared, more than one of a name; test_check_foreign.py has
the findings one by one.
"""

from functools import cache

import pytest

from gateway.document import read
from gateway.errors import PolicyError
from gateway.policy import apply_policy, check_policy, compile_policy
from gateway.schema import CompiledSet, compile_set, validate
from tests.unit.policy.rules import HEAD, policy
from tests.unit.schema.foreign_sets import made, xsd
from tests.unit.schema.sets import LIMITS

D = "/MetaData/Declaration"
NS = "urn:example:bound"


def leaf(name: str, attributes: str = "") -> str:
    return f'<xs:element name="{name}" type="xs:string" {attributes}/>'


def holding(name: str, inside: str, keys: str = "") -> str:
    content = f"<xs:complexType><xs:sequence>{inside}</xs:sequence></xs:complexType>"
    return f'<xs:element name="{name}" minOccurs="0" maxOccurs="9">{content}{keys}</xs:element>'


KEYS = (
    '<xs:key name="k"><xs:selector xpath="b:Thing"/><xs:field xpath="b:Code"/></xs:key>'
    '<xs:keyref name="r" refer="b:k"><xs:selector xpath="b:Link"/><xs:field xpath="b:Target"/></xs:keyref>'
)
CLASSES = (
    holding("Either", leaf("Note") + f"<xs:choice>{leaf('Apple')}{leaf('Berry')}</xs:choice>")
    + holding("Both", leaf("Head") + f'<xs:sequence minOccurs="0">{leaf("First")}{leaf("Second")}</xs:sequence>')
    + holding("Keyed", holding("Thing", leaf("Code")) + holding("Link", leaf("Target")), KEYS)
    + holding("Pairs", leaf("Pair", 'minOccurs="2" maxOccurs="4"') + leaf("Free"))
)
BODY = (
    '<xs:element name="Declaration"><xs:complexType><xs:sequence>'
    f"{leaf('FunctionCode')}{leaf('TypeCode')}{CLASSES}</xs:sequence></xs:complexType></xs:element>"
    '<xs:element name="MetaData"><xs:complexType><xs:sequence><xs:element ref="Declaration"/></xs:sequence>'
    "</xs:complexType></xs:element>"
)
RAW = (
    f'<MetaData xmlns="{NS}"><Declaration><FunctionCode>9</FunctionCode><TypeCode>IMA</TypeCode>'
    "<Either><Note>n</Note><Apple>a</Apple></Either><Both><Head>h</Head><First>1</First><Second>2</Second></Both>"
    "<Keyed><Thing><Code>A</Code></Thing><Link><Target>A</Target></Link></Keyed>"
    "<Pairs><Pair>12</Pair><Pair>x</Pair><Free>f</Free></Pairs></Declaration></MetaData>"
).encode()
CONSISTENT = "consistency: {sequence: renumber, counts: recount, totals: recompute, pointers: follow}\n"


@cache
def bound_set() -> CompiledSet:
    return compile_set(made({"MetaData.xsd": xsd(NS, BODY, f'xmlns:b="{NS}"')}, "MetaData.xsd"))


def rules(more: str) -> str:
    return f"  - {{keep: {D}, attributes: required}}\n{more}{CONSISTENT}"


def warned(more: str) -> list[str]:
    """Return what the check says of a policy, personal data apart."""
    found = check_policy(policy(rules(more), HEAD.replace("dms-declaration", "foreign")), bound_set())
    assert not any(one.is_error for one in found)
    return [str(one) for one in found if "personal" not in one.problem]


def view(more: str) -> bytes:
    compiled = bound_set()
    how = compile_policy(policy(rules(more), HEAD.replace("dms-declaration", "foreign")), compiled)
    return apply_policy(validate(read(RAW, LIMITS), compiled), how, compiled).xml


@pytest.mark.parametrize(
    "more",
    [
        f"  - drop: {D}/Either/Apple\n",
        f"  - {{generalise: {D}/Either/Apple, digits: 2}}\n",
        f"  - drop: {D}/Both/First\n",
        f"  - drop: {D}/Keyed/Thing\n",
        f"  - {{replace: {D}/Keyed/Thing/Code, with: X}}\n",
    ],
)
def test_a_part_that_can_not_stand_alone_is_warned_of_and_refused(more: str) -> None:
    assert warned(more)
    with pytest.raises(PolicyError, match="The view breaks"):
        view(more)


@pytest.mark.parametrize("name", ["Either", "Both", "Keyed"])
def test_nothing_is_said_where_all_of_it_goes(name: str) -> None:
    assert warned(f"  - drop: {D}/{name}\n") == []
    assert name.encode() not in view(f"  - drop: {D}/{name}\n")


def test_a_class_that_has_fewer_than_the_schema_asks_for_goes() -> None:
    found = view(f"  - {{generalise: {D}/Pairs/Pair, digits: 2}}\n")
    assert b"Pair" not in found
    assert b"Either" in found
