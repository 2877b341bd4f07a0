"""What a hostile partner can answer to our messages, at once or later, and what it can not achieve by it.

Only a receipt by the partner's own valid key, bound to this message's digest, moves a transfer. A lie is recorded as
`receipt.rejected` and the message is sent again, as it is after any unsigned answer; neither ever ends a transfer.
"""

import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.audit import AuditEvent
from gateway.domain.ids import MessageId
from gateway.domain.statement import Receipt, Verdict
from gateway.envelope import Signer, sign_problem, sign_receipt
from gateway.envelope.compact import encode
from tests.integration.hostile_sending import CLAIMED, FAILED, REJECTED, Underway, submit
from tests.integration.one_gateway import GB, NL, US, OneGateway, changed_tables, one_gateway
from tests.integration.scripted_partner import JOSE, ScriptedPartner, compact_jws, signer_of
from tests.integration.scripted_server import Answer, Arrived, accepts, answering, says, statement, takes

pytestmark = pytest.mark.asyncio(loop_scope="module")

RECEIPTS = "/exchange/v1/receipts"
DELIVERED = (AuditEvent.TRANSFER_DELIVERED, "ok")
OTHER_ID = MessageId("01950000-0000-7000-8000-00000000ffff")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path_factory.mktemp("answers") / "world") as opened:
        yield opened


# ── lies ──

Lie = Callable[[OneGateway, Arrived], str]


def _claims(receipt: Receipt) -> dict[str, object]:
    return {
        "iss": receipt.issuer,
        "aud": receipt.audience,
        "iat": int(receipt.issued_at.timestamp()),
        "jti": receipt.statement_id,
        "message_id": receipt.message_id,
        "digest": receipt.digest,
        "verdict": receipt.verdict.value,
        "code": receipt.code,
        "agreement_version": receipt.agreement_version,
    }


def _stated(
    claims: Mapping[str, object],
    signer: Signer,
    *,
    named: Signer | None = None,
    protected: Mapping[str, object] | None = None,
) -> str:
    named = named or signer
    head = {"alg": "ES256", "kid": named.key_id, "x5t#S256": named.certificate_sha256, "typ": "wcx-receipt+jws"}
    return compact_jws({**head, **(protected or {})}, json.dumps(claims).encode(), signer)


def _honest(world: OneGateway, arrived: Arrived) -> dict[str, object]:
    return _claims(world.gb.receipt(arrived.opened))


def _about(**changes: object) -> Lie:
    """Return a receipt that GB signed, and that says something else than the honest one."""
    return lambda world, arrived: _stated({**_honest(world, arrived), **changes}, world.gb.signer)


def _headed(**protected: object) -> Lie:
    """Return an honest receipt under another protected header."""
    return lambda world, arrived: _stated(_honest(world, arrived), world.gb.signer, protected=protected)


def _by_spare(name: str) -> Lie:
    return lambda world, arrived: _stated(_honest(world, arrived), signer_of(world.spare[name]))


def _forged(world: OneGateway, arrived: Arrived) -> str:
    return _stated(_honest(world, arrived), world.nl.signer, named=world.gb.signer)


def _by_other(world: OneGateway, arrived: Arrived) -> str:
    return _stated(_honest(world, arrived), world.nl.signer)


def _from_other(world: OneGateway, arrived: Arrived) -> str:
    return sign_receipt(world.gb.receipt(arrived.opened, issuer=NL), world.nl.signer)


def _by_ourselves(world: OneGateway, arrived: Arrived) -> str:
    return sign_receipt(world.gb.receipt(arrived.opened, issuer=US), signer_of(world.pki[US].signing[0]))


def _unsigned(world: OneGateway, arrived: Arrived) -> str:
    return _stated(_honest(world, arrived), world.gb.signer, protected={"alg": "none"}).rpartition(".")[0] + "."


def _mac(world: OneGateway, arrived: Arrived) -> str:
    signed = _stated(_honest(world, arrived), world.gb.signer, protected={"alg": "HS256"}).rpartition(".")[0]
    return f"{signed}.{encode(hmac.digest(world.gb.signer.key_id.encode(), signed.encode(), 'sha256')).decode()}"


