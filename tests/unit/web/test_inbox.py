"""A back end that pulls: what is leased, what may be said of it under which lease, and who may not."""

import asyncio
import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.audit import AuditEvent
from gateway.domain.hand_over import terms_beside
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import HandOverEvent, HandOverState
from gateway.domain.records import InboxRow
from tests.store_values import HOME, LEASE, OTHER, PARTNER, hand_over_evidence, message_evidence
from tests.unit.web.listening import Answer, Node, ask

VIEW = "<a>«ü»</a>".encode()


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def received(
    node: Node, *, view: bytes = VIEW, recipient: PartyId = HOME, conversation: str = "c", sequence: int = 1
) -> str:
    """Have a message stored, as its signed form; return its id."""
    result = node.values.admitted(recipient=recipient, conversation=conversation, sequence=sequence)
    jws = f"{_part(b'{}')}.{_part(view)}.{_part(bytes(64))}".encode()
    result = replace(result, sealed_message=jws)
    await node.store.admit(result, now=node.clock.now(), audit=message_evidence(result))
    return result.header.message_id


async def lease(url: str, query: str = "", *, token: str = "fetcher") -> list[dict[str, Any]]:
    answer = await ask(f"{url}/v1/inbox/leases{query}", "POST", token=token)
    assert answer.status == 200, answer.text
    messages: list[dict[str, Any]] = answer.json()["messages"]
    return messages


async def say(url: str, act: str, message: dict[str, Any], *, token: str = "fetcher", **members: str) -> Answer:
    return await ask(
        f"{url}/v1/inbox/{message['message_id']}/{act}",
        "POST",
        token=token,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"lease": message["lease"]["token"], **members}),
    )


async def row_of(node: Node, message_id: str) -> InboxRow:
    (row,) = [one for one in await node.store.inbox(limit=50) if one.message_id == message_id]
    return row


async def sweep(node: Node) -> None:
    """Take back what is overdue, as the sweep of a node does."""
    for row in await node.store.overdue_hand_overs(now=node.clock.now(), limit=9):
        event = HandOverEvent.LEASE_LOST
        await node.store.settle_hand_over(row, event, audit=hand_over_evidence(row, event), now=node.clock.now())


# ── leasing ──


async def test_a_leased_message_brings_its_terms_its_document_and_its_lease(node: Node, submission: str) -> None:
    message_id = await received(node)
    (message,) = await lease(submission)
    token = message.pop("lease")
    assert base64.b64decode(message.pop("document")) == VIEW
    assert message.pop("document_sha256") == hashlib.sha256(VIEW).hexdigest()
    assert message.pop("attempt") == 1
    assert message == terms_beside(await row_of(node, message_id))
    assert token["expires"] == "2026-03-01T09:31:00.000Z"
    (claimed,) = [one.entry for one in await node.store.audit() if one.entry.event is AuditEvent.HAND_OVER_CLAIMED]
    assert (claimed.actor, claimed.message_id) == ("client:fetcher", message_id)


async def test_when_nothing_waits_the_answer_is_empty(submission: str) -> None:
    assert await lease(submission) == []


async def test_within_a_conversation_the_next_comes_after_the_one_before(node: Node, submission: str) -> None:
    ids = [await received(node, sequence=sequence) for sequence in (1, 2, 3)]
    other = await received(node, conversation="d", sequence=9)
    order = []
    for _ in ids:
        taken = await lease(submission, "?limit=32")
        order.append([one["message_id"] for one in taken])
        for message in taken:
            assert (await say(submission, "acknowledgement", message)).status == 200
    assert order == [[ids[0], other], [ids[1]], [ids[2]]]


async def test_one_message_at_a_time_unless_more_are_asked_for(node: Node, submission: str) -> None:
    for number in range(5):
        await received(node, conversation=f"c{number}")
    assert len(await lease(submission)) == 1
    assert len(await lease(submission, "?limit=3")) == 3
    for query in ("?limit=0", "?limit=33", "?limit=x", "?state=PENDING", "?for=hmrc"):
        answer = await ask(f"{submission}/v1/inbox/leases{query}", "POST", token="fetcher")
        assert (answer.status, answer.code) == (400, "request.malformed")


