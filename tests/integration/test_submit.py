import asyncio
import gc
import weakref
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.audit import AuditEvent
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.lifecycle import TransferState
from gateway.domain.telling import Telling
from gateway.errors import GatewayError, RequestError, SchemaError
from gateway.exchange.submit import RecipientsRefusedError, fingerprint
from tests.integration.desk_pair import FR, Pair, request, sample


async def events(pair: Pair) -> list[AuditEvent]:
    return [record.entry.event for record in await pair.gb.store.audit()]


async def test_an_accepted_submission_is_queued_with_its_evidence(pair: Pair) -> None:
    row, replayed = await pair.gb.submit(request())
    assert not replayed
    assert [transfer.state for transfer in row.transfers] == [TransferState.QUEUED]
    assert await events(pair) == [AuditEvent.SUBMISSION_ACCEPTED, AuditEvent.TRANSFER_ACCEPTED]


async def test_asking_again_with_the_same_key_gives_the_original_answer(pair: Pair) -> None:
    first, _ = await pair.gb.submit(request())
    again, replayed = await pair.gb.submit(request())
    assert replayed
    assert again.id == first.id
    assert len(await pair.gb.store.transfers(limit=10)) == 1


async def test_the_same_key_for_another_document_is_refused(pair: Pair) -> None:
    await pair.gb.submit(request())
    with pytest.raises(RequestError) as refused:
        await pair.gb.submit(request(sample("export-one-item.xml")))
    assert refused.value.code == "request.idempotency_key_reused"


async def test_two_equal_requests_at_once_give_one_submission(pair: Pair) -> None:
    results = await asyncio.gather(*(pair.gb.submit(request()) for _ in range(5)), return_exceptions=True)
    rows = [one for one in results if not isinstance(one, BaseException)]
    late = [one for one in results if isinstance(one, RequestError)]
    assert len(rows) == 1
    assert {error.code for error in late} == {"request.idempotency_in_progress"}
    assert len(await pair.gb.store.transfers(limit=10)) == 1


async def test_a_refused_document_stores_nothing_but_its_evidence_and_frees_the_key(pair: Pair) -> None:
    with pytest.raises(RecipientsRefusedError):
        await pair.gb.submit(request(b"<a/>"))
    assert await pair.gb.store.transfers(limit=10) == []
    assert await events(pair) == [AuditEvent.SUBMISSION_REFUSED]
    row, replayed = await pair.gb.submit(request())
    assert (len(row.transfers), replayed) == (1, False)


async def test_a_refused_document_is_let_go_at_once(pair: Pair) -> None:
    """An error that knows itself by its traceback would keep the request, until Python's collector comes by."""
    gc.disable()
    try:
        known: list[weakref.ref[RecipientsRefusedError]] = []
        try:
            await pair.gb.submit(request(b"<a/>"))
        except RecipientsRefusedError as refused:
            known.append(weakref.ref(refused))
        assert [one() for one in known] == [None]
    finally:
        gc.enable()


async def test_one_recipient_without_an_agreement_refuses_all(pair: Pair) -> None:
    with pytest.raises(RecipientsRefusedError) as refused:
        await pair.gb.submit(request(to=(FR, PartyId("NL-DOUANE"))))
    assert {party: error.code for party, error in refused.value.problems.items()} == {"NL-DOUANE": "agreement.none"}
    assert await pair.gb.store.transfers(limit=10) == []


async def test_messages_of_one_case_share_a_conversation_in_order_of_acceptance(pair: Pair) -> None:
    rows = [
        (await pair.gb.submit(request(sample(name), key=f"key-{number}", case="case 7")))[0]
        for number, name in enumerate(("import-two-items.xml", "amendment.xml", "arrival.xml"))
    ]
    transfers = [row.transfers[0] for row in rows]
    assert len({transfer.conversation for transfer in transfers}) == 1
    assert [transfer.sequence for transfer in transfers] == [1, 2, 3]


async def test_messages_that_share_a_reference_share_a_conversation_without_being_told(pair: Pair) -> None:
    first, _ = await pair.gb.submit(request(key="key-1"))
    second, _ = await pair.gb.submit(request(key="key-2"))
    assert second.transfers[0].conversation == first.transfers[0].conversation
    assert second.transfers[0].sequence == 2


async def test_documents_without_a_common_reference_are_strangers(pair: Pair) -> None:
    first, _ = await pair.gb.submit(request(key="key-1"))
    second, _ = await pair.gb.submit(request(sample("export-one-item.xml"), key="key-2"))
    assert second.transfers[0].conversation != first.transfers[0].conversation


