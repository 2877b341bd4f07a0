"""A rule of an agreement that holds, or its policy, over one real gateway and real mutual TLS: held, released by an
officer, delivered."""

from pathlib import Path

import pytest

from gateway.client import ClientError, OperationsClient
from gateway.domain.access import Role
from gateway.domain.hold import HoldCause
from gateway.domain.lifecycle import TransferState
from tests.integration.hostile_sending import Underway, new_document
from tests.integration.one_gateway import GB, OneGateway, one_gateway
from tests.integration.scripted_server import accepts, answering

OURS = """    to: GB-HMRC
    kinds: [declaration, amendment, arrival]
    schema_set: dms-declaration
    policy: ../policies/customs-cooperation.yaml
    profile:
      rules: dms-declaration
"""
HOLDS = f"""{OURS}      severities:
        envelope-names-the-release: hold
"""


def hold_other_releases(world: OneGateway) -> None:
    """Have our flow hold what names another release of the data model."""
    file = world.agreements / "gb-fr.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count(OURS) == 1
    file.write_text(text.replace(OURS, HOLDS), encoding="utf-8")


async def test_what_a_rule_of_the_agreement_holds_is_delivered_after_its_release(tmp_path: Path) -> None:
    async with one_gateway(tmp_path, start=False) as world:
        hold_other_releases(world)
        await world.start()
        document = new_document()
        named = b"WCODataModelVersionCode>3.6<"
        assert named in document
        async with world.submissions() as client:
            submission = await client.submit(document.replace(named, named.replace(b"3.6", b"3.7")), to=[GB])
        (transfer,) = submission.transfers
        assert transfer.hold is not None
        assert (transfer.state, transfer.digest, transfer.hold.cause) == (TransferState.HELD, "", HoldCause.RULES)
        told = [(rule.rule, rule.path) for rule in transfer.hold.rules]
        assert told == [("envelope-names-the-release", "/MetaData/WCODataModelVersionCode")]
        assert "3.7" not in f"{transfer.hold} {transfer.detail}"
        assert world.node is not None
        url = world.node.listeners["operations"].url
        async with (
            answering(world.gb, world.ports[GB], accepts),
            OperationsClient(url, world.tokens[Role.OFFICER]) as officer,
        ):
            released = await officer.release_transfer(transfer.id, reason="The other release is known to us")
            assert (released.state, bool(released.digest)) == (TransferState.QUEUED, True)
            await Underway(world=world, id=transfer.id).reaches("DELIVERED")
        assert [one.event for one in world.events(transfer_id=transfer.id)] == [
            "transfer.accepted",
            "transfer.held",
            "transfer.released",
            "transfer.claimed",
            "transfer.delivered",
        ]


DEMANDS = """
require:
  - when: {type-code: [IM*, EX*]}
    reason: Only imports and exports are covered
    legal: Article 2
hold:
  - when: {kind: [declaration]}
    reason: Declarations are looked at first
    legal: Article 9
"""


def demand(world: OneGateway) -> None:
    """Have the policy of our flow require and hold, beside the rule that holds."""
    hold_other_releases(world)
    file = world.agreements.parent / "policies" / "customs-cooperation.yaml"
    file.write_text(file.read_text(encoding="utf-8") + DEMANDS, encoding="utf-8")


async def test_what_the_policy_holds_waits_with_what_rules_hold_and_what_it_does_not_permit_is_refused(
    tmp_path: Path,
) -> None:
    async with one_gateway(tmp_path, start=False) as world:
        demand(world)
        await world.start()
        document = new_document().replace(b"VersionCode>3.6<", b"VersionCode>3.7<")
        assert document.count(b">EXD<") == 1
        async with world.submissions() as client:
            submission = await client.submit(document, to=[GB])
            with pytest.raises(ClientError) as caught:
                await client.submit(document.replace(b">EXD<", b">COD<"), to=[GB])
        problem = str(caught.value.problem)
        assert "policy.not_permitted" in problem
        assert "Only imports and exports are covered (Article 2)" in problem
        assert str(tmp_path) not in problem
        (transfer,) = submission.transfers
        assert transfer.hold is not None
        assert transfer.hold.cause is HoldCause.RULES
        by_policy, by_rule = transfer.hold.rules
        assert (by_policy.code, by_policy.message) == ("policy.hold", "Declarations are looked at first (Article 9)")
        assert by_policy.rule.startswith("customs-cooperation:")
        assert by_rule.rule == "envelope-names-the-release"
        assert "Declarations are looked at first (Article 9)" in transfer.detail
        assert world.node is not None
        url = world.node.listeners["operations"].url
        async with (
            answering(world.gb, world.ports[GB], accepts),
            OperationsClient(url, world.tokens[Role.OFFICER]) as officer,
        ):
            released = await officer.release_transfer(transfer.id, reason="Looked at it")
            assert (released.state, bool(released.digest)) == (TransferState.QUEUED, True)
            await Underway(world=world, id=transfer.id).reaches("DELIVERED")
        held = next(one for one in world.events(transfer_id=transfer.id) if one.event == "transfer.held")
        assert held.facts["count"] == 2
