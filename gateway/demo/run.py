"""The demo: two gateways on this machine exchange sample documents, and every claim it prints is checked.

Two administrations (their ids are labels only), each a process with its own folder, database, keys and ports, and a
stand-in back end each. Valid samples travel from GB-HMRC to FR-DGDDI; one broken sample must be refused. The receiving
gateway is killed on the way and started again. Exit code 0 only if all is as it should be.
"""

import asyncio
import signal
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gateway.app.desk import open_trust
from gateway.app.node import DATABASE
from gateway.bundled import schema_folder
from gateway.client import ClientError, Submission, SubmissionClient, SubmittedTransfer
from gateway.demo.backend import StandInBackend
from gateway.demo.layout import NodeLayout, World, copy_agreement, lay_out
from gateway.demo.processes import GatewayProcess
from gateway.document import read
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import TransferState
from gateway.domain.limits import DocumentLimits
from gateway.envelope import verify_receipt
from gateway.errors import GatewayError
from gateway.settings import load_node
from gateway.storage import verify_database

SENDER = PartyId("GB-HMRC")
RECEIVER = PartyId("FR-DGDDI")
ARRIVAL_SECONDS = 60.0
VALID = {
    "import-two-items.xml": (130, 10),
    "import-24-items.xml": (453, 0),
    "export-one-item.xml": (68, 6),
    "transit-bare-declaration.xml": (50, 1),
    "amendment.xml": (29, 2),
    "arrival.xml": (10, 0),
}
"""Samples, and how many of their leaves and attributes the example agreement lets go and withholds."""
REFUSED = "schema-unknown-element.xml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One claim of the demo and whether it held."""

    claim: str
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One accepted sample and its transfer."""

    sample: str
    submission: Submission

    @property
    def transfer(self) -> SubmittedTransfer:
        """The one transfer of the submission."""
        return self.submission.transfers[0]


async def run_demo(*, folder: Path | None, keep: bool, console: Console) -> int:
    """Run the demo in `folder` (a temporary one if None) and return the exit code.

    `keep`: leave both gateways running until Ctrl-C, so that their consoles can be looked at.
    """
    ours = asyncio.current_task()
    if ours is not None:
        # As with Ctrl-C: both gateways must not outlive the demo.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ours.cancel)
    async with AsyncExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-demo-")))
        console.print(f"Laying out {SENDER} and {RECEIVER} in {folder} …", soft_wrap=True)
        now = datetime.now(UTC)
        agreements = copy_agreement("gb-fr", folder / "config")
        world = lay_out(folder, [SENDER, RECEIVER], agreements=agreements, now=now, workers=1)
        backends, processes = await _start(world, stack)
        console.print("Both gateways are ready.")
        try:
            sent, checks = await _exchange(world, processes[RECEIVER], console)
        except ClientError as error:
            console.print(f"FAIL  a sample was not accepted: {error}", soft_wrap=True)
            return 1
        await _hand_overs(sent, backends[RECEIVER])
        checks += _check_arrivals(sent, backends[RECEIVER])
        checks += [await _check_audit(node, processes[party]) for party, node in world.nodes.items() if not keep]
        _print(console, sent, checks)
        if keep:
            await _show_consoles(world, console)
        return 0 if all(check.holds for check in checks) else 1


async def _start(
    world: World, stack: AsyncExitStack
) -> tuple[dict[PartyId, StandInBackend], dict[PartyId, GatewayProcess]]:
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
    return backends, processes


async def _exchange(world: World, receiver: GatewayProcess, console: Console) -> tuple[list[Sent], list[Check]]:
    """Submit the samples, kill the receiver among them, and wait until every transfer has come to its end."""
    node = world.nodes[SENDER]
    samples = schema_folder() / "samples"
    sent: list[Sent] = []
    async with SubmissionClient(node.submission_url, node.submitter_token) as client:
        for number, name in enumerate(VALID):
            if number == len(VALID) // 2:
                console.print(f"Killing the gateway of {RECEIVER} (SIGKILL) with work on the way …")
                await receiver.kill()
            document = (samples / "valid" / name).read_bytes()
            sent.append(Sent(sample=name, submission=await client.submit(document, to=[RECEIVER])))
        refusal = await _refusal(client, (samples / "invalid" / REFUSED).read_bytes())
        console.print(f"Starting the gateway of {RECEIVER} again …")
        await receiver.start()
        sent = await _wait(client, sent)
        checks = [
            Check(claim=f"{REFUSED} is refused with {refusal or 'no code'}", holds=refusal == "schema.invalid"),
            Check(
                claim="every accepted document was delivered",
                holds=all(one.transfer.state is TransferState.DELIVERED for one in sent),
            ),
            await _check_receipts(node, client, sent),
        ]
    return sent, checks


async def _refusal(client: SubmissionClient, document: bytes) -> str:
    """Submit what must be refused and return the code of the document's own problem."""
    try:
        await client.submit(document, to=[RECEIVER])
    except ClientError as error:
        return error.code
    return ""


