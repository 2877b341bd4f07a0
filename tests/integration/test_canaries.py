"""No value of a document at rest, in logs, in answers or on the wire: canaries are planted and searched for.

Two real gateways exchange documents full of canaries (canaries.py); some are refused, a partner is down for a while,
people mistype references, and in the end both gateways are killed, so that their write-ahead logs are left. Then every
byte they left behind is searched: plain, base64 at each alignment, UTF-16, hex. The same search over a run that was
weakened on purpose finds every canary.
"""

import asyncio
import os
import shutil
import sqlite3
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import orjson
import pytest

from gateway.app.node import DATABASE
from gateway.client import ClientError, SubmissionClient
from gateway.demo.layout import NodeLayout
from gateway.domain.ids import PartyId
from gateway.web.console.session import cookie_name
from tests.integration import canaries as planted
from tests.integration.canaries import LRN, MRN, UCR, Canaries, search
from tests.integration.relay import Relay, as_client, as_server
from tests.world import FR, GB, TwoGateways, two_gateways

INSECURE_SETTINGS = (b"insecure_plain_at_rest", b"insecure_log_documents")
INSECURE = "".join(f"{name.decode()} = true\n" for name in INSECURE_SETTINGS)
ARRIVAL_SECONDS = 60.0
CASE = "the client's own case reference"
NO_ENVELOPE, NO_PATH = "no envelope", "no path"


@dataclass(kw_only=True)
class Run:
    """What one run left behind. `accepted` and `refused`: place → canary; `views`: what back ends were handed over."""

    canaries: Canaries
    accepted: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    data: dict[PartyId, dict[str, bytes]] = field(default_factory=dict)
    logs: dict[PartyId, bytes] = field(default_factory=dict)
    elsewhere: dict[str, bytes] = field(default_factory=dict)
    answers: list[bytes] = field(default_factory=list)
    between_gateways: dict[str, bytes] = field(default_factory=dict)
    before_submission: dict[PartyId, bytes] = field(default_factory=dict)
    views: dict[PartyId, list[bytes]] = field(default_factory=dict)

    def missing(self, wanted: Mapping[str, str], *where: bytes) -> set[str]:
        """Return the places of those canaries that the search finds in none of `where`."""
        found = {place for data in where for place, _ in search(wanted, self.canaries.mark, data)}
        return wanted.keys() - found


# ── the claims ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_search_finds_a_canary_in_every_disguise() -> None:
    canaries = Canaries()
    word, other = canaries.new("one"), canaries.new("other")
    for ahead in (b"", b"\x00", b"\xff\x01"):
        for hidden in (
            (ahead + word.encode() + ahead, "plain"),
            (ahead + word.encode("utf-16-le") + ahead, "UTF-16LE"),
            (ahead + word.encode("utf-16-be") + ahead, "UTF-16BE"),
            (ahead + word.encode().hex().encode(), "hex"),
            (ahead + word.encode().hex().upper().encode(), "hex, upper case"),
            (b64encode(ahead + word.encode() + b"\xfb\xff"), f"base64 +{len(ahead)}"),
            (urlsafe_b64encode(ahead + word.encode() + b"\xfb\xff"), f"base64url +{len(ahead)}"),
        ):
            assert ("one", hidden[1]) in set(search(canaries.planted, canaries.mark, hidden[0]))
            assert not set(search({"other": other}, canaries.mark, hidden[0]))


async def test_no_canary_is_at_rest_in_logs_in_answers_or_on_the_wire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Callable[..., None]
) -> None:
    # As talkative as a node can be, and with a worker process, as in production.
    run = await leave_traces(tmp_path, monkeypatch, extra='log_level = "debug"\n', workers=1)
    looked_at = {
        **{f"data of {party}: {name}": data for party, files in run.data.items() for name, data in files.items()},
        **{f"log of {party}": data for party, data in run.logs.items()},
        **run.elsewhere,
        **{f"answer {number}": data for number, data in enumerate(run.answers)},
        **run.between_gateways,
    }
    # The search saw what it had to see: canaries in every kind of place, databases with a log left, talk on every wire.
    assert len(run.canaries.planted) > 400
    assert all(len(files[f"{DATABASE}-wal"]) > 0 and len(files["rows"]) > 10_000 for files in run.data.values())
    assert all(b"submission" in log for log in run.logs.values())
    assert all(run.between_gateways.values())
    assert len(run.answers) > 30
    found = {
        where: hits
        for where, data in looked_at.items()
        if (hits := set(search(run.canaries.planted, run.canaries.mark, data)))
    }
    assert not found
    count("canaries planted and found nowhere", len(run.canaries.planted))
    count("files, answers and recordings searched", len(looked_at))
    count("bytes searched", sum(len(data) for data in looked_at.values()))


