"""A gateway's way through its failpoints: it is armed with one, works until it dies there, and is started armed with the
next. What a point needs to be passed (documents, a reload, a stop, rows to purge) is given to it there.

Two gateways walk at once, each its own way, and exchange documents all the while; whoever is dead for a moment is asked
again by the other and by the clients. So every point is met with work of every kind in all states. Some documents are
held by a rule, and an officer releases them as they come.
"""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.app.node import DATABASE
from gateway.demo.layout import NodeLayout
from gateway.domain.failpoint import Failpoint
from gateway.domain.ids import PartyId
from gateway.failpoints import VARIABLE
from tests.faults.books import check_books
from tests.faults.history import ARRIVES_WITHIN, Outage
from tests.faults.officers import Officer, hold_other_releases
from tests.faults.run import FaultRun
from tests.faults.strikes import START_SECONDS
from tests.faults.traffic import SAMPLES, Clients, Document
from tests.faults.until import until
from tests.world import FR, GB, two_gateways

P: Final = Failpoint

OF_SENDER: Final = (
    *(P.RECEIPT_COMMITTED, P.RECEIPT_VERIFIED, P.RECEIPT_IN, P.ENVELOPE_SENT, P.ENVELOPE_HALF_SENT),
    *(P.PARTNER_CONNECTED, P.TRANSFER_LEASED, P.SUBMISSION_ANSWERED, P.SUBMISSION_COMMITTED, P.SUBMISSION_WRITTEN),
    *(P.VIEW_SIGNED, P.VIEW_MADE, P.DOCUMENT_VALID, P.SUBMITTER_KNOWN, P.SUBMISSION_IN),
)
"""Backwards, so that something gets through to the other side from the first death on."""

OF_RECEIVER: Final = (
    *(P.MESSAGE_IN, P.MESSAGE_DECRYPTED, P.SIGNATURE_VERIFIED, P.MESSAGE_JUDGED, P.RECEIPT_SIGNED, P.MESSAGE_WRITTEN),
    *(P.MESSAGE_COMMITTED, P.HALF_ANSWERED, P.HAND_OVER_LEASED, P.HAND_OVER_ACKNOWLEDGED, P.HAND_OVER_COMMITTED),
)
OF_LATER: Final = (P.ENVELOPE_TAKEN, P.RECEIPT_OWED, P.RECEIPT_GIVEN)
"""Passed only where receipts come later: `test_later.py` kills there."""

OF_NODE: Final = (P.CHECKPOINTED, P.KEYS_OPENED_ANEW, P.PURGED, P.RECOVERING, P.STOPPING)
WITH_FOLDER_OR_PULL: Final = frozenset(
    {
        *(P.FILE_WRITTEN, P.FILE_SYNCED, P.FILE_RENAMED, P.FOLDER_SYNCED),
        *(P.PULL_LEASED, P.PULL_ACKNOWLEDGED, P.PULL_COMMITTED),
    }
)
"""Passed only where a back end is no webhook: `test_folder.py` and `test_pull.py` kill there."""

AT_ONCE: Final = 4
PATIENCE_SECONDS: Final = 5
TRIES: Final = 24
UNTIL_A_CHECKPOINT: Final = 120
"""Documents that bring more commits than a checkpoint waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A kill as it happened: where, at which passing, and when."""

    party: PartyId
    point: Failpoint
    nth: int
    at: datetime