async def test_submissions_of_one_case_at_once_get_gapless_places(pair: Pair) -> None:
    names = ["import-two-items.xml", "amendment.xml", "arrival.xml", "export-one-item.xml"]
    rows = await asyncio.gather(*(pair.gb.submit(request(sample(name), key=name, case="case 7")) for name in names))
    transfers = [row.transfers[0] for row, _ in rows]
    assert sorted(transfer.sequence for transfer in transfers) == [1, 2, 3, 4]
    assert len({transfer.conversation for transfer in transfers}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"to": (FR, PartyId("NL-DOUANE"))},
        {"case": "case 7"},
        {"in_reply_to": MessageId("01990000-0000-7000-8000-000000000002")},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_the_same_key_with_another_parameter_is_another_request(pair: Pair, changed: dict[str, Any]) -> None:
    await pair.gb.submit(request())
    with pytest.raises(RequestError) as refused:
        await pair.gb.submit(replace(request(), **renamed(changed)))
    assert refused.value.code == "request.idempotency_key_reused"


def renamed(changed: dict[str, Any]) -> dict[str, Any]:
    names = {"to": "recipients", "case": "conversation_key"}
    return {names.get(name, name): value for name, value in changed.items()}


async def test_the_order_of_recipients_does_not_make_another_request() -> None:
    nl = PartyId("NL-DOUANE")
    assert fingerprint(request(to=(FR, nl))) == fingerprint(request(to=(nl, FR)))


async def test_a_value_that_its_submitter_asked_for_is_told_and_kept_nowhere(
    pair: Pair, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = sample("import-two-items.xml").replace(b"<TypeCode>IMA</TypeCode>", b"<TypeCode>CANARY-4711</TypeCode>")
    asked = replace(request(broken), telling=Telling(values=True))
    told = []
    for one in (request(broken), asked):
        with pytest.raises(RecipientsRefusedError) as refused:
            await pair.gb.submit(one)
        error = refused.value.problems[None]
        assert isinstance(error, SchemaError)
        told += [violation.value for violation in error.violations]
        assert "CANARY" not in f"{error} {error!r} {error.violations} {refused.value!r}"
    assert told == [None, "CANARY-4711"]
    written = capfd.readouterr()
    assert "CANARY" not in f"{await pair.gb.store.audit()} {caplog.text} {written.out} {written.err}"
    assert fingerprint(asked) == fingerprint(request(broken))


async def test_what_was_accepted_once_is_answered_the_same_whatever_would_be_said_of_it_now(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    records = len(await pair.gb.store.audit())
    pair.clock.ahead += timedelta(days=36_500)  # no agreement lasts so long
    again, replayed = await pair.gb.submit(request())
    assert (again, replayed) == (row, True)
    assert len(await pair.gb.store.audit()) == records
    with pytest.raises(RequestError) as reused:
        await pair.gb.submit(request(sample("cancellation.xml")))
    assert reused.value.code == "request.idempotency_key_reused"
    with pytest.raises(RecipientsRefusedError):
        await pair.gb.submit(request(key="another"))


async def test_the_answer_is_what_a_read_right_after_it_finds(pair: Pair) -> None:
    row, _ = await pair.gb.submit(request())
    assert await pair.gb.store.submission(row.id) == row


async def test_messages_of_one_case_that_come_together_keep_their_order(pair: Pair) -> None:
    await pair.gb.submit(request(sample("cancellation.xml"), key="before", case="case 7"))
    names = ["import-two-items.xml", "amendment.xml", "arrival.xml", "export-one-item.xml"]
    asked = [request(sample(name), key=name, case="case 7") for name in names]
    came = await pair.gb.submit.several([*asked[:2], request(b"<a/>", key="bad", case="case 7"), *asked[2:]])
    assert isinstance(came.pop(2), RecipientsRefusedError)
    transfers = [one[0].transfers[0] for one in came if not isinstance(one, GatewayError)]
    assert [transfer.sequence for transfer in transfers] == [2, 3, 4, 5]
    assert len({transfer.conversation for transfer in transfers}) == 1


async def test_what_came_together_may_come_together_again(pair: Pair) -> None:
    asked = [request(sample(name), key=name) for name in ("import-two-items.xml", "export-one-item.xml")]
    first = await pair.gb.submit.several(asked)
    again = await pair.gb.submit.several(asked)
    rows = [one for one in again if not isinstance(one, GatewayError)]
    assert [(row.id, replayed) for row, replayed in rows] == [
        (one[0].id, True) for one in first if not isinstance(one, GatewayError)
    ]
