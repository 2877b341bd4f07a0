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
FOREIGN = HEAD.replace("dms-declaration", "foreign").replace(
    "rules:", f"criteria: {{code: {D}/FunctionCode, reference: {D}/FunctionalReferenceID}}\nrules:"
)
KEEP = f"  - keep: {D}\n    attributes: required\n"


def leaf(name: str, bounds: str = "", kind: str = "xs:int") -> str:
    return f'<xs:element name="{name}" type="{kind}" {bounds}/>'


def holder(name: str, inside: str, bounds: str = 'minOccurs="0"', after: str = "") -> str:
    return f'<xs:element name="{name}" {bounds}><xs:complexType>{inside}</xs:complexType>{after}</xs:element>'


def keyed(word: str, name: str, selector: str, more: str = "") -> str:
    path = f'<xs:selector xpath="{selector}"/><xs:field xpath="d:ID"/>'
    return f'<xs:{word} name="{name}" {more}>{path}</xs:{word}>'


def pair(number: int) -> str:
    return f"<xs:sequence>{leaf(f'A{number}')}{leaf(f'B{number}')}</xs:sequence>"


OPTIONAL = 'minOccurs="0"'
SIZE = '<xs:attribute name="size" type="xs:int" use="required"/>'
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
    + holder("Tag", f'<xs:simpleContent><xs:extension base="xs:string">{SIZE}</xs:extension></xs:simpleContent>')
    + holder("Many", f"<xs:choice>{''.join(map(pair, range(151)))}</xs:choice>")
    + leaf("Note", OPTIONAL)
    + holder("Void", "")
    + leaf("Sum", kind="xs:int")
    + "LAST</xs:sequence>",
    bounds="",
)
VEHICLES = leaf("Vehicle") + leaf("Lorry", 'substitutionGroup="Vehicle"')
RATE = leaf("Rate")


@cache
def asking(last: str) -> CompiledSet:
    """Return the set; `last` is the last element of its body."""
    files = {
        "in/MetaData.xsd": xsd("urn:example:md", envelope(of_any(NAMESPACE))),
        "in/Declaration.xsd": xsd(NAMESPACE, VEHICLES + BODY.replace("LAST", last), f'xmlns:d="{NAMESPACE}"'),
    }
    return compile_set(replace(made(files, "in/MetaData.xsd"), kinds=(MessageKind.CANCELLATION,)))


def told(rules: str, last: str = RATE) -> list[str]:
    """Return what is said, but of personal data: nobody has reviewed the set."""
    found = check_policy(policy(rules, FOREIGN), asking(last))
    return [f"{one.level}: {one}" for one in found if "personal data" not in one.problem]


def refusal(rules: str, inside: str, last: str = RATE, end: str = "<Rate>1</Rate>") -> str:
    """Return the code with which a valid document is refused under a policy."""
    codes = "<FunctionCode>13</FunctionCode><FunctionalReferenceID>L1</FunctionalReferenceID><TypeCode>INV</TypeCode>"
    body = f'<Declaration xmlns="{NAMESPACE}">{codes}{inside}<Sum>12</Sum>{end}</Declaration>'
    document = validate(
        read(f'<m:MetaData xmlns:m="urn:example:md">{body}</m:MetaData>'.encode(), LIMITS), asking(last)
    )
    how = compile_policy(policy(rules, FOREIGN), asking(last))
    with pytest.raises(PolicyError) as caught:
        apply_policy(document, how, asking(last))
    return caught.value.code


OTHERWISE = (
    f"  - drop: {D}/Tag\n    when: {{code: 14}}\n  - drop: {D}/Seals\n    when: {{type-code: CRE}}\n"
    f"  - drop: {D}/Note\n    when: {{reference: L2}}\n"
)
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
    "attribute": (
        f"  - generalise: {D}/Tag/@size\n    bands: [100, 200]\n",
        '<Tag size="12">A</Tag>',
        f"  - replace: {D}/Tag/@size\n    with: '0'\n",
    ),
    "large": (f"  - drop: {D}/Many/B0\n", "<Many><A0>1</A0><B0>2</B0></Many>", f"  - drop: {D}/Many\n"),
    "conditions": (
        f"  - drop: {D}/Sum\n    when: {{code: 13, type-code: INV, reference: L1}}\n{OTHERWISE}",
        "",
        OTHERWISE,
    ),
    "change": (f"  - generalise: {D}/Sum\n    bands: [100, 200]\n", "", f"  - replace: {D}/Sum\n    with: '0'\n"),
}
"""What is asked of the set → rules that break it, what a document holds then, the rules mended."""
SAID = Path(__file__).with_name("foreign.txt").read_text(encoding="utf-8").splitlines()
"""What is said of each, in the order of the cases, then of the last elements."""


@pytest.mark.parametrize("asked", CASES)
def test_what_a_schema_asks_beyond_single_elements_is_told_before_it_refuses(asked: str) -> None:
    rules, inside, mended = CASES[asked]
    (said,) = told(KEEP + rules)
    assert said == SAID[list(CASES).index(asked)]
    assert refusal(KEEP + rules, inside) == "policy.view_invalid"
    assert told(KEEP + mended) == []


XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
LAST = {
    "nil": (leaf("Rate", 'nillable="true"'), f'<Rate {XSI} xsi:nil="true"/>', RATE, ""),
    "open": (leaf("Rate", kind="xs:anyType"), "<Rate>1<Sum>2</Sum></Rate>", RATE, ""),
    "unlisted": (
        holder(
            "Rate", f'<xs:sequence>{leaf("Note")}<xs:any namespace="urn:else" processContents="lax"/></xs:sequence>'
        ),
        '<Rate><Note>1</Note><Else xmlns="urn:else"/></Rate>',
        "",
        f"  - drop: {D}/Rate\n",
    ),
}
"""What the last element may be → how the schema has it, what a document holds, the schema mended or the rules."""


@pytest.mark.parametrize("asked", LAST)
def test_what_a_schema_lets_an_element_hold_that_no_view_has_is_told_before_it_refuses(asked: str) -> None:
    last, end, other_set, more = LAST[asked]
    (said,) = told(KEEP, last)
    assert said == SAID[len(CASES) + list(LAST).index(asked)]
    assert refusal(KEEP, "", last, end) == "policy.view_invalid"
    assert told(KEEP + more, other_set or last) == []


VOID = f"{KEEP}  - truncate: {D}/Void\n    length: 3\n"


def test_what_never_holds_a_value_can_not_be_changed() -> None:
    (said,) = told(VOID)
    assert (
        said == f"error: p.yaml:8 [truncate]: would truncate {D}/Void, which holds no value of its own. Keep or drop it"
    )
    assert told(f"{KEEP}  - drop: {D}/Void\n") == []


def test_conditions_that_take_all_of_a_choice_or_nothing_are_no_reason_to_warn() -> None:
    both = f"  - drop: [{D}/Pair/Left, {D}/Pair/Right]\n    when: {{kind: cancellation}}\n"
    assert told(KEEP + both) == []