async def test_a_message_whose_stored_bytes_are_damaged_holds_up_only_its_conversation(
    node: Node, submission: str
) -> None:
    result = node.values.admitted(conversation="damaged")
    await node.store.admit(result, now=node.clock.now(), audit=message_evidence(result))
    good = await received(node)
    assert [one["message_id"] for one in await lease(submission, "?limit=9")] == [good]
    row = await row_of(node, result.header.message_id)
    # No further try would mend it, so a person is told at once.
    assert (row.hand_over, row.last_code) == (HandOverState.QUARANTINED, "envelope.malformed")


# ── whose ──


async def test_a_client_fetches_only_for_the_parties_it_is_registered_for(node: Node, submission: str) -> None:
    message_id = await received(node)
    assert await lease(submission, token="stranger") == []
    for query, token in ((f"?for={HOME}", "stranger"), ("?for=DE-ZOLL", "fetcher")):
        answer = await ask(f"{submission}/v1/inbox/leases{query}", "POST", token=token)
        assert (answer.status, answer.code) == (403, "access.forbidden")
    (message,) = await lease(submission, f"?for={HOME}")
    assert message["message_id"] == message_id
    for act, members in (("acknowledgement", {}), ("postponement", {"reason": "x"}), ("quarantine", {"reason": "x"})):
        answer = await say(submission, act, message, token="stranger", **members)
        assert (answer.status, answer.code) == (404, "request.not_found")
    assert (await row_of(node, message_id)).hand_over is HandOverState.IN_FLIGHT


async def test_a_client_of_several_parties_names_one(node: Node, submission: str) -> None:
    await received(node)
    answer = await ask(f"{submission}/v1/inbox/leases", "POST", token="both")
    assert (answer.status, answer.code) == (400, "request.malformed")
    assert len(await lease(submission, f"?for={HOME}", token="both")) == 1


async def test_messages_that_are_handed_over_another_way_can_not_be_pulled(node: Node, submission: str) -> None:
    message_id = await received(node, recipient=OTHER)
    answer = await ask(f"{submission}/v1/inbox/leases?for={OTHER}", "POST", token="both")
    assert (answer.status, answer.code) == (409, "hand_over.not_by_pull")
    (claimed,) = await node.store.claim_hand_overs([OTHER], limit=1, now=node.clock.now(), lease=LEASE)
    token = _part(f"{PARTNER}/{claimed.fence}".encode())
    answer = await say(
        submission, "acknowledgement", {"message_id": message_id, "lease": {"token": token}}, token="both"
    )
    assert (answer.status, answer.code) == (409, "hand_over.not_by_pull")


# ── what became of it ──


async def test_an_acknowledgement_hands_over_with_its_evidence_and_may_be_repeated(node: Node, submission: str) -> None:
    message_id = await received(node)
    (message,) = await lease(submission)
    node.clock.move(timedelta(seconds=7))
    first = await say(submission, "acknowledgement", message)
    assert first.json() == {
        "message_id": message_id,
        "sender": PARTNER,
        "hand_over": "HANDED_OVER",
        "handed_over": "2026-03-01T09:30:07.000Z",
        "next_attempt_at": None,
    }
    records = len(await node.store.audit())
    node.clock.move(timedelta(days=1))
    again = await say(submission, "acknowledgement", message)
    assert (again.status, again.body) == (200, first.body)
    assert len(await node.store.audit()) == records
    last = (await node.store.audit())[-1].entry
    assert (last.event, last.actor) == (AuditEvent.HAND_OVER_ACKNOWLEDGED, "client:fetcher")


