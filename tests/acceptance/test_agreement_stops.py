"""An agreement that is suspended or ends between two live gateways: what was under way is told, what waits is held for a
reason that a person understands, and when it is in force again all of it arrives, each document once."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app import Node, rulebook_of
from gateway.app.node import DATABASE
from gateway.client import ClientError, OperationsClient, SubmissionClient, Transfer
from gateway.demo.layout import AUDIENCE, SUBMITTER, NodeLayout, copy_agreement
from gateway.domain.access import Role
from gateway.domain.ids import ClientId, TransferId
from gateway.domain.lifecycle import TransferState
from gateway.settings import load_configuration
from gateway.system import SystemClock
from gateway.trust import issue_token
from tests.acceptance.commands import Ran, gateway
from tests.faults.books import read_books
from tests.faults.traffic import SAMPLES, Clients, Document
from tests.faults.until import until
from tests.integration.desk_pair import QuietTelemetry
from tests.world import FR, GB, TwoGateways, two_gateways

WITHIN = 60.0


class Agreed:
    """Two gateways of which each holds a copy of the agreement for itself, and an officer at either end."""

    def __init__(self, gateways: TwoGateways, clients: Clients) -> None:
        self.gateways = gateways
        self.clients = clients
        self.documents: list[Document] = []

    def layout(self, party: str) -> NodeLayout:
        return (self.gateways.gb if party == GB else self.gateways.fr).layout

    def say(self, party: str, line: str) -> None:
        """Write a line of one side's copy of the agreement anew."""
        file = self.layout(party).folder / "config" / "agreements" / "gb-fr.yaml"
        key = line.split(":", maxsplit=1)[0]
        text, count = re.subn(rf"^( *){key}: .*$", rf"\g<1>{line}", file.read_text("utf-8"), flags=re.MULTILINE)
        assert count == 1
        file.write_text(text, "utf-8")

    async def run(self, party: str, role: Role, *arguments: object) -> Ran:
        """Run a command as a person of that side."""
        node = self.layout(party)
        env = {"GATEWAY_TOKEN": token(node, role), "GATEWAY_URL": node.operations_url}
        return await asyncio.to_thread(gateway, *arguments, env=env)

    async def reload(self, party: str, line: str) -> str:
        self.say(party, line)
        ran = await self.run(party, Role.ADMIN, "reload", "--reason", line)
        assert ran.code == 0, ran.err
        return ran.out

    def drawn(self, sender: str, number: int) -> list[Document]:
        """Return documents that were not sent before."""
        recipient = FR if sender == GB else GB
        first = len(self.documents)
        made = [
            Document(
                marker=f"{sender}-{first + one:04d}",
                sample=SAMPLES[one % len(SAMPLES)],
                sender=self.layout(sender).party,
                recipient=recipient,
            )
            for one in range(number)
        ]
        self.documents += made
        return made

    async def submit(self, sender: str, number: int) -> list[TransferId]:
        return [TransferId((await self.clients.submit(one)).message_id) for one in self.drawn(sender, number)]

    async def refused(self, sender: str) -> str:
        """Submit what must be refused, and return the code that the submitter reads."""
        node, document = self.layout(sender), self.drawn(sender, 1)[0]
        async with SubmissionClient(node.submission_url, token(node, Role.SUBMITTER)) as client:
            with pytest.raises(ClientError) as caught:
                await client.submit(document.text(), to=[document.recipient], idempotency_key=document.key)
        self.documents.pop()
        (refused,) = caught.value.problem["recipients"]
        return str(refused["code"])

    async def rows(self, party: str, state: TransferState) -> list[Transfer]:
        node = self.layout(party)
        async with OperationsClient(node.operations_url, token(node, Role.OPERATOR)) as client:
            found, older = await client.transfers(state=state, limit=200)
        assert older is None
        return list(found)

    async def settled(self, party: str) -> None:
        """Wait until nothing of this side is waiting or on its way."""

        async def rests() -> bool:
            moving = (TransferState.QUEUED, TransferState.IN_FLIGHT)
            return not [one for state in moving for one in await self.rows(party, state)]

        async with asyncio.timeout(WITHIN):
            while not await rests():  # noqa: ASYNC110 - other processes make it come true
                await asyncio.sleep(0.05)

    async def all_arrived_once(self) -> None:
        """Every document that was acknowledged came to the other back end, as one message; nothing else came."""
        for sender, side in ((GB, self.gateways.fr), (FR, self.gateways.gb)):
            markers = {one.marker for one in self.documents if one.sender == sender}
            assert await until(lambda: len(side.backend.by_id) >= len(markers), within=timedelta(seconds=WITHIN))  # noqa: B023
            came = [found.document for found in side.backend.by_id.values()]
            assert len(came) == len(markers)
            assert all(sum(marker.encode() in one for one in came) == 1 for marker in markers)
            states = read_books(self.layout(sender).data / DATABASE, sender).transfers
            assert set(states.values()) == {TransferState.DELIVERED}
            assert await side.audit_is_whole()


