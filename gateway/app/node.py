"""One node, joined: the only place where adapters meet the use cases.

Start: settings and rules were checked before; then the store is opened (one writer per file) and recovered, workers lay
out their desks, loops begin, and listeners open last, so that nothing is taken that could not be worked on. Stop is the
same backwards, and what is in work has one time for all of it: requests first, the loops what is left. A node that dies
instead of stopping loses nothing: `recover` gives its leases back at the next start.
"""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from gateway import __version__
from gateway.app.channels import Backends, hand_over_retries, open_backends, open_partner_channel, pull_leases
from gateway.app.clients import RegisteredClients
from gateway.app.desk import Snapshot, key_files, open_sealer, open_trust
from gateway.app.document_log import document_log
from gateway.app.loops import later_loops, loops_of, receipts_later
from gateway.app.parts import Adapters, Around, UseCases
from gateway.app.pool import Pool, open_pool
from gateway.app.reload import Reload
from gateway.app.rulebook import Rulebook, RulesInForce
from gateway.app.showing import DocumentDesk, KnownKeys
from gateway.app.statements import Statements
from gateway.app.stopping import cancelled, check_revocation, told
from gateway.audit import AuditEntry, AuditEvent
from gateway.channels import HttpsPartnerChannel
from gateway.domain.failpoint import Failpoint, Reach
from gateway.domain.records import RulesReloaded
from gateway.errors import GatewayError, StorageError
from gateway.exchange.arrivals import Arrivals
from gateway.exchange.ask import Ask
from gateway.exchange.asked import Asked
from gateway.exchange.doorbell import Doorbells
from gateway.exchange.drain import Drain
from gateway.exchange.fast_path import FastPath
from gateway.exchange.follow_up import FollowUp, FollowUpLimits
from gateway.exchange.give_back import GiveBack
from gateway.exchange.holds import Holds
from gateway.exchange.operate import Operate
from gateway.exchange.pull import Pull
from gateway.exchange.receive import Receive
from gateway.exchange.settle import Settle
from gateway.exchange.show import Show
from gateway.exchange.submit import Submit
from gateway.exchange.supersede import Supersede
from gateway.exchange.turn_away import TurnAway
from gateway.failpoints import read_failpoint
from gateway.ports import Clock, Ids, Sealer, Telemetry
from gateway.settings import Listener as ListenerSettings
from gateway.settings import NodeSettings
from gateway.storage import SqliteStore
from gateway.system import SystemClock, SystemIds
from gateway.trust import FileTrust, PartnerGate, plain_server_context
from gateway.web import (
    Door,
    Listener,
    OperationsParts,
    PartnerParts,
    SubmissionParts,
    operations_app,
    partner_app,
    serve,
    submission_app,
)
from gateway.workers import WorkerGenerations

DATABASE: Final = "gateway.db"

OpenStore = Callable[[NodeSettings], Awaitable[SqliteStore]]


async def _open_in_place(settings: NodeSettings, *, reach: Reach, restored: bool) -> SqliteStore:
    """Return the store of a node, open. Raises StorageError."""
    path, batch = settings.data_dir / DATABASE, settings.batches.changes
    return await SqliteStore.open(path, chain=settings.name, reach=reach, restored=restored, batch=batch)


