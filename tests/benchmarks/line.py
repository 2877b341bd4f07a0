"""End to end: two real gateways over mutual TLS, as they are started in production, each with its database.

Nothing is left out or tuned: fsync at both ends (SQLite FULL), sealing at rest, audit, logs, receipts, hand-over. Only
the client and the back ends are light (load.py). The clock starts with the first byte of the first submission and stops
when the last receipt is committed at the sender; until the last hand-over is a figure of its own. A run in which
anything is missing raises.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.app.node import DATABASE
from gateway.demo.layout import NodeLayout, World, copy_agreement, lay_out
from gateway.demo.processes import GatewayProcess
from gateway.domain.bulk import MAX_BULK_LINES
from gateway.domain.ids import PartyId
from gateway.domain.limits import MAX_BATCH_ENVELOPES
from gateway.storage import verify_database
from tests.benchmarks.cpu import cpu_seconds
from tests.benchmarks.floor import declarations
from tests.benchmarks.load import LightBackend, submission, submissions, submit_all
from tests.benchmarks.steady import acknowledgements

SENDER: Final = PartyId("GB-HMRC")
RECEIVER: Final = PartyId("FR-DGDDI")
HAND_OVER_BATCH: Final = MAX_BATCH_ENVELOPES
"""Messages in one webhook: what a back end with much to take would choose, as many as it may (docs/hand-over.md)."""

BULK_LINES: Final = MAX_BULK_LINES
"""Submissions in one request, where the client hands in several at once: as many as the API takes, and as the
project's own client puts into one (docs/api.md)."""

_BULK_CONNECTIONS: Final = 4
"""As many such requests at once: 256 submissions, half of what one client may have in work."""

NAIVE: Final = "batches = { jobs = 1, messages = 1, changes = 1 }\n"
"""Settings of a gateway in which nothing goes together: a message a request, a job for a worker, a change a commit."""

_LOOK_SECONDS: Final = 0.02
_LATEST_SECONDS: Final = 120.0
_REST_SECONDS: Final = 0.3
_IDLE_SHARE: Final = 0.2
"""Of one core: polls, and what this process does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run over the line showed: messages per second from the first submission to the last acknowledgement,
    the last receipt and the last hand-over, and CPU milliseconds a message by process."""

    messages: int
    acknowledged: float
    receipted: float
    handed_over: float
    cpu_ms: dict[str, float] = field(default_factory=dict)


