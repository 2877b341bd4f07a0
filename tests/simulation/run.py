"""One simulation: from a seed to a trace and a list of breaches.

Faults go on for a while; then all of them end, people let go what waits for them, and the gateways have QUIET seconds to
finish everything. What is then in both databases, at both back ends and in the hands of the clients is held against the
rules (`rules.py`).
"""

import asyncio
import base64
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from gateway.channels.http import Answer
from gateway.channels.partner import MEDIA_TYPE, MESSAGES_PATH
from gateway.domain.batch import read_answers, write_answers
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.statement import Receipt, Verdict
from gateway.envelope import sign_receipt
from tests.simulation.chance import stream, world_time
from tests.simulation.happenings import happenings
from tests.simulation.loop import OWNER, Owner, VirtualLoop
from tests.simulation.machine import Machine
from tests.simulation.network import Network, Request
from tests.simulation.parts import PARTIES, Parts, PartyParts, parts
from tests.simulation.people import Clients, Operators
from tests.simulation.plan import NONE, Plan, plan
from tests.simulation.rules import Seen, breaches_of, unfinished
from tests.simulation.trace import Trace, short

QUIET: Final = 600.0
"""Seconds of virtual time within which everything must have come to an end after the last fault."""

_MEMORY: Final = Path("/dev/shm")
"""Databases live in memory where the system has such a folder: a process that dies loses nothing of what it wrote to a
file, so nothing is gained by a disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one seed. `happened`: how often what is meant to happen did."""

    seed: int
    breaches: tuple[str, ...]
    trace: Trace = field(repr=False)
    seconds: float
    crashes: int
    messages: int
    happened: Counter[str]


def simulate(seed: int, *, planned: Plan | None = None) -> Outcome:
    """Run one seed to its end."""
    with _folder() as folder:
        world = World(planned or plan(seed), folder)
        pace = world.pace
        with asyncio.Runner(loop_factory=lambda: VirtualLoop(pace)) as runner:
            return runner.run(world.run())


@contextmanager
def _folder() -> Iterator[Path]:
    where = _MEMORY if _MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="simulation-", dir=where) as folder:
        yield Path(folder)