class Node:
    """A running node, as an async context. `listeners`: where it listens; `failed` raises when a loop ends.

    `open_store` is how it opens its store if not in its data folder; only tests give one, which fails on purpose. The
    simulation gives a clock and ids too, puts adapters of its own in by the `_open_…` methods, and joins everything
    else as it stands here. `restored`: why an older copy of the database was put in place, if one was.
    """

    def __init__(
        self,
        settings: NodeSettings,
        rulebook: Rulebook,
        telemetry: Telemetry,
        *,
        open_store: OpenStore | None = None,
        restored: str = "",
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._settings = settings
        self._rules = RulesInForce(rulebook)
        self._telemetry = telemetry
        self._restored = restored
        self._clock: Clock = clock or SystemClock()
        self._ids: Ids = ids or SystemIds()
        self._bells = Doorbells()
        self._fast_path = FastPath(
            agreements=self._rules, clock=self._clock, bells=self._bells, lease=settings.timing.lease
        )
        self._arrivals = Arrivals(clock=self._clock, bells=self._bells, lease=settings.timing.lease)
        self._reach = read_failpoint(os.environ, allowed=settings.insecure_failpoints)
        self._open = open_store or partial(_open_in_place, reach=self._reach, restored=bool(restored))
        self._stack = AsyncExitStack()
        self._reports: set[asyncio.Task[None]] = set()
        self._stop_by: float | None = None  # when a stop waits no longer, in monotonic seconds
        self._reload: Reload | None = None
        self.listeners: dict[str, Listener] = {}
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        try:
            below = await self._open_adapters()
            use = self._join(below)
            self._reload = use.reload
            await self._run_loops(below, use)
            await self._open_listeners(below, use)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def reload(self, *, actor: str) -> RulesReloaded:
        """Take the rules as they stand in the files now. Raises GatewayError, and then everything is as before."""
        if self._reload is None:
            raise GatewayError("node.not_ready", "The node has not started yet")
        return await self._reload(actor=actor)

    # ── adapters ──

    async def _open_adapters(self) -> Adapters:
        trust, sealer = self._open_trust()
        store = await self._open_store()
        snapshot = Snapshot(generation=1, settings=self._settings, rulebook=self._rules.book)
        workers = WorkerGenerations(self._open_workers, snapshot)
        self._stack.push_async_callback(workers.close)
        await workers.start()
        documents = DocumentDesk(snapshot)
        self._stack.push_async_callback(documents.close)
        gate = self._open_gate(trust)
        channel = self._open_partner_channel(gate)
        self._stack.push_async_callback(channel.close)
        return Adapters(
            store=store,
            workers=workers,
            documents=documents,
            trust=trust,
            gate=gate,
            sealer=sealer,
            channel=channel,
        )

    def _open_trust(self) -> tuple[FileTrust, Sealer]:
        return open_trust(self._settings), open_sealer(self._settings)

    def _open_gate(self, trust: FileTrust) -> PartnerGate:
        return PartnerGate(trust, clock=self._clock.now)

    def _open_workers(self, snapshot: Snapshot) -> Pool:
        return open_pool(snapshot, self._telemetry)

    async def _open_store(self) -> SqliteStore:
        """Open the store, record the start and what weakens it, and give back the leases of the process before."""
        settings = self._settings
        store = await self._open(settings)
        self._stack.push_async_callback(store.close)
        await store.record(self._entry(AuditEvent.NODE_STARTED))
        await self._record_opening(store)
        await store.put_in_force(self._rules.book.wordings(), actor="system", now=self._clock.now())
        for setting in settings.insecure:
            await store.record(self._entry(AuditEvent.NODE_INSECURE, setting=setting))
        await store.recover(now=self._clock.now())
        self._stack.push_async_callback(self._record_stop, store)
        return store

    async def _record_opening(self, store: SqliteStore) -> None:
        """Record what was found of the store: a log that was cut off, an older copy put in place."""
        if store.dropped_frames:
            await store.record(self._entry(AuditEvent.STORE_TAIL_DROPPED, count=store.dropped_frames))
            self._telemetry.line("store.tail_dropped", outcome="success", frames=store.dropped_frames)
        if (mark := store.passed_over) is not None:
            entry = self._entry(AuditEvent.STORE_RESTORED, count=mark.seq, digest=mark.hash, reason=self._restored)
            await store.record(entry)
            self._telemetry.line("store.restored", outcome="success", seq=mark.seq)

    async def _record_stop(self, store: SqliteStore) -> None:
        self._reach(Failpoint.STOPPING)
        await store.record(self._entry(AuditEvent.NODE_STOPPED))

    def _entry(self, event: AuditEvent, **facts: str | int) -> AuditEntry:
        return AuditEntry(event=event, at=self._clock.now(), actor="system", facts=facts)

    # ── use cases ──

    def _join(self, below: Adapters) -> UseCases:
        store, workers, clock, ids, bells = below.store, below.workers, self._clock, self._ids, self._bells
        settle = Settle(store=store, workers=workers, clock=clock)
        told = self._telemetry
        ask = Ask(store=store, workers=workers, channel=below.channel, settle=settle, clock=clock, telemetry=told)
        supersede = Supersede(
            store=store, workers=workers, sealer=below.sealer, ask=ask, clock=clock, ids=ids, bells=bells
        )
        own = [party.id for party in self._settings.parties]
        return UseCases(
            submit=Submit(
                store=store,
                workers=workers,
                clock=clock,
                ids=ids,
                bells=bells,
                fast_path=self._fast_path,
                document_log=document_log(self._telemetry) if self._settings.insecure_log_documents else None,
                reach=self._reach,
            ),
            settle=settle,
            asked=Asked(store=store, trust=below.trust, clock=clock, ids=ids, own=own),
            operate=Operate(store=store, ask=ask, supersede=supersede, clock=clock, bells=bells),
            holds=Holds(
                store=store,
                workers=workers,
                agreements=self._rules,
                sealer=below.sealer,
                clock=clock,
                ids=ids,
                bells=bells,
                supersede=supersede,
            ),
            follow_up=FollowUp(
                store=store,
                ask=ask,
                supersede=supersede,
                clock=clock,
                bells=bells,
                telemetry=self._telemetry,
                limits=FollowUpLimits(poll=self._settings.timing.poll),
            ),
            drain=Drain(store=store, clock=clock, bells=bells),
            turn_away=TurnAway(store=store, clock=clock, telemetry=self._telemetry),
            reload=Reload(
                self._settings,
                self._rules,
                workers=workers,
                documents=below.documents,
                store=store,
                clock=clock,
                telemetry=self._telemetry,
                reach=self._reach,
            ),
            pull=Pull(
                store=store,
                sealer=below.sealer,
                clock=clock,
                ids=ids,
                telemetry=self._telemetry,
                leases=pull_leases(self._settings),
                retries=hand_over_retries(self._settings),
                reach=self._reach,
            ),
            receive=Receive(
                store=store,
                workers=workers,
                trust=below.trust,
                clock=clock,
                ids=ids,
                bells=bells,
                telemetry=self._telemetry,
                arrivals=self._arrivals,
                later=receipts_later(self._settings),
                reach=self._reach,
            ),
        )

    async def _run_loops(self, below: Adapters, use: UseCases) -> None:
        """Run what nobody asks for: sending, handing over, sweeping. A loop that ends by an error ends the node."""
        settings, backends = self._settings, self._open_backends()
        self._stack.push_async_callback(backends.close)
        await backends.start()
        around = Around(
            clock=self._clock, ids=self._ids, bells=self._bells, telemetry=self._telemetry, reach=self._reach
        )
        give_back = GiveBack(
            store=below.store,
            fast_path=self._fast_path,
            arrivals=self._arrivals,
            clock=self._clock,
            bells=self._bells,
            telemetry=self._telemetry,
            every=settings.timing.poll,
        )
        owing = await below.store.owing_later()
        loops = loops_of(
            settings,
            below,
            use,
            around,
            rules=self._rules,
            fast_path=self._fast_path,
            arrivals=self._arrivals,
            give_back=give_back,
            backends=backends,
        )
        loops += later_loops(settings, owing, below, use, around)
        self._stack.push_async_callback(self._give_back, below.store, give_back)
        self._run(loops)

    def _open_partner_channel(self, gate: PartnerGate) -> HttpsPartnerChannel:
        return open_partner_channel(self._settings, gate, clock=self._clock, reach=self._reach)

    def _open_backends(self) -> Backends:
        return open_backends(self._settings, clock=self._clock, reach=self._reach)

    def _run(self, loops: list[Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.create_task(loop) for loop in loops]
        for task in tasks:
            task.add_done_callback(self._loop_ended)
        self._stack.push_async_callback(cancelled, tasks)
        self._stack.push_async_callback(self._finish)

    async def _give_back(self, store: SqliteStore, give_back: GiveBack) -> None:
        """Give the leases back of what did not end in time: first of what was not even begun, which then counts neither
        as sent nor as tried. A store that can not do it leaves it to the next start."""
        with suppress(StorageError):
            await give_back.all_of_it()
            await store.recover(now=self._clock.now())

    async def _finish(self) -> None:
        """Begin nothing new, and let what is under way end, for a bounded time."""
        self._bells.hush()
        if not await self._bells.at_rest(self._left()):
            self._telemetry.line("node.stop", outcome="failure", under_way=self._bells.under_way)

    def _left(self) -> float:
        """Return how many seconds a stop may still wait for work, from the first time this is asked."""
        now = self._clock.monotonic()
        if self._stop_by is None:
            self._stop_by = now + self._settings.timing.stop.total_seconds()
        return self._stop_by - now

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self.failed.done():
            self.failed.set_exception(task.exception() or RuntimeError("a loop of the node ended"))

    # ── listeners ──

    async def _open_listeners(self, below: Adapters, use: UseCases) -> None:
        settings, clock = self._settings, self._clock
        # Runs when the listeners have stopped and the store is still open: nothing that was seen goes unrecorded.
        self._stack.push_async_callback(told, self._reports, use.turn_away)
        self._stack.push_async_callback(self._stop_listeners)
        tokens = RegisteredClients(settings, clock=clock)
        statements = Statements(settings, self._rules, below.trust, ids=self._ids)
        us = settings.parties[0].id
        submission = SubmissionParts(
            door=self._door("submission"),
            submit=use.submit,
            store=below.store,
            pull=use.pull,
            tokens=tokens,
            max_document_bytes=settings.documents.max_bytes,
            reach=self._reach,
        )
        await self._listen("submission", settings.listeners.submission, submission_app(submission))
        operations = OperationsParts(
            node=settings.name,
            door=self._door("operations"),
            store=below.store,
            operate=use.operate,
            holds=use.holds,
            drain=use.drain,
            tokens=tokens,
            reference_index=below.sealer.index,
            partners=self._rules.partners,
            own=frozenset(party.id for party in settings.parties),
            agreements=self._rules.agreements,
            schema_sets=self._rules.schema_sets,
            reload=use.reload,
            keys=KnownKeys(settings, below.trust).of,
            show=Show(store=below.store, clock=clock, look=below.documents.look),
            try_out=below.documents.try_out,
            checks={
                "store": below.store.ready,
                "revocation": lambda: check_revocation(below.trust, clock.now()),
                "drain": use.drain.ready,
            },
            version=__version__,
        )
        await self._listen("operations", settings.listeners.operations, operations_app(operations))
        partner = PartnerParts(
            door=self._door("partner"),
            receive=use.receive,
            asked=use.asked,
            settle=use.settle,
            turn_away=use.turn_away,
            peers=below.gate,
            capabilities=lambda partner, now: statements.capabilities(us, partner, now),
            pong=lambda partner, now: statements.pong(us, partner, now),
            max_document_bytes=settings.documents.max_bytes,
            reach=self._reach,
        )
        context = self._partner_context(below.gate, use.turn_away)
        await self._listen("partner", settings.listeners.partner, partner_app(partner), context=context)

    def _door(self, name: str) -> Door:
        return Door(name=name, clock=self._clock, ids=self._ids, telemetry=self._telemetry)

    def _partner_context(self, gate: PartnerGate, turn_away: TurnAway) -> ssl.SSLContext | None:
        """Return the partner listener's TLS context, which reports every client that its handshake turns away."""
        tls = self._settings.listeners.partner.tls
        if tls is None:
            return None
        loop, reports = asyncio.get_running_loop(), self._reports

        def refused(error: GatewayError) -> None:
            report = loop.create_task(turn_away(error))
            reports.add(report)
            report.add_done_callback(reports.discard)

        return gate.server_context(key_files(tls), on_refused=refused)

    async def _listen(
        self, name: str, where: ListenerSettings, app: web.Application, *, context: ssl.SSLContext | None = None
    ) -> None:
        if context is None and where.tls is not None:
            context = plain_server_context(key_files(where.tls))
        listener = await serve(
            app, host=where.host, port=where.port, ssl_context=context, stop_within=self._settings.timing.stop
        )
        self.listeners[name] = listener

    async def _stop_listeners(self) -> None:
        """Take nothing more, and let the requests in work end, those of all listeners in the same time."""
        self._left()
        await asyncio.gather(*(listener.stop() for listener in self.listeners.values()))
