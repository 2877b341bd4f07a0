"""The two ends of the least line: what the row "end to end" demands, and nothing else. Nothing of `gateway` is imported.

    sender    32 submissions a request ► worker: the floor's steps ► one insert a message, synced ► 202 for each
              ► 32 envelopes a request ► worker: check the receipts ► one insert a receipt, synced
    receiver  32 envelopes a request ► worker: the floor's steps ► one insert a message with its receipt, synced
              ► the receipts ► a webhook with 32 ► one insert a hand-over, synced

Each end is a process (aiohttp, uvloop) with one worker process, a thread that writes and one that talks to the worker.
No order, no audit, no logs, no retry; after a crash it would not go on. TLS and signatures are all it doubts.
"""

import asyncio
import fcntl
import gc
import hashlib
import io
import multiprocessing
import pickle
import sqlite3
import ssl
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeAlias, cast

import aiohttp
import orjson
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tests.benchmarks.floor import Floor, Secrets

_TABLES: Final = {
    "sent": "id INTEGER PRIMARY KEY, digest TEXT, envelope BLOB",
    "receipted": "id INTEGER PRIMARY KEY, receipt BLOB",
    "received": "id INTEGER PRIMARY KEY, view BLOB, receipt BLOB",
    "handed_over": "id INTEGER PRIMARY KEY",
}
_SPAWN: Final = multiprocessing.get_context("spawn")
_PIPE_BYTES: Final = 1024 * 1024
_LARGEST_BODY: Final = 64 * 1024 * 1024
_TAKEN: Final = b'{"status":202,"message_id":"%d"}'
_ENTRY: Final = b'{"message_id":"%d","sender":"GB-HMRC","document":%b}'

