"""The partner listener over real mutual TLS: who is let in, what goes back, what is recorded."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.audit import AuditEvent
from gateway.domain.batch import BATCH_TYPE
from gateway.domain.ids import PartyId
from gateway.domain.jobs import Unopened
from gateway.domain.lifecycle import TransferState
from gateway.domain.limits import max_envelope_bytes
from gateway.envelope import StatementType, sign_receipt, statement_type
from gateway.errors import EnvelopeError, GatewayError, StorageError
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.asked import Asked
from gateway.exchange.receive import Receive
from gateway.exchange.settle import Settle
from gateway.exchange.turn_away import TurnAway
from gateway.trust import KeyFiles, PartnerGate
from gateway.web import PartnerParts, partner_app, serve
from tests.pki import TestPki, forge, make_pki, uri
from tests.store_values import HOME, LEASE, NOW, PARTNER, accepted_evidence
from tests.unit.web.listening import Answer, Node

DOCUMENT_BYTES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerDoor:
    """The listener of HOME, open, and ways to knock as PARTNER."""

    node: Node
    pki: TestPki
    url: str
    made: list[str] = field(default_factory=list)

    def context(self, identity: KeyFiles | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.pki.roots))
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    async def knock(
        self,
        path: str,
        method: str = "GET",
        *,
        identity: KeyFiles | None = None,
        body: Any = None,
        media_type: str = "application/jose",
    ) -> Answer:
        headers = {} if body is None else {"Content-Type": media_type}
        context = self.context(identity or self.pki[PARTNER].tls)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.url}{path}", ssl=context, data=body, headers=headers) as response,
        ):
            return Answer(status=response.status, headers=response.headers.copy(), body=await response.read())

    async def send(self, body: Any, media_type: str = "application/jose") -> Answer:
        return await self.knock("/exchange/v1/messages", "POST", body=body, media_type=media_type)

    async def events(self) -> list[AuditEvent]:
        return [record.entry.event for record in await self.node.store.audit()]


@asynccontextmanager
async def open_partner(node: Node, folder: Path) -> AsyncIterator[PartnerDoor]:
    pki = make_pki(folder, [HOME, PARTNER], NOW)
    ours = pki[HOME]
    trust = ours.trust(node.clock.now)
    gate = PartnerGate(trust, clock=node.clock.now)
    receive = Receive(
        store=node.store,
        workers=node.workers,
        trust=trust,
        clock=node.clock,
        ids=node.ids,
        bells=node.bells,
        telemetry=node.lines,
        arrivals=Arrivals(clock=node.clock, bells=node.bells, lease=LEASE),
    )
    made: list[str] = []

    def capabilities(partner: PartyId, _now: object) -> str:
        made.append(partner)
        return f"capabilities.{len(made)}"

    parts = PartnerParts(
        door=node.door("partner"),
        receive=receive,
        asked=Asked(store=node.store, trust=trust, clock=node.clock, ids=node.ids, own=[HOME]),
        settle=Settle(store=node.store, workers=node.workers, clock=node.clock),
        turn_away=TurnAway(store=node.store, clock=node.clock, telemetry=node.lines),
        peers=gate,
        capabilities=capabilities,
        pong=lambda partner, _now: f"pong.{partner}",
        max_document_bytes=DOCUMENT_BYTES,
    )
    listener = await serve(
        partner_app(parts),
        host="127.0.0.1",
        port=0,
        ssl_context=gate.server_context(ours.tls),
        stop_within=timedelta(seconds=1),
    )
    try:
        yield PartnerDoor(node=node, pki=pki, url=listener.url, made=made)
    finally:
        await listener.stop()


@pytest.fixture
async def door(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PartnerDoor]:
    # OpenSSL looks at the real clock in the handshake, so certificates must be valid by it.
    from datetime import UTC, datetime

    now = datetime.now(UTC).replace(microsecond=0)
    monkeypatch.setattr("tests.unit.web.test_partner.NOW", now)
    node.clock.moment = now
    async with open_partner(node, tmp_path / "pki") as opened:
        yield opened


async def test_an_accepted_message_is_answered_with_its_receipt_and_again_with_the_same(door: PartnerDoor) -> None:
    message = door.node.values.admitted(now=door.node.clock.now())
    door.node.workers.admit_result = message
    first, second = await door.send(b"a.b.c.d.e"), await door.send(b"a.b.c.d.e")
    for answer in (first, second):
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/jose")
        assert answer.text == message.receipt_token
    fetched = await door.knock(f"/exchange/v1/receipts/{message.header.message_id}")
    assert (fetched.status, fetched.text) == (200, message.receipt_token)
    assert await door.events() == [AuditEvent.MESSAGE_ACCEPTED, AuditEvent.MESSAGE_DUPLICATE]
    assert [job.channel_party for job in door.node.workers.admitted] == [PARTNER, PARTNER]


async def test_messages_that_come_together_leave_one_line_and_one_more_for_each_that_was_not_taken(
    door: PartnerDoor,
) -> None:
    def told() -> list[tuple[Any, ...]]:
        lines = [one for one in door.node.lines.kept if one["action"] in {"message.group", "message.receive"}]
        return [(one["action"], one["outcome"], one.get("messages"), one.get("taken")) for one in lines]

    door.node.workers.admit_result = door.node.values.admitted(now=door.node.clock.now())
    batch, lines = b"a.b.c.d.e\na.b.c.d.e", "/exchange/v1/batches"
    assert (await door.knock(lines, "POST", body=batch, media_type=BATCH_TYPE)).status == 200
    assert told() == [("message.group", "success", 2, 2)]
    assert await door.events() == [AuditEvent.MESSAGE_ACCEPTED, AuditEvent.MESSAGE_DUPLICATE]
    error = EnvelopeError("envelope.malformed")
    door.node.workers.admit_result = Unopened(envelope_sha256="0" * 64, error=error, problem=None, token="a.b.c")
    assert (await door.knock(lines, "POST", body=batch, media_type=BATCH_TYPE)).status == 200
    alone = ("message.receive", "failure", None, None)
    assert told()[1:] == [("message.group", "failure", 2, 0), alone, alone]


async def test_another_message_under_a_known_id_is_a_conflict_with_a_signed_refusal(door: PartnerDoor) -> None:
    values, now = door.node.values, door.node.clock.now()
    first = values.admitted(now=now)
    door.node.workers.admit_result = first
    await door.send(b"a.b.c.d.e")
    door.node.workers.admit_result = values.admitted(
        message_id=first.header.message_id, content="other", conversation=first.header.conversation, now=now
    )
    answer = await door.send(b"a.b.c.d.e")
    assert (answer.status, answer.headers["Content-Type"]) == (409, "application/jose")
    assert await door.events() == [AuditEvent.MESSAGE_ACCEPTED, AuditEvent.MESSAGE_CONFLICT]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EnvelopeError("envelope.decryption_failed"), 400, "envelope.rejected"),
        (EnvelopeError("envelope.key_unknown"), 400, "envelope.key_unknown"),
        (StorageError("storage.unavailable"), 503, "unavailable"),
    ],
)
async def test_without_a_statement_the_answer_is_a_problem_with_the_public_code(
    door: PartnerDoor, error: GatewayError, status: int, code: str
) -> None:
    door.node.workers.admit_result = Unopened(envelope_sha256="0" * 64, error=error, problem=None, token=None)
    answer = await door.send(b"a.b.c.d.e")
    assert (answer.status, answer.code) == (status, code)
    assert "detail" not in answer.json()
    assert await door.events() == [AuditEvent.MESSAGE_UNOPENED]


async def test_a_defect_of_ours_is_told_to_nobody_but_the_log(door: PartnerDoor) -> None:
    error = GatewayError("internal", "Unexpected KeyError while doing admit (admit.py:1, admit)")
    door.node.workers.admit_result = Unopened(envelope_sha256="0" * 64, error=error, problem=None, token=None)
    answer = await door.send(b"a.b.c.d.e")
    assert "KeyError" not in answer.text
    (line,) = (one for one in door.node.lines.kept if one["action"] == "message.receive")
    assert (line["outcome"], line["detail"]) == ("failure", error.detail)


async def test_bytes_that_are_no_token_reach_the_worker_so_that_they_are_recorded(door: PartnerDoor) -> None:
    error = EnvelopeError("envelope.malformed")
    door.node.workers.admit_result = Unopened(
        envelope_sha256="0" * 64, error=error, problem=None, token="signed.problem.x"
    )
    answer = await door.send(b"\x00\xff\xfe not a token")
    assert (answer.status, answer.text) == (400, "signed.problem.x")
    assert await door.events() == [AuditEvent.MESSAGE_UNOPENED]


async def test_an_envelope_over_the_limit_is_refused_before_it_is_judged(door: PartnerDoor) -> None:
    answer = await door.send(b"x" * (max_envelope_bytes(DOCUMENT_BYTES) + 1))
    assert (answer.status, answer.code) == (413, "request.too_large")
    assert door.node.workers.admitted == []
    (record,) = await door.node.store.audit()
    assert (record.entry.event, record.entry.actor) == (AuditEvent.MESSAGE_UNOPENED, f"party:{PARTNER}")
    assert record.entry.facts == {"code": "request.too_large"}


async def test_another_media_type_is_refused(door: PartnerDoor) -> None:
    answer = await door.send(b"a.b.c.d.e", "application/xml")
    assert (answer.status, answer.code) == (415, "request.media_type")


async def test_a_receipt_of_another_partners_message_is_not_shown(door: PartnerDoor) -> None:
    message = door.node.values.admitted(sender=PartyId("NO-TOLL"), now=door.node.clock.now())
    door.node.workers.admit_result = message
    await door.send(b"a.b.c.d.e")
    answer = await door.knock(f"/exchange/v1/receipts/{message.header.message_id}")
    assert (answer.status, statement_type(answer.text)) == (200, StatementType.NOT_SEEN)
    assert (await door.events())[-1] is AuditEvent.MESSAGE_NOT_SEEN


async def test_who_asks_after_an_id_that_was_never_used_is_answered_the_same_again(door: PartnerDoor) -> None:
    path = "/exchange/v1/receipts/01950000-0000-7000-8000-00000000ffff"
    first, second = await door.knock(path), await door.knock(f"{path}?to={HOME}")
    assert (first.status, first.text) == (200, second.text)
    assert (await door.events()) == [AuditEvent.MESSAGE_NOT_SEEN]


async def test_a_party_that_is_not_ours_swears_nothing(door: PartnerDoor) -> None:
    answer = await door.knock(f"/exchange/v1/receipts/01950000-0000-7000-8000-00000000ffff?to={PARTNER}")
    assert (answer.status, answer.code) == (404, "request.not_found")
    assert (await door.events()) == []


# ── receipts that come by themselves ──


async def _waiting(door: PartnerDoor) -> Any:
    now = door.node.clock.now()
    change = door.node.values.submission(now=now)
    await door.node.store.accept(change, accepted_evidence(change))
    return (await door.node.store.claim(PARTNER, limit=1, now=now, lease=LEASE))[0].row


def _signed(door: PartnerDoor, receipt: Any) -> str:
    return sign_receipt(receipt, door.pki[PARTNER].trust(door.node.clock.now).signer(PARTNER, door.node.clock.now()))


async def test_a_receipt_that_comes_late_settles_its_transfer(door: PartnerDoor) -> None:
    row = await _waiting(door)
    receipt, _ = door.node.values.receipt_for(row)
    door.node.workers.check_result = receipt
    token = _signed(door, receipt)
    answer = await door.knock("/exchange/v1/receipts", "POST", body=token)
    assert (answer.status, answer.body) == (204, b"")
    found = await door.node.store.transfer(row.id)
    assert found is not None
    assert found.row.state is TransferState.DELIVERED
    assert found.receipt is not None
    assert found.receipt.token == token


async def test_a_receipt_that_can_not_be_believed_changes_nothing(door: PartnerDoor) -> None:
    row = await _waiting(door)
    receipt, _ = door.node.values.receipt_for(row)
    door.node.workers.check_result = EnvelopeError("receipt.not_bound")
    answer = await door.knock("/exchange/v1/receipts", "POST", body=_signed(door, receipt))
    assert (answer.status, answer.code) == (422, "receipt.not_bound")
    found = await door.node.store.transfer(row.id)
    assert found is not None
    assert found.row.state is TransferState.IN_FLIGHT
    assert (await door.events())[-1] is AuditEvent.RECEIPT_REJECTED


async def test_a_receipt_for_a_message_we_never_sent_is_not_found(door: PartnerDoor) -> None:
    row = await _waiting(door)
    receipt, _ = door.node.values.receipt_for(row)
    from dataclasses import replace

    from gateway.domain.ids import MessageId

    other = replace(receipt, message_id=MessageId("01950000-0000-7000-8000-00000000ffff"))
    answer = await door.knock("/exchange/v1/receipts", "POST", body=_signed(door, other))
    assert (answer.status, answer.code) == (404, "transfer.not_found")
    assert (await door.events())[-1] is AuditEvent.RECEIPT_REJECTED


@pytest.mark.parametrize("body", [b"", b"a.b.c", b"\xff", b"e30.e30.AA", b"e30.bnVsbA.AA"])
async def test_what_is_no_receipt_is_refused_with_the_one_code(door: PartnerDoor, body: bytes) -> None:
    answer = await door.knock("/exchange/v1/receipts", "POST", body=body)
    assert (answer.status, answer.code) == (400, "envelope.rejected")
    assert await door.events() == [AuditEvent.RECEIPT_REJECTED]


# ── who may knock ──


async def test_a_partner_gets_capabilities_made_for_it_and_kept_for_a_while(door: PartnerDoor) -> None:
    assert (await door.knock("/exchange/v1/capabilities")).text == "capabilities.1"
    assert (await door.knock("/exchange/v1/capabilities")).text == "capabilities.1"
    door.node.clock.move(timedelta(minutes=2))
    assert (await door.knock("/exchange/v1/capabilities")).text == "capabilities.2"
    assert door.made == [PARTNER, PARTNER]


async def test_a_ping_is_answered_by_a_pong_for_the_partner(door: PartnerDoor) -> None:
    answer = await door.knock("/exchange/v1/ping", "POST")
    assert (answer.status, answer.text) == (200, f"pong.{PARTNER}")
    assert answer.headers["Strict-Transport-Security"]


async def test_without_a_certificate_nobody_gets_in(door: PartnerDoor) -> None:
    with pytest.raises(aiohttp.ClientError):
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{door.url}/exchange/v1/ping", ssl=door.context(None)) as response,
        ):
            await response.read()


async def test_a_certificate_that_names_nobody_we_know_is_refused_and_recorded_once(door: PartnerDoor) -> None:
    stranger = forge(
        door.pki[PARTNER].authority, door.pki.folder / "forged", door.node.clock.now(), uris=[uri("IT-ADM")]
    )
    answer = await door.knock("/exchange/v1/ping", "POST", identity=stranger)
    assert (answer.status, answer.code) == (403, "access.certificate_refused")
    (record,) = await door.node.store.audit()
    assert record.entry.event is AuditEvent.CHANNEL_REFUSED
    assert record.entry.facts["code"] == "access.certificate_refused"
    assert len(str(record.entry.facts["certificate"])) == 64


async def test_a_certificate_revoked_while_connected_is_refused_on_the_next_request(door: PartnerDoor) -> None:
    partner = door.pki[PARTNER]
    async with aiohttp.ClientSession() as session:

        async def ping() -> int:
            async with session.post(f"{door.url}/exchange/v1/ping", ssl=door.context(partner.tls)) as response:
                await response.read()
                return response.status

        connector: Callable[[], Any] = ping
        assert await connector() == 200
        door.node.clock.move(timedelta(seconds=2))
        partner.revoke(partner.tls, door.node.clock.now())
        assert await connector() == 403
    assert await door.events() == [AuditEvent.CHANNEL_REFUSED]


async def test_a_plain_connection_is_not_taken_for_a_partner(node: Node, tmp_path: Path) -> None:
    pki = make_pki(tmp_path, [HOME, PARTNER], NOW)
    trust = pki[HOME].trust(node.clock.now)
    receive = Receive(
        store=node.store,
        workers=node.workers,
        trust=trust,
        clock=node.clock,
        ids=node.ids,
        bells=node.bells,
        telemetry=node.lines,
        arrivals=Arrivals(clock=node.clock, bells=node.bells, lease=LEASE),
    )
    parts = PartnerParts(
        door=node.door("partner"),
        receive=receive,
        asked=Asked(store=node.store, trust=trust, clock=node.clock, ids=node.ids, own=[HOME]),
        settle=Settle(store=node.store, workers=node.workers, clock=node.clock),
        turn_away=TurnAway(store=node.store, clock=node.clock, telemetry=node.lines),
        peers=PartnerGate(trust, clock=node.clock.now),
        capabilities=lambda _partner, _now: "never",
        pong=lambda _partner, _now: "never",
    )
    listener = await serve(partner_app(parts), host="127.0.0.1", port=0)
    try:
        async with aiohttp.ClientSession() as session, session.post(f"{listener.url}/exchange/v1/ping") as response:
            assert response.status == 401
            assert (await response.json(content_type=None))["code"] == "access.certificate_missing"
    finally:
        await listener.stop()
    assert asyncio.get_running_loop().is_running()
