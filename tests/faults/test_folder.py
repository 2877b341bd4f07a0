"""Folder hand-over killed at each of its steps: no part of a file under a final name, ever, and nothing lost.

Real gateways, SIGKILL from within at the very step; RELIABILITY's R9 to R12. The reader of the folder is this test.
"""

import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.failpoints import VARIABLE
from tests.faults.back_ends import DropFolder, FolderRun, hand_over_by_folder
from tests.faults.books import read_books
from tests.faults.history import ARRIVES_WITHIN
from tests.faults.noting import note
from tests.faults.traffic import Clients
from tests.faults.until import until
from tests.world import FR, two_gateways

pytestmark = pytest.mark.faults


@pytest.fixture
async def run(tmp_path: Path) -> AsyncIterator[FolderRun]:
    async with two_gateways(tmp_path, start=False) as gateways, Clients(gateways.sides) as clients:
        folder = hand_over_by_folder(gateways.fr.layout, tmp_path / "drop")
        await gateways.gb.process.start()
        yield FolderRun(gateways=gateways, clients=clients, folder=folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A failpoint, and what stands in the folder after it: endings of final names, and of temporary ones."""

    failpoint: str
    final: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()


BOTH = ("json", "xml")
KILLS = [
    Kill(failpoint="R9:1:kill"),
    # the document: written, synced, renamed, folder synced
    Kill(failpoint="R10a:1:kill", temporary=("xml",)),
    Kill(failpoint="R10b:1:kill", temporary=("xml",)),
    Kill(failpoint="R10c:1:kill", final=("xml",)),
    Kill(failpoint="R10d:1:kill", final=("xml",)),
    # the sidecar: the same
    Kill(failpoint="R10a:2:kill", final=("xml",), temporary=("json",)),
    Kill(failpoint="R10b:2:kill", final=("xml",), temporary=("json",)),
    Kill(failpoint="R10c:2:kill", final=BOTH),
    Kill(failpoint="R10d:2:kill", final=BOTH),
    Kill(failpoint="R11:1:kill", final=BOTH),
]


def endings(names: set[str], message_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the endings of the final and of the temporary names of one message."""
    final = [name.rpartition(".")[2] for name in names if name.startswith(message_id)]
    temporary = [name.split(".")[2] for name in names if name.startswith(f".{message_id}")]
    return tuple(sorted(final)), tuple(sorted(temporary))


@pytest.mark.parametrize("rounds", [pytest.param(1, id="short"), pytest.param(3, id="long", marks=pytest.mark.long)])
async def test_a_kill_at_any_step_leaves_no_part_under_a_final_name_and_loses_nothing(
    run: FolderRun, rounds: int
) -> None:
    folder, kills = run.folder, KILLS * rounds
    await run.start_fr()
    quiet = (await run.submit("quiet")).message_id
    assert await run.handed_over(quiet)
    view = folder.pairs()[quiet].document
    await run.gateways.fr.process.stop()
    for number, kill in enumerate(kills):
        marker = f"kill-{number}"
        await run.start_fr(kill.failpoint)
        message_id = (await run.submit(marker)).message_id
        assert await run.gateways.fr.process.ended(within=60) == -signal.SIGKILL, kill
        assert endings(folder.names(), message_id) == (kill.final, kill.temporary), kill
        assert folder.parts() == [], kill
        assert run.state(message_id) == "IN_FLIGHT"
        before = folder.pairs().get(message_id)
        if number % 2 and before is not None:
            # The reader is quick, has already taken the pair, and gets it again.
            for name in before.told["document_file"], before.told["document_file"].replace(".xml", ".json"):
                (folder.path / name).unlink()
        await run.start_fr()
        assert await run.handed_over(message_id), kill
        assert endings(folder.names(), message_id) == (BOTH, ()), kill
        assert folder.parts() == []
        after = folder.pairs()[message_id]
        assert after.document == view.replace(b"quiet", marker.encode())
        assert before is None or before == after
        assert run.events(message_id) == [
            AuditEvent.MESSAGE_ACCEPTED,
            AuditEvent.HAND_OVER_CLAIMED,
            AuditEvent.HAND_OVER_LEASE_LOST,
            AuditEvent.HAND_OVER_CLAIMED,
            AuditEvent.HAND_OVER_ACKNOWLEDGED,
        ]
        await run.gateways.fr.process.stop()
    assert len(folder.pairs()) == len(kills) + 1
    assert await run.gateways.fr.audit_is_whole()
    if rounds > 1:
        note(
            "each step of a folder × 3",
            f"{len(kills)} kills, {len(folder.pairs())} documents, no part of a file, none lost",
        )


def test_a_part_under_a_final_name_would_be_seen(tmp_path: Path) -> None:
    folder = DropFolder(tmp_path)
    (tmp_path / "1.xml").write_bytes(b"<MetaData><a/></MetaData>")
    (tmp_path / ".2.xml.part").write_bytes(b"<MetaData><a/>")
    assert folder.parts() == []
    (tmp_path / "2.xml").write_bytes(b"<MetaData><a/>")
    (tmp_path / "3.json").write_bytes(b'{"document_file": "3.xml", "document_sha256": "00"}')
    (tmp_path / "4.json").write_bytes(b'{"document_file": "1.xml", "document_sha256": "00"}')
    (tmp_path / "5.json").write_bytes(b'{"document_file": "1.x')
    assert folder.parts() == ["2.xml", "3.json", "4.json", "5.json"]


async def test_a_kill_after_the_commit_hands_nothing_over_again(run: FolderRun) -> None:
    await run.start_fr("R12:1:kill")
    message_id = (await run.submit("committed")).message_id
    assert await run.gateways.fr.process.ended(within=60) == -signal.SIGKILL
    assert run.state(message_id) == "HANDED_OVER"
    for name in run.folder.names():
        (run.folder.path / name).unlink()
    await run.start_fr()
    last = (await run.submit("after")).message_id
    assert await run.handed_over(last)
    assert set(run.folder.pairs()) == {last}
    assert await run.gateways.fr.audit_is_whole()


async def test_an_error_that_nobody_foresaw_costs_a_lease_and_no_message(run: FolderRun) -> None:
    config = run.gateways.fr.layout.config
    text = config.read_text(encoding="utf-8")
    text = text.replace("[timing]\n", '[timing]\nlease = "2s"\n')
    text = text.replace('kind = "folder"\n', 'kind = "folder"\ntimeout = "1s"\n')  # shorter than the lease, as must be
    config.write_text(text.replace('id = "GB-HMRC"\nurl', 'id = "GB-HMRC"\ntimeout = "1s"\nurl'), encoding="utf-8")
    await run.start_fr("R10b:1:raise")
    message_id = (await run.submit("raised")).message_id
    assert await run.handed_over(message_id)
    assert AuditEvent.HAND_OVER_LEASE_LOST in run.events(message_id)
    assert endings(run.folder.names(), message_id) == (BOTH, ())
    assert run.folder.parts() == []


async def test_a_node_that_is_to_be_broken_says_so_in_its_settings_and_its_audit(run: FolderRun) -> None:
    await run.start_fr("R9:1000:kill")
    assert await until(lambda: bool(_insecure(run)), within=ARRIVES_WITHIN)
    assert _insecure(run) == ["insecure_failpoints"]
    await run.gateways.fr.process.stop()
    gb = run.gateways.gb.process
    await gb.stop()
    with pytest.raises(RuntimeError, match="insecure_failpoints"):
        await gb.start(environment={VARIABLE: "R9:1:kill"})


def _insecure(run: FolderRun) -> list[str]:
    records = read_books(run.gateways.fr.layout.data / DATABASE, FR).records
    return [str(one.entry.facts["setting"]) for one in records if one.entry.event is AuditEvent.NODE_INSECURE]
