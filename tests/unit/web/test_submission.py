"""The submission API as a national system sees it."""

import asyncio

import pytest

from gateway.audit import AuditEvent
from gateway.domain.lifecycle import TransferEvent
from tests.store_values import HOME, LEASE, NOW, OTHER, PARTNER, attempt_of, evidence, message_evidence
from tests.unit.web.listening import (
    BROKEN,
    FINE,
    SLOW,
    UNWELCOME,
    Node,
    ask,
    submit,
)


async def test_a_submission_is_accepted_for_every_recipient(submission: str) -> None:
    answer = await submit(submission, to=f"{PARTNER},{OTHER}")
    assert answer.status == 202
    told = answer.json()
    assert answer.headers["Location"] == f"/v1/submissions/{told['id']}"
    assert (told["status"], told["kind"], told["from"]) == ("in_progress", "declaration", HOME)
    assert {one["recipient"] for one in told["transfers"]} == {PARTNER, OTHER}
    for one in told["transfers"]:
        assert (one["state"], one["kept"], one["withheld"], one["sequence"]) == ("QUEUED", 61, 32, 1)
    again = await ask(f"{submission}{answer.headers['Location']}", token="submitter")
    assert again.json() == told


async def test_a_submitter_sees_that_a_partner_can_not_be_reached(node: Node, submission: str) -> None:
    location = (await submit(submission, to=f"{PARTNER},{OTHER}")).headers["Location"]
    await node.store.partner_failed(PARTNER, now=NOW, not_before=NOW, code="channel.unreachable", detail="nobody")
    (listed,) = (await ask(f"{submission}/v1/submissions", token="submitter")).json()["submissions"]
    for told in (listed, (await ask(f"{submission}{location}", token="submitter")).json()):
        difficulties = {one["recipient"]: (one["code"], one["detail"]) for one in told["transfers"]}
        reached = f"{PARTNER} can not be reached: nobody"
        assert difficulties == {PARTNER: ("channel.unreachable", reached), OTHER: ("", "")}


async def test_the_same_request_again_gives_the_same_submission(submission: str) -> None:
    first, second = await submit(submission), await submit(submission)
    assert second.status == 202
    assert second.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"


async def test_a_key_used_for_another_request_is_refused(submission: str) -> None:
    await submit(submission)
    answer = await submit(submission, FINE + b"<!-- other -->")
    assert (answer.status, answer.code) == (422, "request.idempotency_key_reused")


async def test_the_same_key_at_the_same_time_is_told_to_wait(node: Node, submission: str) -> None:
    first = asyncio.create_task(submit(submission, SLOW))
    await node.workers.begun.wait()
    second = await submit(submission, SLOW)
    assert (second.status, second.code) == (409, "request.idempotency_in_progress")
    assert second.headers["Retry-After"] == "1"
    node.workers.may_end.set()
    assert (await first).status == 202


async def test_keys_of_two_clients_do_not_meet(submission: str) -> None:
    first = await submit(submission)
    second = await submit(submission, token="neighbour")
    assert first.json()["id"] != second.json()["id"]


@pytest.mark.parametrize("key", ["", "with blank", "é", "k" * 256])
async def test_a_key_is_one_to_255_visible_ascii_characters(submission: str, key: str) -> None:
    answer = await submit(submission, key=key)
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_a_key_is_required(submission: str) -> None:
    answer = await ask(
        f"{submission}/v1/submissions?to={PARTNER}",
        "POST",
        token="submitter",
        headers={"Content-Type": "application/xml"},
        body=FINE,
    )
    assert (answer.status, answer.code) == (400, "request.idempotency_key_missing")


async def test_a_broken_document_is_refused_with_its_violations_and_nothing_is_stored(
    node: Node, submission: str
) -> None:
    answer = await submit(submission, BROKEN)
    assert (answer.status, answer.code) == (422, "schema.invalid")
    assert answer.json()["violations"][0]["line"] == 7
    assert (await ask(f"{submission}/v1/submissions", token="submitter")).json()["submissions"] == []
    assert [record.entry.event for record in await node.store.audit()] == [AuditEvent.SUBMISSION_REFUSED]


async def test_one_refused_recipient_refuses_all_and_each_is_named(submission: str) -> None:
    answer = await submit(submission, UNWELCOME, to=f"{PARTNER},{OTHER}")
    assert (answer.status, answer.code) == (422, "request.recipients_refused")
    told = {one["recipient"]: one["code"] for one in answer.json()["recipients"]}
    assert told == {PARTNER: "agreement.none", OTHER: "schema.invalid"}


async def test_a_refused_request_may_come_again_under_its_key(submission: str) -> None:
    assert (await submit(submission, BROKEN)).status == 422
    assert (await submit(submission, FINE)).status == 202


async def test_a_client_speaks_only_for_its_own_parties(submission: str) -> None:
    answer = await submit(submission, query=f"&from={OTHER}")
    assert (answer.status, answer.code) == (403, "access.forbidden")


async def test_a_client_of_several_parties_names_one(submission: str) -> None:
    missing = await submit(submission, token="broker")
    assert (missing.status, missing.code) == (400, "request.malformed")
    named = await submit(submission, token="broker", query=f"&from={HOME}")
    assert named.status == 202


