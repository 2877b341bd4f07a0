"""A partner that sends more than was agreed, where the agreement takes such messages: kept, and an alarm beside."""

from pathlib import Path

from gateway.audit import AuditEvent
from tests.integration.one_gateway import DOCUMENT, GB, agreement, one_gateway
from tests.integration.scripted_server import eventually

TAKES_ALL = agreement(GB).replace("suspended: false", "over_shared: accept_and_alarm")


async def test_it_is_accepted_handed_over_and_told_of(tmp_path: Path) -> None:
    async with one_gateway(tmp_path, agreements={"gb-fr": TAKES_ALL}) as world:
        seq = world.last_seq()
        whole = await world.gb.post(world.gb.message(DOCUMENT.read_bytes()))
        assert (whole.status, whole.said) == (200, "receipt accepted")
        accepted, alarm = [one for one in world.events(after=seq) if one.event.startswith("message.")]
        assert (accepted.event, alarm.event) == (AuditEvent.MESSAGE_ACCEPTED, AuditEvent.MESSAGE_OVER_SHARED)
        assert alarm.code == "policy.over_shared"
        assert "/MetaData/Declaration/TypeCode/@name" in str(alarm.facts["detail"])
        assert world.ask("SELECT 1 FROM inbox_payload")
        await eventually(lambda: world.backend.messages)
        told = world.backend.messages[0].metadata
        assert "/MetaData/Declaration/TypeCode/@name" in told["over_shared"]
        seq = world.last_seq()
        assert (await world.gb.post(world.gb.message())).said == "receipt accepted"
        said = [one.event for one in world.events(after=seq) if one.event.startswith("message.")]
        assert said == [AuditEvent.MESSAGE_ACCEPTED]


async def test_a_refusal_leaves_the_places_in_the_audit_and_nothing_of_the_message(tmp_path: Path) -> None:
    async with one_gateway(tmp_path) as world:
        seq = world.last_seq()
        whole = await world.gb.post(world.gb.message(DOCUMENT.read_bytes()))
        assert whole.said == "receipt refused"
        assert whole.code == "policy.over_shared"
        (refused,) = [one for one in world.events(after=seq) if one.event == AuditEvent.MESSAGE_REFUSED]
        assert "/MetaData/Declaration/TypeCode/@name" in str(refused.facts["detail"])
        assert int(refused.facts["count"]) > 0
        assert not world.ask("SELECT 1 FROM inbox")
