"""Every kind of message goes the whole line between two real gateways, and messages that belong together keep their order.

What every sample becomes under every agreement is asked in test_travel.py; here it is one of each kind, as in the manifest.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from lxml import etree

from gateway.client import SubmittedTransfer
from gateway.document import read
from gateway.domain.limits import DocumentLimits
from gateway.domain.message import MessageKind
from tests.integration.travel import xsd
from tests.samples import CONVERSATION, SAMPLES, Sample
from tests.world import TwoGateways, two_gateways

pytestmark = pytest.mark.asyncio(loop_scope="module")

ARRIVAL_SECONDS = 60.0
SET_OF = {
    MessageKind.DECLARATION: "dms-declaration",
    MessageKind.AMENDMENT: "dms-declaration",
    MessageKind.ARRIVAL: "dms-declaration",
    MessageKind.CANCELLATION: "dms-cancellation",
    MessageKind.RESPONSE: "dms-response",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TwoGateways]:
    async with two_gateways(tmp_path_factory.mktemp("kinds")) as running:
        yield running


@pytest.mark.parametrize("kind", MessageKind)
async def test_every_kind_is_handed_over_as_a_valid_view_without_what_stays(
    gateways: TwoGateways, kind: MessageKind
) -> None:
    sample = max((one for one in SAMPLES if one.kind is kind), key=lambda one: len(one.stays))
    transfer, document = await exchange(gateways, sample)
    view = read(document, DocumentLimits())
    assert view.kind is kind
    assert xsd(SET_OF[kind]).validate(etree.fromstring(document))
    assert (transfer.kept, transfer.withheld) == (sample.kept, sample.withheld)
    assert count_content(view.root) == sample.kept
    assert sample.stays
    assert [word for word in sample.stays if word.encode() in document] == []


async def test_a_conversation_of_five_messages_is_one_without_anybody_naming_it(gateways: TwoGateways) -> None:
    before = {party: len(side.backend.by_id) for party, side in gateways.sides.items()}
    transfers = [(await exchange(gateways, sample))[0] for sample in CONVERSATION]
    assert len({one.conversation for one in transfers}) == 1
    # Each side counts its own messages.
    assert [one.sequence for one in transfers] == [1, 1, 2, 2, 3]
    for party, side in gateways.sides.items():
        got = [one.webhook_id for one in side.backend.messages]
        sent = [one.message_id for one in transfers if one.recipient == party]
        assert [one for one in dict.fromkeys(got) if one in sent] == sent
        assert len(side.backend.by_id) == before[party] + len(sent)


async def exchange(gateways: TwoGateways, sample: Sample) -> tuple[SubmittedTransfer, bytes]:
    """Submit a sample and return its transfer and what the recipient's back end was handed over."""
    async with gateways.sides[sample.sender].submissions() as client:
        submission = await client.submit(sample.raw, to=[sample.recipient])
    assert submission.kind is sample.kind
    (transfer,) = submission.transfers
    backend = gateways.sides[sample.recipient].backend
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while transfer.message_id not in backend.by_id:  # noqa: ASYNC110 - other processes make it come true
            await asyncio.sleep(0.05)
    return transfer, backend.by_id[transfer.message_id].document


def count_content(root: etree._Element) -> int:
    """Count the leaves with text, and the attributes."""
    return sum(len(one.attrib) + (not len(one) and bool(one.text)) for one in root.iter())
