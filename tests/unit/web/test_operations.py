"""The operations API: what operators see and do, and what every act leaves behind."""

import json
from datetime import timedelta
from typing import Any

import pytest

from gateway.audit import AuditEntry, AuditEvent, verify_export
from gateway.client import OperationsClient
from gateway.domain.ids import MessageId
from gateway.domain.jobs import ReferenceKind
from gateway.domain.later import TakenEnvelope, Unjudged
from gateway.domain.lifecycle import HandOverEvent, HandOverState, TransferEvent, TransferState
from gateway.domain.records import TransferRow
from gateway.errors import GatewayError, TrustError, Violation
from gateway.exchange.operate import MAX_REASON
from gateway.web.shapes import timestamp
from tests.store_values import (
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    accepted_evidence,
    attempt_of,
    evidence,
    hand_over_evidence,
    message_evidence,
    reference,
)
from tests.unit.web.listening import Answer, Node, ask, signed_in


async def accepted(node: Node, mrn: str = "24GB0001") -> TransferRow:
    """Put one transfer into the store. Documents of one MRN belong to one conversation, so each needs its own."""
    change = node.values.submission(references=[reference(mrn, ReferenceKind.MRN)])
    await node.store.accept(change, accepted_evidence(change))
    found = await node.store.transfer(change.prepared.transfers[0].slot.transfer_id)
    assert found is not None
    return found.row


async def dead_lettered(node: Node, *, sent: bool = False) -> TransferRow:
    """Put one transfer into the store that was tried once, in vain."""
    await accepted(node)
    claimed = (await node.store.claim(PARTNER, limit=1, now=NOW, lease=LEASE))[0]
    return await node.store.settle(
        claimed.row,
        TransferEvent.EXHAUSTED,
        audit=evidence(claimed.row, TransferEvent.EXHAUSTED),
        now=NOW,
        fence=claimed.fence,
        attempt=attempt_of(claimed.row, "failed", "channel.unreachable"),
        sent=sent,
        code="transfer.attempts_exhausted",
        detail="All attempts the agreement allows were made",
    )


async def act(
    url: str, transfer_id: str, verb: str, reason: object = "because", token: str = "operator"
) -> tuple[int, str]:
    """Ask for an act; return the status and the new state, or the code of the problem."""
    answer = await ask(
        f"{url}/v1/transfers/{transfer_id}/{verb}",
        "POST",
        token=token,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"reason": reason}),
    )
    return answer.status, answer.json()["state"] if answer.status == 200 else answer.code


async def test_liveness_is_open_to_everybody(operations: str) -> None:
    answer = await ask(f"{operations}/healthz")
    assert (answer.status, answer.json()) == (200, {"status": "alive", "version": "9.9"})


async def test_a_ready_node_names_its_checks(operations: str) -> None:
    answer = await ask(f"{operations}/readyz", token="admin")
    assert answer.json() == {"status": "ready", "checks": {"store": {"ready": True}, "revocation": {"ready": True}}}


async def test_a_node_that_is_not_ready_says_which_check_fails(node: Node, operations: str) -> None:
    node.failing["revocation"] = TrustError("trust.crl_stale", "the list is out of date")
    answer = await ask(f"{operations}/readyz", token="admin")
    assert (answer.status, answer.code) == (503, "node.not_ready")
    assert answer.headers["Retry-After"]
    assert answer.json()["checks"]["revocation"]["code"] == "trust.crl_stale"
    assert answer.json()["checks"]["store"] == {"ready": True}


async def test_transfers_are_found_by_state_recipient_and_reference(node: Node, operations: str) -> None:
    row = await accepted(node)
    for query, found in (
        ("", [row.id]),
        ("state=QUEUED", [row.id]),
        ("state=DELIVERED", []),
        (f"recipient={PARTNER}", [row.id]),
        (f"recipient={OTHER}", []),
        ("reference=mrn:24GB0001", [row.id]),
        ("reference=mrn:24GB0002", []),
    ):
        told = (await ask(f"{operations}/v1/transfers?{query}", token="operator")).json()
        assert [one["id"] for one in told["transfers"]] == found, query