def token(node: NodeLayout, role: Role) -> str:
    """Return a token of a person who has this role at a node, good for four days."""
    known = {Role.ADMIN: "administrator", Role.OPERATOR: "operator", Role.OFFICER: "officer", Role.SUBMITTER: SUBMITTER}
    return issue_token(
        node.folder / "tokens",
        issuer=f"urn:wco-gateway:issuer:{node.party}",
        audience=AUDIENCE,
        client=ClientId(known[role]),
        roles=[role],
        now=datetime.now(UTC),
        lifetime=timedelta(days=4),
    )


def own_copy(node: NodeLayout, agreements: Path) -> None:
    """Have a node read a copy of the agreement and its policies that is its own, and know an officer."""
    shutil.copytree(agreements.parent, node.folder / "config")
    text = re.sub(
        r"^agreements = .*$", 'agreements = ["config/agreements"]', node.config.read_text("utf-8"), flags=re.MULTILINE
    )
    node.config.write_text(f'{text}\n[[clients]]\nid = "officer"\nroles = ["officer"]\n', "utf-8")


@asynccontextmanager
async def agreed(folder: Path, *, start: bool = True) -> AsyncIterator[Agreed]:
    agreements = copy_agreement("gb-fr", folder / "agreed")
    async with two_gateways(folder / "world", agreements=agreements, start=False) as gateways:
        for side in gateways.sides.values():
            own_copy(side.layout, agreements)
        if start:
            await asyncio.gather(*(side.process.start() for side in gateways.sides.values()))
        async with Clients(gateways.sides) as clients:
            yield Agreed(gateways, clients)


async def test_a_suspension_at_either_end_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with agreed(tmp_path) as world:
        await world.submit(GB, 3)
        await world.submit(FR, 3)
        # 1. GB suspends, while some of its documents wait: FR's gateway is away for a moment.
        await asyncio.gather(world.settled(GB), world.settled(FR))
        await world.gateways.fr.process.stop()
        waiting = await world.submit(GB, 3)
        told = await world.reload(GB, "suspended: true")
        assert "gb-fr version 1" in told
        assert re.search(r"held +3 ", told), told
        assert await world.refused(GB) == "agreement.suspended"
        held = await world.rows(GB, TransferState.HELD)
        assert {one.id for one in held} == set(waiting)
        assert {(one.code, one.detail) for one in held} == {
            ("agreement.not_in_force", "Agreement gb-fr version 1 is suspended at this end")
        }
        shown = (await world.run(GB, Role.OPERATOR, "transfer", "show", waiting[0])).out
        assert "Agreement gb-fr version 1 is suspended at this end" in " ".join(shown.split())
        assert "an officer releases it once the agreement is in force again" in " ".join(shown.split())
        early = await world.run(GB, Role.OFFICER, "transfer", "release", waiting[0], "--reason", "please")
        assert (early.code, "agreement.suspended" in early.err) == (1, True)
        # What FR sends is refused with a signed receipt, which is how FR is told; its document is not lost.
        await world.gateways.fr.process.start()
        await world.submit(FR, 2)
        await world.settled(FR)
        dead = await world.rows(FR, TransferState.DEAD_LETTERED)
        assert [one.code for one in dead] == ["agreement.suspended"] * 2
        # 2. In force again: an officer releases what was held, an operator sends again what was refused.
        await world.reload(GB, "suspended: false")
        await release(world, GB, len(waiting))
        await requeue(world, FR)
        # 3. FR suspends while GB is sending: each is delivered, or refused and told of.
        under_way = asyncio.create_task(world.submit(GB, 9))
        await world.reload(FR, "suspended: true")
        await under_way
        await world.submit(GB, 1)  # this one certainly comes after
        assert await world.refused(FR) == "agreement.suspended"
        await world.settled(GB)
        refused = await world.rows(GB, TransferState.DEAD_LETTERED)
        assert {one.code for one in refused} == {"agreement.suspended"}
        assert await world.rows(GB, TransferState.HELD) == []
        await world.reload(FR, "suspended: false")
        await requeue(world, GB)
        await world.settled(GB)
        await world.all_arrived_once()


