"""The two gateways of the demo and their stand-in back ends, running. Labels only: no statement about anybody."""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp

from gateway.client import OperationsClient, SubmissionClient
from gateway.demo.backend import StandInBackend
from gateway.demo.documents import AGREEMENT
from gateway.demo.layout import World, copy_agreement, lay_out
from gateway.demo.processes import GatewayProcess
from gateway.domain.ids import PartyId

GB: Final = PartyId("GB-HMRC")
FR: Final = PartyId("FR-DGDDI")
"""The one that is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """By party: a process, a back end, and clients for both APIs."""

    world: World
    backends: Mapping[PartyId, StandInBackend]
    processes: Mapping[PartyId, GatewayProcess]

    def submissions(self, party: PartyId) -> SubmissionClient:
        """Return a client of this party's national system."""
        node = self.world.nodes[party]
        return SubmissionClient(node.submission_url, node.submitter_token)

    def operations(self, party: PartyId) -> OperationsClient:
        """Return a client of this party's operators."""
        return self.processes[party].operations()

    async def post(self, sender: PartyId, recipient: PartyId, path: str, token: str) -> tuple[int, str]:
        """Post a compact JOSE token over the mutual TLS identity of `sender`; return status and body.

        Status 0, with the kind of error, when nothing was answered.
        """
        keys = self.world.nodes[sender].folder / "keys" / sender
        context = ssl.create_default_context(cafile=self.world.authority / "chain.crt.pem")
        context.load_cert_chain(keys / "tls-1.crt.pem", keys / "tls-1.key.pem")
        url = f"https://127.0.0.1:{self.world.nodes[recipient].partner_port}{path}"
        headers = {"Content-Type": "application/jose"}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
                session.post(url, data=token, headers=headers, ssl=context) as answer,
            ):
                return answer.status, await answer.text()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            return 0, type(error).__name__

    def bundle(self, holder: PartyId, partner: PartyId) -> Path:
        """Return the file of public keys that `holder` has of `partner`."""
        return self.world.nodes[holder].folder / "partners" / partner / "partner.json"


async def raise_stage(folder: Path, stack: AsyncExitStack) -> Stage:
    """Lay everything out in `folder`, start it, and have `stack` end it."""
    agreements = copy_agreement(AGREEMENT, folder / "config")
    world = lay_out(folder, [GB, FR], agreements=agreements, now=datetime.now(UTC), workers=1)
    backends: dict[PartyId, StandInBackend] = {}
    processes: dict[PartyId, GatewayProcess] = {}
    for party, node in world.nodes.items():
        backends[party] = StandInBackend(node.webhook_secret, port=node.backend_port)
        await backends[party].start()
        stack.push_async_callback(backends[party].stop)
        processes[party] = GatewayProcess(
            node.config, operations_url=node.operations_url, operator_token=node.operator_token
        )
        stack.push_async_callback(processes[party].stop)
    await asyncio.gather(*(process.start() for process in processes.values()))
    return Stage(world=world, backends=backends, processes=processes)