@pytest.mark.parametrize(
    "query", ["state=LOST", "reference=24GB0001", "reference=explicit:x", "stat=QUEUED", "before=x"]
)
async def test_a_search_that_is_not_understood_is_refused(operations: str, query: str) -> None:
    answer = await ask(f"{operations}/v1/transfers?{query}", token="operator")
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_one_transfer_is_told_whole(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    told = (await ask(f"{operations}/v1/transfers/{row.id}", token="auditor")).json()
    assert (told["state"], told["code"]) == ("DEAD_LETTERED", "transfer.attempts_exhausted")
    assert [one["code"] for one in told["tries"]] == ["channel.unreachable"]
    assert told["receipt"] is None
    assert [one["event"] for one in told["timeline"]] == [
        AuditEvent.TRANSFER_ACCEPTED,
        AuditEvent.TRANSFER_CLAIMED,
        AuditEvent.TRANSFER_EXHAUSTED,
    ]
    assert (told["kept"], told["withheld"], told["agreement"]["id"]) == (61, 32, "gb-fr")


async def test_an_unknown_transfer_is_not_found(operations: str) -> None:
    for transfer_id in ("01950000-0000-7000-8000-00000000ffff", "nonsense"):
        answer = await ask(f"{operations}/v1/transfers/{transfer_id}", token="operator")
        assert (answer.status, answer.code) == (404, "transfer.not_found")


async def test_an_act_names_the_operator_and_the_reason(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    assert await act(operations, row.id, "requeue", "partner repaired") == (200, "QUEUED")
    record = (await node.store.audit(transfer_id=row.id))[-1]
    assert record.entry.event is AuditEvent.TRANSFER_REQUEUED
    assert record.entry.actor == "operator:operator-1"
    assert record.entry.facts["reason"] == "partner repaired"


async def test_what_was_never_sent_can_be_cancelled(node: Node, operations: str) -> None:
    row = await accepted(node)
    assert await act(operations, row.id, "cancel") == (200, "CANCELLED")
    assert await act(operations, row.id, "cancel") == (409, "transfer.illegal_transition")


async def test_what_may_have_arrived_can_not_be_cancelled(node: Node, operations: str) -> None:
    await accepted(node)
    claimed = (await node.store.claim(PARTNER, limit=1, now=NOW, lease=LEASE))[0]
    await node.store.settle(
        claimed.row,
        TransferEvent.FAILED,
        audit=evidence(claimed.row, TransferEvent.FAILED),
        now=NOW,
        fence=claimed.fence,
        sent=True,
        next_attempt_at=NOW,
        code="channel.timeout",
    )
    assert await act(operations, claimed.row.id, "cancel") == (409, "transfer.outcome_unknown")


async def test_an_expired_message_that_was_sent_is_not_replaced_while_its_partner_does_not_answer(
    node: Node, operations: str
) -> None:
    row = await dead_lettered(node, sent=True)
    node.clock.move(timedelta(days=30))
    assert await act(operations, row.id, "requeue") == (409, "transfer.outcome_unknown")
    found = await node.store.transfer(row.id)
    assert found is not None
    assert found.row.state is TransferState.DEAD_LETTERED


@pytest.mark.parametrize("reason", ["", "   ", "x" * (MAX_REASON + 1), 7, None, ["because"]])
async def test_an_act_needs_a_reason(node: Node, operations: str, reason: object) -> None:
    row = await dead_lettered(node)
    assert await act(operations, row.id, "requeue", reason) == (400, "request.malformed")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"reason":"x","force":true}', b"\xff", b"[" * 10_000])
async def test_a_body_of_an_act_is_exactly_a_reason(node: Node, operations: str, body: bytes) -> None:
    row = await dead_lettered(node)
    answer = await ask(
        f"{operations}/v1/transfers/{row.id}/requeue",
        "POST",
        token="operator",
        headers={"Content-Type": "application/json"},
        body=body,
    )
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_the_cookie_of_the_console_does_not_open_the_api(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    answer = await ask(
        f"{operations}/v1/transfers/{row.id}/requeue",
        "POST",
        headers={"Content-Type": "application/json"},
        cookies=signed_in(operations, "operator"),
        body=b'{"reason":"x"}',
    )
    assert (answer.status, answer.code) == (401, "access.token_missing")


async def test_the_inbox_shows_everything_but_the_message(node: Node, operations: str) -> None:
    message = node.values.admitted()
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    listed = (await ask(f"{operations}/v1/inbox?state=PENDING", token="operator")).json()
    assert [one["message_id"] for one in listed["messages"]] == [message.header.message_id]
    answer = await ask(f"{operations}/v1/inbox/{message.header.message_id}", token="operator")
    told = answer.json()
    assert (told["sender"], told["hand_over"], told["terms"]["purpose"]) == (PARTNER, "PENDING", "risk analysis")
    assert (told["receipt"]["verdict"], told["receipt"]["token"]) == ("accepted", message.receipt_token)
    assert [one["event"] for one in told["timeline"]] == [AuditEvent.MESSAGE_ACCEPTED]
    assert message.sealed_message not in answer.body
    missing = await ask(f"{operations}/v1/inbox/01950000-0000-7000-8000-00000000ffff", token="operator")
    assert (missing.status, missing.code) == (404, "request.not_found")


async def test_an_operator_releases_a_message_from_quarantine(node: Node, operations: str) -> None:
    message = node.values.admitted()
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    path, said = f"{operations}/v1/inbox/{message.header.message_id}/release", {"Content-Type": "application/json"}
    early = await ask(path, "POST", token="operator", headers=said, body=b'{"reason":"why not"}')
    assert (early.status, early.code) == (409, "transfer.illegal_transition")
    (claimed,) = await node.store.claim_hand_overs(
        frozenset({message.header.recipient}), limit=1, now=NOW, lease=LEASE, actor="system"
    )
    held = await node.store.settle_hand_over(
        claimed.row,
        HandOverEvent.EXHAUSTED,
        audit=hand_over_evidence(claimed.row, HandOverEvent.EXHAUSTED),
        now=NOW,
        fence=claimed.fence,
        code="channel.refused",
    )
    assert held.hand_over is HandOverState.QUARANTINED
    mended = b'{"reason":"back end mended"}'
    elsewhere = await ask(f"{path}?sender={OTHER}", "POST", token="operator", headers=said, body=mended)
    assert (elsewhere.status, elsewhere.code) == (404, "request.not_found")
    told = (await ask(f"{path}?sender={PARTNER}", "POST", token="operator", headers=said, body=mended)).json()
    assert (told["hand_over"], told["attempts"], told["code"]) == ("PENDING", 0, "")
    entry = (await node.store.audit(message_id=message.header.message_id))[-1].entry
    assert (entry.event, entry.actor) == (AuditEvent.HAND_OVER_RELEASED, "operator:operator-1")
    assert entry.facts["reason"] == "back end mended"
    for reason in (b'{"reason":" "}', b'{"reason":"a\nb"}'):
        again = await ask(path, "POST", token="operator", headers=said, body=reason)
        assert (again.status, again.code) == (400, "request.malformed")


async def test_every_partner_is_listed_even_before_the_first_message(node: Node, operations: str) -> None:
    await node.store.partner_failed(PARTNER, now=NOW, not_before=NOW, code="channel.timeout")
    told = (await ask(f"{operations}/v1/partners", token="security")).json()["partners"]
    assert [(one["partner"], one["failures"], one["last_code"]) for one in told] == [
        (PARTNER, 1, "channel.timeout"),
        (OTHER, 0, ""),
    ]


async def test_a_transfer_tells_that_its_partner_can_not_be_reached(node: Node, operations: str) -> None:
    row = await accepted(node)
    until = NOW + timedelta(minutes=5)
    await node.store.partner_failed(
        row.recipient, now=NOW, not_before=until, code="channel.tls_refused", detail="the certificate has expired"
    )
    (listed,) = (await ask(f"{operations}/v1/transfers", token="operator")).json()["transfers"]
    shown = (await ask(f"{operations}/v1/transfers/{row.id}", token="operator")).json()
    for told in (listed, shown):
        assert told["code"] == "channel.tls_refused"
        assert told["detail"] == f"{row.recipient} can not be reached: the certificate has expired"
        assert told["next_attempt_at"] == timestamp(until)
    assert shown["attempts"] == 0


async def test_counts_tell_each_state(node: Node, operations: str) -> None:
    await accepted(node)
    told = (await ask(f"{operations}/v1/counts", token="admin")).json()
    assert told["transfer.QUEUED"] == 1


async def test_envelopes_that_wait_to_be_judged_show_with_their_number_and_age(node: Node, operations: str) -> None:
    assert (await ask(f"{operations}/v1/unjudged", token="admin")).json() == {"unjudged": []}
    assert "not judged yet" not in (await ask(f"{operations}/console", cookies=signed_in(operations, "operator"))).text
    for at in (NOW, NOW + LEASE):
        audit = AuditEntry(event=AuditEvent.MESSAGE_TAKEN, at=at, actor="system")
        one = TakenEnvelope(
            sender=PARTNER, message_id=MessageId(node.values.uuid7()), jwe="a.b.c.d.e", received=at, until=at + LEASE
        )
        await node.store.take_envelope(one, audit=audit)
    told = (await ask(f"{operations}/v1/unjudged", token="operator")).json()
    assert told == {"unjudged": [{"sender": PARTNER, "count": 2, "oldest": timestamp(NOW)}]}
    async with OperationsClient(operations, "auditor") as client:
        assert await client.unjudged() == (Unjudged(sender=PARTNER, count=2, oldest=NOW),)
    page = (await ask(f"{operations}/console", cookies=signed_in(operations, "operator"))).text
    assert f"Taken from {PARTNER} and not judged yet: 2" in page


async def test_the_audit_leaves_as_an_export_that_verifies(node: Node, operations: str) -> None:
    await accepted(node)
    answer = await ask(f"{operations}/v1/audit", token="auditor")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    verdict = verify_export(answer.body.splitlines(keepends=True))
    assert (verdict.intact, verdict.chain, verdict.count) == (True, "test", 1)


@pytest.mark.parametrize("page", [1, 2, 3, 4])
async def test_an_export_of_many_pages_is_one_export(
    node: Node, operations: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.operations_api._AUDIT_PAGE", page)
    for number in range(3):
        await accepted(node, f"24GB{number}")
    answer = await ask(f"{operations}/v1/audit", token="auditor")
    verdict = verify_export(answer.body.splitlines(keepends=True))
    assert (verdict.intact, verdict.count) == (True, 3)


async def test_a_chain_without_records_can_not_be_exported(operations: str) -> None:
    answer = await ask(f"{operations}/v1/audit", token="auditor")
    assert (answer.status, answer.code) == (404, "request.not_found")


# ── reload ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def reload(url: str, token: str, reason: str = "A new version of gb-fr") -> tuple[int, Any]:
    body = json.dumps({"reason": reason}).encode()
    headers = {"Content-Type": "application/json"}
    answer = await ask(f"{url}/v1/reload", "POST", token=token, headers=headers, body=body)
    return answer.status, answer.json()


async def test_an_admin_has_the_rules_reloaded_under_a_name_and_a_reason(operations: str) -> None:
    status, told = await reload(operations, "admin")
    assert status == 200
    assert told == {
        "changed": True,
        "generation": 2,
        "rules_sha256": "operator:admin-1",
        "agreements": ["gb-fr version 1"],
        "not_in_force": [],
        "held": 0,
        "schema_sets": ["a-set"],
    }
    assert (await reload(operations, "admin", reason=" "))[0] == 400
    assert (await reload(operations, "operator"))[0] == 403


async def test_rules_that_can_not_be_taken_are_named_to_who_asked(operations: str) -> None:
    status, problem = await reload(operations, "admin", reason="broken")
    assert (status, problem["code"]) == (409, "config.reload_refused")
    assert problem["findings"] == ["gb-fr.yaml:3: is wrong. Mend it"]


async def test_a_drained_node_is_not_ready_and_takes_no_submission_until_it_is_resumed(
    node: Node, operations: str
) -> None:
    async def told(path: str, token: str = "admin") -> Any:
        headers, body = {"Content-Type": "application/json"}, json.dumps({"reason": "an upgrade"})
        return await ask(f"{operations}{path}", "POST", token=token, headers=headers, body=body)

    assert (await told("/v1/drain", "operator")).status == 403
    assert (await told("/v1/drain")).json() == {"draining": True, "under_way": 0}
    with pytest.raises(GatewayError) as caught:
        node.operations().drain.check()
    assert caught.value.code == "node.draining"
    assert (await told("/v1/resume")).json() == {"draining": False, "under_way": 0}
    node.operations().drain.check()
    events = [record.entry.event for record in await node.store.audit()]
    assert events == [AuditEvent.NODE_DRAINING, AuditEvent.NODE_RESUMED]


# ── holds ──


REASON = Violation(code="test.seldom_seen", path="/MetaData/Declaration[1]", message="Seldom seen", line=7)


async def held(node: Node, approvals: int = 1) -> TransferRow:
    """Put one transfer into the store that a rule holds."""
    change = node.values.submission(held_for=(REASON,), approvals=approvals)
    await node.store.accept(change, accepted_evidence(change))
    found = await node.store.transfer(change.prepared.transfers[0].slot.transfer_id)
    assert found is not None
    return found.row


async def test_an_officer_releases_and_an_operator_does_not(node: Node, operations: str) -> None:
    row = await held(node)
    assert await act(operations, row.id, "release", token="operator") == (403, "access.forbidden")
    assert await act(operations, row.id, "release", token="auditor") == (403, "access.forbidden")
    assert await act(operations, row.id, "release", token="officer") == (200, "QUEUED")
    record = (await node.store.audit(transfer_id=row.id))[-1].entry
    assert (record.event, record.actor) == (AuditEvent.TRANSFER_RELEASED, "operator:officer-1")
    assert record.facts["reason"] == "because"


async def test_why_a_transfer_is_held_stands_with_it_and_names_no_value(node: Node, operations: str) -> None:
    row = await held(node, approvals=2)
    assert await act(operations, row.id, "release", token="officer") == (200, "HELD")
    assert await act(operations, row.id, "release", token="officer") == (409, "transfer.approved_before")
    answer = await ask(f"{operations}/v1/transfers/{row.id}", token="operator")
    told = answer.json()
    (hold,) = told["holds"]
    assert (told["state"], told["digest"], told["code"]) == ("HELD", "", "transfer.held")
    assert hold["rules"] == [REASON.as_json()]
    assert (hold["cause"], hold["approvals_needed"], hold["approvals_given"]) == ("rules", 2, 1)
    assert [one["officer"] for one in hold["approvals"]] == ["officer-1"]
    listed = (await ask(f"{operations}/v1/transfers?state=HELD", token="officer")).json()["transfers"]
    assert [one["id"] for one in listed] == [row.id]
    assert listed[0]["detail"] == "/MetaData/Declaration[1]: Seldom seen"


async def test_an_operator_holds_what_waits(node: Node, operations: str) -> None:
    row = await accepted(node)
    assert await act(operations, row.id, "hold", "a call") == (200, "HELD")
    assert await act(operations, row.id, "hold", "a call") == (409, "transfer.illegal_transition")
    assert await act(operations, row.id, "release", token="officer") == (200, "QUEUED")
    assert await act(operations, row.id, "release", token="officer") == (409, "transfer.illegal_transition")


async def test_a_dead_letter_can_not_be_held_to_be_released_around_its_requeue(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    assert await act(operations, row.id, "hold", "a call") == (409, "transfer.illegal_transition")


async def release_many(url: str, query: str, token: str = "officer") -> Answer:
    """Ask for a release by query."""
    return await ask(
        f"{url}/v1/transfers/release?{query}",
        "POST",
        token=token,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"reason": "the rule held too much"}),
    )


async def test_many_are_counted_first_and_what_was_counted_is_released(node: Node, operations: str) -> None:
    first, second = await held(node, approvals=2), await accepted(node)
    await act(operations, second.id, "hold", "a call")
    counted = await ask(f"{operations}/v1/transfers/held?recipient={PARTNER}", token="officer")
    up_to = counted.json()["up_to"]
    assert (counted.status, counted.json()) == (200, {"count": 2, "own": 0, "approved": 0, "up_to": up_to})
    later = await held(node)
    answer = await release_many(operations, f"recipient={PARTNER}&up_to={up_to}&limit=200")
    assert answer.json() == {
        "released": 1,
        "transfers": [second.id],
        "approved": [first.id],
        "refused": [],
        "next": None,
    }
    again = (await release_many(operations, f"rule={REASON.code}&up_to={up_to}")).json()
    assert [(one["id"], one["code"]) for one in again["refused"]] == [(first.id, "transfer.approved_before")]
    waiting = await node.store.transfer(later.id)
    assert waiting is not None
    assert waiting.row.state is TransferState.HELD
    record = (await node.store.audit(transfer_id=second.id))[-1].entry
    assert (record.event, record.actor) == (AuditEvent.TRANSFER_RELEASED, "operator:officer-1")
    assert record.facts["reason"] == "the rule held too much"


@pytest.mark.parametrize("token", ["operator", "auditor", "admin"])
async def test_only_officers_count_and_release_many(operations: str, token: str) -> None:
    counted = await ask(f"{operations}/v1/transfers/held?recipient={PARTNER}", token=token)
    released = await release_many(operations, f"recipient={PARTNER}&up_to=1", token)
    assert [(one.status, one.code) for one in (counted, released)] == [(403, "access.forbidden")] * 2


@pytest.mark.parametrize(
    "query", ["up_to=1", "rule=x", "rule=x&up_to=", "rule=x&up_to=-1", "rule=x&up_to=1&state=HELD"]
)
async def test_a_release_of_many_says_which_and_up_to_which_hold(operations: str, query: str) -> None:
    answer = await release_many(operations, query)
    assert (answer.status, answer.code) == (400, "request.malformed")
    assert (await ask(f"{operations}/v1/transfers/held?after=", token="officer")).status == 400