async def test_the_same_search_finds_every_canary_of_an_insecure_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Callable[..., None]
) -> None:
    run = await leave_traces(tmp_path, monkeypatch, extra=INSECURE, tap_submissions=True)
    data = [content for files in run.data.values() for content in files.values()]
    # What weakens a node stands in its audit trail, each setting by name.
    for files in run.data.values():
        assert all(name in files["rows"] for name in (b"node.insecure_setting", *INSECURE_SETTINGS))
    # At rest: the documents as they were handed in. A refused document is not stored, weakened or not.
    assert not run.missing(run.accepted, *data)
    assert run.missing(run.refused, *data) == run.refused.keys()
    # In the logs: every document that was handed in, comments, refusals and all.
    assert not run.missing(run.accepted, *run.logs.values())
    assert not run.missing(run.refused, *run.logs.values())
    # On the wire: no setting turns off TLS or JWE towards a partner, so the relay stands before the submission
    # listener, which on loopback may be without TLS.
    assert not run.missing(run.accepted, *run.before_submission.values())
    assert not run.missing(run.refused, *run.before_submission.values())
    # The reference that came beside a document is stored with it, and is no part of what is logged.
    beside = {CASE: run.canaries.planted[CASE]}
    assert not run.missing(beside, *data)
    assert not run.missing(beside, *run.before_submission.values())
    # In a write-ahead log that a killed gateway left, and in the base64url of a stored view.
    assert set(search(run.accepted, run.canaries.mark, run.data[GB][f"{DATABASE}-wal"]))
    for party, views in run.views.items():
        seen = {place: word for place, word in run.accepted.items() if any(word.encode() in view for view in views)}
        hits = search(seen, run.canaries.mark, run.data[party]["rows"])
        assert {place for place, disguise in hits if disguise.startswith("base64url")} == seen.keys()
    # Between the gateways there is nothing of a document to find even then, on the wire or inside TLS; inside TLS the
    # search sees the garbage that a partner sent.
    garbage = {place: run.canaries.planted[place] for place in (NO_ENVELOPE, NO_PATH)}
    assert run.missing(run.canaries.planted, *run.between_gateways.values()) == run.canaries.planted.keys() - garbage
    # All in all there is no canary that the search over everything does not find.
    every_place = (*data, *run.logs.values(), *run.before_submission.values(), *run.between_gateways.values())
    assert not run.missing(run.canaries.planted, *every_place)
    count("canaries planted and all found in a weakened run", len(run.canaries.planted))
    count("canaries of accepted documents found at rest, in logs and on the wire", len(run.accepted))
    count("canaries of refused documents found in logs and on the wire", len(run.refused))


# ── the run ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def leave_traces(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, extra: str, workers: int = 0, tap_submissions: bool = False
) -> Run:
    """Exchange documents full of canaries between two gateways, kill both, and return all they left behind."""
    run = Run(canaries=Canaries())
    (folder / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder / "scratch"))
    ways = ((GB, FR), (FR, GB))
    wires, insides, doors = {way: Relay() for way in ways}, {way: Relay() for way in ways}, {GB: Relay(), FR: Relay()}
    async with AsyncExitStack() as stack:
        gateways = await stack.enter_async_context(
            two_gateways(
                folder / "world",
                partner_ports={way: wire.port for way, wire in wires.items()},
                extra=extra,
                workers=workers,
                start=False,
            )
        )
        for relay in (*wires.values(), *insides.values(), *doors.values()):
            stack.push_async_callback(relay.stop)
        for way in ways:
            await wires[way].start(insides[way].port)
            await _stand_between(gateways, insides[way], *way)
        for party, door in doors.items():
            await door.start(gateways.sides[party].layout.submission_port)
        tap = insides[GB, FR] if tap_submissions else None
        await _exchange(run, gateways, doors if tap_submissions else {}, tap)
        await asyncio.gather(*(side.process.kill() for side in gateways.sides.values()))
        run.between_gateways = {
            **{f"wire from {sender} to {recipient}": wire.recorded for (sender, recipient), wire in wires.items()},
            **{f"inside TLS, {sender} to {recipient}": one.recorded for (sender, recipient), one in insides.items()},
        }
        run.before_submission = {party: door.recorded for party, door in doors.items()}
        run.views = {party: [one.document for one in side.backend.messages] for party, side in gateways.sides.items()}
        await asyncio.to_thread(_collect, run, gateways, folder)
    return run


