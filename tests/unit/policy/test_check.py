"""The static check finds what can not work before any document is seen, and says what to write instead."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, Finding
from gateway.policy import Policy, check_policy, compile_policy
from gateway.schema import CompiledSet, assemble_set, compile_set
from tests.unit.policy.rules import HEAD, POLICIES, example_policy, policy, reviewed
from tests.unit.schema.sets import bundled

D = "/MetaData/Declaration"
RESPONSE = HEAD.replace("dms-declaration", "dms-response")


def errors(found: Policy, compiled: CompiledSet) -> tuple[Finding, ...]:
    """Return the errors; the sets of the tests are not reviewed, so every text in them counts as personal."""
    return tuple(one for one in check_policy(found, compiled) if one.is_error)


def findings(rules: str, head: str = HEAD) -> tuple[Finding, ...]:
    found = policy(rules, head)
    return errors(found, bundled(found.schema_set))


@pytest.mark.parametrize("file", POLICIES, ids=lambda file: file.stem)
def test_every_example_policy_passes_without_a_warning(file: Path) -> None:
    found = example_policy(file.stem)
    assert check_policy(found, reviewed(found.schema_set)) == ()


def test_two_places_without_a_required_attribute_are_one_finding() -> None:
    (finding,) = findings(f"  - keep: {D}\n")
    assert f"{D}/AcceptanceDateTime/DateTimeString and 4 more" in finding.problem


def test_a_policy_that_keeps_nothing_is_refused() -> None:
    (finding,) = findings(f"  - drop: {D}\n")
    assert finding.problem == "keep nothing at all"


def test_a_body_without_its_required_code_is_refused() -> None:
    words = [one.problem for one in findings(f"  - keep: {D}/TypeCode\n")]
    assert f"keeps a part of {D} without FunctionCode, which the schema requires in it" in words


def test_a_head_without_a_body_is_refused() -> None:
    problems = [one.problem for one in findings("  - keep: /MetaData/WCOTypeName\n")]
    assert "keeps a part of /MetaData without Declaration, which the schema requires in it" in problems


def test_codes_that_tell_the_kind_of_message_must_be_kept() -> None:
    (absent,) = findings(f"  - keep: {D}/FunctionCode\n")
    assert absent.line is None
    assert f"lack {D}/TypeCode, without which the receiver can not tell the kind" in absent.problem
    (dropped,) = findings(f"  - keep: {D}\n    attributes: required\n  - drop: {D}/TypeCode\n")
    assert dropped.line == 7
    assert f"drops {D}/TypeCode, without which the receiver can not tell the kind" in dropped.problem


def test_a_set_for_one_kind_needs_no_codes_beyond_the_schema() -> None:
    rules = "  - keep: /MetaData/Response/FunctionCode\n  - keep: /MetaData/Response/Declaration/ID\n"
    assert findings(rules, RESPONSE) == ()


def test_the_declaration_inside_a_response_has_a_prefix_of_its_own() -> None:
    rules = "  - keep: /MetaData/Response/FunctionCode\n  - keep: /MetaData/Response/Declaration/ID\n"
    nested = "  - keep: /MetaData/Response/dec:Declaration/FunctionCode\n"
    assert findings(rules + nested, RESPONSE) == ()
    (finding,) = findings(rules + nested.replace("dec:Declaration", "dec:Decl"), RESPONSE)
    assert "did you mean `dec:Declaration`?" in finding.fix


def test_unknown_paths_come_all_at_once_and_alone() -> None:
    found = findings(f"  - keep: {D}/A\n  - drop: {D}/B\n  - keep: {D}/IssueDateTime\n")
    assert [one.line for one in found] == [5, 6]


def test_a_policy_with_findings_is_not_compiled() -> None:
    with pytest.raises(ConfigurationError) as caught:
        compile_policy(policy(f"  - keep: {D}/Nothing\n"), bundled("dms-declaration"))
    assert caught.value.code == "policy.invalid"
    assert len(caught.value.findings) == 1


# ── a set of another kind or maker ──────────────────────────────────────────────────────────────────────────────

NAMES = b"""<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:n" elementFormDefault="qualified">
  <xs:element name="R"><xs:complexType><xs:sequence>
    <xs:element name="Plain" type="xs:string"/><xs:element name="Name" type="xs:QName" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element></xs:schema>"""


def named_set(*namespaces: str) -> CompiledSet:
    made = assemble_set(
        {"n.xsd": NAMES},
        set_id="names",
        release="1",
        title="A set with a qualified name as a value",
        entry="n.xsd",
        kinds=["declaration"],
        roots=["{urn:n}R"],
        namespaces=namespaces,
    )
    return compile_set(made)


NAMED = HEAD.replace("dms-declaration", "names")
ANSWER = "  - keep: /MetaData/Response/FunctionCode\n  - keep: /MetaData/Response/Declaration/ID\n"
UNFIT = {
    "written for another set": (
        (HEAD + ANSWER, "dms-response"),
        (
            "p.yaml:3 [schema_set]: is written for the schema set dms-declaration, not for dms-response. Write `schema_set: "
            "dms-response`, or name another policy in the flow of the agreement"
        ),
        (RESPONSE + ANSWER, "dms-response"),
    ),
    "a set that does not list a namespace": (
        (f"{NAMED}  - keep: /R/Plain\n", "urn:m"),
        (
            "p.yaml:3 [schema_set]: is under names, whose manifest does not list the namespace urn:n. Add the set anew with "
            "`gateway schema add`, which lists them"
        ),
        (f"{NAMED}  - keep: /R/Plain\n", "urn:n"),
    ),
    "a value that refers to a prefix": (
        (f"{NAMED}  - keep: /R\n  - keep: /R/Plain\n", "urn:n"),
        "p.yaml:5 [keep]: keeps /R/Name, whose value refers to a prefix that a view does not have. Add `drop: /R/Name`",
        (f"{NAMED}  - keep: /R\n  - keep: /R/Plain\n  - drop: /R/Name\n", "urn:n"),
    ),
}
"""What does not fit → a policy and its set (a bundled one, or the one above with a namespace), what is said, both mended."""


def unfit(text: str, chosen: str) -> tuple[Finding, ...]:
    return errors(policy(text, ""), bundled(chosen) if chosen.startswith("dms-") else named_set(chosen))


@pytest.mark.parametrize("name", UNFIT)
def test_a_policy_and_a_set_that_do_not_fit_are_told_and_mended(name: str) -> None:
    wrong, said, mended = UNFIT[name]
    assert [str(one) for one in unfit(*wrong)] == [said]
    assert unfit(*mended) == ()
