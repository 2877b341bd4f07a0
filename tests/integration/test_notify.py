"""We tell a partner that its message was handed over: again and again until it listens, and once it has, no more."""

import json
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.audit import AuditEvent
from gateway.envelope import verify_notice
from tests.integration.one_gateway import GB, NL, US, Event, OneGateway, one_gateway
from tests.integration.scripted_partner import ScriptedPartner, Sealed, now
from tests.integration.scripted_server import accepts, answering, eventually


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[OneGateway]:
    async with one_gateway(tmp_path / "world") as opened:
        yield opened


async def handed_over(world: OneGateway, partner: ScriptedPartner) -> Sealed:
    """Have a message of a partner accepted and handed over."""
    message = partner.message()
    assert (await partner.post(message)).said == "receipt accepted"
    owed = "SELECT 1 FROM notice_owed WHERE sender = ? AND message_id = ?"
    await eventually(lambda: world.ask(owed, partner.party, message.message_id))
    return message


def state(world: OneGateway, message: Sealed) -> tuple[str, int, str]:
    """Return how a notice stands: state, attempts, latest code."""
    ((*found,),) = world.ask(
        "SELECT state, attempts, last_code FROM notice_owed WHERE message_id = ?", message.message_id
    )
    return tuple(found)


def told(world: OneGateway, message: Sealed) -> list[Event]:
    return [one for one in world.events() if one.message_id == message.message_id and one.event.startswith("notice.")]


def check(partner: ScriptedPartner, token: str, message: Sealed) -> None:
    """Hold a notice against the message it must be about."""
    notice = verify_notice(
        token,
        verification_key=partner.trust.verification_key,
        issuer=US,
        audience=partner.party,
        message_id=message.message_id,
        digest=message.digest,
        now=now(),
    )
    assert notice.handed_over <= now()


async def test_a_partner_that_listens_is_told_once(world: OneGateway) -> None:
    async with answering(world.gb, world.ports[GB], accepts, notices=[204]) as server:
        message = await handed_over(world, world.gb)
        await eventually(lambda: state(world, message) == ("GIVEN", 1, ""))
        (record,) = told(world, message)
        assert (record.event, record.facts["digest"], record.facts["sender"]) == (
            AuditEvent.NOTICE_GIVEN,
            message.digest,
            GB,
        )
        (token,) = server.notices
    check(world.gb, token, message)
    async with world.operations() as operator:
        detail = await operator.inbox_message(message.message_id)
    assert detail.notice is not None
    assert (detail.notice.state, detail.notice.attempts) == ("GIVEN", 1)


@pytest.mark.parametrize("refusals", [[404], [503, 500], [200, 422]], ids=str)
async def test_a_partner_that_will_not_hear_is_told_again(world: OneGateway, refusals: Sequence[int]) -> None:
    async with answering(world.gb, world.ports[GB], accepts, notices=[*refusals, 204]) as server:
        message = await handed_over(world, world.gb)
        await eventually(lambda: state(world, message)[0] == "GIVEN")
        assert state(world, message)[1] == len(refusals) + 1
        assert [one.event for one in told(world, message)] == [AuditEvent.NOTICE_GIVEN]
    said = [json.loads(_claims(token)) for token in server.notices]
    assert len({one["handed_over"] for one in said}) == 1
    assert len({one["jti"] for one in said}) == len(said)
    for token in server.notices:
        check(world.gb, token, message)


async def test_what_is_owed_outlives_a_restart_and_a_partner_that_was_away(world: OneGateway) -> None:
    message = await handed_over(world, world.gb)
    await eventually(lambda: state(world, message)[:2] >= ("OWED", 1))
    assert state(world, message)[2] == "channel.unreachable"
    assert told(world, message) == []
    await world.restart()
    async with answering(world.gb, world.ports[GB], accepts, notices=[204]):
        await eventually(lambda: state(world, message)[0] == "GIVEN")


async def test_a_partner_that_hangs_holds_up_nobody_elses_notices(world: OneGateway) -> None:
    # It takes connections and says nothing, not even of TLS.
    with socket.create_server(("127.0.0.1", world.ports[GB])):
        waiting = await handed_over(world, world.gb)
        await tell_another(world)
        assert state(world, waiting) == ("OWED", 0, "")


async def tell_another(world: OneGateway) -> None:
    """Have NL told of a message of its own."""
    async with answering(world.nl, world.ports[NL], accepts, notices=[204]) as server:
        message = await handed_over(world, world.nl)
        await eventually(lambda: state(world, message)[0] == "GIVEN")
        assert len(server.notices) == 1


async def test_those_that_wait_are_told_in_one_request_and_each_is_noted_by_its_own_answer(world: OneGateway) -> None:
    messages = [await handed_over(world, world.gb) for _ in range(3)]
    await eventually(lambda: all(state(world, one)[2] == "channel.unreachable" for one in messages))
    async with answering(world.gb, world.ports[GB], accepts, notices=[204], notices_together=True) as server:
        server.unheard = {messages[1].message_id}
        await world.stop()
        world.change("UPDATE notice_owed SET next_attempt_at = 0")  # each had a pause of its own
        await world.start()
        await eventually(lambda: [state(world, one)[0] for one in messages] == ["GIVEN", "OWED", "GIVEN"])
        assert (max(server.notice_batches), state(world, messages[1])[2]) == (3, "channel.unexpected_answer")
    for message in (messages[0], messages[2]):
        assert [one.event for one in told(world, message)] == [AuditEvent.NOTICE_GIVEN]
    for token in server.notices:
        about = json.loads(_claims(token))["message_id"]
        check(world.gb, token, next(one for one in messages if one.message_id == about))


async def test_when_its_time_is_over_it_is_given_up_with_evidence(world: OneGateway) -> None:
    message = await handed_over(world, world.gb)
    await eventually(lambda: state(world, message)[1] >= 1)
    await world.stop()
    world.change("UPDATE notice_owed SET deadline = 0, next_attempt_at = 0")
    await world.start()
    await eventually(lambda: state(world, message)[0] == "GIVEN_UP")
    (record,) = told(world, message)
    assert (record.event, record.code) == (AuditEvent.NOTICE_GIVEN_UP, "channel.unreachable")


def _claims(token: str) -> bytes:
    from gateway.envelope.compact import decode

    return decode(token.split(".")[1].encode())
