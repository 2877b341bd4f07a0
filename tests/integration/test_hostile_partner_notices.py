"""What a hostile partner can post as a notice that its back end took our message, and what it can not achieve by it.

Only a notice by the partner's own valid key, bound to this message's digest, is kept. Everything else leaves one record,
`notice.rejected`, and no row of any table changes. And whatever a notice says, the transfer stays in its state.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from gateway.audit import AuditEvent
from gateway.domain.batch import ANSWERS_TYPE, BATCH_TYPE, read_answers
from gateway.domain.ids import MessageId
from gateway.domain.statement import Notice
from gateway.envelope import Signer, sign_notice, sign_receipt
from tests.integration.hostile_sending import Underway, submit
from tests.integration.one_gateway import GB, NL, US, OneGateway, changed_tables, one_gateway
from tests.integration.scripted_partner import (
    NOTICE_BATCHES,
    NOTICES,
    Reply,
    careless_context,
    compact_jws,
    now,
    signer_of,
    whole_seconds,
)
from tests.integration.scripted_server import Arrived, accepts, answering, takes

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_ID = MessageId("01950000-0000-7000-8000-00000000ffff")
UNKNOWN = "transfer.not_found"
NOT_BOUND = "notice.not_bound"
MALFORMED = "envelope.malformed"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path_factory.mktemp("notices") / "world") as opened:
        yield opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message of ours at the partner."""

    transfer: Underway
    arrived: Arrived


async def sent(world: OneGateway, *, state: str = "DELIVERED") -> Sent:
    """Have a message delivered, or only taken."""
    answer = accepts if state == "DELIVERED" else takes
    async with answering(world.gb, world.ports[GB], answer) as server:
        transfer = await submit(world)
        await transfer.reaches(state)
        (arrived,) = server.arrived
    return Sent(transfer=transfer, arrived=arrived)


async def post(world: OneGateway, token: str) -> Reply:
    return await world.gb.ask("POST", NOTICES, body=token.encode("latin-1"))


# ── lies ──

Lie = Callable[[OneGateway, Arrived], str]


def _claims(notice: Notice) -> dict[str, object]:
    return {
        "iss": notice.issuer,
        "aud": notice.audience,
        "iat": int(notice.issued_at.timestamp()),
        "jti": notice.statement_id,
        "message_id": notice.message_id,
        "digest": notice.digest,
        "handed_over": int(notice.handed_over.timestamp()),
    }


def _stated(
    claims: Mapping[str, object], signer: Signer, *, named: Signer | None = None, typ: str = "wcx-handed-over+jws"
) -> str:
    named = named or signer
    head = {"alg": "ES256", "kid": named.key_id, "x5t#S256": named.certificate_sha256, "typ": typ}
    return compact_jws(head, json.dumps(claims).encode(), signer)


def _about(**changes: Any) -> Lie:
    """Return a notice that GB signed, and that says something else than the honest one."""
    return lambda world, arrived: _stated({**_claims(world.gb.notice(arrived.opened)), **changes}, world.gb.signer)


def _by_spare(name: str) -> Lie:
    return lambda world, arrived: _stated(_claims(world.gb.notice(arrived.opened)), signer_of(world.spare[name]))


def _forged(world: OneGateway, arrived: Arrived) -> str:
    return _stated(_claims(world.gb.notice(arrived.opened)), world.nl.signer, named=world.gb.signer)


def _by_other(world: OneGateway, arrived: Arrived) -> str:
    return _stated(_claims(world.gb.notice(arrived.opened)), world.nl.signer)


def _from_other(world: OneGateway, arrived: Arrived) -> str:
    return sign_notice(world.gb.notice(arrived.opened, issuer=NL), world.nl.signer)


def _by_ourselves(world: OneGateway, arrived: Arrived) -> str:
    return sign_notice(world.gb.notice(arrived.opened, issuer=US), signer_of(world.pki[US].signing[0]))


def _receipt(world: OneGateway, arrived: Arrived) -> str:
    return sign_receipt(world.gb.receipt(arrived.opened), world.gb.signer)


def _typed(typ: str) -> Lie:
    return lambda world, arrived: _stated(_claims(world.gb.notice(arrived.opened)), world.gb.signer, typ=typ)


def _future(world: OneGateway, arrived: Arrived) -> str:
    later = whole_seconds(now()) + timedelta(minutes=10)
    return sign_notice(world.gb.notice(arrived.opened, issued_at=later), world.gb.signer)


def _before_it_was_made(world: OneGateway, arrived: Arrived) -> str:
    before = arrived.opened.header.created - timedelta(hours=1)
    return sign_notice(world.gb.notice(arrived.opened, handed_over=before), world.gb.signer)


