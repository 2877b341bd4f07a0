"""Why a queued transfer waits."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.ids import AgreementId, ClientId, ConversationId, MessageId, PartyId, SubmissionId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.message import AgreementRef, MessageKind
from gateway.domain.records import PartnerHealth, TransferRow
from gateway.domain.retry import RetryPolicy
from gateway.domain.waiting import as_it_waits
from tests.store_values import NOW, PARTNER

PROBE = NOW + timedelta(minutes=5)
HEALTH = PartnerHealth(
    partner=PARTNER,
    failures=2,
    not_before=PROBE,
    last_success=None,
    last_failure=NOW,
    last_code="channel.tls_refused",
    last_detail="the certificate has expired",
)
ROW = TransferRow(
    id=TransferId("t"),
    message_id=MessageId("m"),
    submission_id=SubmissionId("s"),
    client=ClientId("client"),
    sender=PartyId("GB-HMRC"),
    recipient=PARTNER,
    kind=MessageKind.DECLARATION,
    conversation=ConversationId("c"),
    sequence=1,
    in_reply_to=None,
    state=TransferState.QUEUED,
    version=1,
    digest="0" * 64,
    agreement=AgreementRef(id=AgreementId("gb-fr"), version=1, sha256="0" * 64),
    retry=RetryPolicy(),
    attempts=1,
    ever_sent=False,
    created=NOW,
    updated=NOW,
    expires=NOW + timedelta(days=1),
    deadline=NOW + timedelta(days=1),
    next_attempt_at=NOW,
    handed_over=None,
    last_code="channel.busy",
    last_detail="HTTP 503",
    kept=1,
    withheld=1,
)


def test_a_transfer_waits_for_a_partner_that_can_not_be_reached() -> None:
    told = as_it_waits(ROW, {PARTNER: HEALTH})
    assert (told.last_code, told.next_attempt_at) == ("channel.tls_refused", PROBE)
    assert told.last_detail == "FR-DGDDI can not be reached: the certificate has expired"
    assert replace(told, last_code="channel.busy", last_detail="HTTP 503", next_attempt_at=NOW) == ROW


def test_its_own_wait_holds_when_it_is_longer() -> None:
    later = replace(ROW, next_attempt_at=PROBE + timedelta(minutes=1))
    assert as_it_waits(later, {PARTNER: HEALTH}).next_attempt_at == later.next_attempt_at
    assert as_it_waits(later, {PARTNER: replace(HEALTH, not_before=None)}).next_attempt_at == later.next_attempt_at


@pytest.mark.parametrize("state", [state for state in TransferState if state is not TransferState.QUEUED])
def test_what_does_not_wait_for_its_partner_is_told_as_it_is(state: TransferState) -> None:
    row = replace(ROW, state=state)
    assert as_it_waits(row, {PARTNER: HEALTH}) is row


def test_a_partner_that_is_well_or_was_never_tried_changes_nothing() -> None:
    well = replace(HEALTH, failures=0, not_before=None, last_code="", last_detail="")
    for partners in ({}, {PARTNER: well}, {PartyId("NL-DOUANE"): HEALTH}):
        assert as_it_waits(ROW, partners) is ROW
