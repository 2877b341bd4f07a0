"""A node that stops while its partner stands still: what only waited for its turn is as if it had never been claimed."""

from datetime import timedelta
from pathlib import Path

from gateway.audit import AuditEvent
from tests.integration import broken_server
from tests.integration.broken_server import broken
from tests.integration.hostile_sending import CLAIMED, submit
from tests.integration.one_gateway import GB, one_gateway
from tests.integration.scripted_server import accepts, answering, eventually

ONE_REQUEST = "[[partners]]\nrequests = 1\n"


async def test_what_waits_in_memory_when_a_node_stops_counts_neither_as_sent_nor_as_tried(tmp_path: Path) -> None:
    async with one_gateway(tmp_path / "world", start=False) as world:
        text = world.config.read_text(encoding="utf-8").replace("[[partners]]\n", ONE_REQUEST)
        world.config.write_text(text.replace("[timing]\n", '[timing]\nstop = "1s"\n'), encoding="utf-8")
        await world.start()
        async with broken(world.gb, world.ports[GB], broken_server.hang) as seen:
            under_way = await submit(world)
            await eventually(lambda: seen.asked)
            assert world.node is not None
            world.node._fast_path.open(GB, lasting=timedelta(minutes=1))
            waiting = await submit(world)
            assert waiting.state == "IN_FLIGHT"
            await world.stop()
        assert [under_way.story()[-1], waiting.story()[-1]] == [
            (AuditEvent.TRANSFER_LEASE_LOST, "transfer.lease_lost"),
            (AuditEvent.TRANSFER_GIVEN_BACK, ""),
        ]
        told = [(row["state"], row["ever_sent"], row["attempts"]) for row in (under_way.row(), waiting.row())]
        assert told == [("QUEUED", 1, 1), ("QUEUED", 0, 0)]
        await world.start()
        async with answering(world.gb, world.ports[GB], accepts):
            for one in (under_way, waiting):
                await one.reaches("DELIVERED")
        assert waiting.story()[-2:] == [(CLAIMED, ""), (AuditEvent.TRANSFER_DELIVERED, "ok")]
