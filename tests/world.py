"""Two real gateways (or more) and their stand-in back ends for integration and fault tests.

Each gateway is a process of its own that runs the command line's `gateway serve` (tests/forked.py), with a database,
keys and ports of its own. The agreement is the bundled example with waits short enough for a test.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from gateway.client import OperationsClient, SubmissionClient
from gateway.demo.backend import StandInBackend
from gateway.demo.layout import NodeLayout, World, copy_agreement, lay_out
from gateway.demo.processes import GatewayProcess
from gateway.domain.ids import PartyId
from tests.forked import ForkedProcess
from tests.ports import kept

GB = PartyId("GB-HMRC")
FR = PartyId("FR-DGDDI")


class ForkedGateway(GatewayProcess):
    """`gateway serve` without the time that importing it takes."""

    async def _serve(self, environment: Mapping[str, str]) -> ForkedProcess:
        return ForkedProcess(["serve", "--config", str(self.config)], out=self.log, environment=environment)


@dataclass(kw_only=True)
class Side:
    """One gateway: its files, its process, its back end."""

    layout: NodeLayout
    process: GatewayProcess
    backend: StandInBackend

    def submissions(self) -> SubmissionClient:
        return SubmissionClient(self.layout.submission_url, self.layout.submitter_token)

    def operations(self) -> OperationsClient:
        return OperationsClient(self.layout.operations_url, self.layout.operator_token)

    async def audit_is_whole(self) -> bool:
        """Run `gateway audit verify` on the database of this node, as an auditor would."""
        told = self.layout.folder / "audit-verify.log"
        code = await ForkedProcess(["audit", "verify", "--config", str(self.layout.config)], out=told).wait()
        if code not in {0, 1}:
            raise AssertionError(told.read_text(encoding="utf-8"))
        return code == 0


@dataclass(kw_only=True)
class TwoGateways:
    """`gb` and `fr`, running."""

    world: World
    sides: Mapping[PartyId, Side] = field(default_factory=dict)

    @property
    def gb(self) -> Side:
        return self.sides[GB]

    @property
    def fr(self) -> Side:
        return self.sides[FR]


@asynccontextmanager
async def two_gateways(
    folder: Path,
    *,
    workers: int = 0,
    agreements: Path | None = None,
    partner_ports: Mapping[tuple[PartyId, PartyId], int] | None = None,
    extra: str = "",
    start: bool = True,
    parties: Sequence[PartyId] = (GB, FR),
    hand_over_batch: Mapping[PartyId, int] | None = None,
) -> AsyncIterator[TwoGateways]:
    """Lay out two nodes in `folder`, start them and their back ends, and stop everything afterwards.

    `start`: False leaves the gateways for the caller to start. `parties`: others, or more.
    `hand_over_batch`: as `lay_out` has it.
    """
    world = lay_out(
        folder,
        parties,
        agreements=agreements or copy_agreement("gb-fr", folder / "config"),
        now=datetime.now(UTC),
        workers=workers,
        partner_ports=partner_ports,
        extra=extra,
        hand_over_batch=hand_over_batch,
    )
    sides = {
        party: Side(
            layout=node,
            process=ForkedGateway(node.config, operations_url=node.operations_url, operator_token=node.operator_token),
            backend=StandInBackend(node.webhook_secret, port=node.backend_port),
        )
        for party, node in world.nodes.items()
    }
    with kept(port for node in world.nodes.values() for port in node.ports):
        try:
            for side in sides.values():
                await side.backend.start()
            if start:
                await asyncio.gather(*(side.process.start() for side in sides.values()))
            yield TwoGateways(world=world, sides=sides)
        finally:
            for side in sides.values():
                await side.process.stop()
                await side.backend.stop()
