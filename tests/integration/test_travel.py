"""Our own samples travel between four real gateways under all three example agreements; the oracle judges each view.

One run of the gateways serves all tests of this file, so each test looks only at its own messages.
"""

import dataclasses
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.app.node import DATABASE
from gateway.bundled import schema_folder
from gateway.client import ClientError, Submission
from gateway.domain.ids import PartyId
from gateway.domain.message import MessageKind
from tests.integration.relay import Request
from tests.integration.travel import OnTheWire, Tapped, judge, tapped_gateways
from tests.samples import BY_FILE, SAMPLES
from tests.world import FR, GB

pytestmark = pytest.mark.asyncio(loop_scope="module")

NL, NO = PartyId("NL-DOUANE"), PartyId("NO-TOLL")
VALID = schema_folder() / "samples" / "valid"
DECLARATIONS = {MessageKind.DECLARATION}
CHANGES = {MessageKind.AMENDMENT, MessageKind.ARRIVAL, MessageKind.CANCELLATION}
RESPONSES = {MessageKind.RESPONSE}
PERMITTED = {
    (GB, FR): DECLARATIONS | CHANGES | RESPONSES,
    (FR, GB): DECLARATIONS | CHANGES | RESPONSES,
    (GB, NL): DECLARATIONS | CHANGES,
    (NL, GB): RESPONSES,
    (GB, NO): DECLARATIONS,
}
"""What the example agreements permit from whom to whom."""
NOT_PERMITTED = {NL: ["import-temporary-admission.xml"], NO: ["import-customs-warehouse.xml"]}
"""Samples that a policy does not permit for what they are about."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tapped(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Tapped]:
    async with tapped_gateways(tmp_path_factory.mktemp("four"), ["gb-fr", "gb-nl", "gb-no"]) as running:
        yield running


async def test_every_sample_arrives_as_the_policy_says_and_as_nothing_else(tapped: Tapped) -> None:
    assert {f"valid/{one.name}" for one in VALID.glob("*.xml")} == BY_FILE.keys()
    for (sender, recipient), kinds in PERMITTED.items():
        names: list[str] = []
        refused: list[str] = []
        for one in SAMPLES:
            if one.kind in kinds:
                oracle = tapped.agreed_way(sender, recipient, one.kind.value).oracle
                (refused if oracle.refused_by(one.raw) else names).append(one.file.removeprefix("valid/"))
        assert refused == NOT_PERMITTED.get(recipient, [])
        for name in refused:
            with pytest.raises(ClientError) as refusal:
                await submit(tapped, sender, [recipient], name)
            assert [one["code"] for one in refusal.value.problem["recipients"]] == ["policy.not_permitted"]
        submissions = {name: await submit(tapped, sender, [recipient], name) for name in names}
        for name, submission in submissions.items():
            await tapped.release(submission, recipient, read(name))
        message_ids = {name: one.transfers[0].message_id for name, one in submissions.items()}
        arrived = await tapped.arrive(recipient, message_ids.values())
        sent = tapped.sent(sender, recipient)
        for name, message_id in message_ids.items():
            agreed = tapped.agreed(submissions[name], recipient)
            found = judge(read(name), sent[message_id], arrived[message_id], agreed)
            assert not found, (sender, recipient, name, found)


async def test_a_document_for_several_parties_gives_each_its_own_transfer_and_view(tapped: Tapped) -> None:
    name = "import-two-items.xml"
    submission = await submit(tapped, GB, [FR, NL, NO], name)
    transfers = {one.recipient: one for one in submission.transfers}
    assert sorted(one.recipient for one in submission.transfers) == [FR, NL, NO]
    views: dict[PartyId, bytes] = {}
    headers: dict[PartyId, Any] = {}
    for recipient, transfer in transfers.items():
        arrived = await tapped.arrive(recipient, [transfer.message_id])
        views[recipient] = arrived[transfer.message_id]
        sent = tapped.sent(GB, recipient)[transfer.message_id]
        headers[recipient] = json.loads(sent[0].jws_header)["wcx"]
        found = judge(read(name), sent, views[recipient], tapped.agreed(submission, recipient))
        assert not found, (recipient, found)
    for one, other in combinations(transfers, 2):
        assert views[one] != views[other]
        # Two partners who compare what they got learn from no header that it was one document.
        assert not {headers[one][name] for name in ("id", "conversation", "nonce")} & {
            headers[other][name] for name in ("id", "conversation", "nonce")
        }


@pytest.mark.parametrize(
    ("name", "recipients", "problems"),
    [
        ("amendment.xml", [FR, NL, NO], {NO: "agreement.kind_not_covered"}),
        ("import-two-items.xml", [FR, PartyId("XX-NOBODY")], {"XX-NOBODY": "agreement.none"}),
        (
            "response-accepted.xml",
            [FR, NL, NO],
            {NL: "agreement.kind_not_covered", NO: "agreement.kind_not_covered"},
        ),
        ("cancellation.xml", [FR, NL, NO], {NO: "agreement.kind_not_covered"}),
    ],
)
async def test_one_recipient_who_may_not_have_it_refuses_the_whole_submission(
    tapped: Tapped, name: str, recipients: list[PartyId], problems: Mapping[str, str]
) -> None:
    before, records = stored(tapped), audited(tapped)
    with pytest.raises(ClientError) as refusal:
        await submit(tapped, GB, recipients, name)
    told = {one["recipient"]: one["code"] for one in refusal.value.problem["recipients"]}
    assert refusal.value.code == "request.recipients_refused"
    assert told == problems
    assert stored(tapped) == before
    (record,) = audited(tapped)[len(records) :]
    assert record["event"] == "submission.refused"


FAULTS: Mapping[str, Callable[[OnTheWire], tuple[OnTheWire, bytes]]] = {
    "a comment in the view": lambda one: _payload(one, one.payload.replace(b"</", b"<!-- x --></", 1)),
    "a blank between elements": lambda one: _payload(one, one.payload.replace(b"><dec:", b"> <dec:", 1)),
    "a blank before the root": lambda one: _payload(one, one.payload.replace(b"?><", b"?> <", 1)),
    "a line break after the root": lambda one: _payload(one, one.payload + b"\n"),
    "a blank in a tag": lambda one: _payload(one, one.payload.replace(b"</dec:TypeCode>", b"</dec:TypeCode >", 1)),
    "a character reference": lambda one: _payload(one, one.payload.replace(b">IMA<", b">IM&#65;<", 1)),
    "a CDATA section": lambda one: _payload(one, one.payload.replace(b">IMA<", b"><![CDATA[IMA]]><", 1)),
    "a leaf less": lambda one: _payload(one, one.payload.replace(b"<dec:TypeCode>IMA</dec:TypeCode>", b"", 1)),
    "another view handed over": lambda one: (one, one.payload.replace(b"IMA", b"IMZ", 1)),
    "a member more in the signed header": lambda one: (_member(one, "jws_header", "lrn", "x"), one.payload),
    "a member more in the outer header": lambda one: (_member(one, "jwe_header", "apu", "x"), one.payload),
    "a blank in the outer header": lambda one: (
        dataclasses.replace(one, jwe_header=one.jwe_header.replace(b",", b", ", 1)),
        one.payload,
    ),
    "a header more in the request": lambda one: (_request(one, "x-reference", "x"), one.payload),
    "a value in a header of the request": lambda one: (_request(one, "user-agent", "SAMPLE-IM-0001"), one.payload),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_judge_of_these_tests_sees_a_fault(tapped: Tapped, fault: str) -> None:
    name = "import-two-items.xml"
    submission = await submit(tapped, GB, [FR], name)
    message_id = submission.transfers[0].message_id
    handed_over = (await tapped.arrive(FR, [message_id]))[message_id]
    (message,) = tapped.sent(GB, FR)[message_id]
    agreed = tapped.agreed(submission, FR)
    assert not judge(read(name), [message], handed_over, agreed)
    spoiled, view = FAULTS[fault](message)
    assert judge(read(name), [spoiled], view, agreed)


def _payload(message: OnTheWire, payload: bytes) -> tuple[OnTheWire, bytes]:
    return dataclasses.replace(message, payload=payload), payload


def _member(message: OnTheWire, header: str, name: str, value: str) -> OnTheWire:
    changed = json.dumps({**json.loads(getattr(message, header)), name: value}, separators=(",", ":")).encode()
    if header == "jws_header":
        return dataclasses.replace(message, jws_header=changed)
    return dataclasses.replace(message, jwe_header=changed)


def _request(message: OnTheWire, name: str, value: str) -> OnTheWire:
    http = message.http
    headers = {**http.headers, name: value}
    return dataclasses.replace(message, http=Request(line=http.line, headers=headers, body=http.body))


async def submit(tapped: Tapped, sender: PartyId, recipients: list[PartyId], name: str) -> Submission:
    async with tapped.gateways.sides[sender].submissions() as client:
        return await client.submit(read(name), to=recipients)


def read(name: str) -> bytes:
    return (VALID / name).read_bytes()


def stored(tapped: Tapped) -> Mapping[str, list[Any]]:
    """Return every row about submissions in the sender's database."""
    tables = ("submission", "original", "idempotency", "reference", "conversation", "conversation_key", "payload")
    with closing(_database(tapped)) as database:
        rows = {table: sorted(database.execute(f"SELECT * FROM {table}")) for table in tables}
        # Other tests' transfers may still be on their way, so of these only which there are.
        return {**rows, "transfer": sorted(database.execute("SELECT id FROM transfer"))}


def audited(tapped: Tapped) -> list[dict[str, Any]]:
    """Return what the sender's audit says about what was submitted."""
    with closing(_database(tapped)) as database:
        found = database.execute("SELECT event, actor, facts FROM audit WHERE event LIKE 'submission.%' ORDER BY seq")
        return [{"event": event, "actor": actor, "facts": json.loads(facts)} for event, actor, facts in found]


def _database(tapped: Tapped) -> sqlite3.Connection:
    path: Path = tapped.gateways.gb.layout.data / DATABASE
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)