async def _stand_between(gateways: TwoGateways, relay: Relay, sender: PartyId, recipient: PartyId) -> None:
    sides, root = gateways.sides, gateways.world.authority / "root.crt.pem"
    await relay.start(
        sides[recipient].layout.partner_port,
        inward=as_server(sides[recipient].layout.folder / "keys" / recipient, root),
        outward=as_client(sides[sender].layout.folder / "keys" / sender, root),
    )


async def _exchange(run: Run, gateways: TwoGateways, doors: Mapping[PartyId, Relay], tap: Relay | None) -> None:
    """Do all that happens in a run. `tap`: where a partner's garbage passes, if it is to be recorded inside TLS."""
    gb, fr = gateways.gb, gateways.fr

    def client(party: PartyId) -> SubmissionClient:
        layout = gateways.sides[party].layout
        url = f"http://127.0.0.1:{doors[party].port}" if doors else layout.submission_url
        return SubmissionClient(url, layout.submitter_token)

    await gb.process.start()
    async with client(GB) as from_gb:
        # 1. The partner is down, and why the transfer waits is explained.
        await _submit(run, from_gb, FR, planted.declaration, "declaration", case=run.canaries.new(CASE))
        await _until(lambda: b'"partner.ping"' in gb.process.log.read_bytes())
        await fr.process.start()
        # 2. What is accepted, in both directions.
        await _submit(run, from_gb, FR, planted.amendment, "amendment")
        async with client(FR) as from_fr:
            await _submit(run, from_fr, GB, planted.response, "response")
            await _refusals(run, from_fr, GB, "refused by FR")
        await _until(lambda: len(fr.backend.by_id) == 2 and len(gb.backend.by_id) == 1)
        # 3. What is refused, and what people and partners send by mistake.
        await _refusals(run, from_gb, FR, "refused by GB")
        for side in (gb, fr):
            await _look_around(run, side.layout)
        await _use_commands(run, gb.layout)
        await _garble(run, gateways, gateways.fr.layout.partner_port if tap is None else tap.port)
        # 4. One more, and the power fails.
        await _submit(run, from_gb, FR, planted.declaration, "last declaration")


async def _submit(
    run: Run, client: SubmissionClient, recipient: PartyId, write: planted.Writer, name: str, *, case: str | None = None
) -> None:
    known = dict(run.canaries.planted)
    document = write(run.canaries, name)
    run.accepted |= dict(run.canaries.planted.items() - known.items())
    submission = await client.submit(document, to=[recipient], conversation=case)
    run.answers.append(repr((submission, await client.list())).encode())


async def _refusals(run: Run, client: SubmissionClient, recipient: PartyId, name: str) -> None:
    known = dict(run.canaries.planted)
    documents = planted.refused(run.canaries, name)
    run.refused |= dict(run.canaries.planted.items() - known.items())
    for code, document in documents.items():
        # The one that is refused for its recipient goes to somebody with whom there is no agreement.
        to = PartyId("XX-NOBODY") if code == "request.recipients_refused" else recipient
        with pytest.raises(ClientError) as refusal:
            await client.submit(document, to=[to])
        assert refusal.value.code == code
        run.answers.append(repr((str(refusal.value), refusal.value.problem)).encode())


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while not true():  # noqa: ASYNC110 - other processes make it come true
            await asyncio.sleep(0.05)