@pytest.mark.parametrize(
    "query",
    [
        "to=",
        "to=nobody",
        "to=FR-DGDDI,FR-DGDDI",
        "to=FR-DGDDI&to=NL-DOUANE",
        "to=FR-DGDDI&form=GB-HMRC",
        "to=FR-DGDDI&from=gb",
        "to=FR-DGDDI&in_reply_to=7",
        "to=FR-DGDDI&in_reply_to=6f0e6d1c-3a55-4c3e-9a77-0d8d6a1f0c11",
        "to=FR-DGDDI&conversation=",
        "to=FR-DGDDI&conversation=%00",
        "",
    ],
)
async def test_a_query_that_is_not_understood_is_refused(submission: str, query: str) -> None:
    answer = await ask(
        f"{submission}/v1/submissions?{query}",
        "POST",
        token="submitter",
        headers={"Content-Type": "application/xml", "Idempotency-Key": "key-1"},
        body=FINE,
    )
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_a_client_sees_only_its_own_submissions(submission: str) -> None:
    theirs = (await submit(submission)).json()
    for path in (f"/v1/submissions/{theirs['id']}", f"/v1/transfers/{theirs['transfers'][0]['id']}/receipt"):
        answer = await ask(f"{submission}{path}", token="neighbour")
        assert (answer.status, answer.code) == (404, "request.not_found")
    assert (await ask(f"{submission}/v1/submissions", token="neighbour")).json()["submissions"] == []


async def test_what_is_no_id_names_nothing(submission: str) -> None:
    answer = await ask(f"{submission}/v1/submissions/..%2f..%2fetc", token="submitter")
    assert (answer.status, answer.code) == (404, "request.not_found")


async def test_submissions_are_listed_newest_first_page_by_page(submission: str) -> None:
    made = [(await submit(submission, key=f"key-{number}")).json()["id"] for number in range(3)]
    first = (await ask(f"{submission}/v1/submissions?limit=2", token="submitter")).json()
    assert [one["id"] for one in first["submissions"]] == [made[2], made[1]]
    second = (await ask(f"{submission}/v1/submissions?limit=2&before={first['next']}", token="submitter")).json()
    assert [one["id"] for one in second["submissions"]] == [made[0]]
    assert second["next"] is None


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1e2"])
async def test_a_limit_is_a_number_from_1_to_200(submission: str, limit: str) -> None:
    answer = await ask(f"{submission}/v1/submissions?limit={limit}", token="submitter")
    assert (answer.status, answer.code) == (400, "request.malformed")


async def test_a_receipt_is_given_out_as_the_bytes_that_came(node: Node, submission: str) -> None:
    transfer = (await submit(submission)).json()["transfers"][0]
    path = f"{submission}/v1/transfers/{transfer['id']}/receipt"
    early = await ask(path, token="submitter")
    assert (early.status, early.code) == (404, "request.not_found")
    claimed = (await node.store.claim(PARTNER, limit=1, now=NOW, lease=LEASE))[0]
    receipt = node.values.receipt_for(claimed.row)
    await node.store.settle(
        claimed.row,
        TransferEvent.ACCEPTED,
        audit=evidence(claimed.row, TransferEvent.ACCEPTED),
        now=NOW,
        fence=claimed.fence,
        attempt=attempt_of(claimed.row),
        sent=True,
        receipt=receipt,
    )
    answer = await ask(path, token="submitter")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/jose")
    assert answer.text == receipt[1]
    status = await ask(f"{submission}/v1/submissions", token="submitter")
    assert status.json()["submissions"][0]["status"] == "delivered"


async def test_an_answer_joins_the_conversation_of_what_it_answers(node: Node, submission: str) -> None:
    message = node.values.admitted()
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    answer = await submit(submission, query=f"&in_reply_to={message.header.message_id}")
    (transfer,) = answer.json()["transfers"]
    assert (transfer["in_reply_to"], transfer["conversation"], transfer["sequence"]) == (
        message.header.message_id,
        message.header.conversation,
        1,
    )


async def test_what_the_sender_never_got_from_a_recipient_can_not_be_answered(node: Node, submission: str) -> None:
    message = node.values.admitted()
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    before = len(await node.store.audit())
    answer = await submit(submission, to=f"{OTHER},{PARTNER}", query=f"&in_reply_to={message.header.message_id}")
    assert (answer.status, answer.code) == (422, "request.recipients_refused")
    (told,) = answer.json()["recipients"]
    assert (told["recipient"], told["code"]) == (OTHER, "message.answers_unknown")
    assert (await ask(f"{submission}/v1/submissions", token="submitter")).json()["submissions"] == []
    (record,) = (await node.store.audit())[before:]
    assert (record.entry.event, record.entry.facts["code"]) == (
        AuditEvent.SUBMISSION_REFUSED,
        "message.answers_unknown",
    )


async def test_a_submitter_sees_what_the_partner_answered(node: Node, submission: str) -> None:
    made = (await submit(submission)).json()
    assert made["transfers"][0]["answers"] == []
    row = (await node.store.claim(PARTNER, limit=1, now=NOW, lease=LEASE))[0].row
    message = node.values.admitted(in_reply_to=row.message_id, conversation=row.conversation)
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    told = (await ask(f"{submission}/v1/submissions/{made['id']}", token="submitter")).json()
    assert told["transfers"][0]["answers"] == [
        {
            "message_id": message.header.message_id,
            "kind": "declaration",
            "sequence": 1,
            "received": "2026-03-01T09:30:00.000Z",
            "hand_over": "PENDING",
            "handed_over": None,
        }
    ]
