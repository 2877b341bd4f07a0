"""One gateway whose partner is away: what it acknowledges waits in its books, where it can be counted."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

from gateway.app.node import DATABASE
from gateway.client import ClientError
from tests.faults.books import Books, check_books, read_books
from tests.faults.history import Answer
from tests.faults.strikes import START_SECONDS
from tests.faults.traffic import Clients, Document
from tests.world import FR, GB, Side, two_gateways


class Lone:
    """The gateway of GB and a client that remembers what it was told."""

    def __init__(self, side: Side, clients: Clients) -> None:
        self.side = side
        self.clients = clients
        self._numbers = count(1)

    @property
    def database(self) -> Path:
        """Its database file."""
        return self.side.layout.data / DATABASE

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.side.process.pid is not None
        return self.side.process.pid

    def document(self) -> Document:
        """Return a document that was never submitted."""
        return Document(marker=f"lone-{next(self._numbers)}", sample="export-one-item.xml", sender=GB, recipient=FR)

    async def until_refused(self, most: int = 2000) -> Document:
        """Submit one document after the other until one gets no acknowledgement, and return that one."""
        for _ in range(most):
            document = self.document()
            if (await self.clients.ask(document)).code != "ok":
                return document
        raise AssertionError(f"all of {most} documents were acknowledged")

    async def is_ready(self) -> bool:
        """Ask `/readyz`."""
        async with self.side.operations() as client:
            try:
                await client.ready()
            except ClientError as error:
                if error.status not in {None, 503}:
                    raise
                return False
        return True

    @property
    def acknowledged(self) -> Sequence[Answer]:
        """What it acknowledged."""
        return [one for one in self.clients.answers if one.code == "ok"]

    def assert_nothing_lost(self) -> Books:
        """Hold its books against what it acknowledged, and against themselves; return them."""
        books = read_books(self.database, GB)
        assert {one.message_id for one in self.acknowledged} == set(books.transfers)
        assert [str(breach) for breach in check_books(books)] == []
        return books


@asynccontextmanager
async def lone_gateway(folder: Path, *, start: bool = True) -> AsyncIterator[Lone]:
    """Start the gateway of GB. `start`: False leaves that to the caller, who puts something under its data folder."""
    async with two_gateways(folder, start=False) as gateways, Clients(gateways.sides) as clients:
        if start:
            await gateways.gb.process.start(timeout=START_SECONDS)
        yield Lone(gateways.gb, clients)
