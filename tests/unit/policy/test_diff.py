"""A diff shows what really leaves: the values of the view's own bytes, beside those of the document."""

from collections import Counter
from pathlib import Path

import pytest

from gateway.document import leaves, read
from gateway.policy import apply_policy, explain
from gateway.policy.changing.pseudonyms import Pseudonyms
from gateway.policy.telling.diff import Mark, diff
from tests.unit.policy.rules import (
    CODES,
    HEAD,
    PSEUDONYMS,
    SAMPLES,
    apply,
    compiled,
    declaration,
    example,
    fitting,
    valid,
)
from tests.unit.policy.test_apply import ANSWER, RES
from tests.unit.schema.sets import LIMITS, bundled

D = "/MetaData/Declaration"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_what_a_diff_shows_as_leaving_is_what_stands_in_the_view(path: Path) -> None:
    raw = path.read_bytes()
    for name in fitting(path):
        how = example(name)
        found, view = diff(valid(raw, how.schema_set), [how], bundled(how.schema_set), PSEUDONYMS), apply(raw, how)
        if found.outcomes[0].code == "policy.not_permitted":
            assert name in {"safety-and-security", "trade-statistics"}
            continue
        shown = Counter(place.sides[0].value for place in found.places if place.sides[0].value)
        root = read(view.xml, LIMITS).root
        texts = [one.text or "" for one in root.iter() if len(one) == 0]
        values = [value for one in root.iter() for value in one.attrib.values()]
        assert shown == Counter(filter(None, texts + values))
        assert found.count(Mark.KEPT) + found.count(Mark.CHANGED) == view.kept
        assert found.count(Mark.WITHHELD) == view.withheld


def test_every_value_is_shown_once_in_the_documents_order() -> None:
    how = example("customs-cooperation")
    raw = next(path for path in SAMPLES if path.stem == "import-many-parties").read_bytes()
    document = valid(raw)
    places = diff(document, [how], bundled("dms-declaration")).places
    assert [one.path for one in places] == [one.path for one in explain(document, how)]
    assert [one.value for one in places if "/@" not in one.path] == [
        one.text or "" for one in document.root.iter() if len(one) == 0
    ]
    assert sum(1 for _ in leaves(document.root)) <= len(places)


def test_of_two_items_the_one_that_leaves_shows_its_own_value() -> None:
    office = "".join(f"<AdditionalDocument><ID>{number}</ID></AdditionalDocument>" for number in range(3))
    how = compiled(f"{CODES}  - keep: {D}/AdditionalDocument/ID\n")
    found = diff(valid(declaration(office)), [how], bundled("dms-declaration"))
    ids = [(one.value, one.sides[0].value) for one in found.places if one.path.endswith("/ID")]
    assert ids == [("0", "0"), ("1", "1"), ("2", "2")]


def test_two_policies_stand_beside_each_other_with_a_rule_for_each() -> None:
    office = "<DeclarationOfficeID>GB1</DeclarationOfficeID>"
    one = compiled(CODES)
    other = compiled(f"{CODES}  - keep: {D}/DeclarationOfficeID\n    reason: who is in charge\n")
    found = diff(valid(declaration(office)), [one, other], bundled("dms-declaration"))
    (place,) = (place for place in found.places if place.differs)
    assert [(side.mark, side.value, side.rule) for side in place.sides] == [
        (Mark.WITHHELD, None, "p.yaml"),
        (Mark.KEPT, "GB1", "p.yaml:7"),
    ]
    assert place.sides[1].reason == "who is in charge"


def test_under_a_policy_that_refuses_nothing_leaves_and_the_code_says_why() -> None:
    how = compiled(f"{ANSWER}  - keep: /MetaData/Response/Declaration/ID\n", HEAD.replace("declaration", "response"))
    raw = (
        f'<MetaData xmlns="urn:wco:datamodel:WCO:DocumentMetaData-DMS:2"><Response xmlns="{RES}">'
        "<FunctionCode>01</FunctionCode><Declaration><VersionID>1</VersionID></Declaration></Response></MetaData>"
    )
    found = diff(valid(raw, how.schema_set), [how], bundled(how.schema_set))
    (outcome,) = found.outcomes
    assert (outcome.view, outcome.code) == (None, "policy.view_invalid")
    assert {place.sides[0].value for place in found.places} == {None}


def test_a_pseudonym_is_shown_where_it_stands_with_the_key_or_without() -> None:
    how = compiled(f"{CODES}  - pseudonymise: {D}/AdditionalDocument/ID\n")
    raw = declaration("<AdditionalDocument><ID>NL1</ID></AdditionalDocument>")
    key = Pseudonyms(key=bytes(range(32)))
    view = apply_policy(valid(raw), how, bundled("dms-declaration"), pseudonyms=key)
    with_key = diff(valid(raw), [how], bundled("dms-declaration"), key)
    without = diff(valid(raw), [how], bundled("dms-declaration"))
    shown = [one.sides[0] for one in (*with_key.places, *without.places) if one.path.endswith("/ID")]
    assert [one.mark for one in shown] == [Mark.CHANGED, Mark.CHANGED]
    assert f"<dec:ID>{shown[0].value}</dec:ID>".encode() in view.xml
    assert shown[1].value != shown[0].value


def test_values_do_not_show_in_a_representation() -> None:
    found = diff(
        valid(declaration("<DeclarationOfficeID>CANARY</DeclarationOfficeID>")),
        [compiled(CODES)],
        bundled("dms-declaration"),
    )
    assert "CANARY" not in repr(found) + repr(found.places)
