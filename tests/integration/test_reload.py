"""A running node takes new rules: all of them or none, without losing what it is working on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.app import Node, rulebook_of
from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.bundled import schema_folder
from gateway.client import OperationsClient, SubmissionClient
from gateway.demo.layout import NodeLayout, copy_agreement, lay_out
from gateway.domain.ids import PartyId
from gateway.domain.lifecycle import TransferState
from gateway.errors import ConfigurationError, GatewayError, StorageError
from gateway.policy import read_policy
from gateway.settings import load_configuration
from gateway.storage import database_chains, database_records
from tests.integration.desk_pair import QuietTelemetry

GB, FR = PartyId("GB-HMRC"), PartyId("FR-DGDDI")
DOCUMENTS = ("import-two-items.xml", "export-one-item.xml", "import-supplementary.xml", "import-minimal.xml")


@pytest.fixture
def layout(tmp_path: Path) -> NodeLayout:
    """The files of one node with one worker process, and agreements of its own."""
    agreements = copy_agreement("gb-fr", tmp_path / "config")
    return lay_out(tmp_path, [GB, FR], agreements=agreements, now=datetime.now(UTC), workers=1).nodes[GB]


@pytest.fixture
async def node(layout: NodeLayout) -> AsyncIterator[Node]:
    configuration = load_configuration(layout.config)
    async with Node(configuration.node, rulebook_of(configuration), QuietTelemetry()) as running:
        yield running


UNSPEAKABLE = "  - drop: //Consignee/Name\n    when: {kind: response}\n"


def told(node: Node) -> list[str]:
    telemetry = node._telemetry
    assert isinstance(telemetry, QuietTelemetry)
    return [str(line["warning"]) for line in telemetry.lines if line["action"] == "policy.check"]


def change(layout: NodeLayout, before: str, after: str) -> None:
    """Write another text into the agreement file."""
    file = layout.folder.parent / "config" / "agreements" / "gb-fr.yaml"
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")


def recorded(layout: NodeLayout, event: AuditEvent) -> list[dict[str, str | int]]:
    (chain,) = database_chains(layout.data / DATABASE)
    records = database_records(layout.data / DATABASE, chain)
    return [dict(record.entry.facts) for record in records if record.entry.event is event]


def versions(layout: NodeLayout) -> list[str | int]:
    return [facts["agreement_version"] for facts in recorded(layout, AuditEvent.TRANSFER_ACCEPTED)]


async def submit(layout: NodeLayout, number: int = 0, name: str = DOCUMENTS[0]) -> None:
    document = (schema_folder() / "samples" / "valid" / name).read_bytes()
    async with SubmissionClient(layout.submission_url, layout.submitter_token) as client:
        await client.submit(document, to=[FR], idempotency_key=f"key-{number}")


async def test_what_comes_after_a_reload_is_judged_by_the_new_rules(layout: NodeLayout, node: Node) -> None:
    await submit(layout, 1)
    change(layout, "version: 1", "version: 2")
    told = await node.reload(actor="system")
    await submit(layout, 2)
    assert (told.changed, told.generation, told.agreements) == (True, 2, ("gb-fr version 2",))
    assert versions(layout) == [1, 2]
    assert recorded(layout, AuditEvent.NODE_RELOADED) == [{"generation": 2, "rules_sha256": told.rules_sha256}]


async def test_a_suspension_stops_what_waits_at_once_though_the_partner_is_away(layout: NodeLayout, node: Node) -> None:
    for number, name in enumerate(DOCUMENTS):
        await submit(layout, number, name)  # nobody listens where the partner should
    change(layout, "suspended: false", "suspended: true")
    told = await node.reload(actor="operator:eve")
    assert (told.not_in_force, told.held) == (("gb-fr version 1",), len(DOCUMENTS))
    async with OperationsClient(layout.operations_url, layout.operator_token) as client:
        rows, _ = await client.transfers()
    assert {(row.state, row.code) for row in rows} == {(TransferState.HELD, "agreement.not_in_force")}
    assert [one["code"] for one in recorded(layout, AuditEvent.TRANSFER_HELD)] == ["agreement.not_in_force"] * len(rows)


@contextmanager
def nothing_comes_into_force(database: Path) -> Iterator[None]:
    """Have the database itself take no row that says what is in force."""
    with closing(sqlite3.connect(database, isolation_level=None)) as beside:
        beside.execute("CREATE TRIGGER no_more BEFORE INSERT ON in_force BEGIN SELECT RAISE(ABORT, 'no'); END")
        try:
            yield
        finally:
            beside.execute("DROP TRIGGER no_more")


async def test_evidence_that_could_not_be_written_is_written_by_the_next_reload(layout: NodeLayout, node: Node) -> None:
    change(layout, "version: 1", "version: 2")
    with nothing_comes_into_force(layout.data / DATABASE), pytest.raises(StorageError):
        await node.reload(actor="operator:eve")
    told = await node.reload(actor="operator:adam")
    assert told.agreements == ("gb-fr version 2",)
    came = [one["agreement_version"] for one in recorded(layout, AuditEvent.AGREEMENT_IN_FORCE)]
    assert came == [1, 2]
    assert (await node.reload(actor="operator:adam")).changed is False


async def test_files_that_say_the_same_change_nothing(layout: NodeLayout, node: Node) -> None:
    told = await node.reload(actor="system")
    assert (told.changed, told.generation) == (False, 1)
    assert recorded(layout, AuditEvent.NODE_RELOADED) == []


async def test_rules_with_an_error_change_nothing_and_every_error_is_named(layout: NodeLayout, node: Node) -> None:
    change(layout, "version: 1", "version: none")
    with pytest.raises(ConfigurationError) as refused:
        await node.reload(actor="system")
    assert refused.value.code == "config.reload_refused"
    assert ["gb-fr.yaml" in line and "version" in line for line in refused.value.facts["findings"]] == [True]
    await submit(layout)
    assert versions(layout) == [1]


async def test_what_takes_a_restart_is_named_and_nothing_is_taken(layout: NodeLayout, node: Node) -> None:
    change(layout, "version: 1", "version: 2")
    text = layout.config.read_text(encoding="utf-8")
    layout.config.write_text(text.replace('poll = "500ms"', 'poll = "400ms"'), encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        await node.reload(actor="system")
    assert [finding.key for finding in refused.value.findings] == ["timing"]
    await submit(layout)
    assert versions(layout) == [1]


async def test_a_key_that_new_workers_can_not_open_leaves_the_old_ones_at_work(layout: NodeLayout, node: Node) -> None:
    change(layout, "version: 1", "version: 2")
    (layout.folder / "keys" / GB / "sign-1.key.pem").chmod(0o644)
    with pytest.raises(GatewayError):
        await node.reload(actor="system")
    await submit(layout)
    assert versions(layout) == [1]


async def test_submissions_during_a_reload_are_all_accepted_under_one_of_the_two(
    layout: NodeLayout, node: Node
) -> None:
    stop = asyncio.Event()

    async def keep_submitting(client: int, name: str) -> int:
        """Each of a conversation of its own, so that they do not wait for each other."""
        sent = 0
        while not stop.is_set():
            await submit(layout, client * 1000 + sent, name)
            sent += 1
        return sent

    clients = [asyncio.create_task(keep_submitting(number, name)) for number, name in enumerate(DOCUMENTS)]
    for version in range(2, 5):
        change(layout, f"version: {version - 1}", f"version: {version}")
        assert (await node.reload(actor="system")).generation == version
    stop.set()
    sent = sum(await asyncio.gather(*clients))
    await submit(layout, 9999)
    assert len(versions(layout)) == sent + 1
    assert set(versions(layout)) == {1, 2, 3, 4}
    assert versions(layout)[-1] == 4


async def test_a_reload_logs_what_the_check_of_the_policies_warns_of(layout: NodeLayout, node: Node) -> None:
    file = layout.folder.parent / "config" / "policies" / "customs-cooperation.yaml"
    text = file.read_text(encoding="utf-8").replace("rules:\n", f"rules:\n{UNSPEAKABLE}")
    file.write_text(text, encoding="utf-8")
    assert told(node) == []
    await node.reload(actor="system")
    warnings = told(node)
    (warning,) = (one for one in warnings if "never holds" in one)
    assert "customs-cooperation.yaml" in warning
    assert not (await node.reload(actor="system")).changed
    assert told(node) == warnings


async def test_every_text_that_was_in_force_can_be_read_again(layout: NodeLayout, node: Node) -> None:
    file = layout.folder.parent / "config" / "agreements" / "gb-fr.yaml"
    before = file.read_text(encoding="utf-8")
    change(layout, "version: 1", "version: 2")
    await node.reload(actor="operator:eve")
    async with OperationsClient(layout.operations_url, layout.operator_token) as client:
        newer, older = await client.rule_history(of="gb-fr")
        assert (newer["version"], newer["until"], newer["by"]) == (2, None, "operator:eve")
        assert (older["version"], older["until"]) == (1, newer["since"])
        assert (await client.rule_text(older["text_sha256"]))["text"] == before
        (policy,) = {one["text_sha256"] for one in await client.rule_history(of="customs-cooperation")}
        text = await client.rule_text(policy)
    assert read_policy(text["text"].encode(), file="restored.yaml").sha256 == text["sha256"]
    came = recorded(layout, AuditEvent.AGREEMENT_IN_FORCE)
    assert [one["agreement_version"] for one in came] == [1, 2]
    assert [one["agreement_version"] for one in recorded(layout, AuditEvent.AGREEMENT_WITHDRAWN)] == [1]
    assert recorded(layout, AuditEvent.POLICY_WITHDRAWN) == []
    assert {one["policy"] for one in recorded(layout, AuditEvent.POLICY_IN_FORCE)} >= {"customs-cooperation"}
