"""Traffic between two real gateways, and everything that was seen of it, ready for the history checker.

The plan (which documents, from whom, in which cases) comes from a seed. What breaks the gateways meanwhile is not said
here; whoever does that notes an `Outage`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from gateway.app.node import DATABASE
from gateway.domain.ids import PartyId
from tests.faults.books import Books, Breach, read_books, read_states, released_digests, unfinished
from tests.faults.history import ARRIVES_WITHIN, Arrival, History, Outage, check
from tests.faults.proof import why_not
from tests.faults.traffic import MARK, SAMPLES, Clients, Document
from tests.faults.until import until
from tests.world import FR, GB, TwoGateways, two_gateways

CLIENTS_AT_ONCE = 8


class FaultRun:
    """One run over two gateways. `breaches` grows as it goes on."""

    def __init__(self, gateways: TwoGateways, clients: Clients, seed: int) -> None:
        self.gateways = gateways
        self.clients = clients
        self.draw = random.Random(seed)
        self.outages: list[Outage] = []  # whoever breaks a gateway adds to it
        self.breaches: list[Breach] = []
        self.longest_wait_seconds = 0.0
        self._numbers = count(1)
        self._documents: dict[str, Document] = {}
        self._views: dict[str, bytes] = {}

    # ── documents ──

    async def learn_views(self) -> None:
        """Send one document of each sample in peace, and learn what its view looks like at the other end."""
        backend = self.gateways.fr.backend
        for sample in SAMPLES:
            document = self.known(Document(marker=self._marker("quiet"), sample=sample, sender=GB, recipient=FR))
            message_id = (await self.clients.submit(document)).message_id
            assert await until(lambda: message_id in backend.by_id, within=ARRIVES_WITHIN)  # noqa: B023
            view = backend.by_id[message_id].document
            self._views[sample] = view.replace(document.marker.encode(), MARK.encode())

    def plan(self, number: int, name: str) -> list[Document]:
        """Return documents of both parties; some belong to a case of several, some are asked for twice at once."""
        draw, planned = self.draw, []
        for _ in range(number):
            sender, recipient = (GB, FR) if draw.random() < 0.7 else (FR, GB)
            document = Document(
                marker=self._marker(name),
                sample=draw.choice(SAMPLES),
                sender=sender,
                recipient=recipient,
                case=f"{name}-case-{draw.randrange(12)}" if draw.random() < 0.25 else None,
                twice=draw.random() < 0.1,
            )
            planned.append(self.known(document))
        return planned

    def _marker(self, name: str) -> str:
        return f"{name}-{next(self._numbers):05d}"

    def known(self, document: Document) -> Document:
        """Note a document, so that its view is expected at the other end."""
        self._documents[document.marker] = document
        return document

    # ── what was seen ──

    def books(self) -> dict[PartyId, Books]:
        """Return the books of both gateways as they stand now."""
        return {party: read_books(side.layout.data / DATABASE, party) for party, side in self.gateways.sides.items()}

    def states(self) -> dict[PartyId, Books]:
        """Return the states alone. Whole books, read again and again, would keep the back ends of this process waiting."""
        return {party: read_states(side.layout.data / DATABASE, party) for party, side in self.gateways.sides.items()}

    @property
    def handed_over_again(self) -> int:
        """How many webhooks repeated an earlier one."""
        backends = [side.backend for side in self.gateways.sides.values()]
        return sum(len(backend.messages) - len(backend.by_id) for backend in backends)

    def history(self) -> History:
        """Return everything that was seen so far."""
        books = self.books()
        return History(
            answers=list(self.clients.answers),
            arrivals=[
                Arrival(party=party, message_id=one.webhook_id, at=one.arrived, view=one.document, body=one.body)
                for party, side in self.gateways.sides.items()
                for one in side.backend.messages
            ],
            outages=list(self.outages),
            books=books,
            expected={
                marker: document.dressed(self._views[document.sample].decode()).encode()
                for marker, document in self._documents.items()
            },
            unproven=self._unproven(books),
        )

    def _unproven(self, books: dict[PartyId, Books]) -> dict[str, str]:
        """Return the receipts that do not verify with the partner's public key alone, and why."""
        found: dict[str, str] = {}
        keys = {party: self._public_key(party) for party in self.gateways.sides}
        released = {message_id: digest for each in books.values() for message_id, digest in released_digests(each)}
        for answer in self.clients.answers:
            for token in books[answer.sender].receipts_held.get(answer.message_id, ()):
                found[answer.message_id] = why_not(
                    token,
                    keys[answer.recipient],
                    issuer=answer.recipient,
                    audience=answer.sender,
                    message_id=answer.message_id,
                    digest=answer.digest or released.get(answer.message_id, ""),
                )
        return {message_id: why for message_id, why in found.items() if why}

    def _public_key(self, party: PartyId) -> EllipticCurvePublicKey:
        file = self.gateways.sides[party].layout.folder / "keys" / party / "sign-1.crt.pem"
        key = x509.load_pem_x509_certificate(file.read_bytes()).public_key()
        assert isinstance(key, EllipticCurvePublicKey)
        return key

    # ── running ──

    async def submit_all(self, documents: Sequence[Document], gate: "Gate") -> None:
        """Have all documents acknowledged, several at once, each as soon as the gate lets it through."""
        waiting = enumerate(documents)
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS_AT_ONCE):
                group.create_task(self._submit(waiting, gate))

    async def _submit(self, waiting: Iterator[tuple[int, Document]], gate: "Gate") -> None:
        for number, document in waiting:
            await gate.passes(number)
            await self.clients.submit(document)

    async def finish(self) -> None:
        """Wait until nothing is unfinished, or the time for that is over, and hold all so far against the rules."""
        clock = asyncio.get_running_loop().time
        started = clock()
        await until(lambda: not unfinished(self.states()), within=ARRIVES_WITHIN)
        self.longest_wait_seconds = max(self.longest_wait_seconds, clock() - started)
        self.breaches += check(self.history())


class Gate:
    """Lets documents through up to a number, which is raised as the run goes on."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._raised = asyncio.Event()

    def open_to(self, limit: int) -> None:
        """Let the first `limit` through."""
        self._limit = limit
        self._raised.set()

    async def passes(self, number: int) -> None:
        """Return when the document with this number, from 0, may be submitted."""
        while number >= self._limit:
            self._raised.clear()
            await self._raised.wait()


@asynccontextmanager
async def fault_run(folder: Path, *, workers: int, seed: int) -> AsyncIterator[FaultRun]:
    """Start two gateways, and learn what their views look like while nothing is broken."""
    async with (
        two_gateways(folder, workers=workers, hand_over_batch={FR: 8}) as gateways,
        Clients(gateways.sides) as clients,
    ):
        run = FaultRun(gateways, clients, seed)
        await run.learn_views()
        yield run
