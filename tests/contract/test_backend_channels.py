"""What every way to a back end promises (ports.BackendChannel), over each implementation."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.channels import BackendRouter, Endpoint, FolderBackend, Timeouts, WebhookBackend
from gateway.channels.folder import file_stem
from gateway.domain.hand_over import terms_beside
from gateway.domain.ids import PartyId
from gateway.domain.outcome import HandedOver, TransientFailure
from gateway.domain.records import InboxRow
from gateway.ports import BackendChannel
from tests.unit.channels.samples import SECRET, inbox_row
from tests.unit.channels.scripted import FixedClock, answering, serving

VIEW = "<a>«ü»</a>".encode()


@dataclass(kw_only=True)
class BackEnd:
    """One back end: `taken` returns what it has got, raw; `read` finds terms and document in one of these."""

    channel: BackendChannel
    taken: Callable[[], list[bytes]]
    read: Callable[[list[bytes]], tuple[dict[str, Any], bytes]]


Open = Callable[[Path], AbstractAsyncContextManager[BackEnd]]


@asynccontextmanager
async def by_webhook(_folder: Path, *, there: bool = True) -> AsyncIterator[BackEnd]:
    async with serving(answering(200)) as server:
        url = server.url() if there else "http://127.0.0.1:9"
        timeouts = Timeouts(connect=timedelta(seconds=5), total=timedelta(seconds=20))
        endpoint = Endpoint(url=url, allow_loopback=True, insecure_plain_http=True, timeouts=timeouts)
        channel = WebhookBackend(endpoint, secrets=(SECRET,), clock=FixedClock())

        def read(taken: list[bytes]) -> tuple[dict[str, Any], bytes]:
            data = json.loads(taken[-1])["data"]
            return data, base64.b64decode(data.pop("document"))

        yield BackEnd(channel=channel, taken=lambda: [one.body for one in server.requests], read=read)
        await channel.close()


@asynccontextmanager
async def by_folder(folder: Path, *, there: bool = True) -> AsyncIterator[BackEnd]:
    channel = FolderBackend(folder if there else folder / "nowhere")

    def taken() -> list[bytes]:
        """Take away what is there, as a reader does."""
        files = sorted(folder.iterdir(), key=lambda file: file.suffix)
        found = [file.read_bytes() for file in files]
        for file in files:
            file.unlink()
        return found

    def read(taken: list[bytes]) -> tuple[dict[str, Any], bytes]:
        told, document = json.loads(taken[-2]), taken[-1]
        assert told.pop("document_file") == f"{file_stem(inbox_row())}.xml"
        assert told.pop("document_sha256") == hashlib.sha256(document).hexdigest()
        return told, document

    yield BackEnd(channel=channel, taken=taken, read=read)
    await channel.close()


over_every_channel = pytest.mark.parametrize("opened", [by_webhook, by_folder])


@over_every_channel
async def test_the_document_arrives_byte_for_byte_with_its_terms(opened: Open, tmp_path: Path) -> None:
    async with opened(tmp_path) as back_end:
        assert await back_end.channel.hand_over(inbox_row(), VIEW) == HandedOver()
        terms, document = back_end.read(back_end.taken())
    assert document == VIEW
    assert terms == terms_beside(inbox_row())


@over_every_channel
async def test_a_large_document_arrives_whole(opened: Open, tmp_path: Path) -> None:
    view = b"<a>" + b"x" * 5_000_000 + b"</a>"
    async with opened(tmp_path) as back_end:
        assert await back_end.channel.hand_over(inbox_row(), view) == HandedOver()
        assert back_end.read(back_end.taken())[1] == view


@over_every_channel
async def test_handed_over_again_it_is_byte_for_byte_the_same(opened: Open, tmp_path: Path) -> None:
    async with opened(tmp_path) as back_end:
        assert await back_end.channel.hand_over(inbox_row(attempts=0), VIEW) == HandedOver()
        first = back_end.taken()
        assert await back_end.channel.hand_over(inbox_row(attempts=7), VIEW) == HandedOver()
        again = back_end.taken()[-len(first) :]
    assert first == again


@over_every_channel
async def test_a_back_end_that_is_not_there_is_an_outcome_to_try_again(
    opened: Callable[..., Any], tmp_path: Path
) -> None:
    async with opened(tmp_path, there=False) as back_end:
        outcome = await back_end.channel.hand_over(inbox_row(), VIEW)
    assert isinstance(outcome, TransientFailure)
    assert (outcome.sent, outcome.connected) == (False, False)
    assert outcome.code in {"channel.unreachable", "channel.folder_unusable"}
    assert outcome.detail


@over_every_channel
async def test_only_the_recipients_back_end_gets_a_message(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "nl").mkdir()
    (tmp_path / "de").mkdir()
    async with opened(tmp_path / "nl") as nl, opened(tmp_path / "de") as de:
        router = BackendRouter({PartyId("NL-DUANE"): nl.channel, PartyId("DE-ZOLL"): de.channel})
        assert await router.hand_over(inbox_row("DE-ZOLL"), VIEW) == HandedOver()
        assert (nl.taken(), len(de.taken()) > 0) == ([], True)


def rows() -> list[InboxRow]:
    return [inbox_row(), inbox_row(attempts=3)]


def test_the_terms_do_not_depend_on_the_attempt() -> None:
    first, later = map(terms_beside, rows())
    assert first == later
