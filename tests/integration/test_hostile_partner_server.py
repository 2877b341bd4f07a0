"""A server that is not the partner's gateway gets nothing of a message but a handshake.

Each flaw stands where GB-HMRC should listen. The attempt is explained in the transfer, which stays unfinished and is
delivered as soon as the right server is back.
"""

import ssl
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.audit import AuditEvent
from gateway.trust import KeyFiles
from gateway.trust.pki import refresh_crls
from tests.integration.hostile_sending import CLAIMED, FAILED, Underway, submit
from tests.integration.one_gateway import GB, NL, US, OneGateway, Rows, one_gateway
from tests.integration.scripted_partner import now
from tests.integration.scripted_server import accepts, answering, eventually, listening_as
from tests.pki import forge, make_pki, uri
from tests.unit.trust.flaws import ANY, CLIENT_ONLY

pytestmark = pytest.mark.asyncio(loop_scope="module")

DELIVERED = (AuditEvent.TRANSFER_DELIVERED, "ok")
MOVING = {
    "state",
    "version",
    "fence",
    "lease_until",
    "attempts",
    "next_attempt_at",
    "updated",
    "last_code",
    "last_detail",
}
"""The columns of a transfer that tell of its attempts."""


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


def _only_the_attempts_show(transfer: Underway, before: dict[str, Any], rows: Rows) -> None:
    """Hold against a transfer that it changed in nothing but its attempts, and against all else that it did not."""
    after, now_rows = transfer.row(), transfer.world.rows()
    assert {name for name in after if after[name] != before[name]} <= MOVING
    assert (after["ever_sent"], after["state"] in {"QUEUED", "IN_FLIGHT"}) == (0, True)
    others = rows.keys() - {"transfer", "attempt"}
    assert {name for name in others if rows[name] != now_rows[name]} == set()


def _explained(transfer: Underway, code: str) -> None:
    """Hold the story so far against failed attempts with this code, each with its explanation and its two records."""
    attempts = transfer.attempts()
    assert {(outcome, failed) for outcome, failed, _ in attempts} == {("failed", code)}
    assert all(detail for *_, detail in attempts)
    story = transfer.story()
    pairs = len(attempts) * [(CLAIMED, ""), (FAILED, code)]
    assert story in (pairs, [*pairs, (CLAIMED, "")])


@pytest.mark.parametrize("flaw", FLAWS)
async def test_nothing_of_a_message_goes_to_a_server_whose_certificate_is(
    world: OneGateway, flaw: str, tmp_path: Path
) -> None:
    async with listening_as(FLAWS[flaw](world, tmp_path / "forged"), world.ports[GB]) as heard:
        transfer = await submit(world)
        before, rows = transfer.row(), world.rows()
        await transfer.failed_attempt()
        _explained(transfer, "channel.tls_refused")
        _only_the_attempts_show(transfer, before, rows)
    assert heard.connections >= 1
    assert heard.content == b""
    await _delivered_at_last(world, transfer)


async def test_nothing_of_a_message_goes_over_tls_1_2(world: OneGateway) -> None:
    def old(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    async with listening_as(world.gb.node.tls, world.ports[GB], weaken=old) as heard:
        transfer = await submit(world)
        before, rows = transfer.row(), world.rows()
        await transfer.failed_attempt()
        _explained(transfer, "channel.tls_refused")
        _only_the_attempts_show(transfer, before, rows)
    assert heard.content == b""
    await _delivered_at_last(world, transfer)


async def test_the_same_server_with_the_right_certificate_hears_the_message(world: OneGateway) -> None:
    """What the others did not hear would have been heard."""
    async with listening_as(world.gb.node.tls, world.ports[GB]) as heard:
        transfer = await submit(world)
        await eventually(lambda: b"POST /exchange/v1/messages" in heard.content)
    await _delivered_at_last(world, transfer)


async def test_a_server_revoked_while_its_connection_is_kept_gets_no_further_message(tmp_path: Path) -> None:
    async with one_gateway(tmp_path / "world") as world, answering(world.gb, world.ports[GB], accepts) as server:
        first = await submit(world)
        await first.reaches("DELIVERED")
        world.gb.node.revoke(world.gb.node.tls, now())
        second = await submit(world)
        await second.failed_attempt()
        _explained(second, "channel.tls_refused")
        # Whether the refused write was the first of its request is not known, so it counts as perhaps sent.
        assert (second.row()["ever_sent"], second.state in {"QUEUED", "IN_FLIGHT"}) == (1, True)
        assert [one.opened.header.message_id for one in server.arrived] == [first.row()["message_id"]]


async def test_without_a_fresh_revocation_list_no_connection_is_tried(world: OneGateway) -> None:
    authority = world.gb.node.authority.folder
    refresh_crls(authority, now=now() - timedelta(days=30))
    try:
        async with listening_as(world.gb.node.tls, world.ports[GB]) as heard:
            transfer = await submit(world)
            before, rows = transfer.row(), world.rows()
            await transfer.failed_attempt()
            _explained(transfer, "trust.crl_stale")
            _only_the_attempts_show(transfer, before, rows)
        assert (heard.connections, heard.content) == (0, b"")
    finally:
        refresh_crls(authority, now=now())
    await _delivered_at_last(world, transfer)


async def _delivered_at_last(world: OneGateway, transfer: Underway) -> None:
    async with answering(world.gb, world.ports[GB], accepts) as server:
        await transfer.reaches("DELIVERED")
    assert len(server.arrived) == 1
    assert transfer.story()[-2:] == [(CLAIMED, ""), DELIVERED]
    assert transfer.row()["ever_sent"] == 1
