"""Releases of a schema set: what is sent before the first day of one, or after its last, is refused."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.app.rulebook import Rulebook
from gateway.domain.ids import SchemaSetId
from gateway.domain.jobs import PreparedSubmission, RefusedSubmission
from gateway.domain.message import MessageKind
from gateway.exchange.desk import Desk
from gateway.exchange.prepare import prepare
from tests.unit.exchange.desks import FR, GB, NOW, desks, prepare_job, sample

DAY = timedelta(days=1)
DECLARATIONS = SchemaSetId("dms-declaration")


def desk_with(valid_from: date | None, valid_until: date | None) -> Desk:
    desk = desks()[GB]
    book = desk.agreements
    assert isinstance(book, Rulebook)
    dated = replace(book.sets[DECLARATIONS], valid_from=valid_from, valid_until=valid_until)
    return replace(desk, agreements=replace(book, sets={**book.sets, DECLARATIONS: dated}))


@pytest.mark.parametrize(
    ("begins", "ends", "is_sent"),
    [
        (NOW.date(), NOW.date() + DAY, True),
        (None, NOW.date() + DAY, True),
        (NOW.date(), None, True),
        (None, NOW.date(), False),
        (NOW.date() + DAY, None, False),
    ],
)
def test_a_submission_is_refused_outside_the_days_of_its_schema_set(
    begins: date | None, ends: date | None, is_sent: bool
) -> None:
    prepared = prepare(prepare_job(sample("import-two-items.xml")), desk_with(begins, ends))
    if is_sent:
        assert isinstance(prepared, PreparedSubmission)
        return
    assert isinstance(prepared, RefusedSubmission)
    (problem,) = prepared.problems.values()
    assert (problem.code, problem.facts["schema_set"]) == ("schema.set_not_valid", DECLARATIONS)


def test_a_release_that_ended_says_nothing_of_other_kinds() -> None:
    book = desk_with(None, NOW.date()).agreements
    assert book.choose(sender=GB, recipient=FR, kind=MessageKind.RESPONSE, now=NOW)