class World:
    """Everything there is in one simulation."""

    def __init__(self, planned: Plan, folder: Path) -> None:
        self.plan = planned
        self.trace = Trace()
        self.defects: list[str] = []
        self._parts: Parts = parts()
        self._folder = folder
        self._chance = stream(planned.seed, "world")
        self._owner = Owner(stream(planned.seed, "world's own work"))
        self._hangs = planned.faults.hangs
        self._ends: tuple[datetime, ...] = ()
        self.network = Network(stream(planned.seed, "network"), self.trace, self._forge, self._forge_lines, self._race)
        self.clients = Clients(stream(planned.seed, "clients"), self.trace)
        self.operators = Operators(stream(planned.seed, "operators"), self.trace)
        self.machines: dict[PartyId, Machine] = {}

    def pace(self) -> float:
        """Return how long a piece of work takes that is not done in the loop; now and then far too long."""
        chance = OWNER.get(self._owner).chance
        if self._hangs and chance.random() < self._hangs:
            return chance.uniform(5.0, 45.0)
        return chance.uniform(0.0002, 0.01)

    async def run(self) -> Outcome:
        """Live through it all."""
        OWNER.set(self._owner)
        for party in PARTIES:
            file = self._folder / party / "gateway.db"
            file.parent.mkdir()
            shutil.copy(self._parts.empty, file)
            self.machines[party] = Machine(
                party,
                self._of(party),
                seed=self.plan.seed,
                file=file,
                network=self.network,
                trace=self.trace,
                defects=self.defects,
            )
        for machine in self.machines.values():
            machine.start()
        async with asyncio.TaskGroup() as group:
            for one in self.plan.submissions:
                group.create_task(self.clients.submit(self.machines[one.sender], one))
            group.create_task(self._break_things())
        await self._come_to_rest()
        outcome = self._outcome()
        for machine in self.machines.values():
            machine.end()
        return outcome

    def _of(self, party: PartyId) -> PartyParts:
        """Return the parts of one party, as this plan has them."""
        made = self._parts.parties[party]
        made = made.giving_later() if party in self.plan.later else made
        return made if self.plan.lifetime is None else made.living(self.plan.lifetime)

    # ── faults ──

    async def _break_things(self) -> None:
        faults = self.plan.faults
        self.network.faults = faults
        for machine in self.machines.values():
            machine.faults = machine.backend.faults = faults
            machine.dies_at_commit = faults.crashes_at_commit
        async with asyncio.TaskGroup() as group:
            for count, breaking in (
                (faults.crashes, self._crash),
                (faults.partitions, self._partition),
                (faults.outages, self._outage),
                (faults.jumps, self._jump),
                (faults.stalls, self._stall),
                (faults.suspensions, self._suspend),
                (faults.renewals, self._renew),
                (faults.drains, self._drain),
                (faults.acts, self._act),
            ):
                for _ in range(count):
                    group.create_task(self._at_some_time(breaking))
            await asyncio.sleep(self.plan.seconds)
        self._heal()

    def _heal(self) -> None:
        self.trace.say("world", "all faults end")
        self.network.faults = NONE
        self.network.cut.clear()
        self._hangs = 0.0
        for machine in self.machines.values():
            machine.renew(self._ends)
        for machine in self.machines.values():
            machine.faults = machine.backend.faults = NONE
            machine.dies_at_commit = 0
            machine.disk_answers = True
            machine.clock.offset = timedelta(0)
            machine.suspend(suspended=False)

    async def _at_some_time(self, breaking: Callable[[Machine], Coroutine[Any, Any, None]]) -> None:
        at = self._chance.uniform(0.0, self.plan.seconds * 0.9)
        machine = self.machines[self._chance.choice(PARTIES)]
        await asyncio.sleep(at)
        await breaking(machine)

    def _left(self, least: float, most: float) -> float:
        """Return how long something lasts, at most to the end of all faults."""
        now = asyncio.get_running_loop().time()
        return max(0.0, min(self._chance.uniform(least, most), self.plan.seconds - now))

    async def _crash(self, machine: Machine) -> None:
        machine.crash("by SIGKILL")

    async def _partition(self, machine: Machine) -> None:
        (other,) = (party for party in PARTIES if party != machine.party)
        pairs = (
            {(machine.party, other)}
            if self._chance.random() < 0.5
            else {(machine.party, other), (other, machine.party)}
        )
        self.trace.say("network", "is cut", pairs=len(pairs), at=machine.name)
        self.network.cut |= pairs
        await asyncio.sleep(self._left(2.0, 20.0))
        self.network.cut -= pairs
        self.trace.say("network", "is whole", at=machine.name)

    async def _outage(self, machine: Machine) -> None:
        self.trace.say(machine.name, "its disk does not answer")
        machine.disk_answers = False
        await asyncio.sleep(self._left(0.5, 10.0))
        machine.disk_answers = True
        self.trace.say(machine.name, "its disk answers again")

    async def _jump(self, machine: Machine) -> None:
        machine.clock.offset = timedelta(seconds=self._chance.uniform(-100.0, 100.0))
        self.trace.say(machine.name, "its clock jumps", offset=f"{machine.clock.offset.total_seconds():.1f}")

    async def _stall(self, machine: Machine) -> None:
        self.trace.say(machine.name, "stalls")
        stall = self.network.stalls[machine.party]
        stall.until = asyncio.get_running_loop().time() + self._left(10.0, 40.0)

    async def _suspend(self, machine: Machine) -> None:
        machine.suspend(suspended=True)
        await asyncio.sleep(self._left(2.0, 20.0))
        machine.suspend(suspended=False)

    async def _renew(self, machine: Machine) -> None:
        """Have every agreement end, and its next version begin, as two parties do it: one a little after the other."""
        self._ends = (*self._ends, world_time())
        machine.renew(self._ends)
        await asyncio.sleep(self._left(0.0, 8.0))
        for other in self.machines.values():
            other.renew(self._ends)

    async def _drain(self, machine: Machine) -> None:
        await self.operators.drain(machine, self._left(2.0, 15.0))

    def _race(self, request: Request) -> float:
        """Have an operator act on the transfer whose receipt arrives in a moment, and return how long that moment is."""
        if self._chance.random() >= self.network.faults.races:
            return 0.0
        machine = self.machines[request.target]
        self._owner.begin(self.operators.race(machine, _about(request.body), self._chance.uniform(0.0, 0.15)))
        return self._chance.uniform(0.0, 0.3)

    async def _act(self, machine: Machine) -> None:
        await self.operators.act(machine)

    def _forge(self, request: Request) -> Answer | None:
        """Return a receipt that the partner's own key signs, about the right message and a wrong digest."""
        if request.path != MESSAGES_PATH:
            return None
        token = self._forged(request, _message_id(request.body))
        return Answer(status=200, media_type=MEDIA_TYPE, body=token.encode("ascii"), retry_after=None)

    def _forge_lines(self, request: Request, body: bytes) -> bytes:
        """Return the answer to a batch with a line that is not true: another's receipt, or one of a wrong digest."""
        lines = read_answers(body)
        at, other = self._chance.randrange(len(lines)), self._chance.randrange(len(lines))
        one, message_id = lines[at], lines[at].message_id
        if message_id is None:
            return body
        if at != other and lines[other].token is not None:
            what, lines[at] = "another's receipt", replace(one, status=200, token=lines[other].token)
        else:
            what, lines[at] = "a wrong digest", replace(one, status=200, token=self._forged(request, message_id))
        self.trace.say("network", "forges a line", about=short(message_id), what=what)
        return write_answers(lines)

    def _forged(self, request: Request, message_id: MessageId) -> str:
        now = self.machines[request.target].clock.now().replace(microsecond=0)
        accepted = self._chance.random() < 0.5
        receipt = Receipt(
            message_id=message_id,
            digest=hashlib.sha256(self._chance.randbytes(16)).hexdigest(),
            verdict=Verdict.ACCEPTED if accepted else Verdict.REFUSED,
            code="ok" if accepted else "policy.refused",
            agreement_version=1,
            issuer=request.target,
            audience=request.source,
            issued_at=now,
            statement_id="0b6cf0de-7f0f-4c9f-8d35-2e1f5a7b9c10",
        )
        return sign_receipt(receipt, self._parts.parties[request.target].trust.signer(request.target, now))

    # ── rest ──

    async def _come_to_rest(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + QUIET
        while loop.time() < end:
            await asyncio.sleep(4.0)
            if not any(unfinished(machine.file) for machine in self.machines.values()):
                break
            for machine in self.machines.values():
                await self.operators.tidy(machine)
        self.trace.say("world", "is at rest")

    def _outcome(self) -> Outcome:
        seen = Seen(
            parts=self._parts,
            files={party: machine.file for party, machine in self.machines.items()},
            arrivals={party: machine.backend.arrivals for party, machine in self.machines.items()},
            told=self.clients.told,
            unanswered=self.clients.unanswered,
            submissions=self.plan.submissions,
            defects=self.defects,
        )
        return Outcome(
            seed=self.plan.seed,
            breaches=tuple(breaches_of(seen)),
            trace=self.trace,
            seconds=asyncio.get_running_loop().time(),
            crashes=sum(machine.crashed for machine in self.machines.values()),
            messages=len(self.plan.submissions),
            happened=happenings(seen, self.trace),
        )


def _about(token: bytes) -> MessageId:
    """Return the id of the message that a statement is about."""
    said = token.split(b".")[1]
    return MessageId(json.loads(base64.urlsafe_b64decode(said + b"=" * (-len(said) % 4)))["message_id"])


def _message_id(jwe: bytes) -> MessageId:
    """Return the id that an envelope names outside."""
    head = jwe.partition(b".")[0]
    claims = json.loads(base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)))
    return MessageId(claims["wcx"]["id"])
