"""A pair of files is whole or not there; what is in its way is never followed, replaced or lost."""

import asyncio
import errno
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.channels import FolderBackend
from gateway.channels.folder import file_stem
from gateway.domain.failpoint import Failpoint
from gateway.domain.ids import MessageId, PartyId
from gateway.domain.outcome import HandedOver, HandOverOutcome, TransientFailure
from gateway.errors import ConfigurationError
from tests.unit.channels.samples import inbox_row

STEM = file_stem(inbox_row())
DOCUMENT, SIDECAR = f"{STEM}.xml", f"{STEM}.json"
VIEW = b"<a/>"


@asynccontextmanager
async def backend(folder: Path, **options: object) -> AsyncIterator[FolderBackend]:
    made = FolderBackend(folder, **options)  # type: ignore[arg-type]  # options as the test names them
    try:
        yield made
    finally:
        await made.close()


async def outcome_of(folder: Path, **options: object) -> HandOverOutcome:
    async with backend(folder, **options) as made:
        return await made.hand_over(inbox_row(), VIEW)


def failed(outcome: HandOverOutcome) -> TransientFailure:
    assert isinstance(outcome, TransientFailure)
    return outcome


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def inodes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_ino for file in folder.iterdir()}


# ── what stands in the folder ──


async def test_two_files_bear_the_message_id_and_the_sender(tmp_path: Path) -> None:
    assert await outcome_of(tmp_path) == HandedOver()
    row = inbox_row()
    assert f"{row.message_id}_{row.sender}" == STEM
    assert names(tmp_path) == {DOCUMENT, SIDECAR}
    told = json.loads((tmp_path / SIDECAR).read_bytes())
    assert told["document_file"] == DOCUMENT
    assert told["document_sha256"] == hashlib.sha256((tmp_path / DOCUMENT).read_bytes()).hexdigest()


async def test_messages_of_two_senders_under_one_id_do_not_meet(tmp_path: Path) -> None:
    async with backend(tmp_path) as made:
        await made.hand_over(inbox_row(), b"<first/>")
        await made.hand_over(replace(inbox_row(), sender=PartyId("NO-TOLL")), b"<second/>")
    assert len(names(tmp_path)) == 4
    assert (tmp_path / DOCUMENT).read_bytes() == b"<first/>"


@pytest.mark.parametrize(
    ("message_id", "sender"),
    [("../../etc/passwd", "GB-HMRC"), (inbox_row().message_id, "../GB"), (inbox_row().message_id, "GB-HMRC/..")],
)
async def test_what_is_no_id_makes_no_name(tmp_path: Path, message_id: str, sender: str) -> None:
    row = replace(inbox_row(), message_id=MessageId(message_id), sender=PartyId(sender))
    folder = tmp_path / "drop"
    folder.mkdir()
    async with backend(folder) as made:
        with pytest.raises(ValueError, match=r"a message id|a party id"):
            await made.hand_over(row, VIEW)
    assert (names(folder), names(tmp_path)) == (set(), {"drop"})


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660])
async def test_files_have_the_rights_that_settings_say_whatever_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077 if mode != 0o600 else 0)
    try:
        await outcome_of(tmp_path, file_mode=mode)
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names(tmp_path)} == {mode}


async def test_a_reader_who_waits_for_the_sidecar_never_sees_a_part(tmp_path: Path) -> None:
    view = b"<a>" + b"x" * 2_000_000 + b"</a>"
    sha256 = hashlib.sha256(view).hexdigest()
    rows = [replace(inbox_row(), message_id=MessageId(f"0195c7a0-0000-7000-8000-{n:012x}")) for n in range(20)]
    seen: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while True:
            last = over.is_set()
            for file in tmp_path.glob("[!.]*.json"):
                told = json.loads(file.read_bytes())
                found = hashlib.sha256((tmp_path / told["document_file"]).read_bytes()).hexdigest()
                assert found == told["document_sha256"] == sha256
                seen.append(file.name)
            for file in tmp_path.glob("[!.]*.xml"):
                assert file.stat().st_size == len(view)
            if last:
                return

    async with backend(tmp_path) as made:
        watching = asyncio.create_task(asyncio.to_thread(watch))
        outcomes = await asyncio.gather(*(made.hand_over(row, view) for row in rows))
        over.set()
        await watching
    assert outcomes == [HandedOver()] * len(rows)
    assert len(set(seen)) == len(rows)


