"""The least line beside our own: what share of the floor any gateway of this form could reach here.

Two ends that do what the row "end to end" demands and nothing else (least_ends.py), driven by the same client and back
end as our own line, in turn with it and with the batched floor. What ours takes beyond it is what its features cost;
what they cost at the least (least_features.py) is told, and what the least line would reach with that on top.

    python -m tests.benchmarks.least --line --rounds 4 --messages 1000
"""

import asyncio
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from statistics import median
from typing import Any, Final

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.benchmarks.cpu import cpu_seconds
from tests.benchmarks.floor import Form, Secrets, declarations
from tests.benchmarks.floor_processes import FloorProcesses, cores
from tests.benchmarks.least_ends import Receiver, Sender, Setup, serve
from tests.benchmarks.least_features import features
from tests.benchmarks.line import BULK_LINES, Line, Run, open_line
from tests.benchmarks.load import LightBackend, submissions, submit_all

_SPAWN: Final = multiprocessing.get_context("spawn")
_CONNECTIONS: Final = 8
_LATEST_SECONDS: Final = 120.0
_WARM_UP_MESSAGES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    pid: int
    port: int
    database: Path


class LeastLine:
    """The two ends, running, and what drives them."""

    def __init__(self, sender: _Started, receiver: _Started, backend: LightBackend) -> None:
        self._sender, self._receiver, self._backend = sender, receiver, backend
        self._messages = 0
        self._runs = 0

    async def run(self, messages: int) -> Run:
        """Send so many declarations through, BULK_LINES in a request. Raises RuntimeError when one is refused or does
        not arrive in time."""
        self._runs += 1
        self._messages += messages
        requests = self._requests(declarations(f"{self._runs:03d}", messages))
        before, started = self._cpu(), time.perf_counter()
        async with asyncio.timeout(_LATEST_SECONDS), aiohttp.ClientSession() as asks:
            receipts = asyncio.create_task(self._receipted(asks))
            acknowledged = await submit_all(self._sender.port, requests, connections=_CONNECTIONS)
            receipted = await receipts
            await self._backend.wait_for(self._messages)
        after = self._cpu()
        return Run(
            messages=messages,
            acknowledged=messages / (acknowledged - started),
            receipted=messages / (receipted - started),
            handed_over=messages / (self._backend.last_new - started),
            cpu_ms={who: (after[who] - before[who]) / messages * 1000 for who in after},
        )

    def _requests(self, documents: list[bytes]) -> list[bytes]:
        pairs = [(f"least-{number}", one) for number, one in enumerate(documents)]
        groups = (pairs[first : first + BULK_LINES] for first in range(0, len(pairs), BULK_LINES))
        return [submissions(some, to="FR-DGDDI", token="-", port=self._sender.port) for some in groups]

    async def _receipted(self, asks: aiohttp.ClientSession) -> float:
        url = f"http://127.0.0.1:{self._sender.port}/until?wanted={self._messages}"
        async with asks.get(url) as answer:
            answer.raise_for_status()
        return time.perf_counter()

    def _cpu(self) -> dict[str, float]:
        return cpu_seconds({"sender": self._sender.pid, "receiver": self._receiver.pid})

    def prove(self) -> None:
        """Raise RuntimeError unless every message was stored, receipted and handed over once, with one receipt at both
        ends. For after the end."""
        with closing(sqlite3.connect(self._sender.database)) as database:
            database.execute("ATTACH ? AS other", (str(self._receiver.database),))
            found = [
                *database.execute("SELECT count(*) FROM main.sent").fetchone(),
                *database.execute(
                    "SELECT count(*) FROM main.sent JOIN main.receipted AS ours USING (id)"
                    " JOIN other.received AS theirs USING (id) JOIN other.handed_over USING (id)"
                    " WHERE ours.receipt = theirs.receipt AND length(theirs.view) > 1000"
                ).fetchone(),
                *database.execute("SELECT count(DISTINCT receipt) FROM main.receipted").fetchone(),
                *database.execute("SELECT count(*) FROM other.handed_over").fetchone(),
                len(self._backend.ids),
            ]
        if found != [self._messages] * len(found):
            raise RuntimeError(f"of {self._messages} messages the least line stored and handed over {found}")


