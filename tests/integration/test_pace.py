"""How much goes to a partner at once, and how fast after an outage, both sides real but for HTTP."""

import asyncio
from datetime import timedelta

from gateway.domain.ids import TransferId
from gateway.domain.lifecycle import TransferState
from tests.faults.traffic import MARK, SAMPLES, template
from tests.integration.desk_pair import Pair, request, until
from tests.integration.test_transfer import UNREACHABLE, reaches


async def apart(pair: Pair, number: int) -> TransferId:
    """Submit a document with references of its own, which is thus alone in its conversation."""
    document = template(SAMPLES[0]).replace(MARK, f"pace-{number:05d}").encode()
    row, _ = await pair.gb.submit(request(document, key=f"key-{number}"))
    return row.transfers[0].id


async def test_what_waited_goes_at_a_steady_rate_when_a_partner_comes_back(pair: Pair) -> None:
    pair.out_of_reach = UNREACHABLE
    waiting = [await apart(pair, number) for number in range(12)]
    clock = asyncio.get_running_loop().time
    async with pair.dispatching(catch_up=8):
        await until(lambda: pair.pinged > 0)
        assert pair.sent == []
        pair.clock.ahead += timedelta(minutes=1)  # its back-off is over
        pair.out_of_reach = None
        began = clock()
        for transfer_id in waiting:
            await reaches(pair, transfer_id, TransferState.DELIVERED)
        # Twelve in shares of two: the last share goes five quarters of a second after the first.
        assert clock() - began >= 1.25
        assert len(pair.sent) == 12
        await until(lambda: any(line["action"] == "partner.caught_up" for line in pair.telemetry.lines))
        later = await apart(pair, 12)
        await reaches(pair, later, TransferState.DELIVERED)


async def test_a_request_to_a_partner_holds_no_more_messages_than_its_setting_says(pair: Pair) -> None:
    waiting = [await apart(pair, number) for number in range(5)]
    async with pair.dispatching(batch=2):
        for transfer_id in waiting:
            await reaches(pair, transfer_id, TransferState.DELIVERED)
    assert max(pair.requests) == 2
    assert sum(pair.requests) == 5