async def _wait(client: SubmissionClient, sent: Sequence[Sent]) -> list[Sent]:
    deadline = asyncio.get_running_loop().time() + ARRIVAL_SECONDS
    while True:
        now = [Sent(sample=one.sample, submission=await client.get(one.submission.id)) for one in sent]
        ended = all(one.transfer.state is TransferState.DELIVERED for one in now)
        if ended or asyncio.get_running_loop().time() > deadline:
            return now
        await asyncio.sleep(0.2)


async def _hand_overs(sent: Sequence[Sent], backend: StandInBackend) -> None:
    """Wait until the back end has every message; a receipt comes before the hand-over."""
    wanted = {one.transfer.message_id for one in sent}
    deadline = asyncio.get_running_loop().time() + ARRIVAL_SECONDS
    while True:
        if wanted <= backend.by_id.keys() or asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.1)


async def _check_receipts(node: NodeLayout, client: SubmissionClient, sent: Sequence[Sent]) -> Check:
    """Fetch each receipt and verify it with the partner's public key, as anyone could offline."""
    trust = open_trust(load_node(node.config))
    good = 0
    for one in sent:
        try:
            token = await client.receipt(one.transfer.id)
            verify_receipt(
                token,
                verification_key=trust.verification_key,
                issuer=RECEIVER,
                audience=SENDER,
                message_id=one.transfer.message_id,
                digest=one.transfer.digest,
                now=datetime.now(UTC),
            )
        except (ClientError, GatewayError):
            continue
        good += 1
    return Check(claim=f"{good} of {len(sent)} receipts verify with the partner's public key", holds=good == len(sent))


def _check_arrivals(sent: Sequence[Sent], backend: StandInBackend) -> list[Check]:
    """Compare what the back end got with what was accepted."""
    arrived = backend.by_id
    ids = {one.transfer.message_id for one in sent}
    same = all(one.body == arrived[one.webhook_id].body for one in backend.messages)
    counted = all(
        _count_content(arrived[one.transfer.message_id].document) == one.transfer.kept
        for one in sent
        if one.transfer.message_id in arrived
    )
    withheld = sum(one.transfer.withheld for one in sent)
    as_known = all((one.transfer.kept, one.transfer.withheld) == VALID[one.sample] for one in sent)
    return [
        Check(claim=f"the back end of {RECEIVER} has each of them, and nothing else", holds=arrived.keys() == ids),
        Check(claim="what came more than once came byte for byte the same", holds=same),
        Check(claim="no webhook had a wrong signature", holds=backend.rejected == 0),
        Check(claim="each view holds as many leaves and attributes as its transfer says", holds=counted),
        Check(
            claim=f"{withheld} leaves and attributes with content did not leave: just those the policy withholds",
            holds=as_known,
        ),
    ]


def _count_content(view: bytes) -> int:
    """Count the leaves with text and the attributes in a view as it was handed over."""
    elements = read(view, DocumentLimits()).root.iter()
    return sum(len(one.attrib) + (not len(one) and bool(one.text)) for one in elements)


async def _check_audit(node: NodeLayout, process: GatewayProcess) -> Check:
    """Stop the gateway and verify its audit chain from the file alone."""
    code = await process.stop()
    verdicts = await asyncio.to_thread(verify_database, node.data / DATABASE)
    count = sum(verdict.count for verdict in verdicts)
    return Check(
        claim=f"{node.party} stopped cleanly and its audit chain of {count} records verifies",
        holds=code == 0 and count > 0 and all(verdict.intact for verdict in verdicts),
    )


def _print(console: Console, sent: Sequence[Sent], checks: Sequence[Check]) -> None:
    table = Table(title=f"From {SENDER} to {RECEIVER}")
    for heading in ("sample", "kind", "state", "attempts", "kept", "withheld"):
        table.add_column(heading, justify="right" if heading in {"attempts", "kept", "withheld"} else "left")
    for one in sent:
        transfer = one.transfer
        table.add_row(
            one.sample,
            one.submission.kind.value,
            transfer.state.value,
            str(transfer.attempts),
            str(transfer.kept),
            str(transfer.withheld),
        )
    console.print(table)
    for check in checks:
        console.print(f"{'ok  ' if check.holds else 'FAIL'}  {check.claim}", soft_wrap=True)


async def _show_consoles(world: World, console: Console) -> None:
    console.print("\nBoth gateways keep running. Consoles, and a token to sign in with:")
    for party, node in world.nodes.items():
        console.print(f"  {party}: {node.operations_url}/\n  {node.operator_token}", soft_wrap=True)
    console.print("Stop with Ctrl-C.")
    await asyncio.Event().wait()