@asynccontextmanager
async def open_least_line(folder: Path) -> AsyncIterator[LeastLine]:
    """Start both ends in `folder`; stop them afterwards and hold their books against each other. Raises RuntimeError."""
    secrets = Secrets()
    keys = (_der(secrets.sender), _der(secrets.receiver), _der(secrets.agreement))
    certificates = {name: _certificate(folder / f"{name}.pem") for name in ("sender", "receiver")}
    with ExitStack() as stack:
        backend = LightBackend(0)
        await backend.start()

        def start(kind: Any, ours: str, theirs: str, next_port: int) -> _Started:
            setup = Setup(
                database=folder / f"{ours}.db",
                certificate=certificates[ours],
                certificate_of_other=certificates[theirs],
                keys=keys,
                next_port=next_port,
            )
            here, there = _SPAWN.Pipe()
            process = _SPAWN.Process(target=serve, args=(there, kind, setup))
            process.start()
            there.close()
            stack.callback(_stop, process, here)
            return _Started(pid=process.pid or 0, port=here.recv(), database=setup.database)

        receiver = start(Receiver, "receiver", "sender", backend.port)
        line = LeastLine(start(Sender, "sender", "receiver", receiver.port), receiver, backend)
        try:
            yield line
            await asyncio.to_thread(stack.close)
            line.prove()
        finally:
            await backend.stop()


def _stop(process: Any, pipe: Any) -> None:
    with suppress(OSError):  # it has gone already
        pipe.send("stop")
    process.join(30)
    if process.exitcode != 0:
        process.kill()
        raise RuntimeError("an end of the least line did not stop cleanly")


def _der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _certificate(path: Path) -> Path:
    """Write a key and a certificate of its own for loopback."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path


async def compare(*, rounds: int, messages: int) -> None:
    """Measure the batched floor, the least line and ours in turn; print each round and the medians.

    CPU is what counts: on a machine with other work, whoever has more processes gets more of it, and the least line may
    come out faster than the floor by the clock.
    """
    with tempfile.TemporaryDirectory(prefix="least-line-") as name, FloorProcesses(cores()) as floor:
        folder = Path(name)
        async with open_least_line(folder) as least, open_line(folder / "ours", workers=1) as ours:
            await least.run(_WARM_UP_MESSAGES)
            await ours.run(_WARM_UP_MESSAGES, connections=_CONNECTIONS)
            found = [await _round(floor, least, ours, messages) for _ in range(rounds)]
            each = features(ours.sender, folder)
    print(f"{'':44}" + "".join(f"{f'round {number}':>10}" for number in range(1, rounds + 1)) + f"{'median':>10}")
    for what in found[0]:
        values = [one[what] for one in found]
        print(f"{what:44}" + "".join(f"{value:10.3f}" for value in (*values, median(values))))
    for what, value in {**each, "all features": sum(each.values())}.items():
        print(f"{f'least of {what}, ms of CPU':{44 + 10 * rounds}}{value:10.3f}")
    bare, least_line = (median(one[f"{name}: ms of CPU"] for one in found) for name in ("batched floor", "least"))
    told = "batched floor / least with its features, of CPU"
    print(f"{told:{44 + 10 * rounds}}{bare / (least_line + sum(each.values())):10.3f}")


async def _round(floor: FloorProcesses, least: LeastLine, ours: Line, messages: int) -> dict[str, float]:
    """Return milliseconds of CPU a message, messages a second, and what share of the batched floor that is."""
    before, of_floor = _cpu_of(floor), 4 * messages
    rate = floor.rate(Form.BATCHED, of_floor)
    bare = (_cpu_of(floor) - before) / of_floor * 1000
    told = {"batched floor: a second": rate, "batched floor: ms of CPU": bare}
    runs = {"least": await least.run(messages), "ours": await ours.run(messages, connections=_CONNECTIONS)}
    for name, run in runs.items():
        spent = sum(run.cpu_ms.values())
        told |= {f"{name}: receipts a second": run.receipted, f"{name} / batched floor": run.receipted / rate}
        told |= {f"{name}: ms of CPU": spent, f"batched floor / {name}, of CPU": bare / spent}
        told |= {f"{name}: ms of {who}": value for who, value in run.cpu_ms.items()}
    return told


def _cpu_of(floor: FloorProcesses) -> float:
    return sum(cpu_seconds({str(pid): pid})[f"{pid} main"] for pid in floor.pids)
