"""Keys are replaced by newer ones while a message waits for its partner: it arrives as it was signed, and nothing is lost."""

import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.envelope.compact import decode
from gateway.trust import Use
from gateway.trust.pki import issue
from tests.integration.hostile_sending import Underway, submit
from tests.integration.one_gateway import GB, OneGateway, one_gateway
from tests.integration.scripted_server import Arrived, accepts, answering, eventually
from tests.pki import write_bundle


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path / "world") as opened:
        yield opened


def new_key_of_gb(world: OneGateway) -> None:
    """Give GB a newer decryption key beside the old one, and introduce it to us; it counts from a restart on."""
    gb = world.pki[GB]
    made = issue(gb.authority.folder, GB, Use.DECRYPT, keys=gb.folder / "keys", now=datetime.now(UTC)).files
    object.__setattr__(gb, "decryption", (*gb.decryption, made))
    write_bundle(gb)
    shutil.copy(gb.bundle, world.folder / "partners" / GB / "partner.json")
    world.gb.read_trust()


def wrapped_to(arrived: Arrived) -> str:
    """Return the id of the key that an envelope was made for."""
    return str(json.loads(decode(arrived.jwe.partition(".")[0].encode()))["kid"])


async def while_gb_is_away(world: OneGateway) -> Underway:
    """Submit what must wait for GB."""
    transfer = await submit(world)
    await eventually(lambda: world.ask("SELECT 1 FROM partner_health WHERE partner = ? AND failures > 0", GB))
    return transfer


async def test_our_new_signing_key_signs_what_comes_and_what_waits_goes_as_it_was_signed(world: OneGateway) -> None:
    waits = await while_gb_is_away(world)
    world.our_new_key(Use.SIGN)
    await world.restart()
    async with answering(world.gb, world.ports[GB], accepts) as server:
        comes = await submit(world)
        for transfer in (waits, comes):
            await transfer.reaches("DELIVERED")
    keys = {arrived.opened.digest: arrived.opened.key_id for arrived in server.arrived}
    assert set(keys) == {waits.row()["digest"], comes.row()["digest"]}
    assert len(set(keys.values())) == 2


async def test_what_waits_for_a_partner_goes_to_its_new_decryption_key_with_the_same_digest(world: OneGateway) -> None:
    async with answering(world.gb, world.ports[GB], accepts) as before:
        await (await submit(world)).reaches("DELIVERED")
    waits = await while_gb_is_away(world)
    digest = waits.row()["digest"]
    new_key_of_gb(world)
    await world.restart()
    async with answering(world.gb, world.ports[GB], accepts) as after:
        await waits.reaches("DELIVERED")
    assert [arrived.opened.digest for arrived in after.arrived] == [digest]
    assert wrapped_to(before.arrived[0]) != wrapped_to(after.arrived[0])
