"""Batches over real mutual TLS, both ways: every message is judged as if it had come alone, and answered by its id.

What one line of a batch holds changes nothing for the others. Of what a partner answers to a batch of ours, each line
counts for its own message only, and only as far as its statement holds.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from gateway.audit import AuditEvent
from gateway.domain.batch import ANSWERS_TYPE, BATCH_TYPE, LineAnswer, write_answers
from gateway.domain.limits import MAX_BATCH_BYTES, MAX_BATCH_ENVELOPES, max_envelope_bytes
from gateway.domain.statement import Verdict
from gateway.exchange.dispatch import DispatchLimits
from gateway.web.partner import BATCH_BYTES_UNDER_WAY
from tests.integration.hostile_sending import CLAIMED, FAILED, REJECTED, Underway, submit
from tests.integration.hostile_stage import Stage, stage_in
from tests.integration.one_gateway import GB, MAX_DOCUMENT_BYTES, changed_tables
from tests.integration.scripted_partner import BATCHES, Reply, ScriptedPartner, Sealed, careless_context
from tests.integration.scripted_server import Arrived, BatchAnswer, accepts, answering, eventually, statement

pytestmark = pytest.mark.asyncio(loop_scope="module")

DELIVERED = (AuditEvent.TRANSFER_DELIVERED, "ok")
UNEXPECTED = "channel.unexpected_answer"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with stage_in(tmp_path_factory.mktemp("batches") / "world") as opened:
        yield opened


# ── what a partner sends ──


async def test_each_message_of_a_batch_is_accepted_and_its_repeat_gets_the_same_receipts(stage: Stage) -> None:
    batch = [stage.gb.message() for _ in range(MAX_BATCH_ENVELOPES)]
    whole, lines = await stage.gb.post_batch(batch)
    assert (whole.status, whole.said) == (200, "answers")
    assert [line.said for line in lines] == ["receipt accepted"] * len(batch)
    rows = stage.world.rows()
    await eventually(lambda: not stage.world.ask("SELECT 1 FROM hand_over WHERE state <> 'HANDED_OVER'"))
    _, again = await stage.gb.post_batch(batch)
    assert [line.token for line in again] == [line.token for line in lines]
    assert changed_tables(rows, stage.world.rows()) <= {"hand_over", "notice_owed", "partner_health"}


def _wrong(stage: Stage, change: Callable[[str], str]) -> Sealed:
    sealed = stage.gb.message()
    return replace(sealed, jwe=change(sealed.jwe))


def _flipped(jwe: str) -> str:
    head, dot, tag = jwe.rpartition(".")
    return head + dot + ("A" if tag[0] != "A" else "B") + tag[1:]


def _expired(stage: Stage) -> Sealed:
    header = stage.gb.header()
    age = header.expires - header.created
    header = replace(header, created=header.created - age, expires=header.expires - age)
    return stage.gb.seal(stage.gb.sign(header), header)


def _reusing(stage: Stage) -> Sealed:
    header = stage.gb.header(message_id=stage.known.header.message_id)
    return stage.gb.seal(stage.gb.sign(header), header)


BAD: dict[str, tuple[Callable[[Stage], Sealed], int, str, str]] = {
    "no token": (lambda stage: _wrong(stage, lambda _jwe: "no token"), 400, "problem", "envelope.rejected"),
    "an empty line": (lambda stage: _wrong(stage, lambda _jwe: ""), 400, "problem", "envelope.rejected"),
    "a line that ends in CR": (
        lambda stage: _wrong(stage, lambda jwe: jwe + "\r"),
        400,
        "problem",
        "envelope.rejected",
    ),
    "bytes": (lambda stage: _wrong(stage, lambda _jwe: "\xff\x00\xfe"), 400, "problem", "envelope.rejected"),
    "changed on the way": (lambda stage: _wrong(stage, _flipped), 400, "problem", "envelope.rejected"),
    "from another party": (lambda stage: stage.nl.message(), 400, "problem", "envelope.rejected"),
    "a document that is none": (
        lambda stage: stage.gb.message(b"<x"),
        200,
        "receipt refused",
        "document.not_well_formed",
    ),
    "expired": (_expired, 200, "receipt refused", "envelope.expired"),
    "another message under a known id": (_reusing, 409, "receipt refused", "message.id_reused"),
    "too large": (
        lambda stage: _wrong(stage, lambda jwe: jwe + "A" * max_envelope_bytes(MAX_DOCUMENT_BYTES)),
        413,
        "unsigned",
        "request.too_large",
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_line_has_its_own_verdict_and_its_neighbours_theirs(stage: Stage, name: str) -> None:
    make, status, said, code = BAD[name]
    before, after = stage.gb.message(), stage.gb.message()
    whole, (first, bad, last) = await stage.gb.post_batch([before, make(stage), after])
    assert whole.status == 200
    assert (first.said, last.said) == ("receipt accepted", "receipt accepted")
    assert (bad.status, bad.said, bad.code) == (status, said, code)
    kept = stage.world.ask("SELECT count(*) FROM inbox WHERE message_id IN (?, ?)", before.message_id, after.message_id)
    assert kept == [(2,)]


async def test_an_id_that_stands_twice_in_a_batch_is_one_message(stage: Stage) -> None:
    header = stage.gb.header()
    jws = stage.gb.sign(header)
    other = stage.gb.header(message_id=header.message_id)
    batch = [stage.gb.seal(jws, header), stage.gb.seal(jws, header), stage.gb.seal(stage.gb.sign(other), other)]
    _, (first, same, another) = await stage.gb.post_batch(batch)
    assert (first.said, same.token) == ("receipt accepted", first.token)
    assert (another.status, another.code) == (409, "message.id_reused")
    assert stage.world.ask("SELECT count(*) FROM inbox WHERE message_id = ?", header.message_id) == [(1,)]


async def _post(stage: Stage, body: bytes, path: str = BATCHES, media_type: str = BATCH_TYPE) -> tuple[int, str]:
    reply = await stage.gb.ask("POST", path, body=body, headers={"Content-Type": media_type})
    return reply.status, reply.code


REFUSED: dict[str, tuple[Callable[[Stage], tuple[bytes, dict[str, str]]], int, str]] = {
    "nothing": (lambda _stage: (b"", {}), 400, "request.malformed"),
    "a line feed": (lambda _stage: (b"\n", {}), 400, "request.malformed"),
    "a line too many": (lambda _stage: (b"a\n" * (MAX_BATCH_ENVELOPES + 1), {}), 413, "request.too_large"),
    "the media type of one envelope": (
        lambda stage: (stage.gb.message().jwe.encode(), {"media_type": "application/jose"}),
        415,
        "request.media_type",
    ),
    "a query": (lambda stage: (stage.gb.message().jwe.encode(), {"path": BATCHES + "?all"}), 400, "request.malformed"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_batch_that_is_refused_as_a_whole_leaves_one_record(stage: Stage, name: str) -> None:
    make, status, code = REFUSED[name]
    await eventually(lambda: not stage.world.ask("SELECT 1 FROM hand_over WHERE state <> 'HANDED_OVER'"))
    rows, seq = stage.world.rows(), stage.world.last_seq()
    body, how = make(stage)
    assert await _post(stage, body, **how) == (status, code)
    (record,) = stage.world.events(after=seq)
    assert (record.event, record.code, record.actor) == (AuditEvent.MESSAGE_UNOPENED, code, f"party:{GB}")
    assert changed_tables(rows, stage.world.rows()) <= {"partner_health", "notice_owed"}


async def test_a_partner_with_too_much_under_way_is_sent_away_before_its_body_is_read(stage: Stage) -> None:
    where = urlsplit(stage.gb.url)
    head = f"POST {BATCHES} HTTP/1.1\r\nHost: x\r\nContent-Type: {BATCH_TYPE}\r\n".encode()
    most = BATCH_BYTES_UNDER_WAY // MAX_BATCH_BYTES
    writers = []
    for _ in range(most):
        tls = careless_context(stage.gb.us, stage.gb.node.tls)
        _, writer = await asyncio.open_connection(where.hostname, where.port, ssl=tls)
        writer.write(head + b"Content-Length: %d\r\n\r\n" % MAX_BATCH_BYTES)
        writers.append(writer)
    batch = [stage.gb.message(), stage.gb.message()]

    async def answered(status: int) -> Reply:
        async with asyncio.timeout(60):
            while (reply := (await stage.gb.post_batch(batch))[0]).status != status:  # noqa: ASYNC110  it rings no bell
                await asyncio.sleep(0.02)
        return reply

    refused = await answered(503)
    assert (refused.said, refused.code, int(refused.headers["Retry-After"]) > 0) == ("unsigned", "busy", True)
    for writer in writers:
        writer.close()
    await answered(200)


# ── what a partner answers ──


def answers(*lines: LineAnswer) -> web.Response:
    return web.Response(body=write_answers(lines), content_type=ANSWERS_TYPE)


def honest(partner: ScriptedPartner, arrived: Arrived) -> LineAnswer:
    token = partner.signed_receipt(arrived.opened)
    return LineAnswer(message_id=arrived.opened.header.message_id, status=200, token=token)


def accepts_all(partner: ScriptedPartner, batch: Sequence[Arrived]) -> web.Response:
    return answers(*(honest(partner, one) for one in batch))


async def three_that_wait(stage: Stage) -> list[Underway]:
    """Submit three documents that can not go yet, since nobody listens and nobody has answered lately."""
    loop = asyncio.get_running_loop()
    answered = loop.time()
    limits = DispatchLimits()
    # The claim after the last answer comes up to `apart` later, and opens the fast path once more.
    lately = 2 * limits.reached_for + limits.apart
    await eventually(lambda: loop.time() - answered > lately.total_seconds())
    return [await submit(stage.world) for _ in range(3)]


async def three_at_once(stage: Stage, *script: BatchAnswer) -> tuple[list[Underway], list[int]]:
    """Have three transfers go in one batch, which is answered from `script`; return them delivered."""
    world = stage.world
    before = await three_that_wait(stage)
    async with answering(world.gb, world.ports[GB], accepts, batches=script) as server:
        for one in before:
            await one.reaches("DELIVERED")
    assert server.batches[0] == 3
    return before, server.batches


async def test_three_that_wait_go_in_one_request_and_each_is_settled_by_its_line(stage: Stage) -> None:
    transfers, batches = await three_at_once(stage, accepts_all)
    assert batches == [3]
    assert [one.story() for one in transfers] == [[(CLAIMED, ""), DELIVERED]] * 3


def _without_one(partner: ScriptedPartner, batch: Sequence[Arrived]) -> web.Response:
    return answers(*(honest(partner, one) for one in batch[1:]))


def _one_twice(partner: ScriptedPartner, batch: Sequence[Arrived]) -> web.Response:
    return answers(*(honest(partner, one) for one in (*batch, batch[0])))


def _one_lie(partner: ScriptedPartner, batch: Sequence[Arrived]) -> web.Response:
    first, *others = batch
    lie = replace(honest(partner, first), token=partner.signed_receipt(first.opened, digest="0" * 64))
    return answers(lie, *(honest(partner, one) for one in others))


def _swapped(partner: ScriptedPartner, batch: Sequence[Arrived]) -> web.Response:
    first, second, *others = [honest(partner, one) for one in batch]
    return answers(replace(first, token=second.token), replace(second, token=first.token), *others)


def _one_unsigned_refusal(partner: ScriptedPartner, batch: Sequence[Arrived]) -> web.Response:
    first, *others = [honest(partner, one) for one in batch]
    return answers(replace(first, status=422, token=None, code="agreement.none"), *others)


SPOILT: dict[str, tuple[BatchAnswer, int, list[tuple[str, str]]]] = {
    "a line that is missing": (_without_one, 1, [(FAILED, UNEXPECTED)]),
    "a line that is there twice": (_one_twice, 1, [(FAILED, UNEXPECTED)]),
    "an unsigned refusal": (_one_unsigned_refusal, 1, [(FAILED, UNEXPECTED)]),
    "a lie": (_one_lie, 1, [(REJECTED, "receipt.not_bound"), (FAILED, "receipt.not_bound")]),
    "receipts of each other": (_swapped, 2, [(REJECTED, "receipt.not_bound"), (FAILED, "receipt.not_bound")]),
    "nonsense": (lambda *_: web.Response(text="ok", content_type=ANSWERS_TYPE), 3, [(FAILED, UNEXPECTED)]),
    "a receipt for all": (
        lambda partner, batch: statement(partner.signed_receipt(batch[0].opened)),
        3,
        [(FAILED, UNEXPECTED)],
    ),
    "an error": (lambda *_: web.Response(status=500), 3, [(FAILED, UNEXPECTED)]),
    "busy": (lambda *_: web.Response(status=503), 3, [(FAILED, "channel.busy")]),
}


@pytest.mark.parametrize("name", SPOILT)
async def test_what_a_line_does_not_prove_is_sent_again_and_the_others_are_settled(stage: Stage, name: str) -> None:
    script, failed, story = SPOILT[name]
    transfers, _ = await three_at_once(stage, script, accepts_all)
    stories = sorted((one.story() for one in transfers), key=len)
    once, again = [(CLAIMED, ""), DELIVERED], [(CLAIMED, ""), *story, (CLAIMED, ""), DELIVERED]
    assert stories == [once] * (3 - failed) + [again] * failed


async def test_a_signed_refusal_in_a_line_ends_its_transfer_alone(stage: Stage) -> None:
    world = stage.world

    def refuses_first(partner: ScriptedPartner, batch: Sequence[Arrived]) -> web.Response:
        first, *others = batch
        token = partner.signed_receipt(first.opened, verdict=Verdict.REFUSED, code="policy.over_shared")
        return answers(replace(honest(partner, first), token=token), *(honest(partner, one) for one in others))

    transfers = await three_that_wait(stage)
    async with answering(world.gb, world.ports[GB], accepts, batches=[refuses_first]):
        await eventually(lambda: sorted(one.state for one in transfers) == ["DEAD_LETTERED", "DELIVERED", "DELIVERED"])
    assert sorted(one.state for one in transfers) == ["DEAD_LETTERED", "DELIVERED", "DELIVERED"]


async def test_a_partner_that_knows_no_batches_gets_its_messages_one_by_one(stage: Stage) -> None:
    world = stage.world
    transfers = await three_that_wait(stage)
    async with answering(world.gb, world.ports[GB], accepts) as server:
        for one in transfers:
            await one.reaches("DELIVERED")
    assert (len(server.arrived), server.batches) == (3, [])
    assert [one.story() for one in transfers] == [[(CLAIMED, ""), DELIVERED]] * 3
