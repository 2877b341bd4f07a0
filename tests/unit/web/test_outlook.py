"""Why a transfer waits, what comes next, what a person can do: told from the state of things alone."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.domain.hold import Approval, Hold, HoldCause, HoldStart
from gateway.domain.ids import ClientId, ConversationId, MessageId, SubmissionId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.domain.message import MessageKind
from gateway.domain.records import PartnerHealth, TransferDetail, TransferRow
from gateway.domain.retry import RetryPolicy
from gateway.web.console.outlook import Act, Outlook, is_left_alone, outlook
from gateway.web.console.partners import agreement_state, key_state
from gateway.web.shapes import timestamp
from tests.store_values import AGREEMENT, HOME, NOW, PARTNER
from tests.unit.web.listening import agreement_with, keys_of

LATER = NOW + timedelta(minutes=5)


def row(state: TransferState, **changes: Any) -> TransferRow:
    plain = TransferRow(
        id=TransferId("t-1"),
        message_id=MessageId("m-1"),
        submission_id=SubmissionId("s-1"),
        client=ClientId("client"),
        sender=HOME,
        recipient=PARTNER,
        kind=MessageKind.DECLARATION,
        conversation=ConversationId("c-1"),
        sequence=2,
        in_reply_to=None,
        state=state,
        version=1,
        digest="d",
        agreement=AGREEMENT,
        retry=RetryPolicy(),
        attempts=1,
        ever_sent=False,
        created=NOW,
        updated=NOW,
        expires=NOW + timedelta(days=2),
        deadline=NOW + timedelta(days=1),
        next_attempt_at=None,
        handed_over=None,
        last_code="",
        last_detail="",
        kept=1,
        withheld=1,
    )
    return replace(plain, **changes)


HELD = Hold(
    start=HoldStart(cause=HoldCause.OPERATOR, by="operator:o", reason="a call"), since=NOW, approvals=(), released=None
)


def of(
    transfer: TransferRow,
    *,
    ahead: TransferRow | None = None,
    alone_until: datetime | None = None,
    holds: tuple[Hold, ...] = (),
) -> Outlook:
    health = PartnerHealth(
        partner=PARTNER,
        failures=3,
        not_before=alone_until,
        last_success=None,
        last_failure=NOW,
        last_code="channel.tls_refused" if alone_until else "",
        last_detail="the certificate has expired" if alone_until else "",
    )
    if transfer.state is TransferState.HELD and not holds:
        holds = (HELD,)
    found = TransferDetail(
        row=transfer,
        attempts=(),
        receipt=None,
        notice=None,
        references=(),
        answers=(),
        ahead=ahead,
        holds=holds,
    )
    return outlook(found, health, NOW)


def test_a_partner_that_is_left_alone_is_the_reason_until_its_back_off_ends() -> None:
    told = of(row(TransferState.QUEUED, next_attempt_at=NOW), alone_until=LATER)
    assert told.why is not None
    assert (told.why.text, told.why.code) == ("why.unreachable", "channel.tls_refused")
    assert told.why.detail == "the certificate has expired"
    assert (told.following.text, told.following.at) == ("next.unreachable", timestamp(LATER))


def test_the_later_of_two_waits_is_the_one_that_is_told() -> None:
    own = LATER + timedelta(minutes=1)
    told = of(row(TransferState.QUEUED, next_attempt_at=own), alone_until=LATER)
    assert told.following.at == timestamp(own)


def test_a_partner_that_failed_stays_the_reason_when_its_back_off_is_over() -> None:
    told = of(row(TransferState.QUEUED, next_attempt_at=NOW), alone_until=NOW)
    assert told.why is not None
    assert (told.why.text, told.following.text, told.following.at) == ("why.unreachable", "next.soon", None)
    assert not is_left_alone(None, NOW)


def test_nothing_in_the_way_means_within_moments() -> None:
    told = of(row(TransferState.QUEUED, next_attempt_at=NOW))
    assert (told.why, told.following.text) == (None, "next.soon")


def test_its_own_next_attempt_is_told_with_the_latest_difficulty() -> None:
    told = of(row(TransferState.QUEUED, next_attempt_at=LATER, last_code="channel.busy"))
    assert told.why is not None
    assert (told.why.code, told.following.text, told.following.at) == ("channel.busy", "next.again", timestamp(LATER))


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (TransferState.QUEUED, "why.behind.moving"),
        (TransferState.IN_FLIGHT, "why.behind.moving"),
        (TransferState.HELD, "why.behind.resting"),
        (TransferState.DEAD_LETTERED, "why.behind.resting"),
    ],
)
def test_one_ahead_in_the_conversation_comes_before_every_other_reason(state: TransferState, text: str) -> None:
    ahead = row(state, id=TransferId("t-0"), sequence=1)
    told = of(row(TransferState.QUEUED, next_attempt_at=NOW), ahead=ahead, alone_until=LATER)
    assert told.why is not None
    assert (told.why.text, told.why.link, told.why.values) == (text, "t-0", {"sequence": 1})


def test_a_delivered_transfer_tells_whether_the_partners_back_end_has_it() -> None:
    waiting = of(row(TransferState.DELIVERED))
    assert (waiting.why, waiting.following.text) == (None, "next.not_handed_over")
    taken = of(row(TransferState.DELIVERED, handed_over=LATER))
    assert taken.why is not None
    assert (taken.why.text, taken.why.at, taken.following.text) == (
        "why.handed_over",
        timestamp(LATER),
        "next.DELIVERED",
    )


REQUEUE, CANCEL = Act(text="can.requeue", verb="requeue"), Act(text="can.cancel", verb="cancel")
HOLD, RELEASE = Act(text="can.hold", verb="hold"), Act(text="can.release_one", verb="release")
RESUBMIT, NOTHING = Act(text="can.resubmit"), Act(text="can.nothing")
RECALL, SKIP = Act(text="can.cancel_sent", verb="cancel"), Act(text="can.skip", verb="skip")


@pytest.mark.parametrize(
    ("state", "changes", "acts"),
    [
        (TransferState.QUEUED, {}, (HOLD, CANCEL)),
        (TransferState.QUEUED, {"ever_sent": True}, (HOLD, RECALL)),
        (TransferState.HELD, {}, (RELEASE, CANCEL, SKIP)),
        (TransferState.HELD, {"ever_sent": True}, (RELEASE, RECALL, SKIP)),
        (TransferState.IN_FLIGHT, {}, (NOTHING,)),
        (TransferState.AWAITING_RECEIPT, {"ever_sent": True}, (NOTHING,)),
        (TransferState.DEAD_LETTERED, {}, (REQUEUE, CANCEL, SKIP)),
        (TransferState.DEAD_LETTERED, {"ever_sent": True}, (REQUEUE, RECALL, SKIP)),
        (TransferState.DEAD_LETTERED, {"expires": NOW}, (RESUBMIT, CANCEL, SKIP)),
        (TransferState.DEAD_LETTERED, {"skipped": True}, (CANCEL,)),
        (TransferState.DEAD_LETTERED, {"ever_sent": True, "not_seen": True}, (REQUEUE, CANCEL, SKIP)),
        (TransferState.DELIVERED, {"ever_sent": True}, (NOTHING,)),
        (TransferState.CANCELLED, {}, (NOTHING,)),
    ],
)
def test_only_acts_that_would_be_done_are_offered(
    state: TransferState, changes: dict[str, Any], acts: tuple[Act, ...]
) -> None:
    assert of(row(state, **changes)).can == acts


def test_what_waits_for_two_officers_says_so_until_one_is_left() -> None:
    start = HoldStart(cause=HoldCause.RULES, by="client:c", approvals=2)
    one = Approval(officer="officer-1", reason="seen", at=NOW)
    told = of(row(TransferState.HELD), holds=(Hold(start=start, since=NOW, approvals=(), released=None),))
    assert [act.text for act in told.can] == ["can.release_more", "can.cancel", "can.skip"]
    assert (told.why and told.why.text, told.following.at) == ("why.held.rules", timestamp(NOW + timedelta(days=1)))
    told = of(row(TransferState.HELD), holds=(Hold(start=start, since=NOW, approvals=(one,), released=None),))
    assert [act.text for act in told.can] == ["can.release_one", "can.cancel", "can.skip"]


def test_what_waits_for_its_agreement_is_told_that_a_release_must_wait_too() -> None:
    start = HoldStart(cause=HoldCause.AGREEMENT, by="system", reason="It is suspended at this end")
    told = of(row(TransferState.HELD), holds=(Hold(start=start, since=NOW, approvals=(), released=None),))
    assert [act.text for act in told.can] == ["can.release_agreement", "can.cancel", "can.skip"]
    assert told.why is not None
    assert (told.why.text, told.why.detail) == ("why.held.agreement", "It is suspended at this end")


def test_a_dead_letter_that_nobody_released_can_only_be_held_again() -> None:
    unsigned = row(TransferState.DEAD_LETTERED, digest="", expires=NOW)
    assert of(unsigned, holds=(HELD,)).can == (Act(text="can.hold_again", verb="requeue"), CANCEL, SKIP)


@pytest.mark.parametrize("state", list(TransferState))
def test_every_state_has_something_to_say_about_what_comes_next(state: TransferState) -> None:
    assert of(row(state)).following.text.startswith("next.")


@pytest.mark.parametrize(
    ("after", "state"),
    [(-400, "future"), (0, "valid"), (171, "ending"), (199, "ending"), (200, "ended")],
)
def test_a_key_tells_when_it_ends(after: int, state: str) -> None:
    key = keys_of(PARTNER)[0]
    assert key_state(key, NOW + timedelta(days=after)) == state
    assert key_state(replace(key, revoked=True), NOW) == "revoked"


def test_an_agreement_tells_whether_it_is_in_force() -> None:
    assert agreement_state(agreement_with(PARTNER), NOW) == "in_force"
    assert agreement_state(agreement_with(PARTNER, suspended=True), NOW) == "suspended"
    assert agreement_state(agreement_with(PARTNER, valid_until=NOW), NOW) == "ended"
    assert agreement_state(agreement_with(PARTNER, valid_from=LATER), NOW) == "future"
