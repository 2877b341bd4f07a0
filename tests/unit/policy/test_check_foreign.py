"""What a set of another maker can ask beyond the bundled ones is told before it refuses a message: a policy for each, what
is said of it, golden, the document that would be refused, and the policy mended as the words say."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from gateway.document import read
from gateway.domain.message import MessageKind
from gateway.errors import PolicyError
from gateway.policy import apply_policy, check_policy, compile_policy
from gateway.schema import CompiledSet, compile_set, validate
from tests.unit.policy.rules import HEAD, policy
from tests.unit.schema.foreign_sets import envelope, made, of_any, xsd
from tests.unit.schema.sets import LIMITS

D = "/MetaData/Declaration"
NAMESPACE = "urn:example:asks"
KEEP = f"  - keep: {D}\n    attributes: required\n"


def leaf(name: str, bounds: str = "", kind: str = "xs:int") -> str:
    return f'<xs:element name="{name}" type="{kind}" {bounds}/>'


def holder(name: str, inside: str, bounds: str = 'minOccurs="0"', after: str = "") -> str:
    return f'<xs:element name="{name}" {bounds}><xs:complexType>{inside}</xs:complexType>{after}</xs:element>'


def keyed(word: str, name: str, selector: str, more: str = "") -> str:
    path = f'<xs:selector xpath="{selector}"/><xs:field xpath="d:ID"/>'
    return f'<xs:{word} name="{name}" {more}>{path}</xs:{word}>'


OPTIONAL = 'minOccurs="0"'
MANY = 'minOccurs="0" maxOccurs="9"'
BODY = holder(
    "Declaration",
    "<xs:sequence>"
    + "".join(leaf(name, kind="xs:string") for name in ("FunctionCode", "FunctionalReferenceID", "TypeCode"))
    + holder("Party", f"<xs:sequence>{leaf('ID')}<xs:choice>{leaf('Number')}{leaf('Name')}</xs:choice></xs:sequence>")
    + holder("Pair", f"<xs:sequence {OPTIONAL}>{leaf('Left')}{leaf('Right')}</xs:sequence>")
    + holder("Loose", f"<xs:all {OPTIONAL}>{leaf('One')}{leaf('Two')}</xs:all>")
    + holder("Means", f'<xs:sequence><xs:element ref="Vehicle" {OPTIONAL}/>{leaf("Note", OPTIONAL)}</xs:sequence>')
    + holder("Mean", f'<xs:sequence>{leaf("Kind")}<xs:element ref="Vehicle"/></xs:sequence>')
    + holder(
        "Items",
        "<xs:sequence>"
        + holder("Item", f"<xs:sequence>{leaf('ID', OPTIONAL)}{leaf('Mass', OPTIONAL)}</xs:sequence>", MANY)
        + holder("Use", f"<xs:sequence>{leaf('ID')}</xs:sequence>", MANY)
        + "</xs:sequence>",
        after=keyed("key", "items", "d:Item") + keyed("keyref", "uses", "d:Use", 'refer="items"'),
    )
    + holder(
        "Seals",
        "<xs:sequence>" + holder("Seal", f"<xs:sequence>{leaf('ID')}</xs:sequence>", MANY) + "</xs:sequence>",
        after=keyed("unique", "seals", "d:Seal"),
    )
    + leaf("Sum", kind="xs:int")
    + leaf("Rate", 'nillable="true"')
    + "</xs:sequence>",
    bounds="",
)
VEHICLES = leaf("Vehicle") + leaf("Lorry", 'substitutionGroup="Vehicle"')
NIL_RATE = '<Rate xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'


@cache
def asking(rate: str) -> CompiledSet:
    """Return the set; `rate` is what the last element says of itself."""
    body = BODY.replace('nillable="true"', rate)
    files = {
        "in/MetaData.xsd": xsd("urn:example:md", envelope(of_any(NAMESPACE))),
        "in/Declaration.xsd": xsd(NAMESPACE, VEHICLES + body, f'xmlns:d="{NAMESPACE}"'),
    }
    return compile_set(replace(made(files, "in/MetaData.xsd"), kinds=(MessageKind.CANCELLATION,)))


def told(rules: str, rate: str = "") -> list[str]:
    """Return what is said, but of personal data: nobody has reviewed the set."""
    found = check_policy(policy(rules, HEAD.replace("dms-declaration", "foreign")), asking(rate))
    return [f"{one.level}: {one}" for one in found if "personal data" not in one.problem]


def refusal(rules: str, inside: str, rate: str = "", last: str = "<Rate>1</Rate>") -> str:
    """Return the code with which a valid document is refused under a policy."""
    codes = "<FunctionCode>13</FunctionCode><FunctionalReferenceID>L1</FunctionalReferenceID><TypeCode>INV</TypeCode>"
    body = f'<Declaration xmlns="{NAMESPACE}">{codes}{inside}<Sum>12</Sum>{last}</Declaration>'
    document = validate(
        read(f'<m:MetaData xmlns:m="urn:example:md">{body}</m:MetaData>'.encode(), LIMITS), asking(rate)
    )
    how = compile_policy(policy(rules, HEAD.replace("dms-declaration", "foreign")), asking(rate))
    with pytest.raises(PolicyError) as caught:
        apply_policy(document, how, asking(rate))
    return caught.value.code


CASES = {
    "choice": (f"  - drop: {D}/Party/Name\n", "<Party><ID>1</ID><Name>2</Name></Party>", f"  - drop: {D}/Party\n"),
    "group": (f"  - drop: {D}/Pair/Right\n", "<Pair><Left>1</Left><Right>2</Right></Pair>", f"  - drop: {D}/Pair\n"),
    "all": (f"  - drop: {D}/Loose/One\n", "<Loose><Two>1</Two><One>2</One></Loose>", f"  - drop: {D}/Loose\n"),
    "substitution": (
        f"  - drop: {D}/Mean/Lorry\n",
        "<Mean><Kind>1</Kind><Lorry>2</Lorry></Mean>",
        f"  - drop: {D}/Mean\n",
    ),
    "key": (
        f"  - drop: {D}/Items/Item/ID\n  - drop: {D}/Items/Use\n",
        "<Items><Item><ID>1</ID><Mass>2</Mass></Item></Items>",
        f"  - drop: {D}/Items/Item\n  - drop: {D}/Items/Use\n",
    ),
    "keyref": (
        f"  - drop: {D}/Items/Item\n",
        "<Items><Item><ID>1</ID></Item><Use><ID>1</ID></Use></Items>",
        f"  - drop: {D}/Items/Item\n  - drop: {D}/Items/Use/ID\n",
    ),
    "unique": (
        f"  - generalise: {D}/Seals/Seal/ID\n    bands: [0, 10]\n",
        "<Seals><Seal><ID>1</ID></Seal><Seal><ID>2</ID></Seal></Seals>",
        f"  - keep: {D}/Seals/Seal/ID\n",
    ),
    "change": (f"  - generalise: {D}/Sum\n    bands: [100, 200]\n", "", f"  - replace: {D}/Sum\n    with: '0'\n"),
}
"""What is asked of the set → rules that break it, what a document holds then, the rules mended."""
SAID = Path(__file__).with_name("foreign.txt").read_text(encoding="utf-8").splitlines()
"""What is said of each, in the order of the cases, and last of what may be nil."""


@pytest.mark.parametrize("asked", CASES)
def test_what_a_schema_asks_beyond_single_elements_is_told_before_it_refuses(asked: str) -> None:
    rules, inside, mended = CASES[asked]
    (said,) = told(KEEP + rules)
    assert said == SAID[list(CASES).index(asked)]
    assert refusal(KEEP + rules, inside) == "policy.view_invalid"
    assert told(KEEP + mended) == []


def test_what_the_schema_requires_and_lets_be_nil_is_told() -> None:
    (said,) = told(KEEP, 'nillable="true"')
    assert said == SAID[-1]
    assert refusal(KEEP, "", 'nillable="true"', NIL_RATE) == "policy.view_invalid"
    assert told(KEEP) == []


def test_conditions_that_take_all_of_a_choice_or_nothing_are_no_reason_to_warn() -> None:
    both = f"  - drop: [{D}/Pair/Left, {D}/Pair/Right]\n    when: {{kind: cancellation}}\n"
    assert told(KEEP + both) == []
