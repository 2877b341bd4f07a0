"""Order in conversations of ten messages between real gateways, while everything breaks: connections, both gateways,
both back ends; and while people give messages up, send dead letters again, and hold what waits.

`--long` has 500 such conversations. `FAULTS_SEED=NUMBER` plans the same documents and troubles again.
"""

import asyncio
import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.app.node import DATABASE
from gateway.client import ClientError, OperationsClient
from gateway.demo.layout import copy_agreement
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import TransferState
from tests.faults.noting import note
from tests.faults.officers import Officer
from tests.faults.places import accepted, happened, out_of_order, places, unfinished
from tests.faults.strikes import START_SECONDS
from tests.faults.traffic import SAMPLES, Clients, Document
from tests.faults.until import until
from tests.faults.wires import BadLine
from tests.world import FR, GB, TwoGateways, two_gateways

pytestmark = pytest.mark.faults

MESSAGES = 10
CLIENTS_AT_ONCE = 8
DONE_WITHIN = timedelta(seconds=300)
OFTEN = timedelta(seconds=0.5)
WHY = "Decided by a draw"
MARKER = re.compile(rb"order-\d{3}-\d{2}")


@dataclass(slots=True, kw_only=True)
class Troubled:
    """Two gateways with a bad line in each direction, and the people around them."""

    gateways: TwoGateways
    clients: Clients
    lines: dict[PartyId, BadLine]
    officers: dict[PartyId, Officer]
    draw: Random
    enough: bool = False
    kills: int = 0

    @property
    def databases(self) -> dict[PartyId, Path]:
        return {party: side.layout.data / DATABASE for party, side in self.gateways.sides.items()}

    def documents(self, conversations: int) -> list[Document]:
        """Return MESSAGES documents of each conversation, all mixed up."""
        ways = [self.draw.choice(((GB, FR), (FR, GB))) for _ in range(conversations)]
        planned = [
            Document(
                marker=f"order-{number:03d}-{place:02d}",
                sample=self.draw.choice(SAMPLES),
                sender=sender,
                recipient=recipient,
                case=f"order-case-{number}",
            )
            for number, (sender, recipient) in enumerate(ways)
            for place in range(MESSAGES)
        ]
        self.draw.shuffle(planned)
        return planned

    def unfinished(self) -> int:
        """Return how many transfers and hand-overs are not at their end."""
        return sum(map(unfinished, self.databases.values()))

    def arrivals(self, party: PartyId) -> list[tuple[str, tuple[str, int]]]:
        """Return the message ids that a back end got, with the place that the document's submitter was told."""
        told = {one.marker: (one.conversation, one.sequence) for one in self.clients.answers if one.code == "ok"}
        found = []
        for message in self.gateways.sides[party].backend.messages:
            (marker,) = set(MARKER.findall(message.document))
            found.append((message.webhook_id, told[marker.decode()]))
        return found

    async def submit_all(self, documents: list[Document]) -> None:
        waiting = iter(documents)

        async def one_client() -> None:
            for document in waiting:
                await self.clients.submit(document)

        await asyncio.gather(*(one_client() for _ in range(CLIENTS_AT_ONCE)))

    async def break_things(self) -> None:
        """Kill a gateway, or take a back end away for a moment, until it is enough."""
        while not self.enough:
            await asyncio.sleep(self.draw.uniform(1.0, 4.0))
            side = self.gateways.sides[self.draw.choice((GB, FR))]
            if self.draw.random() < 0.5:
                await side.process.kill()
                self.kills += 1
                await side.process.start(timeout=START_SECONDS)
            else:
                await side.backend.stop()
                await asyncio.sleep(self.draw.uniform(0.1, 1.0))
                await side.backend.start()

    async def act(self, party: PartyId) -> None:
        """Do what people do, until cancelled."""
        async with self.gateways.sides[party].operations() as operator:
            while True:
                await asyncio.sleep(0.2)
                with suppress(ClientError):
                    await self._dead_letters(operator, skip=0.3)
                    await self._hold_some(operator)
                    if self.draw.random() < 0.3:
                        await self.officers[party].release_all()

    async def _dead_letters(self, operator: OperationsClient, *, skip: float) -> None:
        """Give some up, send the others again."""
        before = None
        while True:
            dead, before = await operator.transfers(state=TransferState.DEAD_LETTERED, limit=100, before=before)
            for one in dead:
                act = operator.skip if self.draw.random() < skip else operator.requeue
                with suppress(ClientError):  # its partner can not be asked whether it has it, or somebody was faster
                    if not one.skipped:
                        await act(one.id, reason=WHY)
            if before is None:
                return

    async def _hold_some(self, operator: OperationsClient) -> None:
        waiting, _ = await operator.transfers(state=TransferState.QUEUED, limit=100)
        for one in self.draw.sample(waiting, min(len(waiting), 2)):
            with suppress(ClientError):
                await operator.hold(one.id, reason=WHY)

    async def tidy(self, party: PartyId) -> None:
        """Let go what waits for people, until cancelled."""
        async with self.gateways.sides[party].operations() as operator:
            while True:
                with suppress(ClientError):
                    await self._dead_letters(operator, skip=0.0)
                    await self.officers[party].release_all()
                await asyncio.sleep(0.5)