async def test_acknowledged_twice_at_once_it_is_handed_over_once(node: Node, submission: str) -> None:
    await received(node)
    (message,) = await lease(submission)
    answers = await asyncio.gather(*(say(submission, "acknowledgement", message) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    events = [one.entry.event for one in await node.store.audit()]
    assert events.count(AuditEvent.HAND_OVER_ACKNOWLEDGED) == 1


async def acknowledge_together(url: str, messages: list[dict[str, Any]], *, token: str = "fetcher") -> Answer:
    named = [{"message_id": one["message_id"], "lease": one["lease"]["token"]} for one in messages]
    return await acknowledge_raw(url, {"messages": named}, token=token)


async def acknowledge_raw(url: str, value: object, *, token: str = "fetcher") -> Answer:
    headers = {"Content-Type": "application/json"}
    return await ask(f"{url}/v1/inbox/acknowledgements", "POST", token=token, headers=headers, body=json.dumps(value))


async def test_what_was_leased_together_is_acknowledged_together_each_with_its_own_answer(
    node: Node, submission: str
) -> None:
    for conversation in "abc":
        await received(node, conversation=conversation)
    messages = await lease(submission, "?limit=3")
    assert (await say(submission, "quarantine", messages[1], reason="not_ours")).status == 200
    stranger = {**messages[0], "message_id": "0195c7a0-0000-7000-8000-00000000ffff"}
    answer = await acknowledge_together(submission, [*messages, stranger])
    assert answer.status == 200
    told = answer.json()["messages"]
    assert [(one["message_id"], one["status"]) for one in told] == [
        (messages[0]["message_id"], 200),
        (messages[1]["message_id"], 409),
        (messages[2]["message_id"], 200),
        (stranger["message_id"], 404),
    ]
    assert (told[0]["hand_over"], told[1]["code"], told[3]["code"]) == (
        "HANDED_OVER",
        "hand_over.lease_lost",
        "request.not_found",
    )
    assert (await acknowledge_together(submission, messages[:1])).json()["messages"] == told[:1]
    events = [one.entry.event for one in await node.store.audit()]
    assert events.count(AuditEvent.HAND_OVER_ACKNOWLEDGED) == 2


async def test_another_party_s_messages_are_not_acknowledged_by_naming_them_together(
    node: Node, submission: str
) -> None:
    await received(node)
    messages = await lease(submission)
    answer = await acknowledge_together(submission, messages, token="stranger")
    assert [one["status"] for one in answer.json()["messages"]] == [404]
    assert (await row_of(node, messages[0]["message_id"])).hand_over is HandOverState.IN_FLIGHT


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"messages": []},
        {"messages": {}},
        {"messages": ["0195c7a0-0000-7000-8000-00000000ffff"]},
        {"messages": [{"message_id": "0195c7a0-0000-7000-8000-00000000ffff"}]},
        {"messages": [{"message_id": "x", "lease": "eA"}]},
        {"messages": [{"message_id": "0195c7a0-0000-7000-8000-00000000ffff", "lease": 1}]},
        {"messages": [{"message_id": "0195c7a0-0000-7000-8000-00000000ffff", "lease": "eA"}] * 65},
        {"messages": [{"message_id": "0195c7a0-0000-7000-8000-00000000ffff", "lease": "eA"}], "more": 1},
    ],
)
async def test_acknowledgements_of_another_form_are_refused_as_a_whole(submission: str, body: object) -> None:
    answer = await acknowledge_raw(submission, body)
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_a_lease_that_ended_is_refused_and_the_message_comes_again(node: Node, submission: str) -> None:
    message_id = await received(node)
    (late,) = await lease(submission)
    node.clock.move(LEASE + timedelta(seconds=1))
    await sweep(node)
    for act, members in (("acknowledgement", {}), ("postponement", {"reason": "x"}), ("quarantine", {"reason": "x"})):
        refused = await say(submission, act, late, **members)
        assert (refused.status, refused.code) == (409, "hand_over.lease_lost")
        assert "Retry-After" not in refused.headers
    (again,) = await lease(submission)
    assert (again["message_id"], again["document"], again["attempt"]) == (message_id, late["document"], 2)
    assert (await say(submission, "acknowledgement", late)).code == "hand_over.lease_lost"
    assert (await say(submission, "acknowledgement", again)).status == 200
    assert (await say(submission, "acknowledgement", late)).code == "hand_over.lease_lost"


async def test_an_acknowledgement_after_its_time_counts_while_nobody_took_the_message_back(
    node: Node, submission: str
) -> None:
    await received(node)
    (message,) = await lease(submission)
    node.clock.move(LEASE + timedelta(seconds=1))
    assert (await say(submission, "acknowledgement", message)).status == 200


