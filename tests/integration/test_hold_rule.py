"""A rule of an agreement that holds, over one real gateway and real mutual TLS: held, released by an officer, delivered."""

from pathlib import Path

from gateway.client import OperationsClient
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
