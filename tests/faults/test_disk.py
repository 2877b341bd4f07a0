"""A disk that is full, one that fails, a process without files: 503 and no acknowledgement, and back by itself."""

import asyncio
import resource
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from tests.faults.lone import lone_gateway
from tests.faults.loop_disk import small_disk
from tests.faults.strikes import START_SECONDS

pytestmark = pytest.mark.faults

SOON = timedelta(seconds=60)


def fill(filler: Path) -> None:
    """Fill a disk to its last byte, with this file."""
    with filler.open("ab", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * piece)
            except OSError:
                continue


@pytest.mark.disks
async def test_a_full_disk_acknowledges_nothing_says_so_and_mends_itself(tmp_path: Path) -> None:
    async with lone_gateway(tmp_path, start=False) as lone:
        with small_disk(lone.side.layout.data, megabytes=96):
            await lone.side.process.start(timeout=START_SECONDS)
            # Little room is left: not ready, and everything still works.
            filler = lone.side.layout.data / "filler"
            filler.write_bytes(b"\0" * (40 << 20))
            assert not await lone.is_ready()
            assert (await lone.clients.ask(lone.document())).code == "ok"
            # None is left.
            fill(filler)
            assert not await lone.is_ready()
            refused = await lone.until_refused()
            answer = lone.clients.answers[-1]
            assert answer.status == 503
            assert answer.code in {"storage.unavailable", "storage.commit_unknown"}
            assert not await lone.is_ready()
            # And there is room again.
            filler.unlink()
            await lone.clients.submit(refused)
            assert await lone.is_ready()
            lone.assert_nothing_lost()
            await lone.side.process.kill()


@asynccontextmanager
async def failing(pid: int, *calls: str) -> AsyncIterator[None]:
    """Have system calls of a process fail with EIO for a while. Needs Debian's strace."""
    assert shutil.which("strace"), "strace is not installed: apt-get install strace"
    names = ",".join(calls)
    strace = await asyncio.create_subprocess_exec(
        *("strace", "-f", "-p", str(pid), "-e", f"trace={names}", "-e", f"inject={names}:error=EIO"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert strace.stderr is not None
    assert b"attached" in await strace.stderr.readline()
    reading = asyncio.create_task(strace.stderr.read())
    try:
        yield
    finally:
        strace.terminate()
        said = await reading
        await strace.wait()
    assert b"(INJECTED)" in said, "no call failed: nothing was tested"


async def test_a_failing_disk_acknowledges_nothing_and_is_used_again_when_it_works(tmp_path: Path) -> None:
    async with lone_gateway(tmp_path) as lone:
        await lone.clients.submit(lone.document())
        for calls in (("fsync", "fdatasync"), ("pwrite64",)):
            async with failing(lone.pid, *calls):
                refused = await lone.until_refused(1)
                answer = lone.clients.answers[-1]
                assert answer.status == 503
                assert answer.code in {"storage.unavailable", "storage.commit_unknown"}
                assert not await lone.is_ready()
            await lone.clients.submit(refused)
            assert await lone.is_ready()
        # What a failed sync left in the log must not come back to life, nor what was acknowledged go.
        await lone.side.process.kill()
        await lone.side.process.start(timeout=START_SECONDS)
        lone.assert_nothing_lost()


@contextmanager
def no_more_files(pid: int) -> Iterator[None]:
    """Let a process open nothing more for a while, no file and no connection, as if its last number were taken.

    No lower than that: with a limit below what it has open, a process could not even accept what it wants to turn away.
    """
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = {int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir()}
    first_free = next(number for number in count() if number not in taken)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (first_free, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


async def test_without_files_nothing_is_acknowledged_that_is_not_kept(tmp_path: Path) -> None:
    async with lone_gateway(tmp_path) as lone:
        await lone.clients.submit(lone.document())
        with no_more_files(lone.pid):
            tried = [lone.document() for _ in range(8)]
            # One connection is kept from before; the others need a new one, which the gateway can not take.
            answers = await asyncio.gather(*(lone.clients.ask(one) for one in tried))
            assert {one.status for one in answers if one.code != "ok"} <= {None, 503}
            assert any(one.code != "ok" for one in answers)
            assert lone.side.process.running
        for document in tried:
            await lone.clients.submit(document)
        async with asyncio.timeout(SOON.total_seconds()):
            while not await lone.is_ready():  # noqa: ASYNC110  another process rings no bell
                await asyncio.sleep(0.05)
        lone.assert_nothing_lost()