@asynccontextmanager
async def meanwhile(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Have these at work while the block runs."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [repr(end) for end in ends if not isinstance(end, asyncio.CancelledError)] == []


def impatient(folder: Path) -> Path:
    """Return agreements by which a message is a dead letter after two attempts."""
    agreements = copy_agreement("gb-fr", folder)
    file = agreements / "gb-fr.yaml"
    text, count = re.subn("first_wait: 1s\n  cap: 2s\n", "first_wait: 1s\n  cap: 1s\n  attempts: 2\n", file.read_text())
    assert count == 1
    file.write_text(text, encoding="utf-8")
    return agreements


@asynccontextmanager
async def troubled_gateways(folder: Path, seed: int) -> AsyncIterator[Troubled]:
    draw = random.Random(seed)
    async with AsyncExitStack() as stack:
        # From each party to the other.
        lines = {party: await stack.enter_async_context(BadLine(draw)) for party in (GB, FR)}
        gateways = await stack.enter_async_context(
            two_gateways(
                folder,
                agreements=impatient(folder / "config"),
                partner_ports={(GB, FR): lines[GB].port, (FR, GB): lines[FR].port},
                start=False,
            )
        )
        lines[GB].target, lines[FR].target = (side.layout.partner_port for side in (gateways.fr, gateways.gb))
        officers = {party: Officer(side.layout) for party, side in gateways.sides.items()}
        await asyncio.gather(*(side.process.start(timeout=START_SECONDS) for side in gateways.sides.values()))
        clients = await stack.enter_async_context(Clients(gateways.sides))
        yield Troubled(gateways=gateways, clients=clients, lines=lines, officers=officers, draw=draw)


@pytest.mark.parametrize("conversations", [pytest.param(500, id="long", marks=pytest.mark.long)])
async def test_conversations_keep_their_order_whatever_breaks_and_whoever_acts(
    tmp_path: Path, count: Callable[..., None], conversations: int
) -> None:
    seed = int(os.environ.get("FAULTS_SEED", random.SystemRandom().randrange(2**32)))
    print(f"FAULTS_SEED={seed}")
    async with troubled_gateways(tmp_path, seed) as troubled:
        sides, databases = troubled.gateways.sides, troubled.databases
        async with meanwhile(*(troubled.act(party) for party in sides)):
            breaking = asyncio.create_task(troubled.break_things())
            await troubled.submit_all(troubled.documents(conversations))
            await until(lambda: troubled.unfinished() < conversations * MESSAGES // 2, within=DONE_WITHIN, every=OFTEN)
            troubled.enough = True
            await breaking
        for line in troubled.lines.values():
            line.heal()
        async with meanwhile(*(troubled.tidy(party) for party in sides)):
            done = await until(lambda: not troubled.unfinished(), within=DONE_WITHIN, every=OFTEN)
        sent = {party: places(databases[party]) for party in sides}
        events = sum((happened(file) for file in databases.values()), Counter())
        seen = (
            f"{troubled.kills} kills, {sum(line.broken_off for line in troubled.lines.values())} connections broken off"
        )
        told = {
            name: events[f"transfer.{name}"] for name in ("delivered", "failed", "exhausted", "skipped", "requeued")
        }
        print(seen, told, {party: dict(Counter(one.state for one in sent[party])) for party in sides})
        assert done
        found = [
            one
            for sender, recipient in ((GB, FR), (FR, GB))
            for one in out_of_order(sent[sender], accepted(databases[recipient]), troubled.arrivals(recipient))
        ]
        assert found == []
        everywhere = [one for party in sides for one in sent[party]]
        assert list(Counter(one.conversation for one in everywhere).values()) == [MESSAGES] * conversations
        assert all(told.values()), told
        figures = ", ".join(f"{number} {name}" for name, number in told.items())
        assert [await side.process.stop() for side in sides.values()] == [0, 0]
        assert [await side.audit_is_whole() for side in sides.values()] == [True, True]
        note(f"order in {conversations} conversations of {MESSAGES}", f"{seen}; {figures}")
    count("conversations in order", conversations)