async def _look_around(run: Run, node: NodeLayout) -> None:
    """Ask all that operators can ask, in the API and the console, and keep what they are told."""
    words = run.canaries.planted
    lrn, mrn, ucr = words[f"declaration, {LRN}"], words[f"amendment, {MRN}"], words[f"declaration, {UCR}"]
    ids, inbox = await _ids(run, node, "transfers", "id"), await _ids(run, node, "inbox", "message_id")
    for path in (
        *("/readyz", "/v1/counts", "/v1/partners", "/v1/audit", f"/{lrn}"),
        *("/console", "/console/transfers", "/console/inbox", "/console/partners"),
        *(f"/console/inbox/{one}" for one in (*inbox, ucr)),
        *(f"/v1/transfers?reference={reference}" for reference in (f"lrn:{lrn}", f"mrn:{mrn}", f"ucr:{ucr}", lrn)),
        *(f"/v1/transfers/{one}" for one in (*ids, mrn)),
        *(f"/console/transfers/{one}" for one in (*ids, lrn)),
        *(f"/console/transfers?reference=mrn:{mrn}", f"/console/transfers?{ucr}=1"),
        *(f"/v1/inbox/{one}" for one in (*inbox, ucr)),
    ):
        await _ask(run, f"{node.operations_url}{path}", node.operator_token)
    await _ask(run, f"{node.submission_url}/v1/transfers/{lrn}/receipt", node.submitter_token)


async def _use_commands(run: Run, node: NodeLayout) -> None:
    """Ask on the command line, too."""
    mrn = run.canaries.planted[f"amendment, {MRN}"]
    transfer = (await _ids(run, node, "transfers", "id"))[0]
    message = (await _ids(run, node, "inbox", "message_id"))[0]
    commands = (
        *(("transfer", "list"), ("transfer", "list", "--json"), ("transfer", "list", "--reference", f"mrn:{mrn}")),
        *(("transfer", "show", transfer), ("transfer", "show", transfer, "--json"), ("inbox", "show", message)),
    )
    run.answers += await asyncio.gather(*(_run(node, *command) for command in commands))


async def _ids(run: Run, node: NodeLayout, rows: str, name: str) -> list[str]:
    answer = orjson.loads(await _ask(run, f"{node.operations_url}/v1/{rows}", node.operator_token))
    (found,) = (value for value in answer.values() if isinstance(value, list))
    assert found
    return [one[name] for one in found]


async def _ask(run: Run, url: str, token: str) -> bytes:
    """Ask, keep the whole answer whatever its status, and return its body."""
    cookie = cookie_name(urlsplit(url).netloc, secure=False)
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"{cookie}={token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        body = await response.read()
        run.answers.append(repr(response.headers).encode() + body)
        return body


async def _run(node: NodeLayout, *command: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *command, "--config", str(node.config)),
        env={**os.environ, "GATEWAY_TOKEN": node.operator_token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output
    return output


async def _garble(run: Run, gateways: TwoGateways, port: int) -> None:
    """Send a partner's listener what is no envelope, as the partner."""
    context = as_client(gateways.gb.layout.folder / "keys" / GB, gateways.world.authority / "root.crt.pem")
    url = f"https://127.0.0.1:{port}/exchange/v1/messages"
    headers = {"Content-Type": "application/jose"}
    body = run.canaries.new(NO_ENVELOPE)
    async with aiohttp.ClientSession() as session:
        for path in (url, f"{url}/{run.canaries.new(NO_PATH)}"):
            async with session.post(path, data=body, headers=headers, ssl=context) as response:
                assert response.status >= 400
                run.answers.append(await response.read())


# ── what is left ─────────────────────────────────────────────────────────────────────────────────────────────────


def _collect(run: Run, gateways: TwoGateways, folder: Path) -> None:
    for party, side in gateways.sides.items():
        data = side.layout.data
        run.data[party] = {path.name: path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file()}
        run.data[party]["rows"] = b"\n".join(_rows(data / DATABASE, folder / f"copy-of-{party}"))
        run.logs[party] = side.process.log.read_bytes()
    seen: Sequence[Path] = [side.layout.data for side in gateways.sides.values()]
    for top in (folder / "world", folder / "scratch"):
        for path in sorted(top.rglob("*")):
            if path.is_file() and not any(path.is_relative_to(one) for one in seen):
                run.elsewhere[str(path.relative_to(folder))] = path.read_bytes()


def _rows(database: Path, copy: Path) -> Iterator[bytes]:
    """Return every value in the database, read from a copy, so that the original keeps its write-ahead log.

    SQLite cuts long values at the ends of pages, so the raw file alone would hide what a cut goes through.
    """
    copy.mkdir()
    for path in database.parent.glob(f"{database.name}*"):
        shutil.copy(path, copy)
    with closing(sqlite3.connect(copy / database.name)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                yield from (one if isinstance(one, bytes) else str(one).encode() for one in row)