# ── again ──


async def test_again_while_the_reader_has_not_come_touches_nothing(tmp_path: Path) -> None:
    await outcome_of(tmp_path)
    before = inodes(tmp_path)
    assert await outcome_of(tmp_path) == HandedOver()
    assert inodes(tmp_path) == before


@pytest.mark.parametrize("gone", [(DOCUMENT, SIDECAR), (DOCUMENT,), (SIDECAR,)])
async def test_again_after_the_reader_has_taken_files_they_are_the_same_again(
    tmp_path: Path, gone: tuple[str, ...]
) -> None:
    await outcome_of(tmp_path)
    before = contents(tmp_path)
    for name in gone:
        (tmp_path / name).unlink()
    assert await outcome_of(tmp_path) == HandedOver()
    assert contents(tmp_path) == before


# ── in the way ──


def plant(place: Path, kind: str) -> None:
    match kind:
        case "another file":
            place.write_bytes(b"<b/>")
        case "a longer file":
            place.write_bytes(b"<a/> ")
        case "a folder":
            place.mkdir()
        case "a FIFO":
            os.mkfifo(place)
        case "a symbolic link":
            target = place.parent.parent / "outside"
            target.write_bytes(VIEW)
            place.symlink_to(target)
        case "a link to nowhere":
            place.symlink_to(place.parent.parent / "outside")
        case _:
            raise AssertionError(kind)


KINDS = ["another file", "a longer file", "a folder", "a FIFO", "a symbolic link", "a link to nowhere"]


@pytest.mark.parametrize("name", [DOCUMENT, SIDECAR])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_stands_in_the_way_stays_and_nothing_is_followed(tmp_path: Path, kind: str, name: str) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    plant(folder / name, kind)
    before = os.lstat(folder / name)
    outcome = failed(await outcome_of(folder))
    assert (outcome.code, outcome.connected) == ("channel.folder_occupied", True)
    assert "move it away" in outcome.detail
    after = os.lstat(folder / name)
    assert (after.st_ino, after.st_size, after.st_mode) == (before.st_ino, before.st_size, before.st_mode)
    assert not any(one.startswith(".") for one in names(folder))
    assert (tmp_path / "outside").exists() == (kind == "a symbolic link")
    if name == DOCUMENT:
        assert SIDECAR not in names(folder)


# ── a folder that can not be used ──


async def test_a_missing_folder_a_file_and_a_link_are_told_apart_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    words = {name: failed(await outcome_of(tmp_path / name)) for name in ("nowhere", "file", "link")}
    assert {one.code for one in words.values()} == {"channel.folder_unusable"}
    assert not any(one.connected for one in words.values())
    assert "missing" in words["nowhere"].detail
    assert "no folder" in words["file"].detail
    assert "symbolic link" in words["link"].detail
    assert names(tmp_path / "real") == set()
    for name in words:
        with pytest.raises(ConfigurationError, match=name):
            FolderBackend(tmp_path / name).check()


async def test_a_folder_that_everybody_may_write_in_gets_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    FolderBackend(folder).check()
    folder.chmod(0o777)
    outcome = failed(await outcome_of(folder))
    assert (outcome.code, names(folder)) == ("channel.folder_unusable", set())
    assert "chmod o-w" in outcome.detail
    with pytest.raises(ConfigurationError, match="Everybody may write"):
        FolderBackend(folder).check()


UNPRIVILEGED = """
import asyncio, os
from pathlib import Path
from gateway.channels import FolderBackend
from gateway.errors import ConfigurationError
from tests.unit.channels.samples import inbox_row

async def told():
    made = FolderBackend(Path("."))
    if os.geteuid() == 0:
        os.setuid(65534)  # root may write everywhere
    print((await made.hand_over(inbox_row(), b"<a/>")).code)
    try:
        made.check()
    except ConfigurationError as error:
        print(error.detail)

asyncio.run(told())
"""