async def test_a_postponed_message_comes_again_after_its_wait(node: Node, submission: str) -> None:
    message_id = await received(node)
    (message,) = await lease(submission)
    told = await say(submission, "postponement", message, reason="database_down")
    assert told.json()["hand_over"] == "PENDING"
    assert (await say(submission, "postponement", message, reason="database_down")).body == told.body
    row = await row_of(node, message_id)
    assert (row.last_code, row.last_detail) == ("channel.refused", "The back end gave it back: database_down")
    (entry,) = [one.entry for one in await node.store.audit() if one.entry.event is AuditEvent.HAND_OVER_FAILED]
    assert (entry.actor, entry.facts["reason"]) == ("client:fetcher", "database_down")
    assert await lease(submission) == []
    assert (await say(submission, "acknowledgement", message)).code == "hand_over.lease_lost"
    node.clock.move(timedelta(seconds=15))
    (again,) = await lease(submission)
    assert again["attempt"] == 2


async def test_postponed_too_often_it_comes_to_rest(node: Node, submission: str) -> None:
    message_id = await received(node)
    states = []
    for _ in range(3):
        (message,) = await lease(submission)
        told = await say(submission, "postponement", message, reason="not_now")
        assert (await say(submission, "postponement", message, reason="not_now")).body == told.body
        states.append(told.json()["hand_over"])
        node.clock.move(timedelta(seconds=15))
    assert states == ["PENDING", "PENDING", "QUARANTINED"]
    assert await lease(submission) == []
    assert (await row_of(node, message_id)).hand_over is HandOverState.QUARANTINED


async def test_a_quarantined_message_blocks_its_conversation_and_no_other(node: Node, submission: str) -> None:
    await received(node, sequence=1)
    await received(node, sequence=2)
    (message,) = await lease(submission)
    told = await say(submission, "quarantine", message, reason="not_ours")
    assert told.json()["hand_over"] == "QUARANTINED"
    assert (await say(submission, "quarantine", message, reason="not_ours")).body == told.body
    assert (await say(submission, "acknowledgement", message)).code == "hand_over.lease_lost"
    other = await received(node, conversation="d")
    assert [one["message_id"] for one in await lease(submission, "?limit=9")] == [other]
    assert AuditEvent.HAND_OVER_EXHAUSTED in [one.entry.event for one in await node.store.audit()]


@pytest.mark.parametrize("reason", ["", "Not ours", "GB123456789000", "a" * 65, "a\nb", "1st"])
async def test_a_reason_is_a_word_of_a_program_and_nothing_a_document_says(
    node: Node, submission: str, reason: str
) -> None:
    message_id = await received(node)
    (message,) = await lease(submission)
    for act in ("postponement", "quarantine"):
        answer = await say(submission, act, message, reason=reason)
        assert (answer.status, answer.code) == (400, "request.malformed")
        assert reason == "" or reason not in answer.text
    assert (await row_of(node, message_id)).hand_over is HandOverState.IN_FLIGHT


@pytest.mark.parametrize("token", ["", "x", "Zm9v", _part(b"FR-DGDDI/"), _part(b"FR-DGDDI/-1"), _part(b"fr/1"), "ü"])
async def test_what_is_no_lease_is_refused(node: Node, submission: str, token: str) -> None:
    message_id = await received(node)
    answer = await say(submission, "acknowledgement", {"message_id": message_id, "lease": {"token": token}})
    assert (answer.status, answer.code) == (400, "request.malformed")


@pytest.mark.parametrize("claim", [f"{OTHER}/1", f"{PARTNER}/2", f"{PARTNER}/0"])
async def test_a_lease_that_was_never_given_opens_nothing(node: Node, submission: str, claim: str) -> None:
    message_id = await received(node)
    await lease(submission)
    told = await say(
        submission, "acknowledgement", {"message_id": message_id, "lease": {"token": _part(claim.encode())}}
    )
    assert told.status in {404, 409}
    assert (await row_of(node, message_id)).hand_over is HandOverState.IN_FLIGHT