Pipe: TypeAlias = "Connection[Any, Any]"
Job: TypeAlias = Callable[[Floor, Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What one end is told at its start. `keys`: DER of the floor's three private keys. `next_port`: where its messages
    go to, at the other end or at the back end."""

    database: Path
    certificate: Path
    certificate_of_other: Path
    keys: tuple[bytes, bytes, bytes] = field(repr=False)
    next_port: int


# ── what the workers do, each step over the batch ──


def prepare(floor: Floor, body: bytes) -> tuple[list[str], list[bytes]]:
    """Return digests and envelopes of the submissions in a request."""
    roots = [floor.parse(orjson.loads(line)["document"].encode()) for line in body.splitlines()]
    for stage in (floor.validate, floor.cut, floor.validate):
        for root in roots:
            stage(root)
    views = [floor.serialise(root) for root in roots]
    del roots
    tokens = [floor.sign(view) for view in views]
    digests = [hashlib.sha256(token.rpartition(b".")[0]).hexdigest() for token in tokens]
    return digests, [floor.encrypt(token) for token in tokens]


def admit(floor: Floor, envelopes: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return views and receipts of the messages in a request."""
    tokens = [floor.decrypt(envelope) for envelope in envelopes]
    arrived = [floor.verify(token) for token in tokens]
    for root in [floor.parse(one.view) for one in arrived]:
        floor.validate(root)
    return [one.view for one in arrived], [floor.make_receipt(one.digest) for one in arrived]


def check(floor: Floor, given: tuple[Sequence[bytes], Sequence[str]]) -> None:
    """Raise unless each receipt is about the message with this digest."""
    for receipt, digest in zip(*given, strict=True):
        floor.check_receipt(receipt, digest)


class Worker:
    """A worker process, and the thread that talks to it."""

    def __init__(self, stack: ExitStack, keys: tuple[bytes, ...]) -> None:
        here_reads, there_writes = _SPAWN.Pipe(duplex=False)
        there_reads, here_writes = _SPAWN.Pipe(duplex=False)
        for pipe in (here_writes, there_writes):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        process = _SPAWN.Process(target=_work, args=(there_reads, there_writes, keys))
        process.start()
        there_reads.close()
        there_writes.close()
        stack.callback(process.join)
        stack.callback(here_writes.close)  # which ends it
        self._pipes = here_reads, here_writes
        self._reads = io.BufferedReader(io.FileIO(here_reads.fileno(), closefd=False))
        self._talks = stack.enter_context(ThreadPoolExecutor(1))
        pickle.load(self._reads)  # it is ready

    async def do(self, job: Job, given: object) -> Any:
        """Have a job done, one at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._talks, self._ask, (job, given))

    def _ask(self, order: tuple[Job, object]) -> Any:
        _send(self._pipes[1], order)
        return pickle.load(self._reads)


def _send(pipe: Pipe, content: object) -> None:
    with open(pipe.fileno(), "wb", closefd=False) as writes:
        pickle.dump(content, writes, protocol=5)


def _work(reads: Pipe, writes: Pipe, keys: tuple[bytes, ...]) -> None:
    sender, receiver, agreement = (load_der_private_key(key, password=None) for key in keys)
    pairs = {"sender": sender, "receiver": receiver, "agreement": agreement}
    floor = Floor(Secrets(**cast(dict[str, ec.EllipticCurvePrivateKey], pairs)))
    gc.collect()
    gc.freeze()
    _send(writes, "ready")
    with open(reads.fileno(), "rb", closefd=False) as orders:
        while True:
            try:
                job, given = pickle.load(orders)
            except EOFError:
                return
            _send(writes, job(floor, given))


class Writer:
    """The thread that writes: all that is asked for while it commits shares the next commit."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked: SimpleQueue[tuple[str, Sequence[Sequence[object]], asyncio.Future[None]] | None] = SimpleQueue()
        written = stack.enter_context(ThreadPoolExecutor(1)).submit(self._write_all, path)
        stack.callback(written.result)
        stack.callback(self._asked.put, None)

    async def insert(self, table: str, rows: Iterable[Sequence[object]]) -> None:
        """Return when the rows are committed and synced."""
        given, done = list(rows), self._loop.create_future()
        places = ", ".join("?" * len(given[0]))
        self._asked.put((f"INSERT INTO {table} VALUES ({places})", given, done))
        await done

    def _write_all(self, path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                database.execute(f"PRAGMA {pragma}")
            for name, columns in _TABLES.items():
                database.execute(f"CREATE TABLE {name} ({columns})")
            while (one := self._asked.get()) is not None:
                group: list[asyncio.Future[None]] = []
                database.execute("BEGIN IMMEDIATE")
                while one is not None:
                    statement, rows, done = one
                    database.executemany(statement, rows)
                    group.append(done)
                    one = None if self._asked.empty() else self._asked.get()
                database.execute("COMMIT")
                self._loop.call_soon_threadsafe(_settle, group)


def _settle(group: Sequence["asyncio.Future[None]"]) -> None:
    for done in group:
        done.set_result(None)


class _End:
    """What both ends have. `session`: connections to where messages go. `tasks`: what goes on beside requests."""

    session: aiohttp.ClientSession

    def __init__(self, setup: Setup, stack: ExitStack, tasks: asyncio.TaskGroup) -> None:
        self._next_port, self._tasks = setup.next_port, tasks
        self._worker, self._writer = Worker(stack, setup.keys), Writer(stack, setup.database)
        self._ended = 0
        self._more = asyncio.Event()

    def _count(self, ids: range) -> None:
        self._ended += len(ids)
        self._more.set()

    async def until(self, request: web.Request) -> web.Response:
        """Answer when so many messages have come to their end here."""
        while self._ended < int(request.query["wanted"]):
            self._more.clear()
            await self._more.wait()
        return web.Response()


class Sender(_End):
    """Takes submissions, sends messages, keeps receipts."""

    _next_id = 1

    async def take(self, request: web.Request) -> web.Response:
        """Take the submissions in a request: 202 for each when all are committed."""
        digests, envelopes = await self._worker.do(prepare, await request.read())
        ids = range(self._next_id, self._next_id + len(envelopes))
        self._next_id = ids.stop
        await self._writer.insert("sent", zip(ids, digests, envelopes, strict=True))
        self._tasks.create_task(self._send(ids, digests, envelopes))
        return web.Response(body=b"\n".join(_TAKEN % one for one in ids))

    async def _send(self, ids: range, digests: list[str], envelopes: list[bytes]) -> None:
        body = b"\n".join((b"%d" % ids.start, *envelopes))
        async with self.session.post(f"https://127.0.0.1:{self._next_port}/", data=body) as answer:
            answer.raise_for_status()
            receipts = (await answer.read()).split(b"\n")
        await self._worker.do(check, (receipts, digests))
        await self._writer.insert("receipted", zip(ids, receipts, strict=True))
        self._count(ids)


class Receiver(_End):
    """Takes messages, answers with receipts, hands over."""

    async def take(self, request: web.Request) -> web.Response:
        """Take the messages in a request: a receipt for each when all are committed with them."""
        first, *envelopes = (await request.read()).split(b"\n")
        ids = range(int(first), int(first) + len(envelopes))
        views, receipts = await self._worker.do(admit, envelopes)
        await self._writer.insert("received", zip(ids, views, receipts, strict=True))
        self._tasks.create_task(self._hand_over(ids, views))
        return web.Response(body=b"\n".join(receipts))

    async def _hand_over(self, ids: range, views: list[bytes]) -> None:
        entries = (_ENTRY % (one, orjson.dumps(view.decode())) for one, view in zip(ids, views, strict=True))
        body = b'{"type":"messages.received","data":[\n' + b",\n".join(entries) + b"\n]}"
        async with self.session.post(f"http://127.0.0.1:{self._next_port}/", data=body) as answer:
            said = orjson.loads(await answer.read())["messages"]
        if [int(one["message_id"]) for one in said if one["status"] == 204] != list(ids):
            raise RuntimeError("the back end did not take what it was handed")
        await self._writer.insert("handed_over", ((one,) for one in ids))
        self._count(ids)


def serve(told: Pipe, kind: type[Sender] | type[Receiver], setup: Setup) -> None:
    """Be one end until told to stop; tell the port first."""
    uvloop.run(_serve(told, kind, setup))


async def _serve(told: Pipe, kind: type[Sender] | type[Receiver], setup: Setup) -> None:
    tls, stop = _tls(setup, client=kind is Sender), asyncio.Event()
    asyncio.get_running_loop().add_reader(told.fileno(), stop.set)
    with ExitStack() as stack:
        async with AsyncExitStack() as opened, asyncio.TaskGroup() as tasks:
            end = kind(setup, stack, tasks)
            connector = aiohttp.TCPConnector(limit=8, ssl=tls)
            end.session = await opened.enter_async_context(aiohttp.ClientSession(connector=connector))
            app = web.Application(client_max_size=_LARGEST_BODY)
            app.router.add_post("/{path:.*}", end.take)
            app.router.add_get("/until", end.until)
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            opened.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=None if kind is Sender else tls).start()
            gc.collect()
            gc.freeze()
            told.send(runner.addresses[0][1])
            await stop.wait()


def _tls(setup: Setup, *, client: bool) -> ssl.SSLContext:
    """Return TLS 1.3 under our certificate, with nobody but the other end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if client else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(setup.certificate)
    context.load_verify_locations(setup.certificate_of_other)
    context.verify_mode = ssl.CERT_REQUIRED
    return context
