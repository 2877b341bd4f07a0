"""Forms of the console: what people do and see through them, and that nobody else can send one."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from lxml import html

from gateway.audit import AuditEvent
from gateway.domain.ids import ConversationId, MessageId, PartyId, TransferId
from gateway.domain.lifecycle import HandOverEvent, TransferEvent, TransferState
from gateway.errors import StorageError, TrustError
from gateway.web.console.session import cookie_name
from gateway.web.texts import Texts
from tests.store_values import (
    HOME,
    LEASE,
    NOW,
    OTHER,
    PARTNER,
    accepted_evidence,
    attempt_of,
    evidence,
    hand_over_evidence,
    message_evidence,
)
from tests.unit.web.listening import SECRET, Node, ask, open_operations, send_form, signed_in
from tests.unit.web.test_console import PAGES, is_harmless, sign_in
from tests.unit.web.test_operations import REASON, accepted, dead_lettered, held

ENGLISH = Texts.load("en")
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{1234567*7654321}}</textarea></title>"


def shown(text: str) -> str:
    """Return what a person reads, spaces made one."""
    return " ".join(html.fromstring(text).text_content().split())


# ── acts ──


async def test_a_dead_letter_is_sent_again_from_its_page(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    answer = await send_form(operations, f"/console/transfers/{row.id}/requeue", "operator", reason="repaired")
    assert (answer.status, answer.headers["Location"]) == (303, f"/console/transfers/{row.id}?done=requeue")
    page = await ask(f"{operations}{answer.headers['Location']}", cookies=signed_in(operations, "operator"))
    assert ENGLISH("done.requeue") in shown(page.text)
    record = (await node.store.audit(transfer_id=row.id))[-1].entry
    assert (record.event, record.actor) == (AuditEvent.TRANSFER_REQUEUED, "operator:operator-1")
    assert record.facts["reason"] == "repaired"


async def test_what_can_not_be_cancelled_is_refused_as_a_page(node: Node, operations: str) -> None:
    row = await accepted(node)
    path = f"/console/transfers/{row.id}/cancel"
    assert (await send_form(operations, path, "operator", reason="by mistake")).status == 303
    again = await send_form(operations, path, "operator", reason="by mistake")
    assert again.status == 409
    assert "transfer.illegal_transition" in again.text
    assert ENGLISH("nav.transfers") in again.text


async def test_a_held_transfer_is_skipped_with_a_reason(node: Node, operations: str) -> None:
    row = await held(node)
    answer = await send_form(operations, f"/console/transfers/{row.id}/skip", "operator", reason="hopeless")
    assert answer.headers["Location"] == f"/console/transfers/{row.id}?done=skip"
    page = await ask(f"{operations}{answer.headers['Location']}", cookies=signed_in(operations, "operator"))
    assert ENGLISH("done.skip") in shown(page.text)
    assert (await send_form(operations, f"/console/transfers/{row.id}/skip", "operator", reason="x")).status == 409


async def test_an_officer_releases_a_held_transfer_from_its_page(node: Node, operations: str) -> None:
    row = await held(node, approvals=2)
    path = f"/console/transfers/{row.id}"
    page = shown((await ask(f"{operations}{path}", cookies=signed_in(operations, "officer"))).text)
    assert ENGLISH("why.held.rules") in page
    assert f"{REASON.message} {REASON.code} {REASON.path}" in page
    assert ENGLISH("can.release_more") in page
    answer = await send_form(operations, f"{path}/release", "officer", reason="looked at it")
    assert answer.headers["Location"] == f"{path}?done=approved"
    page = shown(
        (await ask(f"{operations}{answer.headers['Location']}", cookies=signed_in(operations, "officer"))).text
    )
    assert ENGLISH("done.approved") in page
    assert ENGLISH("holds.so_many", given=1, needed=2) in page
    again = await send_form(operations, f"{path}/release", "officer", reason="looked at it twice")
    assert (again.status, "transfer.approved_before" in again.text) == (409, True)


async def test_an_operator_is_told_that_an_officer_releases(node: Node, operations: str) -> None:
    row = await held(node)
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies=signed_in(operations, "operator"))
    actions = [form.get("action") for form in html.fromstring(page.text).iter("form")]
    assert actions == ["/console/sign-out", *(f"/console/transfers/{row.id}/{verb}" for verb in ("cancel", "skip"))]
    assert ENGLISH("can.needs_officer") in shown(page.text)
    refused = await send_form(operations, f"/console/transfers/{row.id}/release", "operator", reason="mine")
    assert refused.status == 403


async def test_a_waiting_transfer_is_held_and_released_from_its_page(node: Node, operations: str) -> None:
    row = await accepted(node)
    path = f"/console/transfers/{row.id}"
    answer = await send_form(operations, f"{path}/hold", "operator", reason="a call from the port")
    assert answer.headers["Location"] == f"{path}?done=hold"
    page = shown(
        (await ask(f"{operations}{answer.headers['Location']}", cookies=signed_in(operations, "operator"))).text
    )
    assert f"{ENGLISH('why.held.operator')} a call from the port" in page
    answer = await send_form(operations, f"{path}/release", "officer", reason="nothing found")
    assert answer.headers["Location"] == f"{path}?done=released"
    page = shown(
        (await ask(f"{operations}{answer.headers['Location']}", cookies=signed_in(operations, "officer"))).text
    )
    assert ENGLISH("done.released") in page


async def test_what_waits_for_a_person_stands_on_the_overview_with_its_reason(node: Node, operations: str) -> None:
    row = await held(node)
    page = await ask(f"{operations}/console", cookies=signed_in(operations, "officer"))
    assert f"/console/transfers/{row.id}" in page.text
    assert f"{REASON.path}: {REASON.message}" in shown(page.text)
    documents = await send_form(
        operations, f"/console/transfers/{row.id}/documents", "officer", reason="before I release", show="all"
    )
    assert ENGLISH("documents.view_held", recipient=PARTNER) in shown(documents.text)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "two\nlines", "turned \u202e round"])
async def test_a_reason_that_is_none_changes_nothing(node: Node, operations: str, reason: str) -> None:
    row = await dead_lettered(node)
    for verb, word in (("requeue", "operator"), ("documents", "officer")):
        fields = {"show": "all"} if verb == "documents" else {}
        answer = await send_form(operations, f"/console/transfers/{row.id}/{verb}", word, reason=reason, **fields)
        assert answer.status == 400
        assert SECRET not in answer.text
    found = await node.store.transfer(row.id)
    assert found is not None
    assert found.row.state is TransferState.DEAD_LETTERED
    assert (await node.store.audit())[-1].entry.event is AuditEvent.TRANSFER_EXHAUSTED


async def test_an_auditor_gets_no_form_that_changes_anything(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies=signed_in(operations, "auditor"))
    actions = [form.get("action") for form in html.fromstring(page.text).iter("form")]
    assert actions == ["/console/sign-out", f"/console/transfers/{row.id}/documents"]
    assert ENGLISH("can.needs_role") in shown(page.text)


# ── who may send a form ──


@pytest.mark.parametrize(
    "forged",
    [
        {"form_token": ""},
        {"form_token": "0" * 64},
        {"form_token": "é"},
    ],
    ids=str,
)
async def test_a_form_without_the_token_of_its_session_does_nothing(
    node: Node, operations: str, forged: dict[str, str]
) -> None:
    row = await dead_lettered(node)
    path = f"/console/transfers/{row.id}/requeue"
    answer = await send_form(operations, path, "operator", form_token=forged["form_token"], reason="x")
    assert (answer.status, "access.forbidden" in answer.text) == (403, True)
    found = await node.store.transfer(row.id)
    assert found is not None
    assert found.row.state is TransferState.DEAD_LETTERED


async def test_a_form_made_for_another_session_does_nothing(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies=signed_in(operations, "officer"))
    (token, *_) = html.fromstring(page.text).xpath("//input[@name='form_token']/@value")
    path = f"/console/transfers/{row.id}/requeue"
    assert (await send_form(operations, path, "operator", form_token=str(token), reason="x")).status == 403
    assert (await send_form(operations, path, "officer", form_token=str(token), reason="x")).status == 303


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://elsewhere.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=str,
)
async def test_a_form_from_another_site_does_nothing_even_with_the_token(
    node: Node, operations: str, headers: dict[str, str]
) -> None:
    row = await dead_lettered(node)
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies=signed_in(operations, "operator"))
    (token, *_) = html.fromstring(page.text).xpath("//input[@name='form_token']/@value")
    answer = await ask(
        f"{operations}/console/transfers/{row.id}/requeue",
        "POST",
        headers={"Content-Type": "application/x-www-form-urlencoded", **headers},
        cookies=signed_in(operations, "operator"),
        body=f"reason=x&form_token={token}",
    )
    assert (answer.status, "another site" in answer.text) == (403, True)


async def test_a_form_with_fields_it_has_not_is_refused(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    path = f"/console/transfers/{row.id}/requeue"
    assert (await send_form(operations, path, "operator", reason="x", more="y")).status == 400
    assert (await send_form(operations, path, "operator")).status == 400
    many = {f"field{number}": "x" for number in range(20)}
    assert (await send_form(operations, path, "operator", **many)).status == 400


async def test_two_nodes_on_one_host_keep_their_own_sessions(node: Node, operations: str) -> None:
    async with open_operations(node.operations()) as other:
        answers = [await sign_in(url, "operator") for url in (operations, other)]
        names = [answer.headers["Set-Cookie"].partition("=")[0] for answer in answers]
        assert len(set(names)) == 2
        both = {**signed_in(operations, "operator"), **signed_in(other, "auditor")}
        assert "operator-1" in (await ask(f"{operations}/console", cookies=both)).text
        assert "auditor-1" in (await ask(f"{other}/console", cookies=both)).text


async def test_a_session_somebody_planted_is_replaced_by_signing_in(operations: str) -> None:
    planted = signed_in(operations, "planted")
    answer = await ask(
        f"{operations}/console/sign-in",
        "POST",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        cookies=planted,
        body="token=operator",
    )
    assert answer.headers["Set-Cookie"].startswith(f"{next(iter(planted))}=operator;")


def test_over_tls_only_this_host_itself_can_set_the_cookie() -> None:
    assert cookie_name("gateway.example:8443", secure=True).startswith("__Host-gateway-")
    assert cookie_name("GATEWAY.example:1", secure=True) == cookie_name("gateway.example:1", secure=True)
    assert cookie_name("gateway.example:1", secure=True) != cookie_name("gateway.example:2", secure=True)


# ── documents ──


async def test_documents_are_shown_after_the_reason_is_on_record(node: Node, operations: str) -> None:
    row = await accepted(node)
    path = f"/console/transfers/{row.id}/documents"
    answer = await send_form(operations, path, "officer", reason="asked by the court", show="all")
    assert answer.status == 200
    assert SECRET in answer.text
    assert "policy.yaml:7" in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    record = (await node.store.audit(transfer_id=row.id))[-1].entry
    assert (record.event, record.actor) == (AuditEvent.DOCUMENT_SHOWN, "operator:officer-1")
    assert record.facts == {"reason": "asked by the court", "state": "QUEUED"}
    page = await ask(f"{operations}/console/transfers/{row.id}", cookies=signed_in(operations, "auditor"))
    assert ENGLISH("event.document.shown") in shown(page.text)
    assert SECRET not in page.text


async def test_nothing_is_shown_when_it_can_not_be_recorded(
    node: Node, operations: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await accepted(node)

    async def fails(_entry: object) -> None:
        raise StorageError("storage.unavailable")

    monkeypatch.setattr(node.store, "record", fails)
    answer = await send_form(
        operations, f"/console/transfers/{row.id}/documents", "officer", reason="asked", show="all"
    )
    assert answer.status == 503
    assert SECRET not in answer.text


@pytest.mark.parametrize("word", ["operator", "admin", "security", "backend"])
async def test_nobody_else_sees_a_document_and_no_record_says_so(node: Node, operations: str, word: str) -> None:
    row = await accepted(node)
    answer = await send_form(operations, f"/console/transfers/{row.id}/documents", word, reason="asked", show="all")
    assert answer.status == 403
    assert SECRET not in answer.text
    assert (await node.store.audit(transfer_id=row.id))[-1].entry.event is AuditEvent.TRANSFER_ACCEPTED


async def test_a_document_that_is_no_longer_kept_is_said_to_be_gone(
    node: Node, operations: str, tmp_path: Path
) -> None:
    row = await accepted(node)
    for table, column, key, text in (
        ("original", "submission_id", row.submission_id, "documents.original_gone"),
        ("payload", "transfer_id", row.id, "documents.view_gone"),
    ):
        with closing(sqlite3.connect(tmp_path / "data" / "gateway.db")) as database:
            database.execute(f"DELETE FROM {table} WHERE {column} = ?", (key,))
            database.commit()
        answer = await send_form(
            operations, f"/console/transfers/{row.id}/documents", "officer", reason="asked", show="all"
        )
        assert answer.status == 200
        assert ENGLISH(text) in shown(answer.text)
        assert ENGLISH("documents.disagrees") not in shown(answer.text)


async def test_what_can_not_be_unsealed_is_an_error_on_a_page(
    node: Node, operations: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_self: Node, _job: object) -> None:
        raise TrustError("trust.unsealing_failed")

    row = await accepted(node)
    monkeypatch.setattr(Node, "look", broken)
    async with open_operations(node.operations()) as url:
        path = f"/console/transfers/{row.id}/documents"
        answer = await send_form(url, path, "officer", reason="asked", show="all")
    assert answer.status >= 400
    assert "trust.unsealing_failed" in answer.text


# ── what others can choose ──


async def _hostile_node(node: Node) -> tuple[TransferId, MessageId]:
    """Fill a store with markup wherever a partner, a client or an operator can choose the words."""
    party, conversation = PartyId(HOSTILE), HOSTILE
    change = node.values.submission(party, sender=party, conversation=conversation)
    await node.store.accept(change, accepted_evidence(change))
    (claimed,) = await node.store.claim(party, limit=1, now=NOW, lease=LEASE)
    await node.store.settle(
        claimed.row,
        TransferEvent.EXHAUSTED,
        audit=evidence(claimed.row, TransferEvent.EXHAUSTED),
        now=NOW,
        fence=claimed.fence,
        attempt=attempt_of(claimed.row, "failed", HOSTILE),
        receipt=(node.values.receipt_for(claimed.row)[0], HOSTILE),
        code=HOSTILE,
        detail=HOSTILE,
    )
    await node.store.partner_failed(party, now=NOW, not_before=NOW + timedelta(minutes=1), code=HOSTILE)
    message = node.values.admitted(sender=party, recipient=party, conversation=conversation)
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    (taken,) = await node.store.claim_hand_overs(recipients=[party], limit=1, now=NOW, lease=LEASE)
    await node.store.settle_hand_over(
        taken.row,
        HandOverEvent.EXHAUSTED,
        audit=hand_over_evidence(taken.row, HandOverEvent.EXHAUSTED),
        now=NOW,
        fence=taken.fence,
        code=HOSTILE,
        detail=HOSTILE,
    )
    return claimed.row.id, message.header.message_id


async def test_nothing_that_others_choose_becomes_markup(node: Node, operations: str) -> None:
    transfer_id, message_id = await _hostile_node(node)
    found = 0
    pages = [*PAGES[1:], f"/console/transfers/{transfer_id}", f"/console/inbox/{message_id}"]
    for path in pages:
        page = await ask(f"{operations}{path}", cookies=signed_in(operations, "officer"))
        assert page.status == 200, path
        assert is_harmless(page.text), path
        found += html.fromstring(page.text).text_content().count(HOSTILE)
        assert str(1234567 * 7654321) not in page.text
    assert found > 10


async def test_a_reason_is_shown_and_never_obeyed(node: Node, operations: str) -> None:
    row = await dead_lettered(node)
    path = f"/console/transfers/{row.id}"
    await send_form(operations, f"{path}/requeue", "operator", reason=HOSTILE)
    document = await send_form(operations, f"{path}/documents", "officer", reason=HOSTILE, show="all")
    page = await ask(f"{operations}{path}", cookies=signed_in(operations, "operator"))
    for text in (document.text, page.text):
        assert is_harmless(text)
        assert HOSTILE in html.fromstring(text).text_content()


async def test_a_reference_is_searched_and_never_written_back(node: Node, operations: str) -> None:
    rows = [await accepted(node, "24GB0001")]
    page = await ask(
        f"{operations}/console/transfers?reference=mrn:24GB0001&limit=1", cookies=signed_in(operations, "operator")
    )
    assert rows[0].id in page.text
    assert "24GB0001" not in page.text
    assert ENGLISH("transfers.by_reference") in page.text


# ── the other pages ──


async def test_the_overview_puts_first_what_needs_a_person(node: Node, operations: str) -> None:
    calm = await ask(f"{operations}/console", cookies=signed_in(operations, "operator"))
    assert ENGLISH("overview.nothing") in shown(calm.text)
    row = await dead_lettered(node)
    waiting = await accepted(node, "24GB0002")
    await node.store.partner_failed(
        PARTNER, now=NOW, not_before=NOW + timedelta(seconds=40), code="channel.tls_refused"
    )
    page = await ask(f"{operations}/console", cookies=signed_in(operations, "operator"))
    told = shown(page.text)
    for expected in (
        ENGLISH("overview.dead"),
        ENGLISH("overview.troubled"),
        ENGLISH.explain("channel.tls_refused"),
        "2026-03-01 09:30:40 UTC (in 40 s)",
        ENGLISH("overview.oldest"),
    ):
        assert expected in told
    assert told.index(ENGLISH("overview.dead")) < told.index(ENGLISH("overview.sent"))
    assert f"/console/transfers/{row.id}" in page.text
    assert f"/console/transfers/{waiting.id}" in page.text


async def test_a_quarantined_message_is_found_from_the_overview(node: Node, operations: str) -> None:
    message = node.values.admitted(in_reply_to=None, conversation=ConversationId(node.values.uuid4()))
    await node.store.admit(message, now=NOW, audit=message_evidence(message))
    (taken,) = await node.store.claim_hand_overs(recipients=[HOME], limit=1, now=NOW, lease=LEASE)
    await node.store.settle_hand_over(
        taken.row,
        HandOverEvent.EXHAUSTED,
        audit=hand_over_evidence(taken.row, HandOverEvent.EXHAUSTED),
        now=NOW,
        fence=taken.fence,
        code="channel.unexpected_answer",
    )
    cookies = signed_in(operations, "auditor")
    overview = await ask(f"{operations}/console", cookies=cookies)
    link = f"/console/inbox/{message.header.message_id}"
    assert link in overview.text
    listed = await ask(f"{operations}/console/inbox?state=QUARANTINED", cookies=cookies)
    assert link in listed.text
    told = shown((await ask(f"{operations}{link}", cookies=cookies)).text)
    assert ENGLISH("hand_meaning.QUARANTINED") in told
    assert ENGLISH.explain("channel.unexpected_answer", of_hand_over=True) in told
    assert "risk analysis" in told
    refused = await send_form(operations, f"{link}/release", "auditor", reason="mended", sender=PARTNER)
    assert refused.status == 403
    for sender, status in (("no party", 400), (OTHER, 404), (PARTNER, 303)):
        answer = await send_form(operations, f"{link}/release", "operator", reason="mended", sender=sender)
        assert answer.status == status
    record = (await node.store.audit(message_id=message.header.message_id))[-1].entry
    assert (record.event, record.facts["reason"]) == (AuditEvent.HAND_OVER_RELEASED, "mended")
    after = await ask(f"{operations}{link}?done=release", cookies=cookies)
    assert ENGLISH("done.release") in shown(after.text)
    assert ENGLISH("hand_meaning.PENDING") in shown(after.text)


async def test_partners_show_agreements_and_when_keys_end(operations: str) -> None:
    told = shown((await ask(f"{operations}/console/partners", cookies=signed_in(operations, "auditor"))).text)
    for expected in (
        ENGLISH("reach.untried"),
        ENGLISH("agreement_state.in_force"),
        ENGLISH("partners.no_agreement"),
        ENGLISH("partners.no_keys"),
        ENGLISH("key_state.ending"),
        "in 10 days",
        f"Keys and certificates of {HOME}",
    ):
        assert expected in told


async def test_a_receipt_is_a_file_and_only_if_there_is_one(node: Node, operations: str) -> None:
    row = await accepted(node)
    cookies = signed_in(operations, "auditor")
    assert (await ask(f"{operations}/console/transfers/{row.id}/receipt", cookies=cookies)).status == 404
    (claimed,) = await node.store.claim(PARTNER, limit=1, now=NOW, lease=LEASE)
    receipt = node.values.receipt_for(claimed.row)
    await node.store.settle(
        claimed.row,
        TransferEvent.ACCEPTED,
        audit=evidence(claimed.row, TransferEvent.ACCEPTED),
        now=NOW,
        fence=claimed.fence,
        receipt=receipt,
    )
    answer = await ask(f"{operations}/console/transfers/{row.id}/receipt", cookies=cookies)
    assert (answer.status, answer.text) == (200, receipt[1])
    assert answer.headers["Content-Type"].startswith("application/jose")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="receipt-{row.message_id}.jws"'


async def test_pages_keep_others_out_of_their_window_and_their_referrer(operations: str) -> None:
    page = await ask(f"{operations}/console", cookies=signed_in(operations, "operator"))
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }.items():
        assert page.headers[name] == value