LIES: dict[str, tuple[Lie, str]] = {
    "forged: another's signature under its key's name": (_forged, "notice.invalid"),
    "signed by another party's key": (_by_other, "notice.invalid"),
    "from another party": (_from_other, "notice.invalid"),
    "from ourselves": (_by_ourselves, "notice.invalid"),
    "signed by a compromised key": (_by_spare("compromised"), "notice.invalid"),
    "signed by a retired key": (_by_spare("retired"), "notice.invalid"),
    "signed by an expired key": (_by_spare("expired"), "notice.invalid"),
    "signed by a key nobody knows": (_by_spare("not introduced"), "envelope.key_unknown"),
    "of a receipt's type": (_typed("wcx-receipt+jws"), "notice.invalid"),
    "of a message's type": (_typed("wcx-message+jws"), "notice.invalid"),
    "an honest receipt": (_receipt, "notice.invalid"),
    "about another message": (_about(message_id=OTHER_ID), UNKNOWN),
    "about another digest": (_about(digest="0" * 64), NOT_BOUND),
    "to another party": (_about(aud=NL), NOT_BOUND),
    "from the future": (_future, "notice.invalid"),
    "handed over after it was said": (_about(handed_over=2**33), "notice.invalid"),
    "handed over before it was made": (_before_it_was_made, "notice.invalid"),
    "without a time": (_about(handed_over=None), "notice.invalid"),
    "with a member more": (_about(verdict="accepted"), "notice.invalid"),
    "about nothing": (_about(message_id="x"), MALFORMED),
    "no token": (lambda *_: "handed over", MALFORMED),
    "bytes": (lambda *_: "\xff\x00" * 100, MALFORMED),
    "longer than any notice": (lambda *_: "A" * 20_000, "request.too_large"),
}
STATUS = {"envelope.key_unknown": 400, MALFORMED: 400, UNKNOWN: 404, "request.too_large": 413}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_recorded_once_and_changes_nothing(world: OneGateway, name: str) -> None:
    lie, code = LIES[name]
    one = await sent(world)
    rows, seq = world.rows(), world.last_seq()
    reply = await post(world, lie(world, one.arrived))
    public = "envelope.rejected" if code == MALFORMED else code
    assert (reply.status, reply.said, reply.code) == (STATUS.get(code, 422), "unsigned", public)
    (record,) = world.events(after=seq)
    assert (record.event, record.code, record.actor) == (AuditEvent.NOTICE_REJECTED, code, f"party:{GB}")
    assert record.transfer_id == (None if code in STATUS and code != "envelope.key_unknown" else one.transfer.id)
    assert (changed_tables(rows, world.rows()), one.transfer.row()["handed_over"]) == (set(), None)


async def test_a_genuine_notice_that_another_party_brings_is_recorded_and_changes_nothing(world: OneGateway) -> None:
    one = await sent(world)
    rows, seq = world.rows(), world.last_seq()
    token = sign_notice(world.gb.notice(one.arrived.opened), world.gb.signer)
    reply = await world.nl.ask("POST", NOTICES, body=token.encode())
    assert (reply.status, reply.code) == (404, UNKNOWN)
    (record,) = world.events(after=seq)
    assert (record.event, record.code, record.actor) == (AuditEvent.NOTICE_REJECTED, UNKNOWN, f"party:{NL}")
    assert changed_tables(rows, world.rows()) == set()


# ── the truth ──


@pytest.mark.parametrize("state", ["DELIVERED", "AWAITING_RECEIPT"])
async def test_the_truth_is_kept_and_moves_nothing(world: OneGateway, state: str) -> None:
    one = await sent(world, state=state)
    before, rows, seq = one.transfer.row(), world.rows(), world.last_seq()
    notice = world.gb.notice(one.arrived.opened)
    token = sign_notice(notice, world.gb.signer)
    reply = await post(world, token)
    assert (reply.status, reply.said) == (204, "empty")
    (record,) = world.events(after=seq)
    assert (record.event, record.transfer_id) == (AuditEvent.TRANSFER_HANDED_OVER, one.transfer.id)
    assert record.facts == {"digest": notice.digest, "handed_over": notice.handed_over.isoformat()}
    assert changed_tables(rows, world.rows()) == {"notice", "transfer"}
    micros = int(notice.handed_over.timestamp()) * 1_000_000
    assert one.transfer.row() == {**before, "handed_over": micros}
    assert world.ask("SELECT token FROM notice WHERE transfer_id = ?", one.transfer.id) == [(token,)]
    async with world.operations() as operator:
        detail = await operator.transfer(one.transfer.id)
    assert detail.notice is not None
    assert (detail.notice.token, detail.transfer.handed_over) == (token, notice.handed_over)


