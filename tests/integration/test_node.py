"""A node as a whole, in this process: what its start records, and what it refuses to start with."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.app import Node, check_all, check_start, rulebook_of
from gateway.app.node import DATABASE
from gateway.audit import AuditEvent
from gateway.demo.layout import NodeLayout, copy_agreement, lay_out
from gateway.domain.ids import PartyId
from gateway.errors import ConfigurationError, GatewayError
from gateway.settings import Configuration, load_configuration
from gateway.storage import database_chains, database_records, verify_database
from gateway.trust.pki import refresh_crls
from tests.integration.desk_pair import QuietTelemetry

GB, FR = PartyId("GB-HMRC"), PartyId("FR-DGDDI")


@pytest.fixture
def layout(tmp_path: Path) -> NodeLayout:
    """The files of one node."""
    agreements = copy_agreement("gb-fr", tmp_path / "config")
    return lay_out(tmp_path, [GB, FR], agreements=agreements, now=datetime.now(UTC), workers=0).nodes[GB]


def node_of(configuration: Configuration) -> Node:
    return Node(configuration.node, rulebook_of(configuration), QuietTelemetry())


def recorded(layout: NodeLayout) -> list[tuple[AuditEvent, dict[str, str | int]]]:
    database = layout.data / DATABASE
    (chain,) = database_chains(database)
    return [(record.entry.event, dict(record.entry.facts)) for record in database_records(database, chain)]


async def test_a_node_records_its_start_and_its_stop(layout: NodeLayout) -> None:
    async with node_of(load_configuration(layout.config)) as node:
        assert set(node.listeners) == {"submission", "operations", "partner"}
    first, *followed, last = [event for event, _ in recorded(layout)]
    assert (first, last) == (AuditEvent.NODE_STARTED, AuditEvent.NODE_STOPPED)
    # A first start brings the texts of its rules into force, which is evidence too.
    assert set(followed) == {AuditEvent.AGREEMENT_IN_FORCE, AuditEvent.POLICY_IN_FORCE}
    assert [verdict.intact for verdict in verify_database(layout.data / DATABASE)] == [True]


async def test_whatever_weakens_a_promise_is_recorded_at_every_start(layout: NodeLayout) -> None:
    configuration = load_configuration(layout.config)
    weak = replace(configuration, node=replace(configuration.node, insecure_plain_at_rest=True))
    async with node_of(weak):
        pass
    assert (AuditEvent.NODE_INSECURE, {"setting": "insecure_plain_at_rest"}) in recorded(layout)


async def test_a_node_without_a_key_for_sealing_does_not_start(layout: NodeLayout) -> None:
    configuration = load_configuration(layout.config)
    keyless = replace(configuration, node=replace(configuration.node, at_rest=None))
    with pytest.raises(ConfigurationError):
        async with node_of(keyless):
            pytest.fail("it started")


async def test_a_second_process_can_not_write_to_the_same_store(layout: NodeLayout) -> None:
    configuration = load_configuration(layout.config)
    async with node_of(configuration):
        with pytest.raises(GatewayError) as refused:
            async with node_of(configuration):
                pytest.fail("it started")
    assert refused.value.code == "storage.locked"


async def test_a_key_that_others_can_read_is_not_started_with(layout: NodeLayout) -> None:
    configuration = load_configuration(layout.config)
    configuration.node.parties[0].signing[0].key.chmod(0o644)
    with pytest.raises(GatewayError) as refused:
        async with node_of(configuration):
            pytest.fail("it started")
    assert refused.value.code == "trust.key_exposed"


async def test_every_fault_of_keys_and_secrets_is_told_at_once(layout: NodeLayout) -> None:
    (layout.folder / "at-rest.key").chmod(0o644)
    (layout.folder / "webhook.secret").write_text("no secret")
    (layout.folder / "tokens" / "jwks.json").write_text("{}")
    (layout.folder / "partners" / FR / "partner.json").write_text("{}")
    with pytest.raises(ConfigurationError) as refused:
        check_start(load_configuration(layout.config))
    assert [finding.key for finding in refused.value.findings] == [
        "trust, parties, partners",
        "at_rest",
        "tokens",
        "parties.backend",
    ]


async def test_a_node_that_would_start_has_no_findings(layout: NodeLayout) -> None:
    check_start(load_configuration(layout.config))
    assert not layout.data.exists()


@pytest.mark.parametrize("trouble", ["missing", "unreadable", "stale"])
async def test_a_check_tells_of_revocation_lists_that_a_start_can_do_without(layout: NodeLayout, trouble: str) -> None:
    configuration = load_configuration(layout.config)
    check_all(configuration)
    crl = configuration.node.trust.crls[0]
    if trouble == "missing":
        crl.unlink()
    elif trouble == "unreadable":
        crl.write_text("no list")
    else:
        refresh_crls(crl.parent, now=datetime.now(UTC) - timedelta(days=30))
    check_start(configuration)
    with pytest.raises(ConfigurationError) as refused:
        check_all(configuration)
    assert {finding.key for finding in refused.value.findings} == {"trust.crls"}
    assert all(finding.problem and finding.fix for finding in refused.value.findings)


async def test_a_start_that_fails_leaves_nothing_running(layout: NodeLayout) -> None:
    configuration = load_configuration(layout.config)
    configuration.node.parties[0].backend.secret_file.write_text("no secret")  # type: ignore[union-attr]  # it has one
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            async with node_of(configuration):
                pytest.fail("it started")
