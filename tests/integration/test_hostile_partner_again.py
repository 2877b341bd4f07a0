"""The same message again: whatever has expired, rotated or changed since it was accepted, the stored receipt is given,
byte for byte, with one audit record and no other row changed. Each test also shows that the change bites: a message that
was not accepted before it is refused after it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.audit import AuditEvent
from gateway.domain.ids import AgreementId
from gateway.domain.message import MessageHeader
from gateway.envelope import StatementType, statement_type
from gateway.envelope.compact import decode, encode, parse_jws
from gateway.trust import Use
from tests.integration.hostile_stage import aged
from tests.integration.one_gateway import OneGateway, changed_tables, one_gateway
from tests.integration.scripted_partner import Reply, digest_of, now
from tests.integration.scripted_server import eventually

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path / "world") as opened:
        yield opened


async def accepted(world: OneGateway, header: MessageHeader) -> tuple[str, str]:
    """Have a message of GB accepted and handed over; return its JWS and its receipt."""
    jws = world.gb.sign(header)
    reply = await world.gb.post(world.gb.seal(jws, header))
    assert reply.said == "receipt accepted"
    await eventually(lambda: not world.ask("SELECT 1 FROM hand_over WHERE state <> 'HANDED_OVER'"))
    return jws, reply.token


async def sent_again(world: OneGateway, jws: str, header: MessageHeader) -> Reply:
    """Send a message again; hold against it that it left one record and nothing else."""
    rows, seq = world.rows(), world.last_seq()
    reply = await world.gb.post(world.gb.seal(jws, header))
    (record,) = world.events(after=seq)
    assert (record.event, record.message_id) == (AuditEvent.MESSAGE_DUPLICATE, header.message_id)
    assert record.facts["digest"] == digest_of(jws)
    assert changed_tables(rows, world.rows()) == set()
    return reply


async def a_new_one(world: OneGateway, like: MessageHeader | None = None) -> str:
    """Return the code by which a message is judged that was not accepted before, of the times of `like` if given."""
    times = {} if like is None else {"created": like.created, "expires": like.expires}
    return (await world.gb.post(world.gb.message(None, **times))).code


# ── what may change ──


def _suspend(world: OneGateway) -> None:
    world.agree(suspended="true")


def _agree_on_another_version(world: OneGateway) -> None:
    world.agree(version="2")


def _change_the_text(world: OneGateway) -> None:
    world.agree(purpose="Statistics only")


def _let_it_end(world: OneGateway) -> None:
    world.agree(valid_from="2025-01-01", valid_until="2026-01-01")


def _shrink_the_documents(world: OneGateway) -> None:
    world.agree(max_document_bytes="1024")


def _change_the_policy(world: OneGateway) -> None:
    file = world.agreements.parent / "policies" / "customs-cooperation.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count("version: 1") == 1
    file.write_text(text.replace("version: 1", "version: 2"), encoding="utf-8")


CHANGES: dict[str, tuple[Callable[[OneGateway], None], str]] = {
    "suspended": (_suspend, "agreement.suspended"),
    "replaced by another version": (_agree_on_another_version, "agreement.none"),
    "of another text": (_change_the_text, "agreement.mismatch"),
    "ended": (_let_it_end, "agreement.mismatch"),
    "for smaller documents": (_shrink_the_documents, "agreement.mismatch"),
    "under another policy": (_change_the_policy, "agreement.mismatch"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_the_agreement_has_changed(world: OneGateway, change: str) -> None:
    act, code = CHANGES[change]
    header = world.gb.header()
    jws, receipt = await accepted(world, header)
    act(world)
    await world.restart()
    assert await a_new_one(world) == code
    assert (await sent_again(world, jws, header)).token == receipt


async def test_the_message_has_expired(world: OneGateway) -> None:
    lifetime = world.gb.rulebook.version(AgreementId("gb-fr"), 1).message_lifetime
    header = aged(world.gb.header(), lifetime - timedelta(seconds=3))
    jws, receipt = await accepted(world, header)
    await eventually(lambda: now() >= header.expires)
    assert await a_new_one(world, like=header) == "envelope.expired"
    assert (await sent_again(world, jws, header)).token == receipt


async def test_thirty_days_have_passed(world: OneGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    header = world.gb.header()
    jws, receipt = await accepted(world, header)
    late = timedelta(days=30)
    monkeypatch.setattr("gateway.system.SystemClock.now", lambda _clock: now() + late)
    monkeypatch.setattr("tests.integration.scripted_partner.now", lambda: now() + late)
    world.pki.refresh_crls(now() + late)
    world.gb.read_trust()
    await world.restart()  # a start forgets what may be forgotten
    assert await a_new_one(world, like=header) == "envelope.expired"
    assert (await sent_again(world, jws, header)).token == receipt


async def test_the_senders_signing_key_was_retired(world: OneGateway) -> None:
    header = world.gb.header()
    jws, receipt = await accepted(world, header)
    world.gb.node.revoke(world.gb.node.signing[0], now(), x509.ReasonFlags.superseded)
    later = aged(header, -timedelta(minutes=2))
    seq = world.last_seq()
    assert await a_new_one(world, like=later) == "envelope.rejected"
    assert [event.code for event in world.events(after=seq)] == ["envelope.key_not_valid"]
    assert (await sent_again(world, jws, header)).token == receipt


async def test_our_signing_key_was_rotated(world: OneGateway) -> None:
    header = world.gb.header()
    jws, receipt = await accepted(world, header)
    world.our_new_key(Use.SIGN)
    await world.restart()
    new = await world.gb.post(world.gb.message())
    assert new.said == "receipt accepted"
    assert _signed_by(new.token) != _signed_by(receipt)
    await eventually(lambda: not world.ask("SELECT 1 FROM hand_over WHERE state <> 'HANDED_OVER'"))
    assert (await sent_again(world, jws, header)).token == receipt


async def test_our_decryption_key_was_rotated(world: OneGateway) -> None:
    header = world.gb.header()
    jws, receipt = await accepted(world, header)
    to_the_old_key = world.gb.seal(jws, header)
    world.our_new_key(Use.DECRYPT)
    await world.restart()
    assert (await world.gb.post(to_the_old_key)).token == receipt
    reply = await sent_again(world, jws, header)
    assert reply.token == receipt
    assert _kid(world.gb.seal(jws, header).jwe) != _kid(to_the_old_key.jwe)


async def test_a_key_found_compromised_proves_nothing_but_the_receipt_stays(world: OneGateway) -> None:
    header = world.gb.header()
    jws, receipt = await accepted(world, header)
    world.gb.node.revoke(world.gb.node.signing[0], now())
    rows, seq = world.rows(), world.last_seq()
    reply = await world.gb.post(world.gb.seal(jws, header))
    assert (reply.status, reply.said, reply.code) == (400, "problem", "envelope.rejected")
    assert [event.code for event in world.events(after=seq)] == ["envelope.key_revoked"]
    assert changed_tables(rows, world.rows()) == set()
    fetched = await world.gb.ask("GET", f"/exchange/v1/receipts/{header.message_id}")
    assert (fetched.status, fetched.token) == (200, receipt)


# ── the same, spelled otherwise ──


async def test_the_other_valid_signature_over_the_same_bytes_is_the_same_message(world: OneGateway) -> None:
    """Whoever has one ECDSA signature can make its twin; neither a conflict nor a second message comes of it."""
    header = world.gb.header()
    jws, receipt = await accepted(world, header)
    signed, _, signature = jws.rpartition(".")
    raw = decode(signature.encode())
    twin = raw[:32] + (P256_ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    assert (await sent_again(world, f"{signed}.{encode(twin).decode()}", header)).token == receipt


async def test_a_hundred_times_at_once_is_one_message_and_a_hundred_equal_receipts(world: OneGateway) -> None:
    header = world.gb.header()
    jws = world.gb.sign(header)
    same = world.gb.seal(jws, header)
    copies = [same if number % 2 else world.gb.seal(jws, header) for number in range(100)]
    replies = await asyncio.gather(*(world.gb.post(one) for one in copies))
    assert {(reply.status, reply.said) for reply in replies} == {(200, "receipt accepted")}
    assert len({reply.token for reply in replies}) == 1
    assert len(world.ask("SELECT 1 FROM inbox")) == 1
    events = [event.event for event in world.events() if event.event.startswith("message.")]
    assert sorted(events) == ["message.accepted", *["message.duplicate"] * 99]
    await eventually(lambda: world.ask("SELECT state FROM hand_over") == [("HANDED_OVER",)])
    assert [message.webhook_id for message in world.backend.messages] == [header.message_id]


async def test_a_conversation_out_of_order_and_again_is_each_message_once_with_its_receipt(world: OneGateway) -> None:
    first = world.gb.header()
    headers = [first, *(world.gb.header(conversation=first.conversation, sequence=number) for number in (2, 3))]
    tokens = [world.gb.sign(header) for header in headers]
    receipts: dict[int, str] = {}
    for number in (2, 0, 1, 1, 2, 0, 0):
        reply = await world.gb.post(world.gb.seal(tokens[number], headers[number]))
        assert (reply.status, reply.said) == (200, "receipt accepted")
        assert receipts.setdefault(number, reply.token) == reply.token
    assert len(set(receipts.values())) == len(world.ask("SELECT 1 FROM inbox")) == 3
    await eventually(lambda: world.ask("SELECT DISTINCT state FROM hand_over") == [("HANDED_OVER",)])
    handed_over = [message.webhook_id for message in world.backend.messages]
    assert sorted(handed_over) == sorted(header.message_id for header in headers)


# ── neither final nor anybody else's ──


async def test_a_refusal_is_not_final(world: OneGateway) -> None:
    """Refused under an agreement that we do not have yet, the message is judged anew when it comes again."""
    world.agree(version="2")
    await world.restart()
    header = world.gb.header()
    jws = world.gb.sign(header)
    first = await world.gb.post(world.gb.seal(jws, header))
    second = await world.gb.post(world.gb.seal(jws, header))
    assert (first.code, second.code) == ("agreement.none", "agreement.none")
    assert world.ask("SELECT times FROM refusal") == [(2,)]
    world.agree(version="1")
    await world.restart()
    assert (await world.gb.post(world.gb.seal(jws, header))).said == "receipt accepted"


async def test_an_id_belongs_to_the_party_that_used_it(world: OneGateway) -> None:
    """NL can neither read GB's receipt, nor block GB's id, nor be blocked by it."""
    header, unused = world.gb.header(), world.gb.header()
    _, receipt = await accepted(world, header)
    path = f"/exchange/v1/receipts/{header.message_id}"
    reply = await world.nl.post(world.nl.message(message_id=header.message_id))
    assert reply.said == "receipt accepted"
    assert (await world.gb.ask("GET", path)).token == receipt
    assert (await world.nl.ask("GET", path)).token == reply.token != receipt
    sworn = await world.nl.ask("GET", f"/exchange/v1/receipts/{unused.message_id}")
    assert statement_type(sworn.token) is StatementType.NOT_SEEN
    assert (await accepted(world, unused))[1]


def _signed_by(token: str) -> object:
    return parse_jws(token, max_bytes=len(token)).header["kid"]


def _kid(jwe: str) -> bytes:
    return decode(jwe.partition(".")[0].encode()).partition(b'"kid":')[2][:45]