class Line:
    """Two gateways that run, and what drives them."""

    def __init__(self, world: World, processes: dict[PartyId, GatewayProcess], backend: LightBackend) -> None:
        self.world = world
        self._processes = processes
        self._backend = backend
        self._runs = 0

    @property
    def sender(self) -> NodeLayout:
        """The node that documents are submitted to."""
        return self.world.nodes[SENDER]

    async def run(self, messages: int, *, connections: int, bulk: bool = True) -> Run:
        """Send so many declarations through, BULK_LINES in a request or one. Raises RuntimeError when one is refused or
        does not arrive in time."""
        if bulk:
            connections = min(connections, _BULK_CONNECTIONS)
        requests = self._bulk_requests(messages) if bulk else self._requests(messages)
        delivered, handed_over = self._delivered() + messages, len(self._backend.ids) + messages
        before, started = self._cpu(), time.perf_counter()
        async with asyncio.timeout(_LATEST_SECONDS):
            receipts = asyncio.create_task(self._receipts(delivered))
            acknowledged = await submit_all(self.sender.submission_port, requests, connections=connections)
            receipted = await receipts
            await self._backend.wait_for(handed_over)
            after = await self._rest()
        return Run(
            messages=messages,
            acknowledged=messages / (acknowledged - started),
            receipted=messages / (receipted - started),
            handed_over=messages / (self._backend.last_new - started),
            cpu_ms={who: (after[who] - before[who]) / messages * 1000 for who in after},
        )

    async def acknowledged_at(self, rate: float, *, messages: int, connections: int) -> list[float]:
        """Return the seconds that each acknowledgement took, with `rate` submissions a second. Raises as `run`."""
        requests = self._requests(messages)
        delivered = self._delivered() + messages
        async with asyncio.timeout(_LATEST_SECONDS):
            took = await acknowledgements(self.sender.submission_port, requests, rate=rate, connections=connections)
            await self._receipts(delivered)
            await self._rest()
        return took

    def _requests(self, messages: int) -> list[bytes]:
        node = self.sender
        return [
            submission(document, key=key, to=RECEIVER, token=node.submitter_token, port=node.submission_port)
            for key, document in self._documents(messages)
        ]

    def _bulk_requests(self, messages: int) -> list[bytes]:
        node, documents = self.sender, self._documents(messages)
        groups = (documents[first : first + BULK_LINES] for first in range(0, messages, BULK_LINES))
        return [
            submissions(some, to=RECEIVER, token=node.submitter_token, port=node.submission_port) for some in groups
        ]

    def _documents(self, messages: int) -> list[tuple[str, bytes]]:
        """Return declarations that were never sent, each with a key."""
        self._runs += 1
        name = f"{self._runs:03d}"
        return [(f"bench-{name}-{number}", one) for number, one in enumerate(declarations(name, messages))]

    async def _receipts(self, wanted: int) -> float:
        """Return when the sender's database shows so many delivered transfers, on the monotonic clock."""
        with closing(self._books()) as books:  # opened once: that takes most of a look
            # The newest receipt is found in an index, a count looks at every transfer there ever was: so one says when
            # it is worth to count. Each transfer has one receipt here.
            while _receipts(books) < wanted or _delivered(books) < wanted:  # noqa: ASYNC110 - others commit them
                await asyncio.sleep(_LOOK_SECONDS)
        return time.perf_counter()

    async def _rest(self) -> dict[str, float]:
        """Wait until both gateways have nothing left to do, so that no round works in the time of the next, and return
        the CPU time until then."""
        while True:
            before = self._cpu()
            await asyncio.sleep(_REST_SECONDS)
            after = self._cpu()
            if sum(after.values()) - sum(before.values()) <= _IDLE_SHARE * _REST_SECONDS:
                return after

    def _books(self) -> sqlite3.Connection:
        # Read beside the writer, as any reader of the file may: a count over an index costs less than a request.
        return sqlite3.connect(f"file:{self.sender.data / DATABASE}?mode=ro", uri=True)

    def _delivered(self) -> int:
        with closing(self._books()) as books:
            return _delivered(books)

    def _cpu(self) -> dict[str, float]:
        names = {"sender": SENDER, "receiver": RECEIVER}
        return cpu_seconds({name: pid for name, party in names.items() if (pid := self._processes[party].pid)})


def _delivered(books: sqlite3.Connection) -> int:
    (number,) = books.execute("SELECT count(*) FROM transfer WHERE state = 'DELIVERED'").fetchone()
    return int(number)


def _receipts(books: sqlite3.Connection) -> int:
    (number,) = books.execute("SELECT coalesce(max(id), 0) FROM receipt").fetchone()
    return int(number)


@asynccontextmanager
async def open_line(
    folder: Path, *, workers: int, hand_over_batch: int = HAND_OVER_BATCH, extra: str = ""
) -> AsyncIterator[Line]:
    """Start two gateways in `folder` with so many worker processes each, and stop them afterwards.

    `hand_over_batch`: how many messages one webhook may bring. `extra`: settings of both.

    Raises RuntimeError when one does not stop cleanly or its audit chain does not verify: then the figures are worth
    nothing.
    """
    agreements = copy_agreement("gb-fr", folder / "config")
    world = lay_out(
        folder,
        [SENDER, RECEIVER],
        agreements=agreements,
        now=datetime.now(UTC),
        workers=workers,
        extra=extra,
        hand_over_batch={RECEIVER: hand_over_batch},
    )
    async with AsyncExitStack() as stack:
        backend = LightBackend(world.nodes[RECEIVER].backend_port)
        await backend.start()
        stack.push_async_callback(backend.stop)
        processes: dict[PartyId, GatewayProcess] = {}
        for party, node in world.nodes.items():
            processes[party] = GatewayProcess(
                node.config, operations_url=node.operations_url, operator_token=node.operator_token
            )
            stack.push_async_callback(processes[party].stop)
        await asyncio.gather(*(process.start(timeout=120) for process in processes.values()))
        yield Line(world, processes, backend)
        for party, node in world.nodes.items():
            code = await processes[party].stop()
            if code != 0 or not all(one.intact for one in verify_database(node.data / DATABASE)):
                raise RuntimeError(f"{party} did not stop cleanly, or its audit chain is broken")