def test_a_folder_that_this_process_may_not_write_in_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    ended = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        check=False,
        text=True,
    )
    tmp_path.chmod(0o755)
    assert ended.stderr == ""
    code, detail = ended.stdout.splitlines()
    assert code == "channel.folder_unusable"
    assert "may not write" in detail


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0755", "none", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.disks
async def test_a_full_disk_leaves_nothing_and_mends_itself(tmp_path: Path) -> None:
    view = b"<a>" + b"x" * 700_000 + b"</a>"
    with small_disk(tmp_path) as disk:
        (disk / "ballast").write_bytes(b"x" * 600_000)
        async with backend(disk) as made:
            outcome = failed(await made.hand_over(inbox_row(), view))
            assert (outcome.code, outcome.connected) == ("channel.folder_full", False)
            assert names(disk) == {"ballast"}
            (disk / "ballast").unlink()
            assert await made.hand_over(inbox_row(), view) == HandedOver()
        assert names(disk) == {DOCUMENT, SIDECAR}


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.ENOSPC, "channel.folder_full", "full"),
        (errno.EDQUOT, "channel.folder_full", "quota"),
        (errno.EIO, "channel.folder_unusable", "EIO"),
        (errno.EROFS, "channel.folder_unusable", "read-only"),
    ],
)
async def test_an_error_of_the_disk_is_an_outcome_and_leaves_nothing_half_done(
    tmp_path: Path, number: int, code: str, words: str
) -> None:
    def break_at(point: Failpoint) -> None:
        if point is Failpoint.FILE_WRITTEN:
            raise OSError(number, os.strerror(number))

    outcome = failed(await outcome_of(tmp_path, reach=break_at))
    assert (outcome.code, outcome.connected, names(tmp_path)) == (code, False, set())
    assert words in outcome.detail


async def test_a_folder_that_hangs_is_given_up_and_does_no_harm_later(tmp_path: Path) -> None:
    goes_on, ended = threading.Event(), threading.Event()

    def hang(point: Failpoint) -> None:
        if point is Failpoint.FILE_WRITTEN and not ended.is_set():
            goes_on.wait()
            ended.set()

    async with backend(tmp_path, reach=hang, timeout=timedelta(milliseconds=100)) as made:
        outcome = failed(await made.hand_over(inbox_row(), VIEW))
        assert (outcome.code, names(tmp_path) & {DOCUMENT, SIDECAR}) == ("channel.timeout", set())
        async with backend(tmp_path) as other:
            assert await other.hand_over(inbox_row(), VIEW) == HandedOver()
        before = {name: content for name, content in contents(tmp_path).items() if not name.startswith(".")}
        goes_on.set()
        await asyncio.to_thread(made._threads.shutdown)  # the end of what was given up
    assert contents(tmp_path) == before


# ── leftovers ──


async def test_a_start_removes_own_leftovers_and_nothing_else(tmp_path: Path) -> None:
    leftover = f".{DOCUMENT}.{'0' * 16}.part"
    others = {".hidden", "notes.txt", f".{DOCUMENT}.part", "x.part"}
    for name in others | {leftover}:
        (tmp_path / name).write_bytes(b"<a")
    (tmp_path / f".{SIDECAR}.{'1' * 16}.part").symlink_to(tmp_path / "notes.txt")
    async with backend(tmp_path) as made:
        await made.start()
    assert names(tmp_path) == others | {f".{SIDECAR}.{'1' * 16}.part"}


async def test_a_start_without_the_folder_leaves_the_telling_to_the_hand_over(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    async with backend(folder) as made:
        await made.start()
        assert failed(await made.hand_over(inbox_row(), VIEW)).code == "channel.folder_unusable"
        folder.mkdir()
        assert await made.hand_over(inbox_row(), VIEW) == HandedOver()
    shutil.rmtree(folder)
