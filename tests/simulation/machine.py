"""The machine of one party: its disk and its clock outlive the node, which crashes and is started again."""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from gateway.audit import AuditEvent
from gateway.domain.agreement import Agreement
from gateway.domain.ids import PartyId
from gateway.errors import GatewayError
from gateway.settings import NodeSettings
from gateway.storage import SqliteStore
from tests.simulation.backend import BackEnd
from tests.simulation.chance import NodeClock, stream
from tests.simulation.loop import Owner
from tests.simulation.network import Network, Server
from tests.simulation.node import SimulatedNode, Watch
from tests.simulation.parts import PartyParts
from tests.simulation.plan import NONE, Faults
from tests.simulation.store import CommitFate, SimulatedStore
from tests.simulation.trace import Trace, short


class Machine:
    """One party's machine. `node`: what runs on it now, None while nothing does. `crashed` counts."""

    def __init__(
        self,
        party: PartyId,
        parts: PartyParts,
        *,
        seed: int,
        file: Path,
        network: Network,
        trace: Trace,
        defects: list[str],
    ) -> None:
        self.party = party
        self.name = party[:2]
        self.file = file
        self.clock = NodeClock()
        self.faults: Faults = NONE
        self.disk_answers = True
        self.dies_at_commit = 0
        self.backend = BackEnd(party, stream(seed, f"{party} backend"), trace)
        self.node: SimulatedNode | None = None
        self.crashed = 0
        self._parts = parts
        self._rulebook = parts.rulebook
        self._suspended = False
        self._ends: tuple[datetime, ...] = ()
        self._newest: SimulatedNode | None = None
        self._seed = seed
        self._network = network
        self._trace = trace
        self._defects = defects
        self._fates = stream(seed, f"{party} disk")
        self._restarts = stream(seed, f"{party} restarts")
        self._store: SimulatedStore | None = None
        self._owner: Owner | None = None
        self._lives = 0
        parts.trust_clock.clock = self.clock

    # ── lives ──

    def start(self) -> None:
        """Start a node, as a supervisor would; it comes up by itself or is started once more."""
        self._lives += 1
        self._owner = owner = Owner(stream(self._seed, f"{self.party} life {self._lives}"))
        self._trace.say(self.name, "starts", life=self._lives)
        owner.begin(self._live(owner))

    def crash(self, why: str) -> None:
        """Kill the node at once, and have it started again a little later."""
        owner, self._owner = self._owner, None
        if owner is None:
            return
        self._trace.say(self.name, f"CRASHES {why}")
        self.crashed += 1
        self.node = None
        self._network.servers.pop(self.party, None)
        if self._store is not None:
            self._store.die()
        owner.die()
        asyncio.get_running_loop().call_later(self._restarts.uniform(0.2, 8.0), self._start_again)

    def end(self) -> None:
        """Let the node lie where it is: the run is over."""
        owner, self._owner, self.node = self._owner, None, None
        if owner is not None:
            owner.die()
        if self._store is not None:
            self._store.die()

    def _start_again(self) -> None:
        if self._owner is None:
            self.start()

    async def _live(self, owner: Owner) -> None:
        watch = Watch(self.name, self._trace, self._defects)
        node = SimulatedNode(
            self._parts,
            self._rulebook,
            clock=self.clock,
            owner=owner,
            network=self._network,
            backend=self.backend,
            watch=watch,
            open_store=self._open_store,
        )
        self._newest = node
        try:
            await node.__aenter__()
        except GatewayError as error:
            self._trace.say(self.name, "does not start", code=error.code)
            asyncio.get_running_loop().call_soon(self.crash, "while starting")
            return
        node.failed.add_done_callback(self._loop_ended)
        self.node = node
        self._network.servers[self.party] = Server(owner, node.apps["partner"])
        self._trace.say(self.name, "is up")

    def _loop_ended(self, failed: "asyncio.Future[None]") -> None:
        if not failed.cancelled():
            self._defects.append(f"{self.name}: a loop of the node ended: {failed.exception()!r}")

    # ── the disk ──

    async def _open_store(self, settings: NodeSettings) -> SqliteStore:
        owner = self._owner
        assert owner is not None
        self._store = SimulatedStore.begin(
            self.file,
            chain=settings.name,
            fate=self._fate,
            can_open=lambda: self.disk_answers,
            damaged=self._damaged,
            pace=lambda: owner.chance.uniform(0.0005, 0.02),
            on_crash=lambda: self.crash("at a COMMIT"),
        )
        return self._store

    def _fate(self, evidence: list[tuple[AuditEvent, str]]) -> CommitFate:
        fate = self._drawn_fate(bool(evidence))
        told = " ".join(f"{event}:{short(message)}" if message else str(event) for event, message in evidence)
        self._trace.say(self.name, "commits" if fate is CommitFate.DONE else f"COMMIT {fate.value}:", of=told)
        return fate

    def _drawn_fate(self, matters: bool) -> CommitFate:
        drawn = self._fates.random()
        if not self.disk_answers:
            return CommitFate.LOST
        if matters and self.dies_at_commit > 0 and drawn < 0.1:
            self.dies_at_commit -= 1
            return CommitFate.DIES_BEFORE if drawn < 0.05 else CommitFate.DIES_AFTER
        drawn = self._fates.random()
        if drawn < self.faults.commit_lost:
            return CommitFate.LOST
        return CommitFate.HAPPENED if drawn > 1 - self.faults.commit_happened else CommitFate.DONE

    def _damaged(self) -> bool:
        if self.node is None or not self.faults.damaged or self._fates.random() >= self.faults.damaged:
            return False
        self._trace.say(self.name, "can not read a page")
        return True

    # ── rules ──

    def suspend(self, *, suspended: bool) -> None:
        """Have this party's agreements suspended, or no longer."""
        self._suspended = suspended
        self._follow()
        self._trace.say(self.name, "agreements are", suspended=suspended)

    def renew(self, ends: tuple[datetime, ...]) -> None:
        """Have a version of each agreement end at each of these times, and the next one begin."""
        self._ends = ends
        self._follow()
        self._trace.say(self.name, "agreements end", version=len(ends))

    def _follow(self) -> None:
        book = self._parts.rulebook
        agreements = (version for one in book.agreements for version in _versions(one, self._ends))
        self._rulebook = replace(book, agreements=tuple(replace(one, suspended=self._suspended) for one in agreements))
        if self._newest is not None:
            self._newest.follow(self._rulebook)


def _versions(first: Agreement, ends: tuple[datetime, ...]) -> Iterator[Agreement]:
    """Yield every version there is: both parties make the same ones of the same times."""
    begins = (first.valid_from, *ends)
    for number, (begin, end) in enumerate(zip(begins, (*ends, first.valid_until), strict=True)):
        text = first.sha256 if number == 0 else hashlib.sha256(f"{first.sha256}/{number}".encode()).hexdigest()
        yield replace(first, version=first.version + number, sha256=text, valid_from=begin, valid_until=end)
