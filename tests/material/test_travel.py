"""Every valid message we have travels between real gateways, and an independent oracle judges what arrived.

Between the first two in both directions, and to two more under policies that withhold much.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.client import ClientError, Submission, SubmissionClient
from gateway.domain.ids import PartyId
from tests.integration.travel import Tapped, judge, tapped_gateways
from tests.material.conftest import Labelled
from tests.world import FR, GB

NL, NO = PartyId("NL-DOUANE"), PartyId("NO-TOLL")
TRAVELLING = {
    "declaration": "declaration",
    "amendment": "amendment",
    "arrival": "arrival",
    "response": "response",
    "notification": "response",
    "cancellation": "cancellation",
}
"""Kind of the label → message kind."""


DECLARING = {"declaration", "amendment", "arrival", "cancellation"}
WAYS = {
    (GB, FR): {*DECLARING, "response"},
    (FR, GB): {*DECLARING, "response"},
    (GB, NL): DECLARING,
    (NL, GB): {"response"},
    (GB, NO): {"declaration"},
}
"""What the example agreements permit from whom to whom."""


async def test_every_valid_message_arrives_as_the_policy_says_and_as_nothing_else(
    published: list[Labelled], tmp_path: Path, count: Callable[..., None]
) -> None:
    valid = [one for one in published if one.valid and one.kind in TRAVELLING]
    assert {one.kind for one in valid} == set(TRAVELLING)
    async with tapped_gateways(tmp_path, ["gb-fr", "gb-nl", "gb-no"]) as tapped:
        for (sender, recipient), kinds in WAYS.items():
            labels = []
            for one in valid:
                if (kind := TRAVELLING[one.kind]) in kinds:
                    if tapped.agreed_way(sender, recipient, kind).oracle.refused_by(one.path.read_bytes()):
                        await _find_refused(tapped, sender, recipient, one)
                        count(f"valid {kind} messages that the policy to {recipient} does not permit")
                    else:
                        labels.append(one)
            submissions = await _submit(tapped, sender, recipient, labels)
            for label, submission in zip(labels, submissions, strict=True):
                await tapped.release(submission, recipient, label.path.read_bytes())
            message_ids = [one.transfers[0].message_id for one in submissions]
            arrived = await tapped.arrive(recipient, message_ids)
            sent = tapped.sent(sender, recipient)
            assert arrived.keys() >= set(message_ids)
            assert sent.keys() == set(message_ids)
            for label, submission, message_id in zip(labels, submissions, message_ids, strict=True):
                assert submission.kind.value == TRAVELLING[label.kind], label.path.name
                agreed = tapped.agreed(submission, recipient)
                found = judge(label.path.read_bytes(), sent[message_id], arrived[message_id], agreed)
                assert not found, (recipient, label.path.name, found)
                count(f"valid {TRAVELLING[label.kind]} messages arrived from {sender} at {recipient} as agreed")
            for what in ("kept", "withheld"):
                number = sum(getattr(one.transfers[0], what) for one in submissions)
                count(f"leaves and attributes {what} from {sender} to {recipient}", number)


async def _find_refused(tapped: Tapped, sender: PartyId, recipient: PartyId, label: Labelled) -> None:
    async with tapped.gateways.sides[sender].submissions() as client:
        with pytest.raises(ClientError) as refusal:
            await client.submit(label.path.read_bytes(), to=[recipient])
        assert [one["code"] for one in refusal.value.problem["recipients"]] == ["policy.not_permitted"]


async def _submit(tapped: Tapped, sender: PartyId, recipient: PartyId, labels: list[Labelled]) -> list[Submission]:
    side = tapped.gateways.sides[sender]
    few = asyncio.Semaphore(4)

    async def one(client: SubmissionClient, label: Labelled) -> Submission:
        async with few:
            document = await asyncio.to_thread(label.path.read_bytes)
            return await client.submit(document, to=[recipient], idempotency_key=f"{recipient}/{label.path.name}")

    async with side.submissions() as client:
        return list(await asyncio.gather(*(one(client, label) for label in labels)))
