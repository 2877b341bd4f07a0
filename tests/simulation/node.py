"""One simulated node: the real `gateway.app.Node`, joined by its own code, over adapters that live in virtual time.

Put in by the methods `_open_…` of Node: the store (store.py), the clock and ids (chance.py), workers that do the real
jobs within the loop (`InlineWorkers` on a desk laid out before), keys and sealing as files have them, the channel to
partners (network.py) and a back end that fate holds (backend.py). Listeners are not opened: who calls is handed their
applications.
"""

import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aiohttp import web

from gateway.app.channels import Backends
from gateway.app.desk import Snapshot
from gateway.app.node import Node, OpenStore
from gateway.app.parts import Adapters, UseCases
from gateway.app.rulebook import Rulebook
from gateway.channels import HttpsPartnerChannel
from gateway.domain.ids import PartyId
from gateway.domain.outcome import HandOverOutcome
from gateway.domain.records import InboxRow
from gateway.exchange.batches import run_admit, run_check, run_prepare, run_seal
from gateway.exchange.desk import Desk
from gateway.exchange.turn_away import TurnAway
from gateway.ports import Sealer
from gateway.settings import Listener as ListenerSettings
from gateway.storage import SqliteStore
from gateway.trust import FileTrust, PartnerGate
from gateway.workers import InlineWorkers, JobTable, WorkerPool
from tests.simulation.backend import BackEnd, BackEndChannel
from tests.simulation.chance import NodeClock, SeededIds
from tests.simulation.loop import Owner
from tests.simulation.network import CALLER, Network
from tests.simulation.parts import PartyParts
from tests.simulation.trace import Trace, short


class Watch:
    """Telemetry of a node, into the trace. `defects`: what no node may ever say."""

    def __init__(self, name: str, trace: Trace, defects: list[str]) -> None:
        self._name = name
        self._trace = trace
        self._defects = defects

    def line(
        self, action: str, *, outcome: str, duration: timedelta | None = None, code: str = "", **labels: str | int
    ) -> None:
        """Note what failed; what went well is told by the store's commits."""
        del duration
        if code == "internal":
            self._defects.append(f"{self._name} {action}: {labels}")
        if outcome != "success" and action != "http.request":
            about = labels.get("transfer_id") or labels.get("message_id") or ""
            self._trace.say(self._name, f"{action} failed", code=code, about=short(about))


class SimulatedNode(Node):
    """A node in one life. `apps`: its listeners' applications, by name."""

    def __init__(
        self,
        parts: PartyParts,
        rulebook: Rulebook,
        *,
        clock: NodeClock,
        owner: Owner,
        network: Network,
        backend: BackEnd,
        watch: Watch,
        open_store: OpenStore,
    ) -> None:
        ids = SeededIds(owner.chance, clock)
        super().__init__(parts.settings, rulebook, watch, open_store=open_store, clock=clock, ids=ids)
        self.apps: dict[str, web.Application] = {}
        self._parts = parts
        self.owner = owner
        self.store: SqliteStore
        self.use: UseCases
        self._network = network
        self._backend = backend

    def follow(self, rulebook: Rulebook) -> None:
        """Follow other rules from now on, as after a reload; here that takes no time."""
        self._rules.book = rulebook

    def _join(self, below: Adapters) -> UseCases:
        self.store, self.use = below.store, super()._join(below)
        return self.use

    def _open_trust(self) -> tuple[FileTrust, Sealer]:
        return self._parts.trust, self._parts.sealer

    def _open_gate(self, trust: FileTrust) -> PartnerGate:
        return _KnownCallers(trust, clock=self._clock.now)

    def _open_workers(self, snapshot: Snapshot) -> WorkerPool | InlineWorkers[Snapshot, Desk]:
        desk = replace(self._parts.desk, agreements=self._rules)
        return InlineWorkers(
            setup=lambda _snapshot: desk,
            snapshot=snapshot,
            table=JobTable(prepare=run_prepare, seal=run_seal, admit=run_admit, check=run_check),
        )

    def _open_partner_channel(self, gate: PartnerGate) -> HttpsPartnerChannel:
        del gate
        partners = tuple(partner.id for partner in self._settings.partners)
        return self._network.channel(self._settings.parties[0].id, partners, self._clock)

    def _open_backends(self) -> Backends:
        party = self._settings.parties[0].id
        return _OneBackEnd(party, self._backend.of(self.owner, self._network.stalls[party]))

    def _partner_context(self, gate: PartnerGate, turn_away: TurnAway) -> ssl.SSLContext | None:
        del gate, turn_away
        return None

    async def _listen(
        self, name: str, where: ListenerSettings, app: web.Application, *, context: ssl.SSLContext | None = None
    ) -> None:
        del where, context
        app.freeze()
        self.apps[name] = app


class _OneBackEnd(Backends):
    """The back end of the node's only party."""

    def __init__(self, party: PartyId, channel: BackEndChannel) -> None:
        super().__init__({}, {})
        self.parties = frozenset({party})
        self._channel = channel

    def takes(self, recipient: PartyId) -> int:
        """Return how many messages go together."""
        return self._channel.takes(recipient)

    async def hand_over(self, row: InboxRow, view: bytes) -> HandOverOutcome:
        """Hand one message over."""
        return await self._channel.hand_over(row, view)

    async def hand_over_group(self, messages: Sequence[tuple[InboxRow, bytes]]) -> list[HandOverOutcome]:
        """Hand several messages over."""
        return await self._channel.hand_over_group(messages)


class _KnownCallers(PartnerGate):
    """Knows who calls without a certificate."""

    def party_of(self, certificate: bytes | None, now: datetime) -> PartyId:
        """Return the caller that the network names."""
        del certificate, now
        return CALLER.get()
