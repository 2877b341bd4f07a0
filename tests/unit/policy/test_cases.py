"""Golden cases say what is wrong in a reader's words, and a simulation says what another policy would mean."""

from datetime import UTC, datetime

import pytest

from gateway.errors import ConfigurationError
from gateway.policy import CompiledPolicy
from gateway.policy.telling.cases import Case, difference, in_lines, make, read_case
from gateway.policy.telling.diff import diff
from gateway.policy.telling.simulation import Effect, Turn, effect
from tests.unit.policy.rules import CODES, HEAD, compiled, declaration, valid
from tests.unit.policy.test_apply import ANSWER, RES
from tests.unit.schema.sets import bundled

D = "/MetaData/Declaration"
SET = bundled("dms-declaration")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFFICE = declaration("<DeclarationOfficeID>GB1</DeclarationOfficeID><InvoiceAmount currencyID='EUR'>5</InvoiceAmount>")


def case(text: str = "") -> Case:
    return read_case(f"policy: p.yaml\n{text}".encode(), file="case.yaml")


def test_a_case_names_its_policy_its_time_and_what_is_expected() -> None:
    found = case("title: offices stay\nat: 2026-03-01T12:00:00Z\nexpect: policy.nothing_kept\n")
    assert (found.policy, found.title, found.expect) == ("p.yaml", "offices stay", "policy.nothing_kept")
    assert found.at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert case().expect == "view"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("at: yesterday\n", "at"),
        ("at: 2026-02-30T12:00:00Z\n", "at"),
        ("expect: nothing\n", "expect"),
        ("exp: view\n", "exp"),
    ],
)
def test_what_is_wrong_with_a_case_is_a_finding_with_line_and_fix(text: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        case(text)
    (finding,) = refused.value.findings
    assert (finding.file, finding.line, finding.key) == ("case.yaml", 2, key)
    assert finding.fix


def test_a_view_as_expected_passes_and_another_shows_the_line() -> None:
    how = compiled(CODES)
    made = make(OFFICE.encode(), how, SET, AT)
    expected = in_lines(made.view)
    assert expected.count(b"\n") > 5
    assert difference(case(), expected, made, how, SET).problem == ""
    found = difference(case(), expected.replace(b">9<", b">13<"), made, how, SET)
    assert found.problem == "the view is not as expected"
    assert "-<dec:FunctionCode>13</dec:FunctionCode>" in found.lines
    assert "+<dec:FunctionCode>9</dec:FunctionCode>" in found.lines
    assert "13" not in repr(found)


def test_a_refusal_is_compared_by_its_code() -> None:
    how = compiled(CODES)
    broken = make(b"<A/>", how, SET, AT)
    assert broken.code.partition(".")[0] in {"document", "schema"}
    assert difference(case(f"expect: {broken.code}\n"), None, broken, how, SET).problem == ""
    assert "expected a view, but got the refusal" in difference(case(), None, broken, how, SET).problem
    made = make(OFFICE.encode(), how, SET, AT)
    assert "but got a view" in difference(case("expect: policy.nothing_kept\n"), None, made, how, SET).problem
    assert "--update" in difference(case(), None, made, how, SET).problem


def test_a_view_that_waits_for_a_release_is_told_from_one_that_goes() -> None:
    how = compiled(f"{CODES}hold:\n  - when: {{type-code: [IM*]}}\n    reason: an officer looks first\n")
    made = make(OFFICE.encode(), how, SET, AT)
    assert made.held == ("an officer looks first",)
    expected = in_lines(made.view)
    assert "would be held for release: an officer" in difference(case(), expected, made, how, SET).problem
    assert difference(case("held: true\n"), expected, made, how, SET).problem == ""


def test_a_message_that_a_policy_does_not_permit_is_refused_with_its_code() -> None:
    how = compiled(f"{CODES}require:\n  - when: {{type-code: [EX*]}}\n    reason: only exports\n")
    made = make(OFFICE.encode(), how, SET, AT)
    assert (made.code, "only exports" in made.detail) == ("policy.not_permitted", True)


def test_a_pseudonym_in_a_case_lasts_as_long_as_its_year() -> None:
    how = compiled(f"{CODES}  - pseudonymise: {D}/Declarant/ID\n")
    raw = declaration("<Declarant><ID>GB123456789000</ID></Declarant>").encode()
    views = [make(raw, how, SET, at).view for at in (AT, AT.replace(month=12), AT.replace(year=2027))]
    assert views[0] == views[1] != views[2]
    assert b"GB123456789000" not in views[0]
    assert difference(case(), in_lines(views[0]), make(raw, how, SET, AT), how, SET).problem == ""


def simulated(old: CompiledPolicy, new: CompiledPolicy, raw: str = OFFICE) -> Effect:
    return effect(diff(valid(raw, old.schema_set), [old, new], bundled(old.schema_set)))


def test_what_a_document_gains_and_loses_is_told_by_place() -> None:
    old = compiled(f"{CODES}  - keep: {D}/DeclarationOfficeID\n")
    new = compiled(f"{CODES}  - keep: {D}/InvoiceAmount\n    attributes: required\n")
    found = simulated(old, new)
    assert (found.turn, found.lost, found.altered) == (Turn.DIFFERENT, (f"{D}/DeclarationOfficeID",), ())
    assert f"{D}/InvoiceAmount" in found.gained
    assert simulated(new, new).turn is Turn.SAME
    assert "GB1" not in repr(found)


def test_a_document_that_would_no_longer_be_sent_is_told_apart() -> None:
    head = HEAD.replace("declaration", "response")
    kept = "  - keep: /MetaData/Response/Declaration"
    whole = f"{ANSWER}{kept}\n    attributes: required\n"
    old, new = compiled(whole, head), compiled(f"{ANSWER}{kept}/ID\n", head)
    raw = (
        f'<MetaData xmlns="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2"><Response xmlns="{RES}">'
        "<FunctionCode>01</FunctionCode><Declaration><VersionID>1</VersionID></Declaration></Response></MetaData>"
    )
    found = [simulated(*pair, raw) for pair in ((old, new), (new, old), (new, new))]
    assert [one.turn for one in found] == [Turn.NOW_INVALID, Turn.NOW_SENT, Turn.STILL_REFUSED]
    assert (found[0].old_code, found[0].new_code) == ("", "policy.view_invalid")