async def release(world: Agreed, party: str, count: int) -> None:
    """Have an officer release what the end of the agreement held, after being told how many that are."""
    asked = ("transfer", "release", "--code", "agreement.not_in_force", "--reason", "in force again")
    told = await world.run(party, Role.OFFICER, *asked)
    assert f"Held transfers that fit: {count}." in told.out, told.err
    (up_to,) = re.findall("To release them: --up-to ([0-9]+)", told.out)
    ran = await world.run(party, Role.OFFICER, *asked, "--up-to", up_to)
    assert (ran.code, f"{count} released, 0 approved, 0 left as they are" in ran.out) == (0, True), ran.err


async def requeue(world: Agreed, party: str) -> None:
    asked = ("transfer", "requeue", "--code", "agreement.suspended", "--reason", "in force again")
    ran = await world.run(party, Role.OPERATOR, *asked)
    assert ran.code == 0, ran.err
    await world.settled(party)


class MovedClock(SystemClock):
    """The system's wall clock, moved ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


def serving(layout: NodeLayout, clock: MovedClock) -> Node:
    """Return a node that runs in this process, under a clock of ours."""
    configuration = load_configuration(layout.config)
    return Node(configuration.node, rulebook_of(configuration), QuietTelemetry(), clock=clock)


async def test_its_last_day_passes_without_a_reload_and_what_waits_goes_under_the_next_version(tmp_path: Path) -> None:
    clock = MovedClock()
    async with agreed(tmp_path, start=False) as world:
        ends = (clock.now() + timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
        for party in (GB, FR):
            world.say(party, f"valid_until: {ends:%Y-%m-%d}")
            world.say(party, "deadline: 5d")  # the day is to pass before the time for sending does
        gb, fr = world.layout(GB), world.layout(FR)
        async with serving(gb, clock) as node:
            async with serving(fr, clock):
                await world.submit(GB, 1)
                await world.settled(GB)
            (waiting,) = await world.submit(GB, 1)
            clock.ahead = ends - clock.now()
            async with asyncio.timeout(WITHIN), OperationsClient(gb.operations_url, token(gb, Role.OFFICER)) as officer:
                while not (held := (await officer.transfers(state=TransferState.HELD))[0]):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                (row,) = held
                told = f"Agreement gb-fr version 1 ended on {ends:%Y-%m-%d}"
                assert (row.id, row.code, row.detail) == (waiting, "agreement.not_in_force", told)
                assert await world.refused(GB) == "agreement.not_in_force"
                for party in (GB, FR):
                    world.say(party, "version: 2")
                    world.say(party, f"valid_until: {ends + timedelta(days=365):%Y-%m-%d}")
                await node.reload(actor="operator:administrator")
                async with serving(fr, clock):
                    with pytest.raises(ClientError) as again:
                        await officer.release_transfer(waiting, reason="the next version")
                    assert again.value.code == "transfer.prepared_again"
                    await officer.release_transfer(waiting, reason="the next version, as it was")
                    await world.settled(GB)
            states = read_books(gb.data / DATABASE, GB).transfers
            assert sorted(states.values()) == [TransferState.DELIVERED] * 2
            assert len(read_books(fr.data / DATABASE, FR).hand_overs) == 2