async def test_the_truth_again_changes_nothing_and_another_truth_is_evidence_only(world: OneGateway) -> None:
    one = await sent(world)
    notice = world.gb.notice(one.arrived.opened)
    token = sign_notice(notice, world.gb.signer)
    assert (await post(world, token)).status == 204
    rows, seq = world.rows(), world.last_seq()
    anew = sign_notice(world.gb.notice(one.arrived.opened, handed_over=notice.handed_over), world.gb.signer)
    for same in (token, anew):
        assert (await post(world, same)).status == 204
    assert (changed_tables(rows, world.rows()), world.last_seq()) == (set(), seq)
    other = world.gb.notice(one.arrived.opened, handed_over=notice.handed_over - timedelta(seconds=1))
    assert (await post(world, sign_notice(other, world.gb.signer))).status == 204
    (record,) = world.events(after=seq)
    assert (record.event, record.code) == (AuditEvent.NOTICE_REJECTED, "notice.contradicts")
    assert record.transfer_id == one.transfer.id
    assert changed_tables(rows, world.rows()) == set()


async def test_a_receipt_after_the_notice_delivers_as_ever(world: OneGateway) -> None:
    one = await sent(world, state="AWAITING_RECEIPT")
    await post(world, sign_notice(world.gb.notice(one.arrived.opened), world.gb.signer))
    receipt = world.gb.signed_receipt(one.arrived.opened, statement_id=str(uuid4()))
    assert (await world.gb.ask("POST", "/exchange/v1/receipts", body=receipt.encode())).status == 204
    assert one.transfer.state == "DELIVERED"
    assert one.transfer.row()["handed_over"] is not None


# ── several together ──


async def _post_together(world: OneGateway, *tokens: str) -> list[tuple[int, str]]:
    """Post notices in one request and return status and code of each line of the answer."""
    body = "\n".join(tokens).encode("latin-1")
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{world.gb.url}{NOTICE_BATCHES}",
            data=body,
            ssl=careless_context(world.gb.us, world.gb.node.tls),
            headers={"Content-Type": BATCH_TYPE},
        ) as response,
    ):
        assert (response.status, response.content_type) == (200, ANSWERS_TYPE)
        return [(line.status, line.code) for line in read_answers(await response.read())]


@pytest.mark.parametrize("name", [name for name in LIES if name != "longer than any notice"])
async def test_a_lie_among_others_is_judged_alone(world: OneGateway, name: str) -> None:
    lie, code = LIES[name]
    first, one, last = await sent(world), await sent(world), await sent(world)
    honest = [sign_notice(world.gb.notice(each.arrived.opened), world.gb.signer) for each in (first, last)]
    seq = world.last_seq()
    lines = await _post_together(world, honest[0], lie(world, one.arrived), honest[1])
    public = "envelope.rejected" if code == MALFORMED else code
    assert lines == [(204, ""), (STATUS.get(code, 422), public), (204, "")]
    records = world.events(after=seq)
    assert sorted((record.event, record.code) for record in records) == sorted(
        [
            (AuditEvent.TRANSFER_HANDED_OVER, ""),
            (AuditEvent.NOTICE_REJECTED, code),
            (AuditEvent.TRANSFER_HANDED_OVER, ""),
        ]
    )
    assert [each.transfer.row()["handed_over"] is not None for each in (first, one, last)] == [True, False, True]


async def test_the_same_notice_twice_in_a_request_is_kept_once(world: OneGateway) -> None:
    one = await sent(world)
    token = sign_notice(world.gb.notice(one.arrived.opened), world.gb.signer)
    assert await _post_together(world, token, token) == [(204, ""), (204, "")]
    assert world.ask("SELECT count(*) FROM notice WHERE transfer_id = ?", one.transfer.id) == [(1,)]


@pytest.mark.parametrize(("body", "code"), [(b"", "request.malformed"), (b"a\n" * 65, "request.too_large")])
async def test_notices_that_are_refused_as_a_whole_leave_one_record(world: OneGateway, body: bytes, code: str) -> None:
    seq = world.last_seq()
    reply = await world.gb.ask("POST", NOTICE_BATCHES, body=body, headers={"Content-Type": BATCH_TYPE})
    assert reply.code == code
    (record,) = world.events(after=seq)
    assert (record.event, record.code, record.actor) == (AuditEvent.NOTICE_REJECTED, code, f"party:{GB}")