def _changed_after(world: OneGateway, arrived: Arrived) -> str:
    refused = {**_honest(world, arrived), "verdict": "refused", "code": "schema.invalid"}
    head, _, signature = _stated(refused, world.gb.signer).split(".")
    return f"{head}.{encode(json.dumps(_honest(world, arrived)).encode()).decode()}.{signature}"


def _refusal_by_other(world: OneGateway, arrived: Arrived) -> str:
    refusal = {**_honest(world, arrived), "verdict": "refused", "code": "schema.invalid"}
    return _stated(refusal, world.nl.signer, named=world.gb.signer)


def _other_problem(world: OneGateway, arrived: Arrived) -> str:
    return sign_problem(world.gb.problem(arrived.jwe, envelope_sha256="0" * 64), world.gb.signer)


def _future(world: OneGateway, arrived: Arrived) -> str:
    receipt = world.gb.receipt(arrived.opened)
    return sign_receipt(replace(receipt, issued_at=receipt.issued_at + timedelta(minutes=10)), world.gb.signer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A lie, and why it is not believed: when it is the answer to a message, and when it is posted later."""

    lie: Lie
    code: str = "receipt.invalid"
    late: str = ""

    @property
    def late_code(self) -> str:
        return self.late or self.code


NOT_BOUND = "receipt.not_bound"
UNKNOWN = "transfer.not_found"
REFUSAL = {"verdict": "refused", "code": "schema.invalid"}

LIES: dict[str, Told] = {
    "forged: another's signature under its key's name": Told(lie=_forged),
    "signed by another party's key": Told(lie=_by_other),
    "from another party": Told(lie=_from_other),
    "from ourselves": Told(lie=_by_ourselves),
    "signed by a compromised key": Told(lie=_by_spare("compromised")),
    "signed by a retired key": Told(lie=_by_spare("retired")),
    "signed by an expired key": Told(lie=_by_spare("expired")),
    "signed by a key nobody knows": Told(lie=_by_spare("not introduced"), code="envelope.key_unknown"),
    "alg none": Told(lie=_unsigned),
    "alg HS256": Told(lie=_mac),
    "of another type": Told(lie=_headed(typ="wcx-pong+jws")),
    "a message's type": Told(lie=_headed(typ="wcx-message+jws")),
    "a problem's type": Told(lie=_headed(typ="wcx-problem+jws"), late=NOT_BOUND),
    "with a key of its own": Told(lie=_headed(jwk={"kty": "EC"})),
    "a refusal turned into acceptance": Told(lie=_changed_after),
    "for another message": Told(lie=_about(message_id=OTHER_ID), code=NOT_BOUND, late=UNKNOWN),
    "for another digest": Told(lie=_about(digest="0" * 64), code=NOT_BOUND),
    "to another party": Told(lie=_about(aud=NL), code=NOT_BOUND),
    "from the future": Told(lie=_future),
    "accepted, with a refusal's code": Told(lie=_about(code="schema.invalid")),
    "a verdict nobody knows": Told(lie=_about(verdict="delivered")),
    "with a member more": Told(lie=_about(note="trust me")),
    "a refusal of another digest": Told(lie=_about(**REFUSAL, digest="0" * 64), code=NOT_BOUND),
    "a refusal of another message": Told(lie=_about(**REFUSAL, message_id=OTHER_ID), code=NOT_BOUND, late=UNKNOWN),
    "a forged refusal": Told(lie=_refusal_by_other),
    "a problem about another envelope": Told(lie=_other_problem, code=NOT_BOUND, late="envelope.malformed"),
    "no token": Told(lie=lambda *_: "accepted", late="envelope.malformed"),
}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_recorded_and_the_message_is_sent_again(world: OneGateway, name: str) -> None:
    told = LIES[name]

    def lie(_partner: ScriptedPartner, arrived: Arrived) -> web.StreamResponse:
        return statement(told.lie(world, arrived))

    async with answering(world.gb, world.ports[GB], lie, accepts) as server:
        transfer = await submit(world)
        await transfer.reaches("DELIVERED")
    first, second = server.arrived
    assert (first.opened.digest, first.jwe) != (second.opened.digest, second.jwe)
    assert first.opened.digest == second.opened.digest
    story = [(CLAIMED, ""), (REJECTED, told.code), (FAILED, told.code), (CLAIMED, ""), DELIVERED]
    assert transfer.story() == story
    (outcome, code, detail), _ = transfer.attempts()
    assert (outcome, code, bool(detail)) == ("failed", told.code, True)
    assert [verdict for verdict, _ in transfer.receipts()] == ["accepted"]


# ── answers that say nothing ──


def _jose(body: bytes, status: int = 200) -> Answer:
    return lambda _partner, _arrived: web.Response(status=status, body=body, content_type=JOSE)


def _problem_json(status: int) -> Answer:
    body = json.dumps({"type": "urn:wco-gateway:problem:agreement.none", "code": "agreement.none"}).encode()
    return lambda *_: web.Response(status=status, body=body, content_type="application/problem+json")


def _mislabelled(partner: ScriptedPartner, arrived: Arrived) -> web.Response:
    return web.Response(text=partner.signed_receipt(arrived.opened), content_type="text/plain")


def _bound_problem(partner: ScriptedPartner, arrived: Arrived) -> web.Response:
    return statement(sign_problem(partner.problem(arrived.jwe), partner.signer), status=400)


UNEXPECTED = "channel.unexpected_answer"

UNSIGNED: dict[str, tuple[Answer, str]] = {
    "an unsigned refusal": (_problem_json(422), UNEXPECTED),
    "an unsigned conflict": (_problem_json(409), UNEXPECTED),
    "forbidden": (says(403), UNEXPECTED),
    "not found": (says(404), UNEXPECTED),
    "gone": (says(410), UNEXPECTED),
    "an error": (says(500), UNEXPECTED),
    "a redirect": (says(307, Location="https://127.0.0.1:1/"), UNEXPECTED),
    "a receipt under another media type": (_mislabelled, UNEXPECTED),
    "a statement without end": (_jose(b"A" * 300_000), UNEXPECTED),
    "an empty statement": (_jose(b""), UNEXPECTED),
    "busy": (says(503), "channel.busy"),
    "a signed problem about the envelope": (_bound_problem, "envelope.rejected"),
}


@pytest.mark.parametrize("name", UNSIGNED)
async def test_what_is_no_receipt_ends_no_transfer(world: OneGateway, name: str) -> None:
    answer, code = UNSIGNED[name]
    async with answering(world.gb, world.ports[GB], answer, accepts) as server:
        transfer = await submit(world)
        await transfer.reaches("DELIVERED")
    assert len(server.arrived) == 2
    assert transfer.story() == [(CLAIMED, ""), (FAILED, code), (CLAIMED, ""), DELIVERED]
    (outcome, failed, detail), _ = transfer.attempts()
    assert (outcome, failed, bool(detail)) == ("failed", code, True)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_partner_is_left_alone_for_as_long_as_it_asks(world: OneGateway, status: int) -> None:
    async with answering(world.gb, world.ports[GB], says(status, Retry_After="1"), accepts) as server:
        transfer = await submit(world)
        await transfer.reaches("DELIVERED")
    first, second = server.arrived
    assert second.at - first.at >= 1
    assert transfer.story() == [(CLAIMED, ""), (FAILED, "channel.busy"), (CLAIMED, ""), DELIVERED]


# ── the truth ──


@pytest.mark.parametrize(
    ("status", "code"), [(200, "policy.over_shared"), (409, "message.id_reused"), (200, "agreement.not_known_yet")]
)
async def test_a_genuine_refusal_bound_to_the_digest_ends_it_with_its_code(
    world: OneGateway, status: int, code: str
) -> None:
    def refuses(partner: ScriptedPartner, arrived: Arrived) -> web.StreamResponse:
        return statement(partner.signed_receipt(arrived.opened, verdict=Verdict.REFUSED, code=code), status)

    async with answering(world.gb, world.ports[GB], refuses) as server:
        transfer = await submit(world)
        await transfer.reaches("DEAD_LETTERED")
        (arrived,) = server.arrived
    assert transfer.story() == [(CLAIMED, ""), (AuditEvent.TRANSFER_REFUSED, code)]
    assert (transfer.row()["last_code"], [verdict for verdict, _ in transfer.receipts()]) == (code, ["refused"])
    # The partner has it after all: an accepted receipt, however late, wins.
    late = await world.gb.ask("POST", RECEIPTS, body=world.gb.signed_receipt(arrived.opened).encode())
    assert (late.status, transfer.state) == (204, "DELIVERED")
    assert [verdict for verdict, _ in transfer.receipts()] == ["refused", "accepted"]


# ── later ──


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A message that was answered with 202."""

    transfer: Underway
    arrived: Arrived


async def taken(world: OneGateway) -> Taken:
    async with answering(world.gb, world.ports[GB], takes) as server:
        transfer = await submit(world)
        await transfer.reaches("AWAITING_RECEIPT")
        (arrived,) = server.arrived
    assert transfer.story() == [(CLAIMED, ""), (AuditEvent.TRANSFER_TAKEN, "")]
    return Taken(transfer=transfer, arrived=arrived)


async def test_a_receipt_that_comes_later_delivers_and_its_repeat_changes_nothing(world: OneGateway) -> None:
    one = await taken(world)
    token = world.gb.signed_receipt(one.arrived.opened)
    assert (await world.gb.ask("POST", RECEIPTS, body=token.encode())).status == 204
    assert (one.transfer.state, one.transfer.receipts()) == ("DELIVERED", [("accepted", token)])
    assert one.transfer.story()[-1] == DELIVERED
    rows, seq = world.rows(), world.last_seq()
    again = world.gb.signed_receipt(one.arrived.opened, statement_id=str(uuid4()))
    refusal = world.gb.signed_receipt(one.arrived.opened, verdict=Verdict.REFUSED, code="schema.invalid")
    for body in (token, again):
        assert (await world.gb.ask("POST", RECEIPTS, body=body.encode())).status == 204
    assert (changed_tables(rows, world.rows()), world.last_seq()) == (set(), seq)
    # A refusal of what was accepted changes nothing either, but a partner that contradicts itself is evidence.
    assert (await world.gb.ask("POST", RECEIPTS, body=refusal.encode())).status == 204
    assert (changed_tables(rows, world.rows()), world.last_seq()) == (set(), seq + 1)
    assert one.transfer.story()[-1] == (AuditEvent.RECEIPT_REJECTED, "transfer.illegal_transition")


async def test_a_refusal_that_comes_later_ends_it(world: OneGateway) -> None:
    one = await taken(world)
    token = world.gb.signed_receipt(one.arrived.opened, verdict=Verdict.REFUSED, code="agreement.suspended")
    assert (await world.gb.ask("POST", RECEIPTS, body=token.encode())).status == 204
    assert one.transfer.state == "DEAD_LETTERED"
    assert one.transfer.story()[-1] == (AuditEvent.TRANSFER_REFUSED, "agreement.suspended")


STATUS = {"envelope.key_unknown": 400, "envelope.malformed": 400, UNKNOWN: 404}


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_that_comes_later_is_recorded_and_changes_nothing(world: OneGateway, name: str) -> None:
    one = await taken(world)
    code = LIES[name].late_code
    body = LIES[name].lie(world, one.arrived).encode()
    rows, seq = world.rows(), world.last_seq()
    reply = await world.gb.ask("POST", RECEIPTS, body=body)
    public = "envelope.rejected" if code == "envelope.malformed" else code
    assert (reply.status, reply.said, reply.code) == (STATUS.get(code, 422), "unsigned", public)
    (record,) = world.events(after=seq)
    assert (record.event, record.code, record.actor) == (REJECTED, code, f"party:{GB}")
    assert record.transfer_id == (None if code in {UNKNOWN, "envelope.malformed"} else one.transfer.id)
    assert (changed_tables(rows, world.rows()), one.transfer.state) == (set(), "AWAITING_RECEIPT")


async def test_a_genuine_receipt_that_another_party_brings_is_recorded_and_changes_nothing(world: OneGateway) -> None:
    one = await taken(world)
    rows, seq = world.rows(), world.last_seq()
    reply = await world.nl.ask("POST", RECEIPTS, body=world.gb.signed_receipt(one.arrived.opened).encode())
    assert (reply.status, reply.code) == (404, UNKNOWN)
    (record,) = world.events(after=seq)
    assert (record.event, record.code, record.actor) == (REJECTED, UNKNOWN, f"party:{NL}")
    assert (changed_tables(rows, world.rows()), one.transfer.state) == (set(), "AWAITING_RECEIPT")
