"""The view beside its original is what left beside what was held, value by value, with the rule that decided."""

from dataclasses import replace

import pytest

from gateway.document import leaves, read
from gateway.domain.ids import SubmissionId
from gateway.domain.message import AgreementRef
from gateway.envelope import payload_of
from gateway.errors import TrustError
from gateway.exchange.beside import Beside, BesideJob, beside
from gateway.exchange.desk import transfer_row
from tests.unit.exchange.desks import GB, SUBMISSION, desks, prepared, sample, with_agreement
from tests.unit.exchange.rows import row_of

NAMES = ("import-two-items.xml", "export-one-item.xml", "import-24-items.xml", "amendment.xml", "arrival.xml")


def job(name: str = NAMES[0]) -> BesideJob:
    submission = prepared(name)
    return BesideJob(
        row=row_of(submission.transfers[0], submission=SUBMISSION),
        original=submission.sealed_document,
        view=submission.transfers[0].sealed,
    )


def told(of: BesideJob) -> Beside:
    return beside(of, desks()[GB])


@pytest.mark.parametrize("name", NAMES)
def test_every_value_is_there_once_and_what_left_is_what_was_signed(name: str) -> None:
    of = job(name)
    shown = told(of)
    desk = desks()[GB]
    held = list(leaves(read(sample(name), desk.limits).root))
    assert of.view is not None
    jws = desk.sealer.unseal(of.view, row=transfer_row(of.row.id))
    sent = [value for _, value in leaves(read(payload_of(jws), desk.limits).root)]
    assert [(leaf.path, leaf.original) for leaf in shown.leaves] == held
    assert [leaf.sent for leaf in shown.leaves if leaf.sent is not None] == sent
    assert shown.agrees
    assert len([leaf for leaf in shown.leaves if leaf.sent]) == of.row.kept
    assert len([leaf for leaf in shown.leaves if leaf.sent is None and leaf.original]) == of.row.withheld


def test_each_withheld_value_names_its_rule_without_telling_where_files_lie() -> None:
    shown = told(job())
    rules = {leaf.rule for leaf in shown.leaves if leaf.sent is None}
    assert all(rule.startswith(("customs-cooperation.yaml", "never.yaml")) for rule in rules)
    assert any(":" in rule for rule in rules)
    assert shown.policy == "customs-cooperation.yaml"


def test_a_view_that_is_not_what_the_policy_keeps_is_noticed() -> None:
    of, other = job(), prepared("export-one-item.xml").transfers[0]
    shown = told(replace(of, view=other.sealed))
    assert not shown.agrees


def test_without_the_original_the_view_stands_alone() -> None:
    shown = told(replace(job(), original=None))
    assert (shown.has_original, shown.has_view) == (False, True)
    assert shown.leaves
    assert all(leaf.original is None and leaf.sent is not None for leaf in shown.leaves)


def test_without_the_view_the_original_stands_alone() -> None:
    shown = told(replace(job(), view=None))
    assert (shown.has_original, shown.has_view) == (True, False)
    assert shown.leaves
    assert all(leaf.sent is None for leaf in shown.leaves)


def test_with_neither_there_is_nothing_to_show() -> None:
    assert told(replace(job(), original=None, view=None)).leaves == ()


@pytest.mark.parametrize("changed", [{"version": 9}, {"sha256": "0" * 64}], ids=str)
def test_without_the_agreement_of_then_no_rule_is_claimed(changed: dict[str, object]) -> None:
    of = job()
    agreement: AgreementRef = replace(of.row.agreement, **changed)  # type: ignore[arg-type]  # one of its members
    shown = told(replace(of, row=replace(of.row, agreement=agreement)))
    assert (shown.policy, shown.has_original, shown.has_view) == ("", True, True)
    assert not any(leaf.rule for leaf in shown.leaves)
    assert [leaf.original for leaf in shown.leaves] == [leaf.original for leaf in told(of).leaves]


def test_an_agreement_that_is_suspended_since_still_explains() -> None:
    assert beside(job(), with_agreement(desks()[GB], suspended=True)).agrees


def test_bytes_of_another_row_are_not_shown() -> None:
    of = job()
    with pytest.raises(TrustError) as refusal:
        told(replace(of, row=replace(of.row, submission_id=SubmissionId("another"))))
    assert refusal.value.code == "trust.unsealing_failed"


def test_no_value_stands_in_the_repr_of_what_is_shown() -> None:
    shown = told(job())
    values = [leaf.original for leaf in shown.leaves if leaf.original and len(leaf.original) > 8]
    text = repr(shown) + repr(shown.leaves[0])
    assert values
    assert not [value for value in values if value in text]
