"""A server that is not the partner's gateway gets nothing of a message but a handshake.

Each flaw stands where GB-HMRC should listen. It costs one audit record and no attempt: the transfer is not even claimed,
and is delivered as soon as the right server is back.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.audit import AuditEvent
from gateway.exchange.dispatch import DispatchLimits
from gateway.trust import KeyFiles
from gateway.trust.pki import refresh_crls
from tests.integration.hostile_sending import CLAIMED, Underway, submit
from tests.integration.one_gateway import GB, NL, US, OneGateway, one_gateway
from tests.integration.scripted_partner import now
from tests.integration.scripted_server import accepts, answering, eventually, listening_as
from tests.pki import forge, make_pki, uri
from tests.unit.trust.flaws import ANY, CLIENT_ONLY

pytestmark = pytest.mark.asyncio(loop_scope="module")

_LIMITS = DispatchLimits()
DELIVERED = (AuditEvent.TRANSFER_DELIVERED, "ok")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path_factory.mktemp("server") / "world") as opened:
        yield opened


Shape = Callable[[OneGateway, Path], KeyFiles]


def _forged(**shape: Any) -> Shape:
    issuer = shape.pop("issuer", GB)
    return lambda world, folder: forge(world.pki[issuer].authority, folder, now(), **{"uris": [uri(GB)], **shape})


def _spare(name: str) -> Shape:
    return lambda world, _folder: world.spare[name]


def _stranger(_world: OneGateway, folder: Path) -> KeyFiles:
    return make_pki(folder, [GB], now())[GB].tls


FLAWS: dict[str, Shape] = {
    "expired": _spare("tls expired"),
    "not yet valid": _forged(begins=timedelta(days=1), ends=timedelta(days=2)),
    "revoked": _spare("tls revoked"),
    "superseded": _spare("tls superseded"),
    "of an unknown authority": _stranger,
    "of another partner's authority": _forged(issuer=NL),
    "of our own authority": _forged(issuer=US),
    "another partner's": lambda world, _folder: world.pki[NL].tls,
    "of the right authority, for another partner": _forged(uris=[uri(NL)]),
    "of the right authority, for nobody": _forged(uris=[]),
    "of the right authority, for two": _forged(uris=[uri(GB), uri(NL)]),
    "for clients only": _forged(usages=CLIENT_ONLY),
    "for any usage": _forged(usages=ANY),
    "without extended key usage": _forged(usages=()),
    "for signing": lambda world, _folder: world.gb.node.signing[0],
}


async def _refused_without_a_trace(world: OneGateway, code: str) -> Underway:
    """Submit while the partner can not be had, and hold against the world that it changed in nothing but one audit
    record and the partner's health. Return the transfer, which waits."""
    loop = asyncio.get_running_loop()
    answered = loop.time()
    # The claim after the last answer comes up to `apart` later, and opens the fast path once more.
    lately = 2 * _LIMITS.reached_for + _LIMITS.apart
    await eventually(lambda: loop.time() - answered > lately.total_seconds())
    seq = world.last_seq()
    transfer = await submit(world)
    rows = world.rows()
    (why,) = await eventually(
        lambda: world.ask(
            "SELECT last_code, last_detail <> '' FROM partner_health WHERE partner = ? AND failures > 0", GB
        )
    )
    assert why == (code, 1)
    *accepted, refused = world.events(after=seq)
    assert [event.event for event in accepted] == [AuditEvent.SUBMISSION_ACCEPTED, AuditEvent.TRANSFER_ACCEPTED]
    assert (refused.event, refused.code, refused.facts["recipient"]) == (AuditEvent.CHANNEL_REFUSED, code, GB)
    assert world.rows() == rows
    assert (transfer.state, transfer.row()["attempts"], transfer.story()) == ("QUEUED", 0, [])
    return transfer


@pytest.mark.parametrize("flaw", FLAWS)
async def test_nothing_of_a_message_goes_to_a_server_whose_certificate_is(
    world: OneGateway, flaw: str, tmp_path: Path
) -> None:
    async with listening_as(FLAWS[flaw](world, tmp_path / "forged"), world.ports[GB]) as heard:
        transfer = await _refused_without_a_trace(world, "channel.tls_refused")
    assert heard.connections >= 1
    assert heard.content == b""
    await _delivered_at_last(world, transfer)


async def test_nothing_of_a_message_goes_over_tls_1_2(world: OneGateway) -> None:
    def old(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    async with listening_as(world.gb.node.tls, world.ports[GB], weaken=old) as heard:
        transfer = await _refused_without_a_trace(world, "channel.tls_refused")
    assert heard.content == b""
    await _delivered_at_last(world, transfer)


async def test_the_same_server_with_the_right_certificate_hears_the_message(world: OneGateway) -> None:
    """What the others did not hear would have been heard."""
    async with listening_as(world.gb.node.tls, world.ports[GB]) as heard:
        transfer = await submit(world)
        await eventually(lambda: b"POST /exchange/v1/messages" in heard.content)
    assert heard.connections >= 1
    assert b"application/jose" in heard.content
    await _delivered_at_last(world, transfer)


async def test_a_server_revoked_while_its_connection_is_kept_gets_no_further_message(tmp_path: Path) -> None:
    async with one_gateway(tmp_path / "world") as world, answering(world.gb, world.ports[GB], accepts) as server:
        first = await submit(world)
        await first.reaches("DELIVERED")
        world.gb.node.revoke(world.gb.node.tls, now())
        second = await _refused_without_a_trace(world, "channel.tls_refused")
        assert second.row()["ever_sent"] == 0
        assert [one.opened.header.message_id for one in server.arrived] == [first.row()["message_id"]]


async def test_without_a_fresh_revocation_list_no_server_is_believed(world: OneGateway) -> None:
    authority = world.gb.node.authority.folder
    refresh_crls(authority, now=now() - timedelta(days=30))
    try:
        async with listening_as(world.gb.node.tls, world.ports[GB]) as heard:
            transfer = await _refused_without_a_trace(world, "trust.crl_stale")
        assert heard.content == b""
    finally:
        refresh_crls(authority, now=now())
    await _delivered_at_last(world, transfer)


async def _delivered_at_last(world: OneGateway, transfer: Underway) -> None:
    async with answering(world.gb, world.ports[GB], accepts) as server:
        await transfer.reaches("DELIVERED")
    assert len(server.arrived) == 1
    assert transfer.story()[-2:] == [(CLAIMED, ""), DELIVERED]
    assert transfer.row()["ever_sent"] == 1
