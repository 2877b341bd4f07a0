"""Two gateways within the process of the test, whose COMMITs can be made to fail.

A COMMIT that reports an error leaves it open whether it happened. Both are tried: the transaction is really gone, or it
is really there. Which COMMIT fails is told by the evidence it holds, so a test says what it wants in the words of the
audit. Leases are short here, so that nobody sits through one that was lost.
"""

import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.app import Node, rulebook_of
from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.domain.ids import PartyId
from gateway.settings import NodeSettings, load_configuration
from gateway.storage import SqliteStore
from tests.faults.history import Outage
from tests.faults.run import FaultRun
from tests.faults.traffic import Clients
from tests.world import two_gateways

LEASE = timedelta(seconds=4)

Choose = Callable[[Counter[AuditEvent]], bool | None]
"""Given what a COMMIT holds: None lets it be, else it fails, and the answer tells whether it happened."""


def let_be(_events: Counter[AuditEvent]) -> None:
    """Let every COMMIT be."""


@dataclass(kw_only=True)
class Commits:
    """How the store of one party commits. `choose` picks what fails; `failed` counts it, `outages` notes it."""

    party: PartyId
    choose: Choose = let_be
    outages: list[Outage] = field(default_factory=list)
    failed: int = 0
    _seen: int = 0

    def fail_once(
        self, event: AuditEvent, *, happened: bool, at_least: int = 1, without: AuditEvent | None = None
    ) -> None:
        """Have the next COMMIT that holds `event`, `at_least` so many times, and no `without`, fail."""
        before = self.failed

        def choose(events: Counter[AuditEvent]) -> bool | None:
            fits = events[event] >= at_least and (without is None or not events[without])
            return happened if fits and self.failed == before else None

        self.choose = choose

    async def open_store(self, settings: NodeSettings) -> SqliteStore:
        """Return a node's store; as `Node` takes it."""
        return await SqliteStore.open(settings.data_dir / DATABASE, chain=settings.name, commit=self._commit)

    def _commit(self, connection: sqlite3.Connection) -> None:
        # Asked within the transaction, so what it would commit is there already.
        rows = connection.execute("SELECT seq, event FROM audit WHERE seq > ?", (self._seen,)).fetchall()
        happened = self.choose(Counter(AuditEvent(event) for _, event in rows))
        if happened is not False:
            connection.execute("COMMIT")
            self._seen = max((seq for seq, _ in rows), default=self._seen)
        if happened is not None:
            now = datetime.now(UTC)
            self.failed += 1
            self.outages.append(Outage(party=self.party, at=now, over=now))
            raise sqlite3.OperationalError("disk I/O error")


class Quiet:
    """Telemetry that nobody reads."""

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        """Write nothing."""


@dataclass(kw_only=True)
class NodesRun:
    """A run over two nodes of this process. `commits`: by party."""

    run: FaultRun
    commits: Mapping[PartyId, Commits]


@asynccontextmanager
async def two_nodes(folder: Path, *, seed: int = 1) -> AsyncIterator[NodesRun]:
    """Start two nodes and learn what their views look like while every COMMIT works."""
    async with AsyncExitStack() as stack:
        gateways = await stack.enter_async_context(two_gateways(folder, start=False))
        commits = {party: Commits(party=party) for party in gateways.sides}
        for party, side in gateways.sides.items():
            configuration = load_configuration(side.layout.config)
            timing = replace(configuration.node.timing, lease=LEASE, sweep=timedelta(milliseconds=200))
            node = Node(
                replace(configuration.node, timing=timing),
                rulebook_of(configuration),
                Quiet(),
                open_store=commits[party].open_store,
            )
            await stack.enter_async_context(node)
        clients = await stack.enter_async_context(Clients(gateways.sides))
        run = FaultRun(gateways, clients, seed)
        for each in commits.values():
            each.outages = run.outages
        await run.learn_views()
        yield NodesRun(run=run, commits=commits)