class Walk:
    """The way of both gateways. `run`: what they do on it; `deaths` is the log."""

    def __init__(self, run: FaultRun, officer: Officer) -> None:
        self.run = run
        self.officer = officer
        self._planned = 0
        self.deaths: list[Death] = []

    async def both(self, gb: Iterable[tuple[Failpoint, int]], fr: Iterable[tuple[Failpoint, int]]) -> None:
        """Send each gateway its way, then start both unharmed and wait until all is done."""
        releasing = asyncio.create_task(self.officer.keep_releasing())
        try:
            async with asyncio.TaskGroup() as clients:
                await asyncio.gather(self._one(GB, gb, clients), self._one(FR, fr, clients))
            assert await until(lambda: not self.officer.waiting(), within=ARRIVES_WITHIN)
        finally:
            releasing.cancel()
        await self.run.finish()

    def summary(self) -> str:
        """Return what happened, for people."""
        lines = [
            f"{death.at:%H:%M:%S.%f} · {death.party} · {death.point} · passing {death.nth}" for death in self.deaths
        ]
        states = [f"{party}: {dict(books.counts())}" for party, books in self.run.books().items()]
        return "\n".join([*lines, *states, self.figures()])

    def figures(self) -> str:
        """Return the same in one line."""
        run = self.run
        return (
            f"{len(self.deaths)} kills, {run.clients.accepted} documents acknowledged, {len(run.breaches)} breaches, "
            f"{run.handed_over_again} webhooks again, all done {run.longest_wait_seconds:.1f} s after the last restart"
        )

    async def _one(self, party: PartyId, points: Iterable[tuple[Failpoint, int]], clients: asyncio.TaskGroup) -> None:
        process, died = self.run.gateways.sides[party].process, None
        await process.stop()
        for point, nth in points:
            if point is P.PURGED:
                self._leave_something_to_purge(party)
            # What ends while it starts is never ready: a leftover of before may be enough to get there.
            with suppress(RuntimeError):
                await process.start(timeout=START_SECONDS, environment={VARIABLE: f"{point}:{nth}:kill"})
                await self._provoke(party, point, nth, clients)
            self._note_outage(party, died)
            code = await self._ended(party, point, nth, clients)
            assert code == -signal.SIGKILL, f"{party} ended with {code} on its way to {point}"
            died = datetime.now(UTC)
            self.deaths.append(Death(party=party, point=point, nth=nth, at=died))
            # What a killed process leaves behind must hold together at every moment.
            self.run.breaches += check_books((await asyncio.to_thread(self.run.books))[party])
        await process.start(timeout=START_SECONDS)
        self._note_outage(party, died)

    def _note_outage(self, party: PartyId, died: datetime | None) -> None:
        """Note that the gateway was out until now: until then its last request may have lain in a back end's socket."""
        if died is not None:
            self.run.outages.append(Outage(party=party, at=died, over=datetime.now(UTC)))

    async def _ended(self, party: PartyId, point: Failpoint, nth: int, clients: asyncio.TaskGroup) -> int | None:
        """Wait until the gateway has ended, and return its exit code. What was sent may have gone in too few requests to
        pass the point often enough, or wait for the other gateway: then more is sent."""
        for _ in range(TRIES):
            with suppress(TimeoutError):
                return await self.run.gateways.sides[party].process.ended(within=PATIENCE_SECONDS)
            await self._provoke(party, point, nth, clients)
        raise AssertionError(f"{party} never passed {point}\n{self.summary()}")

    async def _provoke(self, party: PartyId, point: Failpoint, nth: int, clients: asyncio.TaskGroup) -> None:
        """Have the gateway pass `point`."""
        process, other = self.run.gateways.sides[party].process, FR if party == GB else GB
        if point is P.STOPPING:
            os.kill(process.pid or 0, signal.SIGTERM)
        elif point is P.KEYS_OPENED_ANEW:
            self._write_new_rules()
            os.kill(process.pid or 0, signal.SIGHUP)
        elif point is P.CHECKPOINTED:
            self._submit(clients, party, other, UNTIL_A_CHECKPOINT)
        elif point in OF_RECEIVER or point in OF_LATER:
            self._submit(clients, other, party, AT_ONCE + nth)
            # A partner that calls is tried again at once, however long it was left alone.
            self._submit(clients, party, other, 1)
        elif point in OF_SENDER:
            self._submit(clients, party, other, AT_ONCE + nth)

    def _submit(self, clients: asyncio.TaskGroup, sender: PartyId, recipient: PartyId, number: int) -> None:
        for _ in range(number):
            self._planned += 1
            document = Document(
                marker=f"walk-{self._planned:05d}",
                sample=SAMPLES[self._planned % len(SAMPLES)],
                sender=sender,
                recipient=recipient,
                case=f"walk-case-{self._planned % 9}" if self._planned % 4 == 0 else None,
                twice=self._planned % 7 == 0,
            )
            # Of three samples the first two name the release; only what GB sends is held for another.
            held = sender == GB and self._planned % len(SAMPLES) == 0 and document.case is None
            clients.create_task(self.run.clients.submit(self.run.known(replace(document, held=held))))

    def _leave_something_to_purge(self, party: PartyId) -> None:
        """Put in a refusal of long ago, and have the retention of what is finished be over: nothing is old enough in a
        test."""
        database = self.run.gateways.sides[party].layout.data / DATABASE
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute(
                "INSERT OR REPLACE INTO refusal (sender, message_id, digest, recipient, code, token, times, first, last,"
                " keep_until) VALUES ('NL-DOUANE', 'long ago', '', ?, 'schema.invalid', '', 1, 0, 0, 0)",
                (party,),
            )
            connection.execute("UPDATE transfer SET keep_until = 0 WHERE state = 'DELIVERED'")
            connection.execute("UPDATE hand_over SET keep_until = 0 WHERE state = 'HANDED_OVER'")

    def _write_new_rules(self) -> None:
        """Add a version of the agreement that is not in force, so that a reload has something to take."""
        folder = self.run.gateways.world.folder / "config" / "agreements"
        self._planned += 1
        text = (folder / "gb-fr.yaml").read_text(encoding="utf-8")
        text = text.replace("version: 1\n", f"version: {self._planned + 1}\n").replace(
            "suspended: false", "suspended: true"
        )
        (folder / f"gb-fr-{self._planned + 1}.yaml").write_text(text, encoding="utf-8")


def give_receipts_later(node: NodeLayout) -> None:
    """Have a node answer its partners with 202, and judge after that."""
    text = node.config.read_text(encoding="utf-8")
    node.config.write_text(text.replace("[[partners]]\n", '[[partners]]\nreceipts = "later"\n'), encoding="utf-8")


@asynccontextmanager
async def walkers(folder: Path, *, seed: int, later: bool = False) -> AsyncIterator[Walk]:
    """Start two gateways that may be broken, each working in one process, and learn what their views look like.

    `later`: both take what comes unread, and give their receipts later.
    """
    extra = "insecure_failpoints = true"
    async with (
        two_gateways(folder, workers=0, extra=extra, start=False, hand_over_batch={FR: 8}) as gateways,
        Clients(gateways.sides) as clients,
    ):
        for side in gateways.sides.values() if later else ():
            give_receipts_later(side.layout)
        hold_other_releases(folder / "config" / "agreements" / "gb-fr.yaml")
        officer = Officer(gateways.gb.layout)
        await asyncio.gather(*(side.process.start(timeout=START_SECONDS) for side in gateways.sides.values()))
        run = FaultRun(gateways, clients, seed)
        await run.learn_views()
        yield Walk(run, officer)
